//! OpenAPI: what clients need to check fields and to merge.

mod protobuf;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, ETAG, EXPIRES, IF_NONE_MATCH, LOCATION, VARY};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema::{self, Field, ListKind, Type};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::clock;
use crate::http::{Answer, Request};
use crate::kinds::{Group, Kinds, Resource, Version};

/// The index of the v3 documents.
pub(crate) fn index(app: &Arc<App>) -> Answer {
    let kinds = app.kinds.current();
    let mut paths = Map::new();
    for (group, version) in
        kinds.groups.iter().flat_map(|group| group.versions.iter().map(move |of| (group, of)))
    {
        let path = path(group, version);
        let url = with_hash(&path, &hash(&kinds, group, version));
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    let text = json!({"paths": paths}).to_string();
    Answer::bytes(200, "text/plain; charset=utf-8", text.into())
}

/// The v3 document of one group version; `rest` is `api/v1` or `apis/G/V`.
///
/// Under the hash that the index names it never changes, and clients keep it.
pub(crate) fn document(app: &Arc<App>, request: &Request, rest: &str) -> Answer {
    let kinds = app.kinds.current();
    let mut all = kinds.groups.iter().flat_map(|group| group.versions.iter().map(move |of| (group, of)));
    let Some((group, version)) = all.find(|(group, version)| path(group, version) == rest) else {
        return Answer::no_page();
    };
    let hash = hash(&kinds, group, version);
    let stated = request.query.text("hash");
    if !stated.is_empty() && stated != hash {
        let mut moved = Answer::bytes(301, JSON, Bytes::new());
        moved.headers.push((LOCATION, with_hash(rest, &hash)));
        return tagged(moved, &hash);
    }
    let mut answer = kept(&kinds, request, (JSON, rest), &hash, || text(&v3(group, version)));
    if !stated.is_empty() {
        answer.headers.push((CACHE_CONTROL, "public, immutable".to_owned()));
        answer.headers.push((EXPIRES, clock::http_after(A_YEAR)));
    }
    answer
}

/// The v2 document: definitions of all kinds; in protobuf for clients that take nothing else.
pub(crate) fn v2(app: &Arc<App>, request: &Request) -> Answer {
    let kinds = app.kinds.current();
    let accepted = request.header(&ACCEPT);
    let in_protobuf = accepted.contains("proto-openapi.spec.v2") && !accepted.contains("application/json");
    let mut hashes = String::new();
    for group in &kinds.groups {
        group.versions.iter().for_each(|version| hashes.push_str(&hash(&kinds, group, version)));
    }
    let hash = clock::hex(&Sha256::digest(hashes)).to_uppercase();
    let content_type = if in_protobuf { V2_PROTOBUF } else { JSON };
    kept(&kinds, request, (content_type, "v2"), &hash, || {
        let document = v2_document(&kinds);
        if in_protobuf { protobuf::document(&document) } else { text(&document) }
    })
}

fn v2_document(kinds: &Kinds) -> Value {
    let mut definitions = Definitions::new("#/definitions/");
    for version in kinds.groups.iter().flat_map(|group| &group.versions) {
        version.resources.iter().for_each(|resource| definitions.add(resource));
    }
    json!({
        "swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": {}, "definitions": definitions.finish(),
    })
}

/// A document that is kept as long as the kinds are; nothing of it for who has it already.
fn kept(
    kinds: &Kinds,
    request: &Request,
    (content_type, name): (&str, &str),
    hash: &str,
    make: impl FnOnce() -> Vec<u8>,
) -> Answer {
    let known = request.header(&IF_NONE_MATCH).split(',').map(|tag| tag.trim().trim_start_matches("W/"));
    if known.into_iter().any(|tag| tag == "*" || tag.trim_matches('"') == hash) {
        return tagged(Answer::bytes(304, "", Bytes::new()), hash);
    }
    tagged(
        Answer::bytes(200, content_type, kinds.documents.get(&format!("{content_type} {name}"), make)),
        hash,
    )
}

fn tagged(mut answer: Answer, hash: &str) -> Answer {
    answer.headers.push((ETAG, format!("\"{hash}\"")));
    answer.headers.push((VARY, "Accept".to_owned()));
    answer
}

fn text(document: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    text
}

fn with_hash(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

const JSON: &str = "application/json";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn path(group: &Group, version: &Version) -> String {
    if group.name.is_empty() {
        format!("api/{}", version.name)
    } else {
        format!("apis/{}/{}", group.name, version.name)
    }
}

/// Says which state of a document is meant.
fn hash(kinds: &Kinds, group: &Group, version: &Version) -> String {
    let path = path(group, version);
    let kept = kinds.documents.get(&format!("hash {path}"), || {
        let mut digest = Sha256::new();
        digest.update(env!("CARGO_PKG_VERSION"));
        digest.update(&path);
        for resource in &version.resources {
            digest.update(&*resource.key);
            if let Some(custom) = &resource.custom {
                digest.update(custom.schema.to_string());
                let Resource { kind, list_kind, namespaced, verbs, subresources, .. } = &**resource;
                digest.update(format!("{kind} {list_kind} {namespaced} {verbs:?} {subresources:?}"));
            }
        }
        clock::hex(&digest.finalize()).to_uppercase().into_bytes()
    });
    String::from_utf8_lossy(&kept).into_owned()
}

fn v3(group: &Group, version: &Version) -> Value {
    let mut definitions = Definitions::new(V3);
    let mut paths = Map::new();
    for resource in
        version.resources.iter().filter(|resource| resource.allows("get") || resource.allows("create"))
    {
        definitions.add(resource);
        add_paths(&mut paths, group, resource);
    }
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths, "components": {"schemas": definitions.finish()},
    })
}

fn add_paths(paths: &mut Map<String, Value>, group: &Group, resource: &Resource) {
    let root = if group.name.is_empty() { "/api".to_owned() } else { format!("/apis/{}", group.name) };
    let place = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{root}/{}{place}/{}", resource.version, resource.plural);
    let gvk = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let operation = |action: &str| {
        let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"].map(parameter).to_vec();
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
            "parameters": parameters, "responses": {"200": {"description": "OK"}},
        })
    };
    let plain = |action: &str| {
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
            "responses": {"200": {"description": "OK"}},
        })
    };
    let mut all = json!({"get": plain("list")});
    if resource.allows("create") {
        all["post"] = operation("post");
    }
    paths.insert(collection.clone(), all);
    let mut one = json!({"get": plain("get"), "delete": plain("delete")});
    for (verb, key, action) in [("update", "put", "put"), ("patch", "patch", "patch")] {
        if resource.allows(verb) {
            one[key] = operation(action);
        }
    }
    paths.insert(format!("{collection}/{{name}}"), one);
}

const V3: &str = "#/components/schemas/";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const LIST_METADATA: &str = "meta.ListMeta";
const TIME: &str = "meta.Time";
const MICRO_TIME: &str = "meta.MicroTime";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Schemas by name, with what they refer to.
struct Definitions {
    prefix: &'static str,
    done: Map<String, Value>,
    wanted: BTreeSet<String>,
}

impl Definitions {
    fn new(prefix: &'static str) -> Self {
        Self { prefix, done: Map::new(), wanted: BTreeSet::new() }
    }

    fn add(&mut self, resource: &Resource) {
        let gvk = json!([{"group": resource.group, "version": resource.version, "kind": resource.kind}]);
        let (name, mut made) = match &resource.custom {
            Some(custom) => (custom_name(resource), self.custom(&custom.schema)),
            None => {
                let id = GroupVersionKind::new(&*resource.group, &*resource.version, &*resource.kind);
                let Some((name, kind)) = builtin_root(&id) else { return };
                (name, self.made(kind))
            }
        };
        // What a custom kind says of itself is all that is known of it.
        let words = if resource.custom.is_some() { words::of_any } else { words::of_root };
        describe(&mut made, words);
        made["x-kubernetes-group-version-kind"] = gvk.clone();
        let selectable =
            resource.custom.as_ref().map(|custom| custom.selectable.as_slice()).unwrap_or_default();
        if !selectable.is_empty() {
            let paths = selectable.iter().map(|path| json!({"fieldPath": path}));
            made["x-kubernetes-selectable-fields"] = paths.collect();
        }
        let selectable = made.get("x-kubernetes-selectable-fields").cloned();
        self.done.insert(name.clone(), made);
        if resource.allows("list") {
            self.add_list(resource, &name, selectable);
        }
    }

    fn add_list(&mut self, resource: &Resource, name: &str, selectable: Option<Value>) {
        let item = json!({"$ref": format!("{}{name}", self.prefix)});
        let item = match self.prefix {
            V3 if resource.custom.is_none() => json!({"allOf": [item], "default": {}}),
            _ => item,
        };
        let metadata = self.reference(LIST_METADATA);
        let list_gvk =
            json!([{"group": resource.group, "version": resource.version, "kind": resource.list_kind}]);
        let mut list = json!({
            "type": "object", "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"}, "kind": {"type": "string"},
                "items": {"type": "array", "items": item}, "metadata": metadata,
            },
            "x-kubernetes-group-version-kind": list_gvk,
        });
        if let Some(selectable) = selectable {
            list["x-kubernetes-selectable-fields"] = selectable;
        }
        self.done.insert(format!("{name}List"), list);
    }

    fn finish(mut self) -> Value {
        while let Some(name) = self.wanted.pop_first() {
            let full = full_name(&name);
            if self.done.contains_key(&full) {
                continue;
            }
            let mut made = match schema::builtin().named(&name) {
                Some(kind) => self.made(kind),
                None => self.mixed(&name),
            };
            if name == "meta.ObjectMeta" || name == LIST_METADATA {
                describe(&mut made, words::of_metadata);
            }
            self.done.insert(full, made);
        }
        Value::Object(self.done)
    }

    /// What is no object of a kind: a text or a number, a time, what a list says of itself.
    fn mixed(&self, name: &str) -> Value {
        let either = |kinds: [&str; 2]| json!(kinds.map(|kind| json!({"type": kind})));
        match (name, self.prefix) {
            (INT_OR_STRING, V3) => json!({"format": "int-or-string", "oneOf": either(["integer", "string"])}),
            (INT_OR_STRING, _) => json!({"type": "string", "format": "int-or-string"}),
            (QUANTITY, V3) => json!({"oneOf": either(["string", "number"])}),
            (QUANTITY, _) => json!({"type": "string"}),
            (LIST_METADATA, _) => json!({"type": "object", "properties": {
                "continue": {"type": "string"}, "remainingItemCount": {"type": "integer", "format": "int64"},
                "resourceVersion": {"type": "string"}, "selfLink": {"type": "string"},
            }}),
            (TIME | MICRO_TIME, _) => json!({"type": "string", "format": "date-time"}),
            _ => json!({"type": "object"}),
        }
    }

    fn made(&mut self, kind: &Type) -> Value {
        let mut names: Vec<&String> = kind.fields.keys().collect();
        names.sort();
        let properties: Map<String, Value> =
            names.into_iter().map(|name| (name.clone(), self.field_of(kind, name))).collect();
        let mut out = json!({"type": "object", "properties": properties});
        if !kind.required.is_empty() {
            out["required"] = json!(kind.required);
        }
        if kind.atomic {
            out["x-kubernetes-map-type"] = "atomic".into();
        }
        out
    }

    fn field_of(&mut self, kind: &Type, name: &str) -> Value {
        let field = &kind.fields[name];
        if name == "fieldsV1" {
            return self.reference("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1");
        }
        let mut out = self.field(field);
        if let Some(words) = kind.presence.words.get(name) {
            let place = if field.kind == "list" { &mut out["items"] } else { &mut out };
            place["enum"] = json!(words);
        }
        out
    }

    fn reference(&mut self, name: &str) -> Value {
        self.wanted.insert(name.to_owned());
        let reference = json!({"$ref": format!("{}{}", self.prefix, full_name(name))});
        if self.prefix == V3 { json!({"allOf": [reference]}) } else { reference }
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut out = self.kind(field);
        match &field.list {
            ListKind::Set => out["x-kubernetes-list-type"] = "set".into(),
            ListKind::Map(keys) => {
                out["x-kubernetes-list-type"] = "map".into();
                out["x-kubernetes-list-map-keys"] = json!(keys);
            }
            ListKind::Atomic if field.kind == "list" => out["x-kubernetes-list-type"] = "atomic".into(),
            ListKind::Atomic => {}
        }
        if field.atomic {
            out["x-kubernetes-map-type"] = "atomic".into();
        }
        if !field.strategies.is_empty() {
            out["x-kubernetes-patch-strategy"] = field.strategies.join(",").into();
        }
        if let Some(key) = &field.merge_key {
            out["x-kubernetes-patch-merge-key"] = key.as_str().into();
        }
        if let Some(default) = field.default.as_ref().filter(|_| self.prefix == V3) {
            out["default"] = default.clone();
        }
        out
    }

    fn kind(&mut self, field: &Field) -> Value {
        if let Some(name) = field.type_name() {
            return self.reference(name);
        }
        let of =
            |definitions: &mut Self| field.of.as_ref().map_or_else(|| json!({}), |of| definitions.field(of));
        match field.kind.as_str() {
            "int32" => json!({"type": "integer", "format": "int32"}),
            "int64" => json!({"type": "integer", "format": "int64"}),
            "float" => json!({"type": "number", "format": "double"}),
            "bool" => json!({"type": "boolean"}),
            "bytes" => json!({"type": "string", "format": "byte"}),
            "time" => self.reference(TIME),
            "microtime" => self.reference(MICRO_TIME),
            "int-or-string" => self.reference(INT_OR_STRING),
            "quantity" => self.reference(QUANTITY),
            "list" => json!({"type": "array", "items": of(self)}),
            "map" => json!({"type": "object", "additionalProperties": of(self)}),
            "any" => json!({"type": "object"}),
            _ => json!({"type": "string"}),
        }
    }

    fn custom(&mut self, schema: &Value) -> Value {
        let mut out = schema.clone();
        if !out.is_object() {
            out = json!({"type": "object"});
        }
        if self.prefix != V3 {
            simplify(&mut out);
        }
        let metadata = self.reference("meta.ObjectMeta");
        if !out["properties"].is_object() {
            out["properties"] = json!({});
        }
        out["properties"]["apiVersion"] = json!({"type": "string"});
        out["properties"]["kind"] = json!({"type": "string"});
        out["properties"]["metadata"] = metadata;
        out
    }
}

/// Drops from a schema of a custom kind what version 2 cannot say: combinations, defaults, and of what may be `null` or
/// anything the type and what follows from it.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for key in ["allOf", "anyOf", "oneOf", "not", "default"] {
        fields.shift_remove(key);
    }
    let is_nullable = fields.shift_remove("nullable") == Some(Value::Bool(true));
    if is_nullable || fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        for key in ["type", "properties", "items"] {
            fields.shift_remove(key);
        }
    }
    for key in ["items", "additionalProperties"] {
        fields.get_mut(key).into_iter().for_each(simplify);
    }
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(simplify);
}

/// Describes the fields that have no description of their own.
fn describe(schema: &mut Value, words: fn(&str) -> Option<&'static str>) {
    for (name, field) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(text) = words(name).filter(|_| field.get("description").is_none()) {
            field["description"] = text.into();
        }
    }
}

fn builtin_root(id: &GroupVersionKind) -> Option<(String, &'static Type)> {
    let kind = schema::builtin().root(id)?;
    let folder = match id.group.as_str() {
        "" => "core".to_owned(),
        group => group.trim_end_matches(".k8s.io").split('.').next().unwrap_or_default().to_owned(),
    };
    let name = match id.group.as_str() {
        "apiextensions.k8s.io" => {
            format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{}.{}", id.version, id.kind)
        }
        "apiregistration.k8s.io" => {
            format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.{}.{}", id.version, id.kind)
        }
        _ => format!("io.k8s.api.{folder}.{}.{}", id.version, id.kind),
    };
    Some((name, kind))
}

/// `core.v1.X` and `meta.X` in full.
fn full_name(name: &str) -> String {
    match name.strip_prefix("meta.") {
        Some(kind) => format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}"),
        None if name.starts_with("io.k8s.") => name.to_owned(),
        None if name.starts_with("apiextensions.") => {
            format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}")
        }
        None if name.starts_with("apiregistration.") => format!("io.k8s.kube-aggregator.pkg.apis.{name}"),
        None => format!("io.k8s.api.{name}"),
    }
}

/// `com.example.v1.Widget`: the group turned round.
fn custom_name(resource: &Resource) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').collect();
    parts.reverse();
    format!("{}.{}.{}", parts.join("."), resource.version, resource.kind)
}
