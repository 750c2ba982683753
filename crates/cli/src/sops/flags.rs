//! Flags: what there is, and reading them from words in either of two manners.
//!
//! As `sops`, flags follow Go's conventions: one dash or two, `--flag value` or `--flag=value`, and the first word that
//! is none ends them. In our own manner they may stand anywhere, short switches may be joined, and a negative number is
//! a word.

use std::collections::BTreeMap;

use crate::env::Variable;
use crate::sops::stop::Stop;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, or `=true`, `=false`.
    Switch,
    /// One text; the last counts.
    Text,
    /// One whole number.
    Number,
    /// A text each time it is given.
    List,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// One letter or a second name; empty for none.
    pub(super) short: &'static str,
    pub(super) kind: Kind,
    pub(super) variable: Option<Variable>,
    pub(super) about: &'static str,
}

/// What was given on a command line for a set of flags.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    values: BTreeMap<&'static str, Vec<String>>,
    known: Vec<&'static str>,
    /// Flags as they were written.
    names: Vec<String>,
    /// The words that are no flags.
    pub(super) words: Vec<String>,
}

impl Given {
    /// Takes every word for what it is.
    pub(super) fn of_words(words: Vec<String>) -> Self {
        Self { words, ..Self::default() }
    }

    /// Reads flags up to the first other word.
    pub(super) fn leading(flags: &[&'static [Flag]], args: Vec<String>) -> Result<Self, Stop> {
        let mut given = Self::of_environment(flags);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                break;
            }
            let Some(body) = arg.strip_prefix('-').filter(|body| !body.is_empty()) else {
                given.words.push(arg);
                break;
            };
            let body = body.strip_prefix('-').unwrap_or(body);
            if body.is_empty() || body.starts_with(['-', '=']) {
                return Err(Stop::fatal(format!("bad flag syntax: {arg}")));
            }
            given.take(flags, body, &mut args)?;
        }
        given.words.extend(args);
        given.refuse_two_forms(flags)?;
        Ok(given)
    }

    /// Both names of one flag are a mistake, as `sops` has it.
    fn refuse_two_forms(&self, flags: &[&'static [Flag]]) -> Result<(), Stop> {
        let used = |name: &str| self.names.iter().any(|used| used == name);
        match flags.iter().copied().flatten().find(|flag| used(flag.name) && used(flag.short)) {
            Some(Flag { name, short, .. }) => {
                Err(Stop::fatal(format!("Cannot use two forms of the same flag: {short} {name}")))
            }
            None => Ok(()),
        }
    }

    /// Reads flags wherever they stand.
    pub(super) fn anywhere(flags: &[&'static [Flag]], args: Vec<String>) -> Result<Self, Stop> {
        let mut given = Self::of_environment(flags);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                given.words.extend(args);
                break;
            }
            if let Some(body) = arg.strip_prefix("--") {
                given.take(flags, body, &mut args)?;
            } else if let Some(body) = arg.strip_prefix('-').filter(|body| is_no_number(body)) {
                given.take_short(flags, body, &mut args)?;
            } else {
                given.words.push(arg);
            }
        }
        Ok(given)
    }

    fn of_environment(flags: &[&'static [Flag]]) -> Self {
        let mut given = Self::default();
        for flag in flags.iter().copied().flatten() {
            given.known.push(flag.name);
            if let Some(value) = flag.variable.and_then(Variable::text) {
                let values = match flag.kind {
                    Kind::List => value.split(',').map(|item| item.trim().to_owned()).collect(),
                    _ => vec![value],
                };
                given.values.insert(flag.name, values);
            }
        }
        given
    }

    fn take(
        &mut self,
        flags: &[&'static [Flag]],
        body: &str,
        rest: &mut std::vec::IntoIter<String>,
    ) -> Result<(), Stop> {
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let flag = find(flags, name)
            .ok_or_else(|| Stop::fatal(format!("flag provided but not defined: -{name}")))?;
        let value = match (flag.kind, value) {
            (Kind::Switch, None) => "true".to_owned(),
            (_, Some(value)) => value,
            (_, None) => {
                rest.next().ok_or_else(|| Stop::fatal(format!("flag needs an argument: -{name}")))?
            }
        };
        self.put(flag, name, value)
    }

    /// `-i`, `-k VALUE`, `-kVALUE`, `-iy`.
    fn take_short(
        &mut self,
        flags: &[&'static [Flag]],
        body: &str,
        rest: &mut std::vec::IntoIter<String>,
    ) -> Result<(), Stop> {
        for (at, letter) in body.char_indices() {
            let behind = &body[at + letter.len_utf8()..];
            let name = letter.to_string();
            match find(flags, &name) {
                Some(flag) if flag.kind == Kind::Switch => self.put(flag, &name, "true".to_owned())?,
                Some(_) if behind.is_empty() => return self.take(flags, &name, rest),
                Some(flag) => {
                    return self.put(flag, &name, behind.strip_prefix('=').unwrap_or(behind).to_owned());
                }
                None => return self.take(flags, body, rest),
            }
        }
        Ok(())
    }

    fn put(&mut self, flag: &Flag, name: &str, value: String) -> Result<(), Stop> {
        let refuse = |what: &str, whose: &str| {
            Stop::fatal(format!("invalid {what} \"{value}\" for {whose}{name}: parse error"))
        };
        if flag.kind == Kind::Number && value.parse::<i32>().is_err() {
            return Err(refuse("value", "flag -"));
        }
        if flag.kind == Kind::Switch && truth(&value).is_none() {
            return Err(refuse("boolean value", "-"));
        }
        let values = self.values.entry(flag.name).or_default();
        if flag.kind != Kind::List {
            values.clear();
        }
        values.push(value);
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Is this one of the flags that could have been given?
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.contains(&name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    pub(super) fn list(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Behind a dash: neither nothing nor the digits of a negative number.
fn is_no_number(body: &str) -> bool {
    body.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

pub(super) fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Moves the flags of a command in front of its other words, as `sops` does: each with the word behind it, unless it has
/// a `=` or that word is itself a flag of the command. What stands behind `--` stays there.
pub(super) fn flags_first(flags: &[&'static [Flag]], args: Vec<String>) -> Vec<String> {
    let (mut front, mut behind) = (Vec::new(), Vec::new());
    let mut takes_next = false;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let is_flag = is_flag(flags, &arg);
        if is_flag || takes_next {
            takes_next = is_flag && !arg.contains('=');
            front.push(arg);
        } else if arg == "--" {
            behind.insert(0, arg);
            behind.extend(args);
            break;
        } else {
            behind.push(arg);
        }
    }
    front.extend(behind);
    front
}

fn is_flag(flags: &[&'static [Flag]], arg: &str) -> bool {
    let Some(body) = arg.strip_prefix('-') else { return false };
    let body = body.strip_prefix('-').map_or(body, |long| long.strip_prefix('-').unwrap_or(long));
    let name = body.split_once('=').map_or(body, |(name, _)| name);
    find(flags, name).is_some()
}

fn find(flags: &[&'static [Flag]], name: &str) -> Option<&'static Flag> {
    flags.iter().copied().flatten().find(|flag| flag.name == name || (!name.is_empty() && flag.short == name))
}
