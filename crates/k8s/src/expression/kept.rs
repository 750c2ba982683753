//! What was made of texts and is kept: the oldest goes first.

use std::collections::{HashMap, VecDeque};

/// Values by their texts.
pub struct Kept<T> {
    values: HashMap<String, (T, usize)>,
    order: VecDeque<String>,
    bytes: usize,
    most: usize,
}

impl<T> Kept<T> {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Kept<T> {
        Kept { values: HashMap::new(), order: VecDeque::new(), bytes: 0, most }
    }

    /// What was made of a text.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<&T> {
        self.values.get(text).map(|(value, _)| value)
    }

    /// Keeps what was made of a text, and what goes with it takes so many bytes besides.
    pub fn put(&mut self, text: &str, value: T, bytes: usize) {
        let bytes = bytes.saturating_add(2 * text.len());
        if let Some((_, before)) = self.values.insert(text.to_owned(), (value, bytes)) {
            self.bytes = self.bytes - before + bytes;
        } else {
            self.order.push_back(text.to_owned());
            self.bytes = self.bytes.saturating_add(bytes);
        }
        while self.bytes > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.values.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut kept = Kept::new(1000);
        for number in 0..100 {
            kept.put(&number.to_string(), number, 96);
            kept.put(&number.to_string(), number, 96);
        }
        assert!(kept.get("99") == Some(&99) && kept.get("90") == Some(&90) && kept.get("89").is_none());
        assert!(kept.bytes == 1000 && kept.order.len() == 10 && kept.values.len() == 10);
        kept.put("large", 0, 1000);
        assert!(kept.values.is_empty() && kept.order.is_empty() && kept.bytes == 0);
    }
}
