//! The command line of flux as a tree, for completion scripts.

use clap::Command;

use super::known;
use super::verbs::VERBS;
use super::{create_secret, dispatch};
use crate::completion;

/// Returns the tree.
pub(crate) fn described() -> Command {
    let verbs = VERBS.iter().map(|verb| described_verb(verb.word));
    completion::command(&[], dispatch, values).name("flux").subcommands(verbs)
}

/// Returns a verb with the kinds behind it.
pub(crate) fn described_verb(word: &'static str) -> Command {
    if word == "completion" {
        return completion::verb_for_shells();
    }
    if word == "help" {
        return completion::tool(word);
    }
    let at = |path: &[&'static str]| completion::command(path, dispatch, values);
    let command = at(&[word]);
    match word {
        "create" => {
            let secrets = create_secret::words().map(|kind| at(&["create", "secret", kind]));
            command.subcommands([
                completion::tool("source").subcommand(at(&["create", "source", "git"])),
                at(&["create", "kustomization"]).alias("ks"),
                at(&["create", "secret"]).subcommands(secrets),
                at(&["create", "tenant"]),
            ])
        }
        "build" | "diff" => {
            command.subcommands([at(&[word, "kustomization"]).alias("ks"), at(&[word, "artifact"])])
        }
        "debug" | "tree" => command.subcommand(at(&[word, "kustomization"]).alias("ks")),
        "pull" | "push" | "tag" => command.subcommand(at(&[word, "artifact"])),
        "list" => command.subcommand(at(&["list", "artifacts"])),
        "delete" | "export" | "get" | "reconcile" | "resume" | "suspend" => command.subcommands(kinds(word)),
        _ => command,
    }
}

/// The kinds of a verb for objects, those of a group below it.
fn kinds(verb: &'static str) -> Vec<Command> {
    let at = |path: &[&'static str]| completion::command(path, dispatch, values);
    let mut found: Vec<Command> = Vec::new();
    for (group, words) in known::words(verb) {
        let Some((word, others)) = words.split_first() else { continue };
        let others = others.iter().copied();
        if group.is_empty() {
            found.push(at(&[verb, word]).aliases(others));
            continue;
        }
        let kind = at(&[verb, group, word]).aliases(others);
        match found.iter_mut().find(|command| command.get_name() == group) {
            Some(command) => *command = command.clone().subcommand(kind),
            None => found.push(at(&[verb, group]).alias(format!("{group}s")).subcommand(kind)),
        }
    }
    if verb == "get" {
        let all = |path: &[&'static str]| at(path);
        found = found
            .into_iter()
            .map(|command| match command.get_name() {
                "source" => command.subcommand(all(&["get", "source", "all"])),
                "image" => command.subcommand(all(&["get", "image", "all"])),
                _ => command,
            })
            .collect();
        found.push(all(&["get", "all"]));
    }
    found
}

/// The values that a flag takes.
fn values(path: &[&'static str], flag: &str) -> &'static [&'static str] {
    match (path, flag) {
        (["logs", ..], "level") => &["debug", "info", "error"],
        (["create", "source", ..], "provider") => &["generic", "github", "aws", "azure"],
        ([_, "artifact" | "artifacts", ..], "provider") => &["generic", "aws", "azure", "gcp"],
        (_, "decryption-provider") => &["sops"],
        (_, "ssh-key-algorithm") => &["rsa", "ecdsa", "ed25519"],
        (_, "ssh-ecdsa-curve") => &["p256", "p384", "p521"],
        (["tree" | "version", ..], "output") => &["json", "yaml"],
        (["push", ..], "output") => &["json", "yaml"],
        (["events", ..], "types") => &["Normal", "Warning"],
        (["logs", ..], "kind") => KINDS,
        _ => &[],
    }
}

const KINDS: &[&str] = &["GitRepository", "Kustomization"];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::flux::args::{LIST, listed};

    /// Every command of a tree with the words that lead to it.
    fn walk(command: &Command, path: &[String], look: &mut dyn FnMut(&Command, &[String])) {
        look(command, path);
        for below in command.get_subcommands() {
            walk(below, &[path, &[below.get_name().to_owned()]].concat(), look);
        }
    }

    #[test]
    fn every_command_has_the_flags_of_its_parser_and_values_that_it_takes() {
        let mut commands = 0;
        walk(&described(), &[], &mut |command, path| {
            if matches!(path.first().map(String::as_str), Some("completion" | "help"))
                || path == ["create", "source"]
            {
                return;
            }
            commands += 1;
            let list = |more: &[String]| listed(dispatch(&[path, more, &[LIST.to_owned()]].concat()));
            let wanted: Vec<String> = list(&[]).into_iter().map(|listed| listed.name).collect();
            let found: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            assert!(!wanted.is_empty(), "{path:?} lists nothing");
            assert_eq!(found, wanted, "{path:?}");
            for flag in command.get_arguments() {
                for value in flag.get_possible_values() {
                    if !flag.get_action().takes_values() {
                        continue;
                    }
                    let given = format!("--{}={}", flag.get_long().unwrap(), value.get_name());
                    assert!(!list(std::slice::from_ref(&given)).is_empty(), "{path:?} refuses {given}");
                }
            }
        });
        assert!(commands > 80, "{commands}");
    }

    #[test]
    fn every_kind_is_known() {
        for verb in ["delete", "export", "get", "reconcile", "resume", "suspend"] {
            walk(&described_verb(verb), &[], &mut |_, path| {
                let words: Vec<&str> = path.iter().map(String::as_str).collect();
                let is_whole = !words.is_empty() && !words.ends_with(&["all"]);
                if is_whole && (words.len() == 2 || known::group(words[0]).is_none()) {
                    assert!(known::find(verb, &words).is_ok(), "{verb} {words:?}");
                }
            });
        }
    }
}
