//! Binary store: the whole input is one string under the key `data`.
//!
//! Follows: `BinaryStore` in `stores/json/store.go` of sops 3.13.2.

use crate::error::Error;
use crate::tree::{Branch, Text, Value};

pub(super) fn load(input: &[u8]) -> Branch {
    let mut branch = Branch::new();
    branch.push("data", Text::new(input));
    branch
}

pub(super) fn emit(branches: &[Branch]) -> Result<Vec<u8>, Error> {
    let refuse =
        |message: &str| Err(Error::NotBinary { message: format!("error emitting binary store: {message}") });
    let [branch] = branches else { return refuse("there must be exactly one tree branch") };
    match branch.get("data") {
        Some(Value::Str(text)) => Ok(text.as_bytes().to_vec()),
        Some(_) => refuse("'data' key in tree does not have a string value"),
        None => refuse("no binary data found in tree"),
    }
}
