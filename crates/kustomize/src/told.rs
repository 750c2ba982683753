//! Who is told what replacements make of a part of a value.

use std::fmt;
use std::sync::Arc;

/// Takes a value, and a text that was made of it.
type Listener = dyn Fn(&str, &str) + Send + Sync;

/// Is told of each text that is a part of a value, or has one among others in it. Nobody, by default.
#[derive(Clone, Default)]
pub struct Told(Option<Arc<Listener>>);

impl Told {
    /// Tells this one: of the value first, of what was made of it second.
    pub fn new(listener: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(crate) fn tell(&self, value: &str, made: &str) {
        if let Some(listener) = &self.0 {
            listener(value, made);
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}
