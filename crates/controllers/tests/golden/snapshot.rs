//! The state that cases compare: sources, Kustomizations, owned objects, events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Map, Value, json};
use sha2::Digest as _;

use crate::case::{GIT_REPOSITORY, KUSTOMIZATION, Place};
use crate::words::Words;

/// Reasons whose events depend on when a poll happens.
const VOLATILE: [&str; 3] = ["GitOperationSucceeded", "ArtifactUpToDate", "GarbageCollectionSucceeded"];
/// Kinds that nobody but the controllers writes, so that "no write" can be seen.
const QUIET: [&str; 8] = [
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Service",
];
/// Metadata that the server gives.
const GIVEN: [&str; 6] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

type Pairs = HashMap<String, (Value, Value)>;

/// What earlier snapshots saw, to tell `same` from `changed`.
#[derive(Default)]
pub(crate) struct Memory {
    /// Inventory entries that were ever listed, in the order of their coming.
    seen: Vec<(String, String)>,
    versions: Pairs,
    artifacts: Pairs,
    next: (Pairs, Pairs),
}

impl Memory {
    /// The snapshot is taken: what it saw is the past now.
    pub(crate) fn settle(&mut self) {
        (self.versions, self.artifacts) = self.next.clone();
    }

    /// Objects that any inventory lists are looked at from now on.
    pub(crate) fn remember(&mut self, words: &Words<'_>, spaces: &[String]) -> Result<()> {
        for space in spaces {
            for object in words.house.list(KUSTOMIZATION.0, KUSTOMIZATION.1, space)? {
                for entry in object["status"]["inventory"]["entries"].as_array().into_iter().flatten() {
                    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                    let pair = (text("id"), text("v"));
                    if !self.seen.contains(&pair) {
                        self.seen.push(pair);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a snapshot over the namespaces; `look` names further objects.
    pub(crate) fn take(
        &mut self,
        words: &mut Words<'_>,
        spaces: &[String],
        look: &[Place],
        ignored: &[Regex],
    ) -> Result<Value> {
        self.next = (self.versions.clone(), self.artifacts.clone());
        self.remember(words, spaces)?;
        let (mut sources, mut kustomizations, mut objects) = (Map::new(), Map::new(), Map::new());
        for space in spaces {
            let prefix = if *space == words.id { String::new() } else { format!("{}/", words.clean(space)) };
            let name = |object: &Value| {
                format!("{prefix}{}", object["metadata"]["name"].as_str().unwrap_or_default())
            };
            for object in words.house.list(GIT_REPOSITORY.0, GIT_REPOSITORY.1, space)? {
                sources.insert(name(&object), self.source(words, &object)?);
            }
            for object in words.house.list(KUSTOMIZATION.0, KUSTOMIZATION.1, space)? {
                kustomizations.insert(name(&object), kustomization(words, &object));
            }
        }
        for place in look.iter().cloned().chain(self.seen.clone().iter().map(|(id, v)| listed(id, v))) {
            let namespaced = words.house.is_namespaced(&place.version, &place.kind);
            let inside = if namespaced && !place.namespace.is_empty() {
                format!("{}/", place.namespace)
            } else {
                String::new()
            };
            let label = words.clean(&format!("{}/{inside}{}", place.kind, place.name));
            let live = words.house.get(&place.version, &place.kind, &place.namespace, &place.name)?;
            objects.insert(label.clone(), self.object(words, live, &label));
        }
        let events = events(words, spaces, ignored)?;
        Ok(
            json!({"sources": sources, "kustomizations": kustomizations, "objects": objects, "events": events}),
        )
    }

    fn source(&mut self, words: &mut Words<'_>, object: &Value) -> Result<Value> {
        let status = &object["status"];
        let mut out = shared(words, object);
        for key in [
            "observedIgnore",
            "observedInclude",
            "observedRecurseSubmodules",
            "observedSparseCheckout",
            "sourceVerificationMode",
        ] {
            if let Some(value) = status.get(key) {
                out.insert(key.into(), words.clean_tree(value));
            }
        }
        if let Some(included) = status["includedArtifacts"].as_array() {
            let revisions = included.iter().map(|a| words.clean(a["revision"].as_str().unwrap_or_default()));
            out.insert("includedArtifacts".into(), revisions.collect());
        }
        let artifact = match status.get("artifact") {
            Some(artifact) => self.artifact(words, object, artifact)?,
            None => Value::Null,
        };
        out.insert("artifact".into(), artifact);
        Ok(out.into())
    }

    fn artifact(&mut self, words: &mut Words<'_>, object: &Value, artifact: &Value) -> Result<Value> {
        let text = |key: &str| artifact[key].as_str().unwrap_or_default();
        if let Some(address) = text("url").strip_suffix(&format!("/{}", text("path"))) {
            words.storage.insert(address.to_owned());
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let now = (artifact["digest"].clone(), artifact["lastUpdateTime"].clone());
        let old = self.artifacts.get(name);
        let mut out = json!({
            "revision": words.clean(text("revision")), "path": words.clean(text("path")), "url": words.clean(text("url")),
            "digest": novelty(old.map(|old| old.0 == now.0)), "stored": novelty(old.map(|old| *old == now)),
        });
        self.next.1.insert(name.to_owned(), now);
        let more = archive(words, artifact)?;
        if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
            out.extend(more);
        }
        Ok(out)
    }

    fn object(&mut self, words: &Words<'_>, live: Option<Value>, label: &str) -> Value {
        let Some(mut live) = live else { return Value::Null };
        let now = (live["metadata"]["uid"].clone(), live["metadata"]["resourceVersion"].clone());
        let old = self.versions.get(label);
        let kind = live["kind"].as_str().unwrap_or_default().to_owned();
        let mut out = json!({"uid": novelty(old.map(|old| old.0 == now.0))});
        if QUIET.contains(&kind.as_str()) {
            out["version"] = novelty(old.map(|old| old.1 == now.1)).into();
        }
        self.next.0.insert(label.to_owned(), now);
        if live["metadata"].get("deletionTimestamp").is_some() {
            out["deleting"] = true.into();
        }
        out["managers"] = managers(words, &live);
        strip(&mut live, &kind);
        out["object"] = words.clean_tree(&live);
        out
    }
}

/// Takes out what the server gives and what varies from run to run.
fn strip(live: &mut Value, kind: &str) {
    if let Some(fields) = live.as_object_mut() {
        fields.shift_remove("status");
    }
    let Some(metadata) = live["metadata"].as_object_mut() else { return };
    for key in GIVEN.iter().chain(&["managedFields"]) {
        metadata.shift_remove(*key);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
    if kind == "Service" {
        for key in ["clusterIP", "clusterIPs"] {
            if !live["spec"][key].is_null() && live["spec"][key] != "None" {
                live["spec"][key] = "<ip>".into();
            }
        }
        if let Some(spec) = live["spec"].as_object_mut() {
            spec.retain(|_, value| !value.is_null());
        }
    }
    if kind == "Secret" {
        for (_, value) in live["data"].as_object_mut().into_iter().flatten() {
            let encoded = value.as_str().unwrap_or_default().to_owned();
            let decoded = STANDARD.decode(&encoded).unwrap_or_default();
            *value = String::from_utf8(decoded).unwrap_or_else(|_| format!("base64:{encoded}")).into();
        }
    }
}

fn novelty(same: Option<bool>) -> &'static str {
    match same {
        None => "first",
        Some(true) => "same",
        Some(false) => "changed",
    }
}

/// The place of an inventory entry.
fn listed(id: &str, version: &str) -> Place {
    let (namespace, rest) = id.split_once('_').unwrap_or_default();
    let (rest, kind) = rest.rsplit_once('_').unwrap_or_default();
    let (name, group) = rest.rsplit_once('_').unwrap_or_default();
    let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Place { version, kind: kind.into(), namespace: namespace.into(), name: name.replace("__", ":") }
}

fn shared(words: &Words<'_>, object: &Value) -> Map<String, Value> {
    let generation = &object["metadata"]["generation"];
    let status = &object["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten().map(|c| {
        json!({
            "type": c["type"], "status": c["status"], "reason": c["reason"],
            "message": words.clean(c["message"].as_str().unwrap_or_default()),
            "current": c["observedGeneration"] == *generation,
        })
    });
    let finalizers = object["metadata"].get("finalizers").cloned().unwrap_or_else(|| json!([]));
    [
        ("conditions".to_owned(), conditions.collect()),
        ("finalizers".to_owned(), finalizers),
        ("deleting".to_owned(), object["metadata"].get("deletionTimestamp").is_some().into()),
        ("observed".to_owned(), (status["observedGeneration"] == *generation).into()),
        ("lastHandledReconcileAt".to_owned(), status["lastHandledReconcileAt"].clone()),
    ]
    .into_iter()
    .collect()
}

fn kustomization(words: &Words<'_>, object: &Value) -> Value {
    let status = &object["status"];
    let mut out = shared(words, object);
    for key in ["lastAppliedRevision", "lastAttemptedRevision", "lastAppliedOriginRevision"] {
        out.insert(key.into(), words.clean_tree(&status[key]));
    }
    let entry = |e: &Value| {
        words.clean(&format!(
            "{} {}",
            e["id"].as_str().unwrap_or_default(),
            e["v"].as_str().unwrap_or_default()
        ))
    };
    let inventory = status
        .get("inventory")
        .map(|i| i["entries"].as_array().into_iter().flatten().map(entry).collect::<Vec<_>>());
    out.insert("inventory".into(), json!(inventory));
    let history = status["history"].as_array().into_iter().flatten();
    let history = history
        .map(|h| words.clean_tree(&json!({"status": h["lastReconciledStatus"], "metadata": h["metadata"]})));
    out.insert("history".into(), history.collect());
    out.into()
}

fn archive(words: &Words<'_>, artifact: &Value) -> Result<Value> {
    let url = artifact["url"].as_str().unwrap_or_default();
    let answer = match reqwest::blocking::get(url).and_then(reqwest::blocking::Response::error_for_status) {
        Ok(answer) => answer,
        Err(error) => return Ok(json!({"served": format!("no: {error}")})),
    };
    let data = answer.bytes()?;
    let digest = artifact["digest"].as_str().unwrap_or_default();
    let found: String = sha2::Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&data[..]).read_to_end(&mut tar).context("the artifact is no gzip")?;
    let mut files = Vec::new();
    for entry in tar::Archive::new(&tar[..]).entries()? {
        let entry = entry?;
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => "d",
            tar::EntryType::Regular => "f",
            _ => "?",
        };
        files.push(format!(
            "{kind} {:04o} {}",
            header.mode()?,
            words.clean(&entry.path()?.to_string_lossy())
        ));
    }
    Ok(json!({
        "served": "yes", "digestHolds": digest == format!("sha256:{found}"),
        "sizeHolds": artifact["size"] == data.len(), "files": files,
    }))
}

fn managers(words: &Words<'_>, live: &Value) -> Value {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let counts = |e: &&Value| e["subresource"] != "status" && e["manager"] != "kube-controller-manager";
    let mut out: Vec<Value> = entries
        .filter(counts)
        .map(|e| {
            let mut fields = Vec::new();
            field_paths(&e["fieldsV1"], "", &mut fields);
            let fields: Vec<String> = fields.iter().map(|path| words.clean(path)).collect();
            json!({"manager": e["manager"], "operation": e["operation"], "fields": fields})
        })
        .collect();
    out.sort_by_key(|e| (e["manager"].to_string(), e["operation"].to_string()));
    out.into()
}

fn field_paths(tree: &Value, prefix: &str, out: &mut Vec<String>) {
    let sorted: BTreeMap<&String, &Value> = tree.as_object().into_iter().flatten().collect();
    for (key, inner) in sorted {
        let here = if prefix.is_empty() { key.clone() } else { format!("{prefix}/{key}") };
        match inner.as_object().is_some_and(|fields| !fields.is_empty()) {
            true => field_paths(inner, &here, out),
            false => out.push(here),
        }
    }
}

fn events(words: &Words<'_>, spaces: &[String], ignored: &[Regex]) -> Result<Value> {
    let mut found = BTreeSet::new();
    for space in spaces {
        for event in words.house.list("v1", "Event", space)? {
            let about = &event["involvedObject"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let reason = text(&event["reason"]);
            if !["GitRepository", "Kustomization"].contains(&text(&about["kind"]).as_str())
                || VOLATILE.contains(&reason.as_str())
            {
                continue;
            }
            let annotations = event["metadata"]["annotations"].as_object().into_iter().flatten();
            let mut notes: Vec<String> =
                annotations.map(|(key, value)| words.clean(&format!("{key}={}", text(value)))).collect();
            notes.sort();
            let from = event["source"]["component"].as_str().or(event["reportingComponent"].as_str());
            // In the order of the keys, as the patterns of the cases expect.
            let item = format!(
                "{{\"annotations\": {}, \"from\": {}, \"message\": {}, \"object\": {}, \"reason\": {}, \"type\": {}}}",
                json!(notes.join(",")),
                json!(from),
                json!(words.clean(&text(&event["message"]))),
                json!(words.clean(&format!("{}/{}", text(&about["kind"]), text(&about["name"])))),
                event["reason"],
                event["type"],
            );
            if !ignored.iter().any(|pattern| pattern.is_match(&item)) {
                found.insert(item);
            }
        }
    }
    found
        .iter()
        .map(|item| serde_json::from_str(item).context("an event is JSON"))
        .collect::<Result<Vec<Value>>>()
        .map(Value::Array)
}
