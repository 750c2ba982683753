//! Reads any bytes as everything that names or holds a key.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sealfast_keys::foreign::read(input));
