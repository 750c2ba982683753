//! Flags as `flux` reads them: anywhere, with `=` or a blank, lists by comma.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Failed;

/// What a flag takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Nothing, or `=true` and `=false`.
    Switch,
    /// One text; the last one counts.
    Text,
    /// A Go duration.
    Duration,
    /// Texts, split at commas and gathered.
    List,
    /// A text checked when it is read; says why it is refused.
    Checked(fn(&str) -> Result<(), String>),
}

/// One flag of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    name: &'static str,
    short: Option<char>,
    kind: Kind,
}

impl Flag {
    pub(crate) const fn long(name: &'static str, kind: Kind) -> Self {
        Self { name, short: None, kind }
    }

    pub(crate) const fn short(name: &'static str, short: char, kind: Kind) -> Self {
        Self { name, short: Some(short), kind }
    }
}

/// A parsed command line.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// Words that are no flags.
    pub(crate) names: Vec<String>,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Args {
    /// Parses words by the flags of a command.
    pub(crate) fn parse(words: &[String], flags: &[Flag]) -> Result<Self, Failed> {
        let mut args = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                args.names.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let flag = flags.iter().find(|flag| flag.name == name);
                let flag = flag.ok_or_else(|| format!("unknown flag: --{name}"))?;
                args.take(*flag, value, &mut words, &format!("--{name}"))?;
            } else if let Some(short) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                args.shorts(short, flags, &mut words, word)?;
            } else {
                args.names.push(word.clone());
            }
        }
        Ok(args)
    }

    fn shorts<'a>(
        &mut self,
        letters: &str,
        flags: &[Flag],
        words: &mut impl Iterator<Item = &'a String>,
        word: &str,
    ) -> Result<(), Failed> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let flag = flags.iter().find(|flag| flag.short == Some(letter));
            let flag = flag.ok_or_else(|| format!("unknown shorthand flag: {letter:?} in {word}"))?;
            if matches!(flag.kind, Kind::Switch) {
                self.take(*flag, None, words, word)?;
                continue;
            }
            let value = rest.as_str();
            let value = value.strip_prefix('=').unwrap_or(value);
            let value = (!value.is_empty()).then_some(value);
            return self.take(*flag, value, words, word);
        }
        Ok(())
    }

    fn take<'a>(
        &mut self,
        flag: Flag,
        value: Option<&str>,
        words: &mut impl Iterator<Item = &'a String>,
        shown: &str,
    ) -> Result<(), Failed> {
        let value = match (flag.kind, value) {
            (Kind::Switch, value) => value.unwrap_or("true").to_owned(),
            (_, Some(value)) => value.to_owned(),
            (_, None) => words.next().cloned().ok_or_else(|| format!("flag needs an argument: {shown}"))?,
        };
        let refused = |why: String| format!("invalid argument {value:?} for \"--{}\" flag: {why}", flag.name);
        let values = self.values.entry(flag.name).or_default();
        match flag.kind {
            Kind::Duration => {
                let parsed = sealfast_k8s::duration::parse(value.strip_prefix('-').unwrap_or(&value));
                parsed.map_err(|error| refused(error.to_string()))?;
            }
            Kind::Checked(check) => check(&value).map_err(refused)?,
            Kind::Switch if !matches!(value.as_str(), "true" | "false") => {
                return Err(refused("invalid syntax".to_owned()).into());
            }
            Kind::List => {
                values.extend(value.split(',').map(str::to_owned));
                return Ok(());
            }
            _ => {}
        }
        values.push(value);
        Ok(())
    }

    /// Returns the last value of a flag.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Returns the last value of a flag unless it is empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// Returns every value of a list flag.
    pub(crate) fn list(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Tells whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Returns a duration flag; `None` when it is absent, zero or negative.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        sealfast_k8s::duration::parse(self.text(name)?).ok().filter(|duration| !duration.is_zero())
    }
}
