//! Where objects come from, as `buildMetadata` asks to have it annotated.

use serde_json::Value;

use crate::files::{join, relative};
use crate::resource::{Resource, text};

/// Annotation with the origin of an object.
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";

/// Annotation with what has changed an object.
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// Label with the tool's version.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The version that the label names: the one whose behaviour this crate has.
const VERSION: &str = "kustomize-v5.8.1";

/// Returns the origin of an object from a file.
pub(crate) fn of_file(outermost: &str, root: &str, path: &str) -> String {
    field("path", &relative(outermost, &join(root, path)))
}

/// Returns the origin of what a kustomization's own fields make or change.
pub(crate) fn of_plugin(outermost: &str, root: &str, file: &str, kind: &str) -> String {
    let mut text = field("configuredIn", &relative(outermost, &join(root, file)));
    text.push_str("configuredBy:\n  apiVersion: builtin\n  ");
    text.push_str(&field("kind", kind));
    text
}

/// Returns the origin of what a plugin makes or changes that is configured by an object in a file.
pub(crate) fn of_external(configured_in: &str, config: &Resource) -> String {
    let mut out = field("configuredIn", configured_in);
    out.push_str("configuredBy:\n");
    let parts = [
        ("apiVersion", text(&config.value, "apiVersion")),
        ("kind", config.kind()),
        ("name", config.name()),
        ("namespace", config.namespace()),
    ];
    for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str("  ");
        out.push_str(&field(name, value));
    }
    out
}

/// Returns one line of YAML.
fn field(name: &str, value: &str) -> String {
    format!("{name}: {}", sealfast_yaml::json::to_yaml(&Value::String(value.to_owned())))
}

/// Returns a block as an item of a list.
fn item(block: &str) -> String {
    let mut text = String::new();
    for (number, line) in block.lines().enumerate() {
        text.push_str(if number == 0 { "- " } else { "  " });
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Writes the annotations and the label that were asked for.
pub(crate) fn annotate(resource: &mut Resource, metadata: &[String]) {
    let wants = |name: &str| metadata.iter().any(|wanted| wanted == name);
    if wants("managedByLabel") {
        resource.set_metadata_entry("labels", MANAGED_BY, VERSION);
    }
    if wants("originAnnotations")
        && let Some(origin) = resource.origin.take()
    {
        resource.set_metadata_entry("annotations", ORIGIN, &origin);
    }
    if wants("transformerAnnotations") && !resource.transformations.is_empty() {
        let text: String = resource.transformations.drain(..).map(|entry| item(&entry)).collect();
        resource.set_metadata_entry("annotations", TRANSFORMATIONS, &text);
    }
}
