//! What each field of the definitions is for, for `kubectl explain`.

use serde_json::Value;

/// Puts the descriptions of a kind into its schema.
pub(super) fn describe(kind: &str, schema: &mut Value) {
    walk(kind, schema, "");
}

fn walk(kind: &str, schema: &mut Value, path: &str) {
    if let Some(text) = of(kind, path) {
        schema["description"] = text.into();
    }
    if let Some(items) = schema.get_mut("items") {
        walk(kind, items, path);
        if let Some(items) = items.as_object_mut() {
            // The list says it already.
            items.shift_remove("description");
        }
    }
    for (name, field) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(kind, field, &below);
    }
}

/// The sentence for a path of a kind: its own, or the one that all kinds share for such an ending.
fn of(kind: &str, path: &str) -> Option<&'static str> {
    let own = match kind {
        "GitRepository" => GIT_REPOSITORY,
        "ExternalArtifact" => EXTERNAL_ARTIFACT,
        "OCIRepository" => OCI_REPOSITORY,
        "Bucket" => BUCKET,
        "Kustomization" => KUSTOMIZATION,
        _ => &[],
    };
    let whole = own.iter().chain(SHARED).find(|(known, _)| *known == path);
    let ending = |known: &str| known.strip_prefix('*').is_some_and(|ending| path.ends_with(ending));
    whole.or_else(|| SHARED.iter().find(|(known, _)| ending(known))).map(|(_, text)| *text)
}

type Words = &'static [(&'static str, &'static str)];

const GIT_REPOSITORY: Words = &[
    ("", "A branch, tag or commit of a Git repository, fetched again and again and offered as an artifact."),
    ("spec", "Where the repository is, what of it is wanted, and how often to look."),
    (
        "spec.ignore",
        "Patterns of files to leave out of the artifact, written as in `.gitignore`. They take the place of the default list.",
    ),
    ("spec.include", "Artifacts of other GitRepositories of this namespace that are copied into this one."),
    ("spec.include.fromPath", "The directory of the other artifact that is copied; its root when empty."),
    ("spec.include.repository", "The GitRepository whose artifact is copied."),
    ("spec.include.toPath", "The directory to copy to; the name of the other repository when empty."),
    ("spec.interval", "Time between two looks at the repository, such as `5m`."),
    (
        "spec.provider",
        "Who hands out the credentials: `generic` takes those of `secretRef`, the others ask a cloud or a GitHub App.",
    ),
    (
        "spec.proxySecretRef",
        "A Secret with `address`, and perhaps `username` and `password`, of the proxy to go through.",
    ),
    ("spec.recurseSubmodules", "Fetch the submodules of the commit too, with the same credentials."),
    (
        "spec.ref",
        "What to fetch: of several fields `commit` wins, then `name`, `semver`, `tag` and `branch`. Without any it is the branch `master`.",
    ),
    ("spec.ref.branch", "The branch whose newest commit is fetched."),
    (
        "spec.ref.commit",
        "The full hash of one commit. Together with `branch` only that branch is searched for it.",
    ),
    ("spec.ref.name", "A reference in full, such as `refs/heads/main` or `refs/pull/420/head`."),
    (
        "spec.ref.semver",
        "A range of versions, such as `>=1.2.0 <2.0.0`; the tag with the highest version in it is fetched.",
    ),
    ("spec.ref.tag", "The tag to fetch."),
    (
        "spec.secretRef",
        "A Secret with the credentials: `username` and `password`, `bearerToken`, or `identity` and `known_hosts` for SSH; `ca.crt`, `tls.crt` and `tls.key` for HTTPS.",
    ),
    (
        "spec.serviceAccountName",
        "The ServiceAccount whose identity is exchanged for credentials of the cloud.",
    ),
    ("spec.sparseCheckout", "Directories to check out; the artifact holds nothing else."),
    ("spec.suspend", "Look no more until this is false again. The last artifact stays."),
    ("spec.timeout", "Time that one fetch may take."),
    ("spec.url", "Address of the repository: `https://`, `http://` or `ssh://`."),
    ("spec.verify", "Which signatures a commit or tag needs before it is offered."),
    ("spec.verify.mode", "What must be signed: `HEAD` the commit, `Tag` the tag, `TagAndHEAD` both."),
    ("spec.verify.secretRef", "A Secret with the public keys of those whose signatures count."),
    ("status.includedArtifacts", "The artifacts that were copied into the last one."),
    ("status.observedInclude", "The inclusions that the last artifact was made with."),
    ("status.observedInclude.fromPath", "The directory that was copied."),
    ("status.observedInclude.repository", "The repository it was copied from."),
    ("status.observedInclude.toPath", "The directory it was copied to."),
    ("status.observedRecurseSubmodules", "Whether the last artifact was made with submodules."),
    ("status.observedSparseCheckout", "The directories that the last artifact was made from."),
    ("status.sourceVerificationMode", "What was verified of the last artifact."),
];

const EXTERNAL_ARTIFACT: Words = &[
    ("", "An artifact that somebody else makes and that Kustomizations can build from."),
    ("spec", "Where the artifact comes from."),
    ("spec.sourceRef", "The object whose controller writes the artifact into the status of this one."),
    ("spec.sourceRef.apiVersion", "Group and version of that object."),
    ("spec.sourceRef.kind", "Kind of that object."),
    ("spec.sourceRef.name", "Name of that object."),
    ("spec.sourceRef.namespace", "Namespace of that object; this one's when empty."),
];

const OCI_REPOSITORY: Words = &[
    ("", "An artifact in a container registry, pulled again and again and offered to Kustomizations."),
    ("spec", "Where the artifact is, which version of it is wanted, and how often to look."),
    ("spec.certSecretRef", "A Secret with `ca.crt`, and perhaps `tls.crt` and `tls.key`, for the registry."),
    ("spec.ignore", "Patterns of files to leave out of the artifact, written as in `.gitignore`."),
    ("spec.insecure", "Talk to the registry without TLS."),
    ("spec.interval", "Time between two looks at the registry, such as `5m`."),
    ("spec.layerSelector", "Which layer of the image is the artifact; the first one when empty."),
    ("spec.layerSelector.mediaType", "Media type of the layer."),
    ("spec.layerSelector.operation", "`extract` unpacks the layer, `copy` keeps it as it is."),
    (
        "spec.provider",
        "Who hands out the credentials: `generic` takes those of `secretRef`, the others ask a cloud.",
    ),
    (
        "spec.proxySecretRef",
        "A Secret with `address`, and perhaps `username` and `password`, of the proxy to go through.",
    ),
    ("spec.ref", "Which version to pull: of several fields `digest` wins, then `semver`, then `tag`."),
    ("spec.ref.digest", "The digest of one image, such as `sha256:…`."),
    ("spec.ref.semver", "A range of versions; the highest tag in it is pulled."),
    ("spec.ref.semverFilter", "A regular expression for the tags that `semver` may choose from."),
    ("spec.ref.tag", "The tag to pull."),
    ("spec.secretRef", "A Secret of type `kubernetes.io/dockerconfigjson` with the credentials."),
    (
        "spec.serviceAccountName",
        "The ServiceAccount whose image pull secrets, or whose identity in the cloud, are used.",
    ),
    ("spec.suspend", "Look no more until this is false again. The last artifact stays."),
    ("spec.timeout", "Time that one pull may take."),
    ("spec.url", "Address of the artifact without a tag: `oci://HOST/REPOSITORY`."),
    ("spec.verify", "Which signatures an image needs before it is offered."),
    ("spec.verify.matchOIDCIdentity", "Who may have signed without a key."),
    ("spec.verify.matchOIDCIdentity.issuer", "A regular expression for the issuer of the certificate."),
    ("spec.verify.matchOIDCIdentity.subject", "A regular expression for the subject of the certificate."),
    ("spec.verify.provider", "The program that made the signatures."),
    ("spec.verify.secretRef", "A Secret with the public keys of those whose signatures count."),
    (
        "spec.verify.trustedRootSecretRef",
        "A Secret with the trusted root that certificates are checked against.",
    ),
];

const BUCKET: Words = &[
    ("", "The objects of a bucket, fetched again and again and offered as an artifact."),
    ("spec", "Where the bucket is, what of it is wanted, and how often to look."),
    ("spec.bucketName", "Name of the bucket."),
    ("spec.certSecretRef", "A Secret with `ca.crt`, and perhaps `tls.crt` and `tls.key`, for the endpoint."),
    ("spec.endpoint", "Host, and perhaps port, of the service."),
    ("spec.ignore", "Patterns of objects to leave out of the artifact, written as in `.gitignore`."),
    ("spec.insecure", "Talk to the endpoint without TLS."),
    ("spec.interval", "Time between two looks at the bucket, such as `5m`."),
    ("spec.prefix", "Only objects whose names begin with this are fetched."),
    ("spec.provider", "Whose service it is; `generic` is whatever speaks like S3."),
    (
        "spec.proxySecretRef",
        "A Secret with `address`, and perhaps `username` and `password`, of the proxy to go through.",
    ),
    ("spec.region", "Region of the bucket."),
    ("spec.secretRef", "A Secret with `accesskey` and `secretkey`, or with the credentials of the provider."),
    (
        "spec.serviceAccountName",
        "The ServiceAccount whose identity is exchanged for credentials of the cloud.",
    ),
    ("spec.sts", "The service that hands out temporary credentials."),
    (
        "spec.sts.certSecretRef",
        "A Secret with `ca.crt`, and perhaps `tls.crt` and `tls.key`, for that service.",
    ),
    ("spec.sts.endpoint", "Address of that service."),
    ("spec.sts.provider", "Kind of that service."),
    ("spec.sts.secretRef", "A Secret with `username` and `password` for that service."),
    ("spec.suspend", "Look no more until this is false again. The last artifact stays."),
    ("spec.timeout", "Time that one fetch may take."),
];

const KUSTOMIZATION: Words = &[
    (
        "",
        "A directory of a source that is decrypted, built, applied, watched and, when things leave it, pruned.",
    ),
    ("spec", "What is built from which source, how it is applied, and how often."),
    (
        "spec.buildMetadata",
        "Annotations that the build adds: where an object comes from, what transformed it.",
    ),
    ("spec.commonMetadata", "Labels and annotations that every object gets."),
    ("spec.commonMetadata.annotations", "Annotations that every object gets."),
    ("spec.commonMetadata.labels", "Labels that every object gets."),
    ("spec.components", "Directories of Kustomize components that are added, relative to `path`."),
    ("spec.decryption", "How encrypted files of the source are opened."),
    ("spec.decryption.provider", "The format of encrypted files: `sops`."),
    (
        "spec.decryption.secretRef",
        "A Secret with the private keys: `*.agekey` for age, `*.asc` for OpenPGP, `sops.*` for tokens of key services.",
    ),
    ("spec.decryption.serviceAccountName", "The ServiceAccount whose identity in the cloud opens the files."),
    (
        "spec.deletionPolicy",
        "What happens to the objects when this one is deleted: `MirrorPrune` does as `prune` says, `Delete` deletes, `WaitForTermination` waits until they are gone, `Orphan` leaves them.",
    ),
    ("spec.dependsOn", "Kustomizations that must be ready before this one is applied."),
    ("spec.dependsOn.name", "Name of the Kustomization."),
    ("spec.dependsOn.namespace", "Namespace of the Kustomization; this one's when empty."),
    ("spec.dependsOn.readyExpr", "An expression in CEL over `self` and `dep` that must hold too."),
    ("spec.force", "Replace objects whose immutable fields have changed."),
    ("spec.healthCheckExprs", "How the health of custom kinds is told, in CEL."),
    ("spec.healthCheckExprs.apiVersion", "Group and version of the kind."),
    ("spec.healthCheckExprs.current", "True when the object is healthy."),
    ("spec.healthCheckExprs.failed", "True when the object has failed."),
    ("spec.healthCheckExprs.inProgress", "True while the object is on its way."),
    ("spec.healthCheckExprs.kind", "The kind."),
    ("spec.healthChecks", "Objects that must be healthy before this Kustomization is ready."),
    ("spec.healthChecks.apiVersion", "Group and version of the object."),
    ("spec.healthChecks.kind", "Kind of the object."),
    ("spec.healthChecks.name", "Name of the object."),
    ("spec.healthChecks.namespace", "Namespace of the object; this one's when empty."),
    ("spec.ignore", "Fields of applied objects that others may change without being put right."),
    ("spec.ignore.paths", "The fields, as JSON pointers such as `/spec/replicas`."),
    ("spec.ignore.target", "The objects it is about; all when empty."),
    ("spec.ignoreMissingComponents", "Pass over components whose directory is not there."),
    ("spec.images", "Images whose name, tag or digest is replaced."),
    ("spec.images.digest", "The new digest; it takes the place of a tag."),
    ("spec.images.name", "Name of the image as it stands in the objects."),
    ("spec.images.newName", "The new name."),
    ("spec.images.newTag", "The new tag."),
    (
        "spec.interval",
        "Time between two runs, such as `10m`; a new revision of the source starts one at once.",
    ),
    ("spec.kubeConfig", "Another cluster to apply to."),
    (
        "spec.kubeConfig.configMapRef",
        "A ConfigMap that says how to log in to that cluster with an identity of the cloud.",
    ),
    ("spec.kubeConfig.secretRef", "A Secret that holds a kubeconfig."),
    ("spec.kubeConfig.secretRef.key", "The key it stands under; `value` or `value.yaml` when empty."),
    ("spec.namePrefix", "Text to put before every name."),
    ("spec.nameSuffix", "Text to put behind every name."),
    ("spec.patches", "Patches of the built objects, strategic merge or JSON."),
    ("spec.patches.patch", "The patch as YAML text."),
    ("spec.patches.target", "The objects that are patched; those that the patch names when empty."),
    (
        "spec.path",
        "The directory of the source that is built; one without a `kustomization.yaml` is built from all its manifests.",
    ),
    ("spec.postBuild", "Variables that are replaced in the built objects."),
    ("spec.postBuild.substitute", "Values of variables such as `${name}`."),
    (
        "spec.postBuild.substituteFrom",
        "ConfigMaps and Secrets whose keys are variables; later ones win, `substitute` wins over all.",
    ),
    ("spec.postBuild.substituteFrom.kind", "`ConfigMap` or `Secret`."),
    ("spec.postBuild.substituteFrom.name", "Name of the ConfigMap or Secret."),
    ("spec.postBuild.substituteFrom.optional", "Go on when it is not there."),
    (
        "spec.postBuild.substituteStrategy",
        "`WithVariables` replaces only where variables are given, `Always` in any case.",
    ),
    ("spec.prune", "Delete objects that an earlier run applied and that are in the build no more."),
    ("spec.retryInterval", "Time until a failed run is tried again; `interval` when empty."),
    ("spec.serviceAccountName", "The ServiceAccount whose rights count when objects are applied."),
    ("spec.sourceRef", "The source whose artifact is built."),
    ("spec.sourceRef.apiVersion", "Group and version of the source."),
    ("spec.sourceRef.kind", "Kind of the source."),
    ("spec.sourceRef.name", "Name of the source."),
    ("spec.sourceRef.namespace", "Namespace of the source; this one's when empty."),
    ("spec.suspend", "Apply nothing until this is false again. What was applied stays."),
    ("spec.targetNamespace", "The namespace that all namespaced objects are put into."),
    ("spec.timeout", "Time that building, applying and waiting may take; `interval` when empty."),
    ("spec.wait", "Wait until every applied object is healthy; `healthChecks` are passed over then."),
    ("status.history", "The last runs, newest first, those with the same outcome as one."),
    ("status.history.digest", "Digest of what was applied."),
    ("status.history.firstReconciled", "Time of the first such run."),
    ("status.history.lastReconciled", "Time of the last such run."),
    ("status.history.lastReconciledDuration", "Time that the last such run took."),
    ("status.history.lastReconciledStatus", "How the last such run ended."),
    ("status.history.metadata", "What else is known of it, the revision for instance."),
    ("status.history.totalReconciliations", "How many such runs there were."),
    ("status.inventory", "The objects that were applied and that this Kustomization answers for."),
    ("status.inventory.entries", "The objects, one an entry."),
    ("status.inventory.entries.id", "Namespace, name, group and kind, joined by underscores."),
    ("status.inventory.entries.v", "Version of the API it was applied in."),
    (
        "status.lastAppliedOriginRevision",
        "The revision of the code that the last applied artifact was made from.",
    ),
    ("status.lastAppliedRevision", "The revision that was applied last."),
    ("status.lastAttemptedRevision", "The revision that was tried last."),
];

/// What several kinds say alike; `*` stands for any beginning.
const SHARED: Words = &[
    ("apiVersion", "Group and version of this object's kind."),
    ("kind", "Kind of this object."),
    ("metadata", "Name, namespace, labels and annotations of this object."),
    ("status", "What the controller found and did."),
    ("status.artifact", "The archive that was made last and that builders fetch."),
    ("status.conditions", "How things stand; the one of type `Ready` sums it up."),
    ("status.lastHandledReconcileAt", "The last request to run at once that was followed."),
    ("status.observedGeneration", "The generation of the object that the controller has seen last."),
    ("status.observedIgnore", "The patterns that the last artifact was made with."),
    ("status.url", "Address under which the last artifact can always be fetched."),
    ("*conditions.lastTransitionTime", "Time of the last change of `status`."),
    ("*conditions.message", "What happened, for people."),
    ("*conditions.observedGeneration", "The generation of the object that this is about."),
    ("*conditions.reason", "What happened, in one word for programs."),
    ("*conditions.status", "`True`, `False` or `Unknown`."),
    ("*conditions.type", "What this is about, such as `Ready`."),
    ("*rtifact.digest", "Digest of the archive, with its algorithm."),
    ("*rtifact.lastUpdateTime", "Time when the archive was made."),
    ("*rtifact.metadata", "What else is known of it."),
    ("*rtifact.path", "Where the archive lies in the store."),
    ("*rtifact.revision", "Where the content comes from, such as `main@sha1:…`."),
    ("*rtifact.size", "Size of the archive in bytes."),
    ("*rtifact.url", "Address to fetch the archive from."),
    ("*rtifacts.digest", "Digest of the archive, with its algorithm."),
    ("*rtifacts.lastUpdateTime", "Time when the archive was made."),
    ("*rtifacts.metadata", "What else is known of it."),
    ("*rtifacts.path", "Where the archive lies in the store."),
    ("*rtifacts.revision", "Where the content comes from, such as `main@sha1:…`."),
    ("*rtifacts.size", "Size of the archive in bytes."),
    ("*rtifacts.url", "Address to fetch the archive from."),
    ("*ecretRef.name", "Name of the Secret, which is in the namespace of this object."),
    ("*configMapRef.name", "Name of the ConfigMap, which is in the namespace of this object."),
    ("*repository.name", "Name of the GitRepository."),
    ("*target.annotationSelector", "Only objects with annotations that fit this selector."),
    ("*target.group", "Only objects of this group; a regular expression."),
    ("*target.kind", "Only objects of this kind; a regular expression."),
    ("*target.labelSelector", "Only objects with labels that fit this selector."),
    ("*target.name", "Only objects of this name; a regular expression."),
    ("*target.namespace", "Only objects of this namespace; a regular expression."),
    ("*target.version", "Only objects of this version; a regular expression."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flux::crds::crds;

    #[test]
    fn every_field_says_what_it_is_for() {
        let mut silent = Vec::new();
        let mut seen = Vec::new();
        for definition in crds() {
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            look(&kind, schema, "", &mut silent, &mut seen);
        }
        assert_eq!(silent, Vec::<String>::new());
        for words in [GIT_REPOSITORY, EXTERNAL_ARTIFACT, OCI_REPOSITORY, BUCKET, KUSTOMIZATION] {
            for (path, _) in words {
                assert!(seen.iter().any(|known| known == path), "no field is called {path}");
            }
        }
    }

    fn look(kind: &str, schema: &Value, path: &str, silent: &mut Vec<String>, seen: &mut Vec<String>) {
        if schema["description"].as_str().is_none_or(|text| !text.ends_with('.')) {
            silent.push(format!("{kind} {path}"));
        }
        seen.push(path.to_owned());
        let parts = if schema["type"] == "array" { &schema["items"] } else { schema };
        for (name, field) in parts["properties"].as_object().into_iter().flatten() {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            look(kind, field, &below, silent, seen);
        }
    }
}
