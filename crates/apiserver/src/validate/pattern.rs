//! Regular expressions of schemas and rules, kept once they are compiled.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use regex::Regex;

/// A compiled expression; `None` when it is none, or too large.
pub(super) fn compiled(text: &str) -> Option<Arc<Regex>> {
    static KEPT: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    if let Some(pattern) = KEPT.lock().get(text) {
        return Some(Arc::clone(pattern));
    }
    let pattern = Arc::new(Regex::new(text).ok()?);
    let mut kept = KEPT.lock();
    if kept.len() >= MOST {
        kept.clear();
    }
    kept.insert(text.to_owned(), Arc::clone(&pattern));
    Some(pattern)
}

const MOST: usize = 1000;
