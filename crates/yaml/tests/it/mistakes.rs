//! Which mistake is told of several, and what the older reader takes for one.

use sealfast_yaml::decode::Decoder;
use sealfast_yaml::{json, parse};
use serde_json::json;

/// What the node reader says.
fn read(input: &str) -> String {
    parse::partial(input.as_bytes()).1.map_or_else(|| "fine".to_owned(), |error| error.in_full())
}

/// What the reader of manifests says.
fn convert(input: &str) -> String {
    json::from_yaml(input.as_bytes()).map_or_else(|error| error.in_full(), |value| json::text(&value))
}

#[test]
fn an_empty_flow_collection_is_taken_before_its_colon_is_looked_for() {
    let behind_a_map = "a: 1 # one\n{}\n# two\nb: 2\n";
    assert_eq!(read(behind_a_map), "yaml: line 2: could not find expected ':'");
    assert_eq!(convert(behind_a_map), "yaml: line 1: did not find expected key");
    let behind_a_list = "- - a\n  - - b\n    - c\n{}\n- - - d\n";
    assert_eq!(convert(behind_a_list), "yaml: line 3: did not find expected '-' indicator");
    // As an explicit key, the collection ends before the older reader sees the `:` of an inner mapping.
    assert_eq!(convert("? []: x\n"), "yaml: did not find expected key");
    assert_eq!(read("? []: x\n"), "fine");
}

#[test]
fn a_key_without_its_colon_is_told_at_the_end_of_the_text_too() {
    let input = "a:\n  b:\n  - c: 1\n    d: 2\n[a,\n";
    assert_eq!(read(input), "yaml: line 5: could not find expected ':'");
}

#[test]
fn a_mistake_behind_a_dash_with_a_comment_is_met_twice() {
    let block = " # c\n  - 'a'\n  - >\n      text\n     \tTab\n";
    assert_eq!(read(block), "yaml: line 5: found character that cannot start any token");
    // Without a comment nobody looks behind the dash before it is needed.
    let plain = &block["# c\n ".len()..];
    assert_eq!(read(plain), "yaml: line 2: found a tab character where an indentation space is expected");
    // What is read without a mistake at the second look is refused with the first one.
    assert_eq!(read("# c\n- a\n%FOO bar\n---\nb: 1\n"), "yaml: line 3: found unknown directive name");
}

#[test]
fn comments_behind_tabs_are_mistakes_for_the_older_reader_alone() {
    let input = "a: 1\n# one\n\t# two\nb: 2\n";
    assert_eq!(read(input), "fine");
    assert_eq!(convert(input), "yaml: line 3: found character that cannot start any token");
}

#[test]
fn infinity_counts_only_where_it_lasts() {
    assert_eq!(convert("a: .inf\n"), "json: unsupported value: +Inf");
    assert_eq!(convert("b: .nan\na: [-.inf]\n"), "json: unsupported value: -Inf");
    assert_eq!(convert("a: .inf\na: 1\n"), r#"{"a":1}"#);
    let odd_key = "unsupported map key of type: %!s(<nil>), key: <nil>, value: +Inf";
    assert_eq!(convert("a: .inf\nnull: .inf\n"), odd_key);
}

#[test]
fn keys_that_cannot_be_looked_up_are_refused_among_merged_ones() {
    let (documents, error) = parse::partial(b"[f, s]: 1\n<<: 2020-01-02\n");
    assert_eq!(error, None);
    let refusal = Decoder::new(&documents).string_map(&documents[0]).expect_err("a list is no key");
    assert_eq!(refusal.in_full(), "yaml: runtime error: hash of unhashable type []interface {}");
}

#[test]
fn an_escaped_nel_stays_and_a_written_one_is_folded() {
    assert_eq!(json::text_to_yaml(r#""a\u0085""#).as_deref(), Ok("\"a\\N\"\n"));
    assert_eq!(json::text_to_yaml("\"a\u{85}b\"").as_deref(), Ok("a b\n"));
    assert_eq!(json::to_yaml(&json!("a\u{85}b")), "a b\n");
}
