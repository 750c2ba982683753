//! What is wrong with a configuration, told with file, line, rule and field.

use std::path::Path;

use sealfast_sops::error::Error;
use sealfast_sops::path::Step;
use sealfast_sops::rules::{self, CreationRule};

use crate::sops::call::Call;
use crate::sops::log;
use crate::sops::stop::Stop;
use crate::spelling;

/// A configuration as it was read.
pub(super) struct Source<'s> {
    pub(super) path: &'s Path,
    pub(super) text: &'s [u8],
}

impl Source<'_> {
    /// Tells an error with its place and what mends it.
    pub(super) fn told(&self, wrong: &Error) -> Stop {
        match wrong {
            Error::InRules { place, error } => {
                let stop = match &**error {
                    Error::RuleKeys { wanted, found, .. } => {
                        Stop::of(wrong, "").plainly(format!("{wanted} is wanted, not {}", word_for(found)))
                    }
                    _ => Stop::of(wrong, ""),
                };
                mend(error, place).into_iter().fold(self.at(stop, place), Stop::hint)
            }
            Error::Configuration { line: Some(line), mistake, misfit, .. } => {
                self.unreadable(Stop::of(wrong, ""), *line, mistake, misfit.as_ref())
            }
            Error::NoRule { path } => {
                let stop = Stop::of(wrong, "").plainly(format!("no creation rule is for {path}"));
                self.at(stop, &[Step::Key("creation_rules".to_owned())]).hint(self.rule_for(path))
            }
            _ => Stop::of(wrong, "").in_file(&self.path.to_string_lossy()),
        }
    }

    /// What a rule for a path begins with.
    fn rule_for(&self, path: &str) -> String {
        let whole = std::path::absolute(self.path).unwrap_or_default();
        let relative = Path::new(path).strip_prefix(whole.parent().unwrap_or(Path::new("/")));
        let name = relative.map_or_else(|_| path.to_owned(), |name| name.to_string_lossy().into_owned());
        let literally = name.chars().fold(String::new(), |mut text, letter| {
            if r"\.+*?()|[]{}^$".contains(letter) {
                text.push('\\');
            }
            text.push(letter);
            text
        });
        let literally = literally.replace('\'', "''");
        format!("add a rule for it, as `- {{path_regex: '^{literally}$', age: age1…}}`")
    }

    /// Says where something is wrong.
    pub(super) fn at(&self, stop: Stop, place: &[Step]) -> Stop {
        let line = rules::line_of(self.text, place);
        stop.in_configuration(&self.path.to_string_lossy(), line, &self.shown(place))
    }

    /// The rule and the field of a place: creation rule 2 (path_regex `^prod/`): `age`.
    fn shown(&self, place: &[Step]) -> String {
        let (rule, inner) = match place {
            [Step::Key(list), Step::Index(index), inner @ ..] if list == "creation_rules" => {
                (format!("creation rule {}{}", index + 1, self.expression(&place[..2])), inner)
            }
            [Step::Key(list), Step::Index(index), inner @ ..] if list == "destination_rules" => {
                (format!("destination rule {}{}", index + 1, self.expression(&place[..2])), inner)
            }
            inner => (String::new(), inner),
        };
        let field = field_of(inner);
        match (rule.is_empty(), field.is_empty()) {
            (_, true) => rule,
            (true, false) => format!("`{field}`"),
            (false, false) => format!("{rule}: `{field}`"),
        }
    }

    /// The expression of a rule's path, in brackets.
    fn expression(&self, rule: &[Step]) -> String {
        rules::text_of(self.text, &[rule, &[Step::Key("path_regex".to_owned())]].concat())
            .map(|regex| format!(" (path_regex `{regex}`)"))
            .unwrap_or_default()
    }

    /// The file is no YAML, or a field holds something of another kind: its first mistake is told.
    fn unreadable(&self, stop: Stop, line: usize, mistake: &str, misfit: Option<&(String, String)>) -> Stop {
        let mut place = rules::place_at(self.text, line);
        if misfit.is_some_and(|(found, _)| matches!(found.as_str(), "!!map" | "!!seq")) {
            // It begins where its first part does.
            place.pop();
        }
        let (what, hint) = match misfit {
            Some((found, wanted)) => other_kind(found, wanted),
            None => (mistake.to_owned(), None),
        };
        let stop = hint.into_iter().fold(stop.plainly(what), Stop::hint);
        stop.in_configuration(&self.path.to_string_lossy(), Some(line), &self.shown(&place))
    }

    /// Warns about fields that nothing is read from.
    pub(super) fn warn_of_unknown(&self, call: &Call) {
        for rules::Unknown { mut place, line, known } in rules::unknown_fields(self.text) {
            let name = place.pop().map(|name| name.to_string()).unwrap_or_default();
            let whole = self.shown(&place);
            let whole = if whole.is_empty() { "the configuration".to_owned() } else { whole };
            let mend = match spelling::nearest(&name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it may have {}", known.join(", ")),
            };
            let path = self.path.display();
            log::warn(call.presentation, &format!("{path}:{line}: {whole} has no field `{name}`: {mend}"));
        }
    }

    /// A rule and its line, for hints about its keys.
    pub(super) fn rule(&self, rule: &CreationRule) -> String {
        let line = rules::line_of(self.text, rule.place()).map(|line| format!(":{line}")).unwrap_or_default();
        format!("{} at {}{line}", self.shown(rule.place()), self.path.display())
    }
}

fn field_of(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |mut text, step| {
        match step {
            Step::Key(name) if text.is_empty() => text.push_str(name),
            Step::Key(name) => text.push_str(&format!(".{name}")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    })
}

/// What mends a mistake in a rule.
fn mend(wrong: &Error, place: &[Step]) -> Option<String> {
    let field = place.iter().rev().find_map(|step| match step {
        Step::Key(name) => Some(name.as_str()),
        Step::Index(_) => None,
    });
    Some(match (wrong, field.unwrap_or_default()) {
        (Error::RulePath { .. }, _) => {
            "write it in single quotes, with a backslash before what is meant literally: `path_regex: '^apps/.*\\.yaml$'`"
                .to_owned()
        }
        (Error::RuleSelectors { fields }, _) => {
            format!("keep one of them, and have a rule of its own for the other files: remove `{}`", fields[1])
        }
        (Error::RuleKeys { field, .. }, _) => {
            format!("write one key, `{field}: KEY`, or a list, `{field}: [KEY, KEY]`; put numbers in quotes")
        }
        (_, "hc_vault_transit_uri" | "hc_vault") => VAULT_SHAPE.to_owned(),
        (_, "azure_keyvault") => AZURE_SHAPE.to_owned(),
        (_, "hckms") => HUAWEI_SHAPE.to_owned(),
        _ => return None,
    })
}

pub(super) const VAULT_SHAPE: &str = "write it as `https://vault.example.com:8200/v1/transit/keys/NAME`";
pub(super) const AZURE_SHAPE: &str = "write it as `https://NAME.vault.azure.net/keys/KEY/VERSION`";
pub(super) const HUAWEI_SHAPE: &str = "write it as `REGION:KEY-UUID`";

/// A value of another kind than is wanted, in the words of people, and what mends it.
fn other_kind(found: &str, wanted: &str) -> (String, Option<&'static str>) {
    let found = word_for(found);
    let (wanted, hint) = match wanted {
        "int" => ("a whole number", Some("write it without quotes, as `2`")),
        "bool" => ("`true` or `false`", None),
        "string" => ("a text", (found == "a number").then_some("put it in quotes")),
        wanted if wanted.starts_with("[]") => ("a list", Some("begin each item with `- `")),
        _ => ("a mapping of fields", Some("write the fields as `name: value`, a line each")),
    };
    (format!("{wanted} is wanted, not {found}"), hint)
}

/// A type in the words of people.
fn word_for(kind: &str) -> &'static str {
    match kind {
        "!!seq" | "[]interface {}" => "a list",
        "!!str" | "string" => "a text",
        "!!int" | "!!float" | "int" | "uint64" | "float64" => "a number",
        "!!bool" | "bool" => "a truth value",
        "<nil>" => "nothing",
        kind if kind == "!!map" || kind.starts_with("map[") => "a mapping",
        _ => "something else",
    }
}
