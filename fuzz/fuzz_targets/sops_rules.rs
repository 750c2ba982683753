//! Reads any bytes as a configuration and asks it for rules.

#![no_main]
#![expect(dead_code, reason = "the file that the tests share has the other targets too")]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sops/tests/it/hostile.rs"]
mod hostile;

fuzz_target!(|input: &[u8]| hostile::rules(input));
