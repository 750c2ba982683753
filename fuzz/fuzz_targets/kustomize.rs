//! Builds small directories: no panic, no hang, the same bytes twice.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/kustomize/tests/it/small_directory.rs"]
mod small_directory;

fuzz_target!(|text: &str| {
    small_directory::builds_the_same_twice(text);
});
