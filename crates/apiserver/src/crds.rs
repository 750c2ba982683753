//! The life of a CRD: names accepted, established, emptied, gone.

pub(crate) mod spec;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::causes::Cause;
use crate::conditions;
use crate::fields;
use crate::keys;

/// What the server fills in at creation.
pub(crate) fn prepare(definition: &mut Value) {
    let storage: Vec<Value> = storage_version(definition).map(Value::from).into_iter().collect();
    definition["status"] =
        json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": storage});
}

/// Marks of a definition whose deletion was asked for.
pub(crate) fn terminating(resource: &str, object: &mut Value) {
    if resource != keys::DEFINITIONS {
        return;
    }
    fields::metadata(object).shift_remove("deletionGracePeriodSeconds");
    let text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    conditions::set(object, "Terminating", "True", "InstanceDeletionPending", text, &crate::clock::now());
}

/// What the server fills in at every write.
pub(crate) fn default_names(definition: &mut Value) {
    let spec = fields::child(definition, "spec");
    let conversion = spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if let Some(Value::Object(service)) = conversion.pointer_mut("/webhook/clientConfig/service") {
        service.entry("port").or_insert(443.into());
    }
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.shift_remove("preserveUnknownFields");
    }
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else { return };
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind.is_empty() {
        return;
    }
    fill(names, "singular", || kind.to_lowercase());
    fill(names, "listKind", || format!("{kind}List"));
}

/// Accepts those names that no other definition of the group holds, and establishes once all are.
pub(crate) fn establish(definition: &mut Value, others: &[Value], now: &str) {
    let (names, conflict) = accepted_names(definition, others);
    definition["status"]["acceptedNames"] = names;
    let accepted = match conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, message)) => ("False", reason, message),
    };
    conditions::set(definition, "NamesAccepted", accepted.0, accepted.1, &accepted.2, now);
    if accepted.0 == "True" {
        let text = "the initial names have been accepted";
        conditions::set(definition, "Established", "True", "InitialNamesAccepted", text, now);
    } else if !conditions::holds(definition, "Established") {
        conditions::set(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
    remember_storage(definition);
}

/// Whether a definition got all the names that it asks for.
pub(crate) fn has_its_names(definition: &Value) -> bool {
    definition["spec"]["names"] == definition["status"]["acceptedNames"]
}

/// Whether all that was settled that follows from the names and the versions of a definition.
pub(crate) fn is_settled(definition: &Value) -> bool {
    let stated = definition["status"]["conditions"].as_array();
    let refused = |condition: &Value| condition["type"] == "NamesAccepted" && condition["status"] == "False";
    let refused = stated.is_some_and(|stated| stated.iter().any(refused));
    let stored = definition["status"]["storedVersions"].as_array();
    let stored = |version: &String| stored.is_some_and(|list| list.iter().any(|known| known == version));
    (conditions::holds(definition, "NamesAccepted") && has_its_names(definition) || refused)
        && storage_version(definition).is_none_or(|version| stored(&version))
}

/// The names that a definition may have, and the last conflict of others.
fn accepted_names(definition: &Value, others: &[Value]) -> (Value, Option<(&'static str, String)>) {
    let wanted = &definition["spec"]["names"];
    let own = &definition["status"]["acceptedNames"];
    let rivals = Rivals::of(definition, others);
    let (mut names, mut conflict) = (if own.is_object() { own.clone() } else { json!({}) }, None);
    for (key, reason) in [
        ("plural", "PluralConflict"),
        ("singular", "SingularConflict"),
        ("shortNames", "ShortNamesConflict"),
        ("kind", "KindConflict"),
        ("listKind", "ListKindConflict"),
    ] {
        match rivals.taken(key, &wanted[key], &own[key]).as_slice() {
            [] => match wanted.get(key) {
                Some(value) => names[key] = value.clone(),
                None => fields::remove(&mut names, key),
            },
            [one] => conflict = Some((reason, one.clone())),
            all => conflict = Some((reason, format!("[{}]", all.join(", ")))),
        }
    }
    match wanted.get("categories") {
        Some(value) => names["categories"] = value.clone(),
        None => fields::remove(&mut names, "categories"),
    }
    if conflict.is_none() {
        names = wanted.clone();
    }
    (names, conflict)
}

/// The names that other definitions of a group have got.
struct Rivals<'a>(Vec<&'a Value>);

impl<'a> Rivals<'a> {
    fn of(definition: &Value, others: &'a [Value]) -> Self {
        let others = others.iter().filter(|other| {
            fields::name(other) != fields::name(definition)
                && other["spec"]["group"] == definition["spec"]["group"]
        });
        Self(others.map(|other| &other["status"]["acceptedNames"]).collect())
    }

    /// What is said of those wanted names of a sort that others have, and that the definition did not get before.
    fn taken(&self, key: &str, wanted: &Value, own: &Value) -> Vec<String> {
        let in_use = |name: &str| format!("\"{name}\" is already in use");
        if key == "shortNames" {
            let known = own.as_array().map(Vec::as_slice).unwrap_or_default();
            let asked = wanted.as_array().into_iter().flatten();
            let fresh = asked.filter(|name| !known.contains(name)).filter_map(Value::as_str);
            return fresh.filter(|name| self.have_word(name)).map(in_use).collect();
        }
        let name = wanted.as_str().unwrap_or_default();
        let busy = match key {
            "plural" | "singular" => self.have_word(name),
            _ => self.have(["kind", "listKind"], name),
        };
        (busy && name != own.as_str().unwrap_or_default()).then(|| in_use(name)).into_iter().collect()
    }

    fn have(&self, keys: [&str; 2], name: &str) -> bool {
        self.0.iter().any(|names| keys.iter().any(|key| !name.is_empty() && names[*key] == name))
    }

    /// Whether one of them is asked for by a word.
    fn have_word(&self, name: &str) -> bool {
        let short = |names: &&Value| {
            names["shortNames"].as_array().is_some_and(|list| list.iter().any(|known| known == name))
        };
        self.have(["plural", "singular"], name) || self.0.iter().any(short)
    }
}

/// Fields of a definition that never change.
pub(crate) fn immutable(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let established = conditions::holds(old, "Established");
    for path in
        [&["spec", "group"][..], &["spec", "names", "plural"], &["spec", "scope"], &["spec", "names", "kind"]]
    {
        let conditional = matches!(path, ["spec", "scope"] | ["spec", "names", "kind"]);
        let changed = fields::get(new, path) != fields::get(old, path);
        if changed && (established || !conditional) {
            let value = fields::get(new, path).cloned().unwrap_or(Value::Null);
            causes.push(Cause::invalid(path.join("."), &value, "field is immutable"));
        }
    }
    causes
}

/// The version that objects are stored in.
pub(crate) fn storage_version(definition: &Value) -> Option<String> {
    let versions = fields::get(definition, &["spec", "versions"])?.as_array()?;
    let storage = versions.iter().find(|version| version["storage"] == true)?;
    storage["name"].as_str().map(str::to_owned)
}

/// Adds the storage version to those that objects may be stored in.
pub(crate) fn remember_storage(definition: &mut Value) {
    let Some(version) = storage_version(definition) else { return };
    let stored = fields::child(definition, "status").entry("storedVersions").or_insert_with(|| json!([]));
    if let Some(list) = stored.as_array_mut()
        && !list.iter().any(|known| known == &version)
    {
        list.push(version.into());
    }
}

/// What is wrong with the list of versions that objects may be stored in.
pub(crate) fn stored_versions(definition: &Value) -> Vec<Cause> {
    let versions = fields::get(definition, &["spec", "versions"]).and_then(Value::as_array);
    let stated = |name: &Value| versions.into_iter().flatten().any(|version| &version["name"] == name);
    let stored = fields::get(definition, &["status", "storedVersions"]).and_then(Value::as_array);
    let gone = stored.into_iter().flatten().enumerate().filter(|(_, name)| !stated(name));
    gone.map(|(at, name)| {
        let text = name.as_str().unwrap_or_default();
        let why = format!(
            "missing from spec.versions; {text} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {text} and removes {text} from status.storedVersions"
        );
        Cause::invalid(format!("status.storedVersions[{at}]"), name, &why)
    })
    .collect()
}

/// What a definition is told that asks for what is not known; only of what is new in it.
pub(crate) fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let told = |definition: &Value| {
        let mut formats = BTreeSet::new();
        for version in definition["spec"]["versions"].as_array().into_iter().flatten() {
            odd(&version["schema"]["openAPIV3Schema"], &mut formats);
        }
        formats
    };
    let known = old.map(told).unwrap_or_default();
    told(new).difference(&known).cloned().collect()
}

/// Formats that nothing checks, of a schema and all below it.
fn odd(schema: &Value, formats: &mut BTreeSet<String>) {
    let Some(fields) = schema.as_object() else { return };
    let (kind, format) = (fields::text(schema, &["type"]), fields::text(schema, &["format"]));
    if !format.is_empty() && !crate::validate::knows_format(kind, format) {
        formats.insert(format!("unrecognized format \"{format}\""));
    }
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("properties" | "patternProperties" | "definitions", Value::Object(named)) => {
                named.values().for_each(|schema| odd(schema, formats));
            }
            ("items" | "additionalProperties" | "not", schema) => odd(schema, formats),
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| odd(schema, formats));
            }
            _ => {}
        }
    }
}

fn fill(names: &mut Map<String, Value>, key: &str, value: impl FnOnce() -> String) {
    if names.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
        names.insert(key.into(), value().into());
    }
}

/// Kept on a definition that is going until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
