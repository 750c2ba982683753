//! Reads any bytes as the protobuf body of a request.

#![no_main]
#![expect(dead_code, reason = "the file that the tests share has the other targets too")]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/apiserver/tests/it/hostile.rs"]
mod hostile;

fuzz_target!(|input: &[u8]| hostile::protobuf(input));
