//! Each format's own ways, from text to text.

use sealfast_sops::document::{self, Plain};
use sealfast_sops::error::{Error, TreePath};
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

fn refusal(text: &str, format: Format) -> String {
    Plain::load(text.as_bytes(), format).expect_err("does not read").to_string()
}

#[test]
fn the_first_yaml_document_is_decoded_before_later_ones_are_read() {
    let cases = [
        (
            "a: 1\nb: &x [1]\n<<: *x\n",
            "line 3: yaml: map merge requires map or sequence of maps as the value",
        ),
        ("image: {{ .Values.image }}\n", "line 1: yaml: invalid map key: map[string]interface {}"),
        (
            "a: 1\na: 2\n---\nb: [\n",
            "yaml: unmarshal errors:\n  line 2: mapping key \"a\" already defined at line 1",
        ),
        ("a: 1\n---\nb: *none\n", "Error unmarshaling input YAML: yaml: line 3: unknown anchor referenced"),
        (
            "a: 1\n---\n- b\n",
            "Error unmarshaling input YAML: YAML documents that are sequences are not supported",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(refusal(text, Format::Yaml), wanted, "{text}");
    }
}

#[test]
fn refusals_name_lines_and_show_no_values() {
    let cases = [
        ("A=1\nhunter2\n", Format::Dotenv, "line 2: invalid dotenv input line"),
        (
            "[a]\nhunter2\n",
            Format::Ini,
            "line 2: Could not unmarshal input data: key-value delimiter not found",
        ),
        ("[hunter2\n", Format::Ini, "line 1: Could not unmarshal input data: unclosed section"),
        ("a=`hunter2\n", Format::Ini, "line 1: Could not unmarshal input data: missing closing key quote"),
        ("a: !!int hunter2\n", Format::Yaml, "line 1: yaml: cannot decode !!str as a !!int"),
        ("a: 1\n---\nb: !!int hunter2\n", Format::Yaml, "line 3: yaml: cannot decode !!str as a !!int"),
        ("a: 1\nb: *hunter2\n", Format::Yaml, "yaml: line 2: unknown anchor referenced"),
        ("a: &hunter2 1\n---\nb: *hunter2\n", Format::Yaml, "yaml: line 3: unknown anchor referenced"),
        (
            "hunter2\n",
            Format::Yaml,
            "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str into map[string]interface {}",
        ),
    ];
    for (text, format, wanted) in cases {
        let error = Plain::load(text.as_bytes(), format).expect_err("does not read");
        assert_eq!(error.to_string(), wanted);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let Error::Unreadable { full, .. } = error else { panic!("another error") };
        assert!(full.to_string_lossy().contains("hunter2"), "{text}");
    }
    assert_eq!(
        refusal("{\"a\":\n1e999}", Format::Json),
        "line 2: Could not unmarshal input data: strconv.ParseFloat: parsing a number: value out of range"
    );
}

#[test]
fn refusals_that_the_reference_gives_no_line_have_one() {
    let deep = format!("{{\"a\":\n{}", "[".repeat(501));
    let cases = [
        (&b"a: 1\nb: \x01\n"[..], Format::Yaml, "line 2: yaml: control characters are not allowed"),
        (b"\n\na: \xff\n", Format::Yaml, "line 3: yaml: invalid leading UTF-8 octet"),
        (b"\xff\xfea\0\n\0\x01\0", Format::Yaml, "line 2: yaml: control characters are not allowed"),
        (b"a: 1\nb: {x: !!float y}\n", Format::Yaml, "line 2: yaml: cannot decode !!str as a !!float"),
        (b"a: 1\nb: !!binary _\n", Format::Yaml, "line 2: yaml: !!binary value contains invalid base64 data"),
        (b"a: &a\n  b: *a\n", Format::Yaml, "line 2: yaml: anchor 'a' value contains itself"),
        (
            b"a: 1\n<<: 2\n",
            Format::Yaml,
            "line 2: yaml: map merge requires map or sequence of maps as the value",
        ),
        (b"a: 1\nb: {{c: d}: e}\n", Format::Yaml, "line 2: yaml: invalid map key: map[string]interface {}"),
        (
            b"{\n\"a\": x}",
            Format::Json,
            "line 2: Could not unmarshal input data: invalid character 'x' looking for beginning of value",
        ),
        (b"{\n\"a\": [1,\n2\n", Format::Json, "line 3: Could not unmarshal input data: unexpected EOF"),
        (deep.as_bytes(), Format::Json, "line 2: the document is nested deeper than 500 levels"),
    ];
    for (text, format, wanted) in cases {
        let told = Plain::load(text, format).expect_err("does not read").to_string();
        assert_eq!(told, wanted, "{}", String::from_utf8_lossy(text));
    }
    let deep = format!("a: 1\nb: {}", "[".repeat(600) + &"]".repeat(600));
    assert_eq!(refusal(&deep, Format::Yaml), "line 2: yaml: exceeded max depth of 500");
}

#[test]
fn json_refusals_show_one_character_as_go_quotes_it() {
    for (text, wanted) in [
        ("{x}", "invalid character 'x'"),
        ("{\"a\":1,x}", "invalid character 'x' looking for beginning of object key string"),
        ("{\"a\":[1\"]}", "invalid character '\"' after array element"),
        ("{\"a\":\"\t\"}", "invalid character '\\t' in string literal"),
        ("{\"a\":é}", "invalid character 'Ã' looking for beginning of value"),
        ("{\"a\":'1'}", "invalid character '\\'' looking for beginning of value"),
    ] {
        assert_eq!(
            refusal(text, Format::Json),
            format!("line 1: Could not unmarshal input data: {wanted}"),
            "{text}"
        );
    }
}

#[test]
fn lists_in_ini_sections_are_written_as_go_prints_them() {
    let text = "s:\n    a: [1, x, 1.5, null, [true]]\n    b: {c: d, e: 1e21}\n";
    let written = convert(text, Format::Yaml, Format::Ini).expect("writes");
    assert_eq!(written, "[s]\na = [1 x 1.5 <nil> [true]]\nb = [{c d} {e 1e+21}]\n");
}

#[test]
fn infinities_have_no_json() {
    let error = convert("a: {b: [.inf]}\n", Format::Yaml, Format::Json).expect_err("has no form");
    assert_eq!(
        error.to_string(),
        "Error marshaling to json: Error encoding value : Error encoding value : json: unsupported value: +Inf"
    );
}

#[test]
fn large_ini_sections_are_read_and_written_in_linear_time() {
    let text = |keys: usize| (0..keys).map(|key| format!("key{key} = {key}\n")).collect::<String>();
    let time = |keys: usize| {
        let text = text(keys);
        let once = || {
            let started = std::time::Instant::now();
            assert!(convert(&text, Format::Ini, Format::Ini).is_ok());
            started.elapsed().as_secs_f64()
        };
        once().min(once()).min(once())
    };
    // Forty times the keys take about forty times as long; looking through all for each would take 1,600 times.
    let (few, many) = (time(1_000).max(0.001), time(40_000));
    assert!(many < few * 400.0, "{few} s for 1,000 keys, {many} s for 40,000");
}

#[test]
fn lines_of_keys_are_found_by_their_whole_name_in_their_section() {
    let line = |text: &str, format, path: &[&str]| {
        let path = TreePath(path.iter().map(|&key| key.to_owned()).collect());
        document::line_of(text.as_bytes(), format, &path)
    };
    let dotenv = "# A=1\nAB=2\n\nA=3\n";
    assert_eq!(line(dotenv, Format::Dotenv, &["A"]), Some(4));
    assert_eq!(line(dotenv, Format::Dotenv, &["B"]), None);
    let ini = "key = 0\n[one]\nkeys = 1\nkey = 2\n[two]\nkey = 3\n";
    assert_eq!(line(ini, Format::Ini, &["DEFAULT", "key"]), Some(1));
    assert_eq!(line(ini, Format::Ini, &["one", "key"]), Some(4));
    assert_eq!(line(ini, Format::Ini, &["two", "key"]), Some(6));
    assert_eq!(line(ini, Format::Ini, &["two"]), Some(5));
    assert_eq!(line(ini, Format::Ini, &["two", "keys"]), None);
}

#[test]
fn yaml_texts_that_start_with_a_tab_read_back() {
    let text = "data: \"\\tone\\ntwo\"\nlist:\n    - \"\\tone\\ntwo\"\n";
    same(text, Format::Yaml);
}

#[test]
fn ini_values_and_comments_may_be_any_bytes() {
    let there_and_back = |input: &[u8]| {
        let plain = Plain::load(input, Format::Ini)?;
        plain.emit(Format::Ini, &EmitOptions::default()).map(|bytes| bytes.expose().to_vec())
    };
    for text in
        [&b"[s]\n; \xfe c\na = \xff\xfe x\n"[..], b"[s]\na = `\xc3#`\n", "[s]\na = \u{10ff80}\n".as_bytes()]
    {
        assert_eq!(there_and_back(text).expect("reads"), text);
    }
    for text in [&b"[s]\n\xff = 1\n"[..], b"[\xff]\na = 1\n"] {
        let told = there_and_back(text).expect_err("has a wrong name").to_string();
        assert_eq!(told, "Could not unmarshal input data: a name is not UTF-8");
    }
    let mixed = ["[s]\na = \u{10ff80}".as_bytes(), b"\xff\n"].concat();
    assert!(there_and_back(&mixed).is_err(), "a letter of the text is none of ours");
}

#[test]
fn json_without_an_object_is_told_as_by_the_reference() {
    let full = |text: &str| match Plain::load(text.as_bytes(), Format::Json) {
        Err(Error::Unreadable { full, .. }) => full.to_string_lossy().into_owned(),
        other => other.expect_err("is no object").to_string(),
    };
    for (text, end) in [
        ("\"x\"", "not other JSON types. Got \"x\" of type string instead"),
        (" 5", "Got 5 of type int instead"),
        ("1.5", "Got 1.5 of type float64 instead"),
        ("1e400", "Got \"1e400\" of type json.Number instead"),
        ("null", "Got <nil> of type <nil> instead"),
        (
            "[1,",
            "Got delimiter [ instead. To encrypt this file, wrap it in an object, e.g., {\"data\": [...]}",
        ),
        ("", "Could not unmarshal input data: EOF"),
        (" \n", "Could not unmarshal input data: EOF"),
        ("{", "unexpected EOF"),
        ("{\"a\":tru}", "invalid character '}' in literal true (expecting 'e')"),
    ] {
        assert!(full(text).ends_with(end), "{text}: {}", full(text));
    }
    assert!(refusal("\"hunter2\"", Format::Json).ends_with("Got string instead"));
}

#[test]
fn an_anchor_in_itself_is_told_in_every_document() {
    for text in ["a: &a {b: *a}\n", "a: 1\n---\na: &a [x, *a]\n"] {
        assert!(refusal(text, Format::Yaml).contains("anchor 'a' value contains itself"), "{text}");
    }
}

#[test]
fn ini_quotes_that_never_close_are_told_up_to_the_last_line() {
    let full = |text: &str| match Plain::load(text.as_bytes(), Format::Ini) {
        Err(Error::Unreadable { full, .. }) => full.to_string_lossy().into_owned(),
        other => panic!("{other:?}"),
    };
    assert!(full("a=`x\n; b").ends_with("missing closing key quote from \"`x\\n\" to \"; b\""));
    assert!(full("a=`x\n; b\n").ends_with("missing closing key quote from \"`x\\n\" to \"\""));
}
