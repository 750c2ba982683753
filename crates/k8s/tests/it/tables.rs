//! The tables of built-in kinds: nothing in them points to nothing.

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema::{Field, ListKind, Type, builtin, groups, is_namespaced, protobuf_fields};

#[test]
fn every_kind_that_is_stored_has_a_type() {
    let mut count = 0;
    for group in groups() {
        for version in &group.versions {
            for resource in
                version.resources.iter().filter(|resource| resource.verbs.iter().any(|verb| verb == "update"))
            {
                let gvk = GroupVersionKind::new(&*group.group, &*version.version, &*resource.kind);
                let kind = builtin().root(&gvk).unwrap_or_else(|| panic!("{gvk:?} has no type"));
                assert!(kind.fields.contains_key("metadata"), "{gvk:?} has no metadata");
                assert_eq!(is_namespaced(&gvk), Some(resource.namespaced));
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count} kinds");
}

#[test]
fn merge_keys_and_map_keys_are_fields_of_the_items() {
    let mut checked = 0;
    for group in groups() {
        for version in &group.versions {
            for resource in &version.resources {
                let gvk = GroupVersionKind::new(&*group.group, &*version.version, &*resource.kind);
                if let Some(kind) = builtin().root(&gvk) {
                    walk(kind, &resource.kind, 0, &mut checked);
                }
            }
        }
    }
    assert!(checked > 100, "{checked} keys");
}

fn walk(kind: &Type, path: &str, depth: usize, checked: &mut usize) {
    if depth > 8 {
        return;
    }
    for name in &kind.required {
        assert!(kind.fields.contains_key(name), "{path} requires {name}, which it does not have");
    }
    for (name, field) in &kind.fields {
        look(field, &format!("{path}.{name}"), depth, checked);
    }
}

fn look(field: &Field, path: &str, depth: usize, checked: &mut usize) {
    if let Some(name) = field.type_name() {
        let kind = builtin().named(name).unwrap_or_else(|| panic!("{path}: there is no type {name}"));
        walk(kind, path, depth + 1, checked);
    }
    let Some(of) = &field.of else { return };
    let mut keys: Vec<&String> = field.merge_key.iter().collect();
    if let ListKind::Map(names) = &field.list {
        keys.extend(names);
    }
    if let Some(item) = builtin().type_of(of) {
        for key in keys {
            assert!(item.fields.contains_key(key), "{path}: its items have no {key}");
            *checked += 1;
        }
    }
    look(of, path, depth, checked);
}

#[test]
fn protobuf_fields_refer_to_messages_that_are_there() {
    let messages = protobuf_fields()["types"].as_object().expect("a table of messages");
    let mut references = 0;
    for (message, fields) in messages {
        for (number, field) in fields.as_object().into_iter().flatten() {
            assert!(number.parse::<u32>().is_ok_and(|number| number > 0), "{message}: {number} is no number");
            let kind = field[1].as_str().unwrap_or_default();
            if let Some(name) = kind.trim_start_matches("map:").strip_prefix('#') {
                assert!(messages.contains_key(name), "{message}.{}: there is no {name}", field[0]);
                references += 1;
            }
        }
    }
    assert!(references + messages.len() > 100, "{} messages", messages.len());
}
