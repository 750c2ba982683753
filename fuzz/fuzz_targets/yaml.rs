//! Reads any bytes as YAML, writes what was read, and reads that.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sealfast_yaml::{emit, json, parse, trace};

fuzz_target!(|input: &[u8]| {
    let (documents, _) = parse::partial(input);
    for compact_sequences in [false, true] {
        if let Ok(text) = emit::documents(&documents, &emit::Options { indent: 2, compact_sequences }) {
            let _ = parse::partial(text.as_bytes());
        }
    }
    for document in &documents {
        let _ = json::from_node(document).map(|value| json::to_yaml(&value));
    }
    let _ = json::from_yaml_strict(input);
    let _ = json::documents(input).map(|values| values.iter().map(json::text).collect::<String>());
    let _ = trace::events(input);
});
