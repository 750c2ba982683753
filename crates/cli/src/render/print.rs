//! Rendered objects on standard output.

use std::process::ExitCode;

use sealfast_k8s::object;
use serde_json::{Value, json};

use super::Format;
use super::follow::Part;
use crate::output;

/// Prints all objects.
pub(super) fn parts(parts: &[Part], format: Format) -> ExitCode {
    let objects = parts.iter().flat_map(|part| part.objects.iter().map(move |object| (part, object)));
    let text = match format {
        Format::Yaml => yaml(parts),
        Format::Json => {
            let items: Vec<&Value> = objects.map(|(_, object)| object).collect();
            format!("{:#}\n", json!({ "apiVersion": "v1", "kind": "List", "items": items }))
        }
        Format::Names => objects.map(|(_, object)| name(object) + "\n").collect(),
        Format::Table => {
            let mut table = comfy_table::Table::new();
            table.load_style(comfy_table::presets::NOTHING).set_header(["FROM", "KIND", "NAMESPACE", "NAME"]);
            for (part, found) in objects {
                table.add_row([
                    &part.origin,
                    object::kind(found),
                    object::namespace(found),
                    object::name(found),
                ]);
            }
            format!("{table}\n")
        }
    };
    output::data(text.as_bytes())
}

/// Each part begins with a comment that says where it comes from.
fn yaml(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts.iter().filter(|part| !part.objects.is_empty()) {
        for (at, object) in part.objects.iter().enumerate() {
            text.push_str("---\n");
            if at == 0 {
                text.push_str(&format!("# {}\n", part.origin));
            }
            text.push_str(&sealfast_yaml::json::to_yaml(object));
        }
    }
    text
}

fn name(found: &Value) -> String {
    // A kind alone may be that of several groups.
    let kind = match object::gvk(found).group.as_str() {
        "" => object::kind(found).to_owned(),
        group => format!("{}.{group}", object::kind(found)),
    };
    match object::namespace(found) {
        "" => format!("{kind}/{}", object::name(found)),
        namespace => format!("{kind}/{namespace}/{}", object::name(found)),
    }
}
