//! The CustomResourceDefinitions of the kinds that the controllers work on.

use serde_json::{Map, Value, json};

use super::words;

/// Returns the definitions of GitRepository, ExternalArtifact, OCIRepository, Bucket and Kustomization.
#[must_use]
pub fn crds() -> Vec<Value> {
    vec![git_repository(), external_artifact(), oci_repository(), bucket(), kustomization()]
}

const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
const SOURCE_TIMEOUT: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";
const SOURCES: &str = "source.toolkit.fluxcd.io";
const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";

/// What sets one kind apart in its definition.
struct Kind<'a> {
    group: &'a str,
    kind: &'a str,
    plural: &'a str,
    short_names: &'a [&'a str],
    columns: Vec<Value>,
    spec: Value,
    status: Value,
}

impl Kind<'_> {
    fn definition(self) -> Value {
        let mut names = json!({
            "kind": self.kind,
            "listKind": format!("{}List", self.kind),
            "plural": self.plural,
            "singular": self.kind.to_lowercase(),
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        let mut schema = json!({
            "type": "object",
            "properties": {
                "apiVersion": string(),
                "kind": string(),
                "metadata": { "type": "object" },
                "spec": self.spec,
                "status": self.status,
            },
        });
        words::describe(self.kind, &mut schema);
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{}.{}", self.plural, self.group),
                "annotations": { "kustomize.toolkit.fluxcd.io/substitute": "disabled" },
            },
            "spec": {
                "group": self.group,
                "names": names,
                "scope": "Namespaced",
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "subresources": { "status": {} },
                    "additionalPrinterColumns": self.columns,
                    "schema": { "openAPIV3Schema": schema },
                }],
            },
        })
    }
}

// ---- columns

fn column(name: &str, kind: &str, path: &str) -> Value {
    json!({ "name": name, "type": kind, "jsonPath": path })
}

fn age() -> Value {
    column("Age", "date", ".metadata.creationTimestamp")
}

fn ready() -> Value {
    column("Ready", "string", r#".status.conditions[?(@.type=="Ready")].status"#)
}

fn status_column() -> Value {
    column("Status", "string", r#".status.conditions[?(@.type=="Ready")].message"#)
}

// ---- schemas

fn string() -> Value {
    json!({ "type": "string" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn integer() -> Value {
    json!({ "type": "integer", "format": "int64" })
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn duration() -> Value {
    pattern(DURATION)
}

fn one_of(values: &[&str]) -> Value {
    json!({ "type": "string", "enum": values })
}

fn length(least: u64, most: u64) -> Value {
    json!({ "type": "string", "minLength": least, "maxLength": most })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn with_default(mut schema: Value, default: Value) -> Value {
    schema["default"] = default;
    schema
}

/// An object; a field whose name ends with `*` is required.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = fields.iter().filter_map(|(name, _)| name.strip_suffix('*')).collect();
    let mut schema = json!({ "type": "object" });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let properties: Map<String, Value> =
        fields.iter().map(|(name, field)| (name.trim_end_matches('*').to_owned(), field.clone())).collect();
    schema["properties"] = Value::Object(properties);
    schema
}

fn reference() -> Value {
    object([("name*", string())])
}

/// Adds validation rules in CEL.
fn with_rules(mut schema: Value, rules: &[(&str, &str)]) -> Value {
    schema["x-kubernetes-validations"] =
        rules.iter().map(|(message, rule)| json!({ "message": message, "rule": rule })).collect();
    schema
}

fn condition() -> Value {
    object([
        ("lastTransitionTime*", json!({ "type": "string", "format": "date-time" })),
        ("message*", json!({ "type": "string", "maxLength": 32768 })),
        ("observedGeneration", json!({ "type": "integer", "format": "int64", "minimum": 0 })),
        (
            "reason*",
            json!({
                "type": "string", "minLength": 1, "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            }),
        ),
        ("status*", one_of(&["True", "False", "Unknown"])),
        (
            "type*",
            json!({
                "type": "string", "maxLength": 316,
                "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            }),
        ),
    ])
}

fn artifact() -> Value {
    object([
        ("digest*", pattern("^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$")),
        ("lastUpdateTime*", json!({ "type": "string", "format": "date-time" })),
        ("metadata", map()),
        ("path*", string()),
        ("revision*", string()),
        ("size", integer()),
        ("url*", string()),
    ])
}

/// A status that starts with `observedGeneration: -1`, so that clients see that nothing was done yet.
fn unobserved(mut status: Value) -> Value {
    status["default"] = json!({ "observedGeneration": -1 });
    status
}

// ---- the kinds

fn git_repository() -> Value {
    let include = object([("fromPath", string()), ("repository*", reference()), ("toPath", string())]);
    let spec = object([
        ("ignore", string()),
        ("include", list(include.clone())),
        ("interval*", duration()),
        ("provider", one_of(&["generic", "aws", "azure", "github"])),
        ("proxySecretRef", reference()),
        ("recurseSubmodules", boolean()),
        (
            "ref",
            object([
                ("branch", string()),
                ("commit", string()),
                ("name", string()),
                ("semver", string()),
                ("tag", string()),
            ]),
        ),
        ("secretRef", reference()),
        ("serviceAccountName", string()),
        ("sparseCheckout", list(string())),
        ("suspend", boolean()),
        ("timeout", with_default(pattern(SOURCE_TIMEOUT), json!("60s"))),
        ("url*", pattern("^(http|https|ssh)://.*$")),
        (
            "verify",
            object([
                ("mode", with_default(one_of(&["head", "HEAD", "Tag", "TagAndHEAD"]), json!("HEAD"))),
                ("secretRef*", reference()),
            ]),
        ),
    ]);
    let spec = with_rules(
        spec,
        &[(
            "serviceAccountName can only be set when provider is 'azure' or 'aws'",
            "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
        )],
    );
    let status = object([
        ("artifact", artifact()),
        ("conditions", list(condition())),
        ("includedArtifacts", list(artifact())),
        ("lastHandledReconcileAt", string()),
        ("observedGeneration", integer()),
        ("observedIgnore", string()),
        ("observedInclude", list(include)),
        ("observedRecurseSubmodules", boolean()),
        ("observedSparseCheckout", list(string())),
        ("sourceVerificationMode", string()),
    ]);
    Kind {
        group: SOURCES,
        kind: "GitRepository",
        plural: "gitrepositories",
        short_names: &["gitrepo"],
        columns: vec![column("URL", "string", ".spec.url"), age(), ready(), status_column()],
        spec,
        status: unobserved(status),
    }
    .definition()
}

fn external_artifact() -> Value {
    let source =
        object([("apiVersion", string()), ("kind*", string()), ("name*", string()), ("namespace", string())]);
    Kind {
        group: SOURCES,
        kind: "ExternalArtifact",
        plural: "externalartifacts",
        short_names: &["ea"],
        columns: vec![age(), ready(), status_column(), column("Source", "string", ".spec.sourceRef.name")],
        spec: object([("sourceRef", source)]),
        status: object([("artifact", artifact()), ("conditions", list(condition()))]),
    }
    .definition()
}

fn source_status() -> Value {
    unobserved(object([
        ("artifact", artifact()),
        ("conditions", list(condition())),
        ("lastHandledReconcileAt", string()),
        ("observedGeneration", integer()),
        ("observedIgnore", string()),
        ("url", string()),
    ]))
}

fn oci_repository() -> Value {
    let spec = object([
        ("certSecretRef", reference()),
        ("ignore", string()),
        ("insecure", boolean()),
        ("interval*", duration()),
        ("layerSelector", object([("mediaType", string()), ("operation", one_of(&["extract", "copy"]))])),
        ("provider", with_default(one_of(&["generic", "aws", "azure", "gcp"]), json!("generic"))),
        ("proxySecretRef", reference()),
        (
            "ref",
            object([
                ("digest", string()),
                ("semver", string()),
                ("semverFilter", string()),
                ("tag", string()),
            ]),
        ),
        ("secretRef", reference()),
        ("serviceAccountName", string()),
        ("suspend", boolean()),
        ("timeout", with_default(pattern(SOURCE_TIMEOUT), json!("60s"))),
        ("url*", pattern("^oci://.*$")),
        (
            "verify",
            object([
                ("matchOIDCIdentity", list(object([("issuer*", string()), ("subject*", string())]))),
                ("provider*", with_default(one_of(&["cosign", "notation"]), json!("cosign"))),
                ("secretRef", reference()),
                ("trustedRootSecretRef", reference()),
            ]),
        ),
    ]);
    Kind {
        group: SOURCES,
        kind: "OCIRepository",
        plural: "ocirepositories",
        short_names: &["ocirepo"],
        columns: vec![column("URL", "string", ".spec.url"), ready(), status_column(), age()],
        spec,
        status: source_status(),
    }
    .definition()
}

fn bucket() -> Value {
    let spec = object([
        ("bucketName*", string()),
        ("certSecretRef", reference()),
        ("endpoint*", string()),
        ("ignore", string()),
        ("insecure", boolean()),
        ("interval*", duration()),
        ("prefix", string()),
        ("provider", with_default(one_of(&["generic", "aws", "gcp", "azure"]), json!("generic"))),
        ("proxySecretRef", reference()),
        ("region", string()),
        ("secretRef", reference()),
        ("serviceAccountName", string()),
        (
            "sts",
            object([
                ("certSecretRef", reference()),
                ("endpoint*", pattern("^(http|https)://.*$")),
                ("provider*", one_of(&["aws", "ldap"])),
                ("secretRef", reference()),
            ]),
        ),
        ("suspend", boolean()),
        ("timeout", with_default(pattern(SOURCE_TIMEOUT), json!("60s"))),
    ]);
    Kind {
        group: SOURCES,
        kind: "Bucket",
        plural: "buckets",
        short_names: &[],
        columns: vec![column("Endpoint", "string", ".spec.endpoint"), age(), ready(), status_column()],
        spec,
        status: source_status(),
    }
    .definition()
}

fn selector() -> Value {
    object([
        ("annotationSelector", string()),
        ("group", string()),
        ("kind", string()),
        ("labelSelector", string()),
        ("name", string()),
        ("namespace", string()),
        ("version", string()),
    ])
}

fn kustomization() -> Value {
    let one_reference =
        "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified";
    let kube_config = with_rules(
        object([
            ("configMapRef", reference()),
            ("secretRef", object([("key", string()), ("name*", string())])),
        ]),
        &[
            (one_reference, "has(self.configMapRef) || has(self.secretRef)"),
            (one_reference, "!has(self.configMapRef) || !has(self.secretRef)"),
        ],
    );
    let substitute_from = object([
        ("kind*", one_of(&["Secret", "ConfigMap"])),
        ("name*", length(1, 253)),
        ("optional", with_default(boolean(), json!(false))),
    ]);
    let spec = object([
        ("buildMetadata", list(one_of(&["originAnnotations", "transformerAnnotations"]))),
        ("commonMetadata", object([("annotations", map()), ("labels", map())])),
        ("components", list(string())),
        (
            "decryption",
            object([
                ("provider*", one_of(&["sops"])),
                ("secretRef", reference()),
                ("serviceAccountName", string()),
            ]),
        ),
        ("deletionPolicy", one_of(&["MirrorPrune", "Delete", "WaitForTermination", "Orphan"])),
        ("dependsOn", list(object([("name*", string()), ("namespace", string()), ("readyExpr", string())]))),
        ("force", with_default(boolean(), json!(false))),
        (
            "healthCheckExprs",
            list(object([
                ("apiVersion*", string()),
                ("current*", string()),
                ("failed", string()),
                ("inProgress", string()),
                ("kind", string()),
            ])),
        ),
        (
            "healthChecks",
            list(object([
                ("apiVersion", string()),
                ("kind*", string()),
                ("name*", string()),
                ("namespace", string()),
            ])),
        ),
        ("ignore", list(object([("paths*", list(string())), ("target", selector())]))),
        ("ignoreMissingComponents", boolean()),
        (
            "images",
            list(object([
                ("digest", string()),
                ("name*", string()),
                ("newName", string()),
                ("newTag", string()),
            ])),
        ),
        ("interval*", duration()),
        ("kubeConfig", kube_config),
        ("namePrefix", length(1, 200)),
        ("nameSuffix", length(1, 200)),
        ("patches", list(object([("patch*", string()), ("target", selector())]))),
        ("path", string()),
        (
            "postBuild",
            object([
                ("substitute", map()),
                ("substituteFrom", list(substitute_from)),
                ("substituteStrategy", one_of(&["WithVariables", "Always"])),
            ]),
        ),
        ("prune*", boolean()),
        ("retryInterval", duration()),
        ("serviceAccountName", string()),
        (
            "sourceRef*",
            object([
                ("apiVersion", string()),
                ("kind*", one_of(&["OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"])),
                ("name*", string()),
                ("namespace", string()),
            ]),
        ),
        ("suspend", boolean()),
        ("targetNamespace", length(1, 63)),
        ("timeout", duration()),
        ("wait", boolean()),
    ]);
    let history = object([
        ("digest*", string()),
        ("firstReconciled*", json!({ "type": "string", "format": "date-time" })),
        ("lastReconciled*", json!({ "type": "string", "format": "date-time" })),
        ("lastReconciledDuration*", string()),
        ("lastReconciledStatus*", string()),
        ("metadata", map()),
        ("totalReconciliations*", integer()),
    ]);
    let status = object([
        ("conditions", list(condition())),
        ("history", list(history)),
        ("inventory", object([("entries*", list(object([("id*", string()), ("v*", string())])))])),
        ("lastAppliedOriginRevision", string()),
        ("lastAppliedRevision", string()),
        ("lastAttemptedRevision", string()),
        ("lastHandledReconcileAt", string()),
        ("observedGeneration", integer()),
    ]);
    Kind {
        group: KUSTOMIZE,
        kind: "Kustomization",
        plural: "kustomizations",
        short_names: &["ks"],
        columns: vec![age(), ready(), status_column()],
        spec,
        status: unobserved(status),
    }
    .definition()
}
