//! Regular expressions of schemas and rules, in Go's syntax, kept compiled.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use regex::Regex;

/// A compiled expression.
///
/// # Errors
/// What is wrong with it, or that it is too large.
pub(super) fn compiled(text: &str) -> Result<Arc<Regex>, String> {
    static KEPT: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    if let Some(pattern) = KEPT.lock().get(text) {
        return Ok(Arc::clone(pattern));
    }
    let pattern = Arc::new(sealfast_re2::compile(text)?);
    let mut kept = KEPT.lock();
    if kept.len() >= MOST {
        kept.clear();
    }
    kept.insert(text.to_owned(), Arc::clone(&pattern));
    Ok(pattern)
}

const MOST: usize = 1000;
