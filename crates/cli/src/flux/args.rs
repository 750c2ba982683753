//! Flags as `flux` reads them: anywhere, with `=` or a blank, lists by comma.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use zeroize::Zeroize;

use super::{Failed, secret};

/// What a flag takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Nothing, or `=true`, `=false` in Go's spellings.
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

    /// Tells whether it has this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(crate) const fn short(name: &'static str, short: char, kind: Kind) -> Self {
        Self { name, short: Some(short), kind }
    }
}

/// Moves the flags that stand before the verb, as in `flux -n apps get ks`, behind everything else.
pub(crate) fn verb_first<Word: AsRef<OsStr>>(mut words: Vec<Word>, flags: &[Flag]) -> Vec<Word> {
    let before = flags_before(&words, flags);
    if before < words.len() {
        words.rotate_left(before);
    }
    words
}

/// How many words the flags take that stand before the first word that is none.
pub(crate) fn flags_before<Word: AsRef<OsStr>>(words: &[Word], flags: &[Flag]) -> usize {
    let mut before = 0;
    while let Some(length) = words.get(before).and_then(|word| flag_length(word.as_ref().to_str()?, flags)) {
        before += length;
    }
    before
}

/// How many words a flag takes, or nothing where the word is none of these flags.
fn flag_length(word: &str, flags: &[Flag]) -> Option<usize> {
    let (name, is_whole) = match word.split_once('=') {
        Some((name, _)) => (name, true),
        None => (word, false),
    };
    let (flag, is_whole) = match name.strip_prefix("--") {
        // Whatever an unknown flag may be, its value cannot be the next word.
        Some(name) if is_whole && flags.iter().all(|flag| flag.name != name) => return Some(1),
        Some(name) => (flags.iter().find(|flag| flag.name == name)?, is_whole),
        None => {
            let (letter, attached) = name.strip_prefix('-')?.split_at_checked(1)?;
            let flag = flags.iter().find(|flag| flag.short == letter.chars().next())?;
            (flag, is_whole || !attached.is_empty())
        }
    };
    Some(if is_whole || matches!(flag.kind, Kind::Switch) { 1 } else { 2 })
}

/// Ways to give a password besides `--password`, which everybody on the machine can read.
pub(crate) const PASSWORD_WAYS: [Flag; 2] =
    [Flag::long("password-file", Kind::Text), Flag::long("password-stdin", Kind::Switch)];

/// In the place of what stands behind a command: its flags are listed, and nothing is done.
pub(crate) const LIST: &str = "--generate-flag-list";

/// A flag as it was listed.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) short: Option<char>,
    pub(crate) takes_value: bool,
}

fn list(flags: &[Flag]) -> Failed {
    let lines = flags.iter().map(|flag| {
        let short = flag.short.map(String::from).unwrap_or_default();
        let kind = if matches!(flag.kind, Kind::Switch) { "switch" } else { "value" };
        format!("\n{}\t{short}\t{kind}", flag.name)
    });
    Failed([LIST.to_owned()].into_iter().chain(lines).collect())
}

/// Reads the list that a command ended with, each flag once; none when it ended with anything else.
pub(crate) fn listed<T>(ended: Result<T, Failed>) -> Vec<Listed> {
    let Err(Failed(text)) = ended else { return Vec::new() };
    let mut found: Vec<Listed> = Vec::new();
    for line in text.strip_prefix(LIST).unwrap_or_default().lines() {
        let mut parts = line.split('\t');
        let (name, short, kind) = (parts.next(), parts.next(), parts.next());
        let name = name.filter(|name| !name.is_empty() && found.iter().all(|listed| listed.name != *name));
        found.extend(name.map(|name| Listed {
            name: name.to_owned(),
            short: short.and_then(|short| short.chars().next()),
            takes_value: kind == Some("value"),
        }));
    }
    found
}

/// A parsed command line. There is no Debug: passwords stand in it, and they are wiped.
#[derive(Default)]
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
            if word == LIST {
                return Err(list(flags));
            }
            if word == "--" {
                args.names.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                if name.is_empty() || name.starts_with('-') {
                    return Err(format!("bad flag syntax: {word}").into());
                }
                let flag = flags.iter().find(|flag| flag.name == name);
                let flag = flag.ok_or_else(|| format!("unknown flag: --{name}"))?;
                args.take(*flag, value, &mut words, &format!("--{name}"))?;
            } else if let Some(short) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                args.shorts(short, flags, &mut words)?;
            } else {
                args.names.push(word.clone());
            }
        }
        Ok(args)
    }

    /// Letters behind one dash: switches, and at the end maybe one that takes what follows it.
    fn shorts<'a>(
        &mut self,
        letters: &str,
        flags: &[Flag],
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Failed> {
        let mut rest = letters.chars();
        loop {
            let left = rest.as_str();
            let Some(letter) = rest.next() else { return Ok(()) };
            let flag = flags.iter().find(|flag| flag.short == Some(letter));
            let flag = flag.ok_or_else(|| format!("unknown shorthand flag: {letter:?} in -{left}"))?;
            let given = rest.as_str().strip_prefix('=').filter(|given| !given.is_empty());
            let given = match flag.kind {
                Kind::Switch => given,
                _ => given.or(Some(rest.as_str()).filter(|given| !given.is_empty())),
            };
            self.take(*flag, given, words, &format!("{letter:?} in -{left}"))?;
            if given.is_some() || !matches!(flag.kind, Kind::Switch) {
                return Ok(());
            }
        }
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
        let named = match flag.short {
            Some(short) => format!("-{short}, --{}", flag.name),
            None => format!("--{}", flag.name),
        };
        let refused = |why: String| format!("invalid argument {value:?} for \"{named}\" flag: {why}");
        let values = self.values.entry(flag.name).or_default();
        match flag.kind {
            Kind::Duration => drop(span(&value).map_err(refused)?),
            Kind::Checked(check) => check(&value).map_err(refused)?,
            Kind::Switch => {
                let on = go_bool(&value).map_err(refused)?;
                values.push(on.to_string());
                return Ok(());
            }
            Kind::List => {
                values.extend(fields(&value).map_err(refused)?);
                return Ok(());
            }
            _ => {}
        }
        values.push(value);
        Ok(())
    }

    /// Reads the password from where it was said to be; afterwards it is as if `--password` had given it.
    pub(crate) fn read_password(&mut self) -> Result<(), Failed> {
        let from_stdin = self.is_on("password-stdin");
        let file = self.filled("password-file");
        if usize::from(from_stdin)
            + usize::from(file.is_some())
            + usize::from(self.text("password").is_some())
            > 1
        {
            return Err("only one of --password, --password-file and --password-stdin can be given".into());
        }
        let read = match file {
            Some(file) => secret::file(file, "failed to read the password")?,
            None if from_stdin => secret::stdin("failed to read the password")?,
            None => return Ok(()),
        };
        let text = read.unwrap_or_default();
        let password = text.strip_suffix('\n').unwrap_or(&text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        if password.is_empty() {
            return Err("failed to read the password: there is none".into());
        }
        self.values.insert("password", vec![password.to_owned()]);
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

    /// Returns whether a duration flag is negative, and how long it is.
    pub(crate) fn span(&self, name: &str) -> Option<(bool, Duration)> {
        span(self.text(name)?).ok()
    }

    /// Returns a duration flag; `None` when it is absent, zero or negative.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let (is_negative, duration) = self.span(name)?;
        (!is_negative && !duration.is_zero()).then_some(duration)
    }

    /// Returns a duration flag as Go prints it, zero and negative ones too.
    pub(crate) fn printed_duration(&self, name: &str) -> Option<String> {
        let (is_negative, duration) = self.span(name)?;
        let sign = if is_negative && !duration.is_zero() { "-" } else { "" };
        Some(format!("{sign}{}", sealfast_k8s::duration::format(duration)))
    }
}

impl Drop for Args {
    fn drop(&mut self) {
        self.values.values_mut().flatten().for_each(Zeroize::zeroize);
    }
}

/// The fields of a line of CSV, in which quotes may stand around a field.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let refused = |at: usize, why: &str| Err(format!("parse error on line 1, column {}: {why}", at + 1));
    let (mut fields, mut at) = (Vec::new(), 0);
    while !line.is_empty() {
        let rest = &line[at..];
        let (field, length) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.replace("\"\"", "\0\0").find('"') {
                Some(end) => (quoted[..end].replace("\"\"", "\""), end + 2),
                None => return refused(line.len(), "extraneous or missing \" in quoted-field"),
            },
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if let Some(quote) = rest[..end].find('"') {
                    return refused(at + quote, "bare \" in non-quoted field");
                }
                (rest[..end].to_owned(), end)
            }
        };
        fields.push(field);
        match line[at + length..].chars().next() {
            None => break,
            Some(',') => at += length + 1,
            Some(_) => return refused(at + length - 1, "extraneous or missing \" in quoted-field"),
        }
    }
    Ok(fields)
}

/// Checks a number with a fraction.
pub(crate) fn fraction(text: &str) -> Result<(), String> {
    text.parse::<f32>().map(drop).map_err(|_| unparsed("ParseFloat", text))
}

/// Checks a whole number.
pub(crate) fn whole(text: &str) -> Result<(), String> {
    text.parse::<i64>().map(drop).map_err(|_| unparsed("ParseInt", text))
}

/// Checks pairs, separated by commas.
pub(crate) fn pairs(text: &str) -> Result<(), String> {
    let wrong = text.split(',').find(|pair| !pair.is_empty() && !pair.contains('='));
    wrong.map_or(Ok(()), |pair| Err(format!("{pair} must be formatted as key=value")))
}

/// What Go's number and boolean parsers say.
fn unparsed(function: &str, text: &str) -> String {
    format!("strconv.{function}: parsing {text:?}: invalid syntax")
}

/// Reads a boolean as Go spells them.
pub(crate) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(unparsed("ParseBool", text)),
    }
}

/// A Go duration: whether it is negative, and how long.
fn span(text: &str) -> Result<(bool, Duration), String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match sealfast_k8s::duration::parse(unsigned) {
        Ok(duration) if !unsigned.starts_with('+') => Ok((text.starts_with('-'), duration)),
        _ => Err(why_no_duration(text, unsigned)),
    }
}

/// Names the first unit that is missing or unknown.
fn why_no_duration(text: &str, mut rest: &str) -> String {
    let is_number = |letter: char| letter == '.' || letter.is_ascii_digit();
    loop {
        let number = rest.len() - rest.trim_start_matches(is_number).len();
        let (number, behind) = rest.split_at(number);
        let unit = &behind[..behind.find(is_number).unwrap_or(behind.len())];
        if !number.contains(|digit: char| digit.is_ascii_digit()) || number.matches('.').count() > 1 {
            return format!("time: invalid duration {text:?}");
        }
        if unit.is_empty() {
            return format!("time: missing unit in duration {text:?}");
        }
        if !["ns", "us", "µs", "μs", "ms", "s", "m", "h"].contains(&unit) {
            return format!("time: unknown unit {unit:?} in duration {text:?}");
        }
        rest = &behind[unit.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_refused_in_the_words_of_go() {
        for (text, why) in [
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("1h5", "time: missing unit in duration \"1h5\""),
            ("h", "time: invalid duration \"h\""),
            ("", "time: invalid duration \"\""),
            ("-+1s", "time: invalid duration \"-+1s\""),
            ("9999999h", "time: invalid duration \"9999999h\""),
        ] {
            assert_eq!(span(text), Err(why.to_owned()), "{text}");
        }
        assert_eq!(span("-5m"), Ok((true, Duration::from_secs(300))));
    }

    #[test]
    fn lists_are_read_as_csv() {
        let read = |line: &str| fields(line);
        assert_eq!(read("a,b,"), Ok(vec!["a".to_owned(), "b".to_owned(), String::new()]));
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(read("\"a,\"\"b\"\"\",c"), Ok(vec!["a,\"b\"".to_owned(), "c".to_owned()]));
        let bare = "parse error on line 1, column 2: bare \" in non-quoted field";
        assert_eq!(read("a\"b"), Err(bare.to_owned()));
        assert!(read("\"a").is_err() && read("\"a\"b").is_err());
    }

    #[test]
    fn letters_are_read_as_pflag_reads_them() {
        let flags = [
            Flag::short("namespace", 'n', Kind::Text),
            Flag::short("all-namespaces", 'A', Kind::Switch),
            Flag::short("silent", 's', Kind::Switch),
        ];
        let read = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            Args::parse(&words, &flags).map_err(|Failed(why)| why)
        };
        let texts = |words: &str| {
            read(words)
                .map(|args| ["namespace", "all-namespaces"].map(|flag| args.text(flag).map(str::to_owned)))
        };
        let found = |namespace: Option<&str>, all: Option<&str>| {
            Ok([namespace, all].map(|text| text.map(str::to_owned)))
        };
        assert_eq!(texts("-A=false -n=a"), found(Some("a"), Some("false")));
        assert_eq!(texts("-sAnfoo"), found(Some("foo"), Some("true")));
        assert_eq!(texts("-sAn foo"), found(Some("foo"), Some("true")));
        assert_eq!(texts("-n="), found(Some("="), None));
        for (words, why) in [
            ("-sx", "unknown shorthand flag: 'x' in -x"),
            ("-An", "flag needs an argument: 'n' in -n"),
            ("--namespace", "flag needs an argument: --namespace"),
            ("---A", "bad flag syntax: ---A"),
            ("--=x", "bad flag syntax: --=x"),
        ] {
            assert_eq!(read(words).err().as_deref(), Some(why), "{words}");
        }
    }

    #[test]
    fn flags_before_the_verb_move_behind_it() {
        let flags = [Flag::short("namespace", 'n', Kind::Text), Flag::long("verbose", Kind::Switch)];
        for (before, after) in [
            ("-n apps get ks", "get ks -n apps"),
            ("-napps --verbose get ks", "get ks -napps --verbose"),
            ("--namespace apps --verbose=true get", "get --namespace apps --verbose=true"),
            ("--version -n apps", "--version -n apps"),
            ("--url=x get", "get --url=x"),
            ("get -n apps", "get -n apps"),
            ("-n", "-n"),
        ] {
            assert_eq!(verb_first(before.split(' ').collect(), &flags).join(" "), after, "{before}");
        }
    }
}
