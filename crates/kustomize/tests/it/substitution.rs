//! The recorded substitution cases, and what happens to whole objects.

use std::path::Path;

use sealfast_kustomize::substitute::{self, Unset, Variables};
use serde_json::{Value, json};

#[test]
fn recorded_cases_agree() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/kustomize-substitution/cases.json");
    let recorded: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let variables: Variables = serde_json::from_value(recorded["variables"].clone()).unwrap();
    let mut wrong = Vec::new();
    let cases = recorded["cases"].as_array().unwrap();
    for case in cases {
        let input = case["input"].as_str().unwrap();
        let unset = if case["strict"] == json!(true) { Unset::Refused } else { Unset::Empty };
        let found = substitute::text(input, &variables, unset).map_err(|error| error.chain());
        let wanted = match case["error"].as_str() {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(case["output"].as_str().unwrap_or_default().to_owned()),
        };
        if found != wanted {
            wrong.push(format!("{input:?}: wanted {wanted:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_object_can_be_switched_off() {
    let switch = |value: &str| json!({ "kustomize.toolkit.fluxcd.io/substitute": value });
    assert!(substitute::is_disabled(&json!({ "metadata": { "labels": switch("disabled") } })));
    assert!(substitute::is_disabled(&json!({ "metadata": { "annotations": switch("disabled") } })));
    assert!(!substitute::is_disabled(&json!({ "metadata": { "labels": switch("enabled") } })));
    assert!(!substitute::is_disabled(&json!({ "kind": "Pod" })));
}

#[test]
fn names_are_checked_and_line_breaks_go() {
    assert_eq!(substitute::checked(variables(&[("_a1", "x\ny\n")])).unwrap(), variables(&[("_a1", "xy")]));
    let error = substitute::checked(variables(&[("1a", "x")])).unwrap_err();
    assert!(error.to_string().starts_with("'1a' var name is invalid"), "{error}");
}

fn expanded(text: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
    substitute::text(text, &variables(pairs), Unset::Empty).map_err(|error| error.chain())
}

#[test]
fn expansions_that_multiply_are_refused_before_they_are_made() {
    let (xs, ys) = ("x".repeat(1 << 20), "y".repeat(1 << 20));
    let pairs = [("a", xs.as_str()), ("b", ys.as_str())];
    for text in ["${a//x/${b}}", &"${a}".repeat(17), &"${a:0:1}".repeat(17), &"${a:-z}".repeat(17)] {
        let message = expanded(text, &pairs).unwrap_err();
        assert!(message.contains("the expansion of 'a' brings the expanded values to"), "{message}");
        assert!(message.contains("at most 16777216 are allowed in one object"), "{message}");
    }
    assert_eq!(expanded(&"${a}".repeat(16), &pairs).unwrap().len(), 16 << 20);
}

#[test]
fn a_pattern_costs_no_more_than_its_length_times_that_of_the_value() {
    let xs = "x".repeat(1 << 20);
    let pairs = [("a", xs.as_str()), ("b", xs.as_str())];
    for text in ["${a##*y}", "${a#*y}", "${a%%y*}", "${a%y*}"] {
        assert_eq!(expanded(text, &pairs).unwrap(), xs, "{text}");
    }
    let message = expanded("${a##${b}}", &pairs).unwrap_err();
    let parts = ["the value of 'a' has 1048576 bytes and its pattern 1048576", "may be 67108864 at most"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn patterns_cut_where_they_fit() {
    let pairs = [("a", "one.two.three"), ("b", "ä-b]"), ("h", "hello")];
    for (text, wanted) in [
        ("${a#*.}", "two.three"),
        ("${a##*.}", "three"),
        ("${a%.*}", "one.two"),
        ("${a%%.*}", "one"),
        ("${a#?[^x]e}", ".two.three"),
        ("${a#?[!x]e}", "one.two.three"),
        ("${a#[m-o]}", "ne.two.three"),
        ("${a#*[}", "one.two.three"),
        ("${a##o*e}", ""),
        ("${a%\\*}", "one.two.three"),
        ("${b%%?}", "ä-b"),
        ("${b#?}", "-b]"),
        // The empty prefix or suffix is none.
        ("${h#*}", "ello"),
        ("${h%*}", "hell"),
        // A suffix is read from its end, a set as well.
        ("${h%[^a]}", "hello"),
        ("${h%]o[}", "hell"),
        ("${b%[]]}", "ä-b]"),
    ] {
        assert_eq!(expanded(text, &pairs).unwrap(), wanted, "{text}");
    }
}

#[test]
fn arguments_are_read_as_by_the_original() {
    let pairs = [("a", "hello"), ("n", "-2"), ("far", "-9"), ("p", "a/b")];
    for (text, wanted) in [
        ("${a:${n}}", "lo"),
        ("${a:${n}:1}", "l"),
        ("${a:${far}:2}", "he"),
        ("${a:1::2}", "el"),
        ("${a/l//x}", "hexlo"),
        ("${a/#h/}", "hello"),
        ("${a/%o/}", "hello"),
        ("${a/l/}", "helo"),
        ("${a/l}/x}", "hello"),
        ("${p/\\//$$}", "a$b"),
        ("${a^,}", "hello"),
        ("${u:-x${a}y}", "xhelloy"),
    ] {
        assert_eq!(expanded(text, &pairs).as_deref(), Ok(wanted), "{text}");
    }
    let empty = "unable to parse substitution within function";
    for text in [
        "${a:}", "${a:1:}", "${a::1}", "${a#}", "${a##}", "${a%}", "${a%%}", "${a///x}", "${a/#/x}",
        "${a/%/x}", "${a:-x", "${a/l/", "${a:",
    ] {
        assert_eq!(expanded(text, &pairs).unwrap_err(), empty, "{text}");
    }
    for text in [
        "${#}",
        "${#a",
        "${a^^x}",
        "${a,,,}",
        "${a^^^}",
        "${a:1",
        "${a#x",
        "${a#x${a}}",
        "${a/l/x",
        "${a:0:${n}}",
    ] {
        assert_eq!(expanded(text, &pairs).unwrap_err(), "bad substitution", "{text}");
    }
}

#[test]
fn what_is_not_well_formed_counts_before_what_is_unset() {
    let strict = |text: &str| {
        substitute::text(text, &variables(&[("a", "x")]), Unset::Refused).map_err(|error| error.chain())
    };
    assert_eq!(strict("${u} ${}").unwrap_err(), "unable to parse variable name");
    assert_eq!(strict("${a/${u}/${w}}").unwrap_err(), "variable not set (strict mode): \"u\"");
}

#[test]
fn a_long_set_of_a_pattern_is_no_deep_stack() {
    let text = format!("${{a#[{}]}}", "b".repeat(1 << 20));
    assert_eq!(expanded(&text, &[("a", "ab")]).unwrap(), "ab");
    assert_eq!(expanded(&text.replace("b]", "a]"), &[("a", "ab")]).unwrap(), "b");
}

#[test]
fn it_is_told_what_becomes_of_watched_variables() {
    let all = variables(&[("pw", "Secret"), ("a", "x"), ("none", "")]);
    let names = std::iter::once("pw".to_owned()).collect();
    let mut told = Vec::new();
    let text = "${a} ${pw} ${pw^^}! ${pw:0:3} ${a:-${pw}} ${none:-(${pw})} $${pw} ${#pw} ${a/x/${pw}}";
    let mut tell = |made: &str| told.push(made.to_owned());
    let made = substitute::watched(text, &all, Unset::Refused, &names, &mut tell).unwrap();
    assert_eq!(made, "x Secret SECRET! Sec x (Secret) ${pw} 6 Secret");
    assert_eq!(told, ["Secret", "SECRET", "Sec", "(Secret)", "6", "Secret"]);
}
