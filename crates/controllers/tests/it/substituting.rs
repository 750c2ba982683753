//! Post-build substitution of many objects with the same variables.

use std::collections::BTreeMap;

use sealfast_controllers::kustomization::substitute::{Strategy, Variables, expand};
use sealfast_kustomize::substitute::Unset;
use serde_json::{Value, json};

fn variables(name: &str, value: &str) -> Variables {
    Variables::checked(Ok(BTreeMap::from([(name.to_owned(), value.to_owned())])))
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
