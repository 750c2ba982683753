//! Reads any text as an address; what is shown of it holds no password.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sealfast_source::url::Address;

fuzz_target!(|text: &str| {
    let Ok(address) = Address::parse(text) else { return };
    assert!(address.bare().password().is_none());
    let again = Address::parse(address.shown()).expect("what is shown is an address");
    assert_eq!(again.bare(), address.bare());
});
