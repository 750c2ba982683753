//! Each format's own ways, from text to text.

use sealfast_sops::document::{self, Plain};
use sealfast_sops::error::Error;
use sealfast_sops::path;
use sealfast_sops::store::{EmitOptions, Format};

fn convert(text: &str, from: Format, to: Format) -> Result<String, Error> {
    let plain = Plain::load(text.as_bytes(), from)?;
    let bytes = plain.emit(to, &EmitOptions::default())?;
    Ok(String::from_utf8_lossy(bytes.expose()).into_owned())
}

fn same(text: &str, format: Format) {
    assert_eq!(convert(text, format, format).expect("reads and writes"), text);
}

#[test]
fn yaml_keeps_comments_and_expands_aliases() {
    same(
        "# head\na: 1 # inline\nb:\n    # first\n    - x\n    # second\n    - \"yes\"\nc: {}\n# foot\n",
        Format::Yaml,
    );
    let expanded = convert("a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n", Format::Yaml, Format::Yaml).expect("reads");
    assert_eq!(expanded, "a:\n    k: 1\nb:\n    k: 1\nc:\n    !!merge <<:\n        k: 1\n");
}

#[test]
fn yaml_anchors_may_be_used_again() {
    let text = "a: &x 1\nb: &y {k: *x}\nc: &x 2\nd: *y\ne: *x\n";
    let read = convert(text, Format::Yaml, Format::Json).expect("reads");
    assert_eq!(read.split_whitespace().collect::<String>(), r#"{"a":1,"b":{"k":1},"c":2,"d":{"k":1},"e":2}"#);
}

#[test]
fn json_is_written_with_tabs_and_escapes() {
    same("{\n\t\"a\": [\n\t\t1,\n\t\t{}\n\t],\n\t\"b\": \"\\u003c\\u0026\\u003e ä\"\n}\n", Format::Json);
    assert_eq!(
        convert("{\"a\":1.0}trailing", Format::Json, Format::Json).expect("reads"),
        "{\n\t\"a\": 1\n}\n"
    );
}

#[test]
fn dotenv_takes_lines_as_they_are() {
    same("# comment\nexport A=\"x\" # y\nB=a=b\nC=one\\ntwo\n", Format::Dotenv);
    assert!(Plain::load(b"no delimiter", Format::Dotenv).is_err());
    assert!(convert("a: [1]\n", Format::Yaml, Format::Dotenv).is_err());
    assert_eq!(
        convert("a: 2.5\nb: null\nc: 1e6\n", Format::Yaml, Format::Dotenv).expect("writes"),
        "a=2.5\nb=<nil>\nc=1E+06\n"
    );
}

#[test]
fn ini_aligns_and_quotes() {
    same("top = 1\n\n; note\n[sec]\n; why\na    = `x # y`\nlong = \"  \"\n", Format::Ini);
    let text = "[s]\na: b ; c\n- = x\nm = one \\\n two\n";
    assert_eq!(
        convert(text, Format::Ini, Format::Ini).expect("reads"),
        "[s]\n; c\na  = b\n#1 = x\nm  = one two\n"
    );
}

#[test]
fn binary_is_one_string() {
    let bytes = [0xff, 0x00, b'\n'];
    let plain = Plain::load(&bytes, Format::Binary).expect("reads");
    assert_eq!(plain.emit(Format::Binary, &EmitOptions::default()).expect("writes").expose(), bytes);
    assert!(convert("a: 1\n", Format::Yaml, Format::Binary).is_err());
}

#[test]
fn extracted_strings_are_raw() {
    let plain = Plain::load(b"a: {b: [x, 1.50, true]}\n", Format::Yaml).expect("reads");
    let extract = |text: &str| {
        let value = plain.extract(&path::parse(text).expect("a path")).expect("is there");
        let bytes = document::emit_value(&value, Format::Yaml, &EmitOptions::default()).expect("writes");
        String::from_utf8_lossy(bytes.expose()).into_owned()
    };
    assert_eq!(extract("[\"a\"][\"b\"][0]"), "x");
    assert_eq!(extract("[\"a\"][\"b\"][1]"), "1.5\n");
    assert_eq!(extract("[\"a\"][\"b\"]"), "- x\n- 1.5\n- true\n");
}
