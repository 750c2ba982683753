//! The command line of kustomize as a tree, for completion scripts.

use clap::Command;

use super::dispatch;
use crate::completion;

/// Returns the tree.
pub(crate) fn described() -> Command {
    let at = |path: &[&'static str]| completion::command(path, dispatch, values);
    let edit = EDITS.iter().map(|(verb, fields)| {
        completion::tool(verb)
            .subcommands(fields.iter().map(|field| at(&["edit", verb, field]).arg(completion::files())))
    });
    completion::tool("kustomize").subcommands([
        at(&["build"]).arg(completion::files()),
        completion::verb_for_shells(),
        completion::tool("edit").subcommands(edit),
        at(&["version"]),
    ])
}

/// What can be edited.
const EDITS: [(&str, &[&str]); 3] = [
    ("add", &["component", "configmap", "patch", "resource", "secret"]),
    ("remove", &["component", "configmap", "patch", "resource", "secret"]),
    ("set", &["annotation", "image", "label", "nameprefix", "namespace", "namesuffix", "replicas"]),
];

/// The values that a flag takes.
fn values(path: &[&'static str], flag: &str) -> &'static [&'static str] {
    match (path, flag) {
        (["build"], "load-restrictor") => &["LoadRestrictionsRootOnly", "LoadRestrictionsNone"],
        (["build"], "reorder") => &["legacy", "none"],
        (["version"], "output") => &["json", "yaml"],
        (["edit", "add", ..], "behavior") => &["create", "merge", "replace"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flux::args::{LIST, listed};

    #[test]
    fn every_command_has_the_flags_of_its_parser() {
        let check = |command: &Command, path: &[&str]| {
            let words: Vec<String> = path.iter().copied().chain([LIST]).map(str::to_owned).collect();
            let wanted: Vec<String> =
                listed(dispatch(&words)).into_iter().map(|listed| listed.name).collect();
            let found: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            assert!(!wanted.is_empty() && found == wanted, "{path:?}: {found:?}");
        };
        let tree = described();
        for command in tree.get_subcommands() {
            match command.get_name() {
                "completion" => {}
                "edit" => {
                    for verb in command.get_subcommands() {
                        verb.get_subcommands()
                            .for_each(|field| check(field, &["edit", verb.get_name(), field.get_name()]));
                    }
                }
                name => check(command, &[name]),
            }
        }
    }
}
