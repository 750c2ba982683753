//! Regular expressions as users write them: in the syntax of Go.

use regex::Regex;

use crate::error::Error;

/// Compiles an expression.
///
/// # Errors
/// When it is not well formed.
pub fn compile(source: &str) -> Result<Regex, Error> {
    sealfast_re2::compile(source).map_err(|reason| Error::Selector(format!("error parsing regexp: {reason}")))
}

/// Compiles an expression that has to match the whole text.
///
/// # Errors
/// When it is not well formed.
pub fn compile_anchored(source: &str) -> Result<Regex, Error> {
    compile(&format!("^(?:{source})$"))
}

/// Whether the expression has no special characters, so that it matches its own text alone.
#[must_use]
pub fn is_literal(source: &str) -> bool {
    !source.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}
