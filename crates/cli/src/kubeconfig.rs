//! What a kubeconfig says beside how to connect: the context's namespace.

use std::path::PathBuf;

use serde_json::Value;

use crate::env;

/// Is there a kubeconfig where kubectl looks when no flag names one?
pub(crate) fn is_there() -> bool {
    files(None).iter().any(|file| file.is_file())
}

/// Returns the namespace of the chosen context; none when the kubeconfig names none.
pub(crate) fn context_namespace(file: Option<&str>, context: Option<&str>) -> Option<String> {
    let read = |file: &PathBuf| sealfast_yaml::json::from_yaml(&std::fs::read(file).ok()?).ok();
    let configs: Vec<Value> = files(file).iter().filter_map(read).collect();
    let current = || configs.iter().find_map(|config| config["current-context"].as_str());
    let wanted = context.or_else(current)?;
    let contexts = configs.iter().filter_map(|config| config["contexts"].as_array()).flatten();
    let context = contexts.into_iter().find(|context| context["name"] == wanted)?;
    context["context"]["namespace"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The files that kubectl would read, in order.
pub(crate) fn files(flag: Option<&str>) -> Vec<PathBuf> {
    if let Some(file) = flag {
        return vec![PathBuf::from(file)];
    }
    match env::KUBECONFIG.text() {
        Some(list) => std::env::split_paths(&list).collect(),
        None => env::HOME.text().map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect(),
    }
}
