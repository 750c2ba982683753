//! Reads any text as a version range and as a tag.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sealfast_source::version::{Range, of_tag};

fuzz_target!(|text: &str| {
    let own = of_tag(text);
    let Ok(range) = Range::parse(text) else { return };
    for tag in ["0.0.0", "1.2.3", "1.2.3-rc.1", "18446744073709551615.0.0"] {
        range.contains(&of_tag(tag).expect("a version"));
    }
    if let Some(version) = own {
        assert!(range.contains(&version), "a version is in the range of itself");
    }
});
