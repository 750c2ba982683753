//! One series of a metric: a number, or values by steps.

/// What was seen so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The number; of values by steps their sum.
    pub value: f64,
    /// How many values are not above each step.
    pub steps: Vec<u64>,
    /// How many values there are.
    pub count: u64,
}

impl Series {
    /// Takes a value.
    pub fn observe(&mut self, bounds: &[f64], value: f64) {
        self.steps.resize(bounds.len(), 0);
        for (count, bound) in self.steps.iter_mut().zip(bounds) {
            *count += u64::from(value <= *bound);
        }
        self.value += value;
        self.count += 1;
    }
}

/// The steps for times in and out of queues: from 10 ns to 1000 s.
pub const QUEUE: [f64; 12] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0];
