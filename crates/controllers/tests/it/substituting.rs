//! Post-build substitution of many objects with the same variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_controllers::kustomization::mask::Masks;
use sealfast_controllers::kustomization::substitute::{Strategy, Variables, expand};
use sealfast_controllers::kustomization::witness::Witness;
use sealfast_kustomize::substitute::Unset;
use serde_json::{Value, json};

fn variables(name: &str, value: &str) -> Variables {
    Variables::checked(Ok(BTreeMap::from([(name.to_owned(), value.to_owned())])), &Arc::default())
}

fn expanded(mut object: Value, variables: &Variables) -> Result<Value, String> {
    expand(&mut object, variables, Strategy::WithVariables, Unset::Refused).map(|()| object)
}

#[test]
fn one_check_serves_every_object() {
    let variables = variables("name", "a\nb");
    let object = json!({ "x": "${name}", "y": ["$${name}"] });
    for _ in 0..2 {
        assert_eq!(expanded(object.clone(), &variables), Ok(json!({ "x": "ab", "y": ["${name}"] })));
    }
    assert_eq!(expanded(json!({ "only-${name}": 1 }), &variables), Ok(json!({ "only-ab": 1 })));
    let plain = json!({ "x": [1, "plain"] });
    assert_eq!(expanded(plain.clone(), &variables), Ok(plain));
}

#[test]
fn a_name_that_is_none_fails_whatever_is_substituted() {
    let variables = variables("1a", "x");
    let why = expanded(json!({ "x": "plain" }), &variables).unwrap_err();
    assert!(why.starts_with("envsubst error: '1a' var name is invalid"), "{why}");
    let off = json!({ "metadata": { "labels": { "kustomize.toolkit.fluxcd.io/substitute": "disabled" } } });
    assert_eq!(expanded(off.clone(), &variables), Ok(off));
}

#[test]
fn what_is_no_yaml_any_more_is_told_in_words_that_show_no_secret() {
    let variables = |secret: &[&str]| {
        let witness = Arc::new(Mutex::new(Witness::default()));
        secret.iter().for_each(|value| witness.lock().add(value));
        Variables::checked(Ok(BTreeMap::from([("a".to_owned(), "x: *quoted".to_owned())])), &witness)
    };
    let object = json!({"data": {"key": "${a}"}});
    let why = |secret: &[&str]| expanded(object.clone(), &variables(secret)).unwrap_err();
    let plain = "envsubst error: YAMLToJSON: yaml: line 2: mapping values are not allowed in this context";
    assert_eq!(why(&[]), plain);
    let covered =
        "envsubst error: YAMLToJSON: the object is no YAML any more with the values put in, at line 2";
    assert_eq!(why(&["x: *quoted"]), covered);
}

/// An object with secret and other variables put in, as it is shown.
fn shown(object: Value) -> Value {
    let witness = Arc::new(Mutex::new(Witness::default()));
    let secret = [("PW", "SuperSecretValue1"), ("PIN", "907"), ("MAP", "{kay: vau}"), ("NOTE", "abcd #efg")];
    secret.iter().for_each(|(_, value)| witness.lock().add(value));
    let all = secret.into_iter().chain([("color", "blue"), ("count", "0x10"), ("empty", "")]);
    let all = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut shown = expanded(object, &Variables::checked(Ok(all), &witness)).unwrap();
    Masks::of(&witness.lock()).object(&mut shown);
    shown
}

#[test]
fn what_operators_make_of_a_secret_is_masked() {
    for text in [
        "${PW}",
        "${PW:0:14}",
        "${PW:5}",
        "${PW^^}",
        "${PW,}",
        "${PW#S}",
        "${PW%1}",
        "${PW/Super/Hyper}",
        "${PW:0:2}",
        "${#PW}",
        "${empty:-${PW:0:9}}",
    ] {
        let found =
            shown(json!({ "data": { "a": text, "b": format!("x: {text} ${{color}}"), "c": "kept" } }));
        assert_eq!(found["data"]["a"], "**SOPS**", "{text}");
        let beside = found["data"]["b"].as_str().unwrap();
        assert!(matches!(beside, "**SOPS**" | "x: **SOPS** blue"), "{text}: {beside}");
        assert_eq!(found["data"]["c"], "kept");
    }
}

#[test]
fn short_secrets_cover_the_whole_text_and_nothing_else() {
    let found = shown(json!({
        "pin": "pin=${PIN}", "port": "${PIN}", "both": "${PW} ${PIN}", "lines": "a: 1\npin: ${PIN}\n",
        "color": "color ${color} 907 ${color:-${PIN}}", "count": "${count}", "dollar": "$${PIN}", "replicas": 3,
    }));
    let mask = "**SOPS**";
    assert_eq!(
        found,
        json!({
            "pin": mask, "port": mask, "both": mask, "lines": mask, "color": "color blue 907 blue", "count": 16,
            "dollar": "${PIN}", "replicas": 3,
        })
    );
}

#[test]
fn what_yaml_makes_of_a_secret_is_masked() {
    let found = shown(json!({ "map": "${MAP}", "note": "${NOTE}", "color": "${color}", "plain": "vau1" }));
    let text = found.to_string();
    assert!(!text.contains("kay") && !text.contains("\"vau\"") && !text.contains("abcd"), "{text}");
    assert_eq!((&found["color"], &found["plain"]), (&json!("blue"), &json!("vau1")));
}

#[test]
fn many_forms_of_secrets_cover_their_texts_whole() {
    let forms = |count: usize| {
        let text = |at| (format!("k{at}"), json!(format!("u ${{PW/Super/n{at}}}")));
        let mut fields: serde_json::Map<String, Value> = (0..count).map(text).collect();
        fields.insert("color".to_owned(), json!("c ${color}"));
        shown(Value::Object(fields))
    };
    let few = forms(10);
    assert_eq!((&few["k3"], &few["color"]), (&json!("u **SOPS**"), &json!("c blue")));
    let many = forms(300);
    assert_eq!((&many["k3"], &many["color"]), (&json!("**SOPS**"), &json!("c blue")));
}
