//! Masks: decrypted values are covered wherever they land.
//!
//! Every value of a Secret is covered. Elsewhere a text is searched for each decrypted value, in each of its forms; a text
//! that is base64 of something with a decrypted value in it is covered whole.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::kustomization::forms::{self, Forms, SHORTEST_LINE};
use crate::kustomization::search::{self, Search};
use crate::kustomization::witness::{SHORTEST_PART, Text, Witness};

/// What stands in the place of a secret value.
const MASK: &str = "**SOPS**";
/// Why a message is covered whole.
const OVERRUN: &str = "covered whole: too many values were decrypted to be looked for one by one";
/// What stands before a value in the words of an API server, and before that.
const VALUE: &str = " value: ";
const REFUSED: [&str; 3] = ["Invalid", "Unsupported", "Duplicate"];

/// Letters of base64 that join words as well.
const JOINTS: [char; 4] = ['/', '+', '-', '_'];
/// Base64 with anything at its end.
const PIECE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The texts that are covered.
pub struct Masks {
    /// Covered wherever they stand.
    parts: Search,
    /// Covered wherever they stand in a message, as the parts are.
    told: Search,
    /// Too short to be looked for in a text: covered where nothing stands beside them, and between quotes.
    short: BTreeSet<Text>,
    /// Covered between quotes.
    lines: BTreeSet<Text>,
    /// Covered where nothing stands beside them.
    wholes: BTreeSet<Text>,
    /// Nobody knows what is secret: everything is covered.
    covers_all: bool,
    is_empty: bool,
}

impl Masks {
    /// Returns the masks for what was decrypted.
    pub fn of(witness: &Witness) -> Self {
        let mut wholes = BTreeSet::new();
        for whole in witness.wholes().filter(|whole| !whole.is_empty()) {
            wholes.append(&mut forms::of_whole(whole));
        }
        Self { covers_all: witness.is_overrun(), ..Self::covering(witness.values(), wholes) }
    }

    /// Returns the masks for one value.
    pub(super) fn values<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        Self::covering(values, BTreeSet::new())
    }

    fn covering<'a>(values: impl Iterator<Item = &'a str>, wholes: BTreeSet<Text>) -> Self {
        let Forms { all: mut forms, lines } = Forms::of(values);
        let is_empty = forms.is_empty();
        let is_long = |text: &&str| text.len() >= SHORTEST_PART;
        let parts = Search::of(forms.iter().map(Text::as_str).filter(is_long));
        let told = Search::of(wholes.iter().map(Text::as_str).filter(is_long));
        forms.retain(|form| !is_long(&form.as_str()));
        Self { parts, told, short: forms, lines, wholes, covers_all: false, is_empty }
    }

    /// Covers an object.
    pub fn object(&self, object: &mut Value) {
        if object.get("kind").and_then(Value::as_str) == Some("Secret") {
            for field in ["data", "stringData"] {
                for (_, value) in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
                    *value = MASK.into();
                }
            }
        }
        self.value(object);
    }

    /// Covers a part of an object, wherever in it a decrypted value lies.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                if map.keys().any(|key| self.text(key) != *key) {
                    let plain = std::mem::take(map);
                    *map =
                        plain.into_iter().map(|(key, value)| (self.text(&key), value)).collect::<Map<_, _>>();
                }
                map.iter_mut().for_each(|(_, value)| self.value(value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::String(text) => *text = self.text(text),
            Value::Number(number) => {
                let text = number.to_string();
                if self.is_whole(&text) || text.len() >= SHORTEST_PART && self.is_secret(&text) {
                    *value = MASK.into();
                }
            }
            Value::Bool(_) | Value::Null => {
                if self.is_whole(&value.to_string()) {
                    *value = MASK.into();
                }
            }
        }
    }

    /// Returns a text with masks in it.
    pub fn text(&self, text: &str) -> String {
        if self.is_secret(text) || self.is_whole(text) || self.hides_secret(text) {
            return MASK.to_owned();
        }
        search::cover(&[&self.parts], text, MASK)
    }

    /// Returns what somebody says about objects, such as an API server that refuses one, with masks in it. Short values are
    /// covered where they stand in quotes, or where a server names a value that it refuses.
    pub fn message(&self, text: &str) -> String {
        if self.covers_all {
            return format!("{MASK} ({OVERRUN})");
        }
        if self.is_empty && self.wholes.is_empty() {
            return text.to_owned();
        }
        let covered = search::cover(&[&self.parts, &self.told], &self.without_base64(text), MASK);
        let covered = self.without_refused(&self.without_short(&covered));
        if self.is_empty { covered } else { without_changes(&without_given(&covered)) }
    }

    /// Covers base64 of what holds a secret.
    fn without_base64(&self, text: &str) -> String {
        let mut covered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let end = run(rest);
            let (front, behind) = rest.split_at(if end == 0 { letter.len_utf8() } else { end });
            covered.push_str(if end > 0 && self.hides_secret_in(front) { MASK } else { front });
            rest = behind;
        }
        covered
    }

    /// Covers what is short and stands in quotes.
    fn without_short(&self, text: &str) -> String {
        let mut covered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['"', '\'', '`']) {
            let quote = rest.as_bytes()[at];
            covered.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            let ends = (1..=SHORTEST_LINE + 1).filter(|end| rest.as_bytes().get(*end) == Some(&quote));
            // The quotes themselves may stand in quotes.
            let quoted = |end: usize| rest.get(..end).map(|text| text.trim_end_matches('\\'));
            let is_short = |text: &&str| self.is_short(text) || self.lines.contains(*text);
            if let Some(text) = ends.rev().filter_map(quoted).find(is_short) {
                covered.push_str(MASK);
                rest = &rest[text.len()..];
            }
        }
        covered.push_str(rest);
        covered
    }

    /// Covers what is short where a server that refuses a value names it, bare as numbers are.
    fn without_refused(&self, text: &str) -> String {
        let mut covered = String::with_capacity(text.len());
        let mut rest = text;
        // Each letter is looked at once: the text may be one that a tenant's server made long.
        while let Some(at) = rest.find(VALUE) {
            let (front, behind) = rest.split_at(at + VALUE.len());
            covered.push_str(front);
            rest = behind;
            if !REFUSED.iter().any(|word| front[..at].ends_with(word)) {
                continue;
            }
            let end = behind.find([':', ',', '\n']).unwrap_or(behind.len());
            covered.push_str(if self.is_short(&behind[..end]) { MASK } else { &behind[..end] });
            rest = &behind[end..];
        }
        covered.push_str(rest);
        covered
    }

    fn is_short(&self, text: &str) -> bool {
        self.short.contains(text) || self.wholes.contains(text)
    }

    fn is_secret(&self, text: &str) -> bool {
        self.parts.has(text) || self.short.contains(text)
    }

    fn is_whole(&self, text: &str) -> bool {
        self.covers_all || self.wholes.contains(text)
    }

    /// Whether a run of a message has base64 of something that holds a secret, be it joined to other words.
    fn hides_secret_in(&self, run: &str) -> bool {
        self.hides_secret(run)
            || run.contains(JOINTS)
                && (run.split(JOINTS).any(|part| self.hides_secret(part))
                    || (0..4).any(|from| self.hides_secret_from(run, from)))
    }

    /// Whether a run, read as base64 from one of its letters on, holds a secret. What stands before it becomes rubbish.
    fn hides_secret_from(&self, run: &str, from: usize) -> bool {
        let mut plain = Zeroizing::new(String::with_capacity(run.len()));
        let letters = run.trim_end_matches('=').chars().skip(from);
        plain.extend(letters.map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            _ => letter,
        }));
        if plain.len() % 4 == 1 {
            plain.pop();
        }
        let decoded = PIECE.decode(plain.as_str()).map(Zeroizing::new);
        decoded.is_ok_and(|decoded| !self.parts.places(&decoded).is_empty())
    }

    /// Whether a text is base64 of something that holds a secret.
    fn hides_secret(&self, text: &str) -> bool {
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        plain.extend(text.chars().filter(|letter| !letter.is_ascii_whitespace()));
        if plain.len() < SHORTEST_PART {
            return false;
        }
        let ways = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
        let decoded = ways.iter().find_map(|way| way.decode(plain.as_str()).ok()).map(Zeroizing::new);
        let Some(decoded) = decoded else { return false };
        let is_short = || std::str::from_utf8(&decoded).is_ok_and(|text| self.short.contains(text));
        is_short() || !self.parts.places(&decoded).is_empty()
    }
}

/// A beginning of a text that may be base64, with what fills it up; the rest follows it.
fn run(text: &str) -> usize {
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '-' | '_');
    let inside = text.find(|letter| !is_inside(letter)).unwrap_or(text.len());
    inside + text[inside..].bytes().take(2).take_while(|byte| *byte == b'=').count()
}

/// Covers values of a wrong type, which a server prints as it read them: `0x1F` as 31.
fn without_given(text: &str) -> String {
    const GIVEN: &str = ", got &";
    let line = |line: &str| match line.split_once(GIVEN) {
        Some((front, _)) => format!("{front}, got {MASK}"),
        None => line.to_owned(),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Covers both sides of a difference, such as a server shows of two pods: the other side holds what was decrypted before,
/// which nobody knows any more.
fn without_changes(text: &str) -> String {
    let mut within = false;
    let line = |line: &str| {
        within |= line.starts_with("@@ ") || line.ends_with('{');
        if within && line.starts_with(['+', '-']) { without_value(line) } else { line.to_owned() }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A changed line with its name alone, if it has one that can be told from its value.
fn without_value(line: &str) -> String {
    const BARE: [&str; 7] = ["", "{", "}", "[", "]", "null", "{}"];
    let indented = line.len() - line[1..].trim_start().len();
    let (front, value) = line.split_at(indented + name_length(&line[indented..]));
    if BARE.contains(&value.trim_end_matches(',')) { line.to_owned() } else { format!("{front}{MASK}") }
}

/// Bytes of a name in JSON with what parts it from its value.
fn name_length(text: &str) -> usize {
    let (mut is_open, mut is_escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if is_open && !is_escaped => return if text[at..].starts_with("\": ") { at + 3 } else { 0 },
            '"' if !is_open => is_open = true,
            _ if !is_open => return 0,
            _ => is_escaped = letter == '\\' && !is_escaped,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use crate::kustomization::witness::Witness;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::{MASK, Masks};

    fn masks(values: &[&str]) -> Masks {
        let mut witness = Witness::default();
        values.iter().for_each(|value| witness.add(value));
        Masks::of(&witness)
    }

    #[test]
    fn refusals_show_no_value() {
        let masks = masks(&["hunter2", "a\"b\nsecond-line", "no"]);
        let told = |text: &str| masks.message(text);
        assert_eq!(
            told("spec.x: Invalid value: \"hunter2\": bad"),
            "spec.x: Invalid value: \"**SOPS**\": bad"
        );
        assert_eq!(told("value \"no\" is not known"), "value \"**SOPS**\" is not known");
        assert_eq!(told("got \"a\\\"b\\nsecond-line\""), "got \"**SOPS**\"");
        assert_eq!(told(&format!("data: {}", STANDARD.encode("hunter2"))), "data: **SOPS**");
        assert_eq!(told("nothing"), "nothing");
        let printed = ".data.a: expected string, got &value.valueUnstructured{Value:31}\nConfigMap/x created";
        assert_eq!(told(printed), ".data.a: expected string, got **SOPS**\nConfigMap/x created");
        assert_eq!(Masks::of(&Witness::default()).message(printed), printed);
        let masks = self::masks(&["pass&word", "a\u{2028}<b>"]);
        assert_eq!(
            masks.message(r#"decoding {"p":"pass\u0026word"}, a\u2028\u003cb\u003e, pass&word"#),
            r#"decoding {"p":"**SOPS**"}, **SOPS**, **SOPS**"#
        );
    }

    #[test]
    fn messages_show_no_value_in_any_form() {
        let masks = masks(&["hunter2\r\n", "it's-\u{1b}-me", "12", "true", "first\nsecond", "user@example"]);
        for (told, wanted) in [
            ("got hunter2.", "got **SOPS**."),
            (r#"got "it's-\x1b-me""#, r#"got "**SOPS**""#),
            (r#"got "it's-\u{1b}-me""#, r#"got "**SOPS**""#),
            (r#"step "got \"it's-\\u001b-me\"""#, r#"step "got \"**SOPS**\"""#),
            ("got 'it''s-\u{1b}-me'", "got '**SOPS**'"),
            (r#"'12', `12`, \"12\", "12", 12"#, r#"'**SOPS**', `**SOPS**`, \"**SOPS**\", "**SOPS**", 12"#),
            ("spec.a: Invalid value: 12: must be less", "spec.a: Invalid value: **SOPS**: must be less"),
            ("spec.a: Unsupported value: true, x", "spec.a: Unsupported value: **SOPS**, x"),
            (
                r#"spec.a: Invalid value: "first": not first"#,
                r#"spec.a: Invalid value: "**SOPS**": not first"#,
            ),
            ("don't say 'it' or \"x", "don't say 'it' or \"x"),
        ] {
            assert_eq!(masks.message(told), wanted, "{told}");
        }
        for way in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            let hidden = way.encode("the user is user@example, is it?>>??");
            assert_eq!(masks.message(&format!("a=\"{hidden}\" x")), "a=\"**SOPS**\" x");
            for word in ["data/", "a-", "ab_", "abc+d/", "x/y-"] {
                assert_eq!(masks.message(&format!("got {word}{hidden}, x")), "got **SOPS**, x", "{word}");
            }
        }
    }

    #[test]
    fn what_was_made_of_values_is_covered_with_them() {
        let mut witness = Witness::default();
        witness.add("hunter2-and-more");
        witness.learn_whole("more, of it");
        assert_eq!(Masks::of(&witness).message("is hunter2-and-more, of it."), "is **SOPS**.");
        witness.learn_whole("is hunter2-and-more,");
        assert_eq!(Masks::of(&witness).message("it is hunter2-and-more, of that"), "it **SOPS** of that");
    }

    #[test]
    fn long_refusals_are_gone_through_once() {
        let masks = masks(&["hunter2", "12"]);
        let began = std::time::Instant::now();
        let told = masks.message(&"x value: 12: Invalid value: 12, ".repeat(100_000));
        assert_eq!(told, "x value: 12: Invalid value: **SOPS**, ".repeat(100_000));
        // A search of all the rest for each of them would take hours.
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    }

    #[test]
    fn differences_show_no_value_of_either_side() {
        let masks = masks(&["hunter2"]);
        let json = "spec: Forbidden: pods\n@@ -4,6 +4,6 @@\n  {\n   \"env\": [\n-  \"value\": \"hunter2\",\n+  \"value\": \"hunter1\",\n+  \"port\": 5432\n+   \"hunter0\\\": x\",\n+   },\n+  \"list\": [\n";
        let told = masks.message(json);
        assert!(!told.contains("hunter") && !told.contains("5432"), "{told}");
        let wanted = "-  \"value\": **SOPS**\n+  \"value\": **SOPS**\n+  \"port\": **SOPS**\n+   **SOPS**\n+   },\n+  \"list\": [\n";
        assert!(told.ends_with(wanted), "{told}");
        let go = "spec: Forbidden: pods\n  core.PodSpec{\n- \t\tValue: \"hunter2\",\n+ \t\tValue: \"hunter1\",\n  }";
        let told = masks.message(go);
        assert!(!told.contains("hunter") && told.contains("core.PodSpec{\n- \t\t**SOPS**\n"), "{told}");
        assert_eq!(masks.message("-1: must be greater\n+ x"), "-1: must be greater\n+ x");
    }

    #[test]
    fn values_are_covered_wherever_they_land() {
        let masks = masks(&["hunter2", "a\"b\nsecond-line", "5432", "no"]);
        let mut object = json!({
            "kind": "ConfigMap",
            "data": {
                "whole": "hunter2",
                "inside": "postgres://me:hunter2@db:5432/x",
                "base64": STANDARD.encode("hunter2"),
                "composed": STANDARD.encode("me:hunter2"),
                "json": "{\"p\": \"a\\\"b\\nsecond-line\"}",
                "line": "x: |\n  second-line\n",
                "short": "no",
                "hunter2": "as a key",
                "plain": "nothing here",
            },
            "port": 5432,
            "replicas": 3,
        });
        masks.object(&mut object);
        let text = object.to_string();
        for secret in ["hunter2", "5432", "second-line", &STANDARD.encode("me:hunter2")] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(object["data"]["inside"], "postgres://me:**SOPS**@db:**SOPS**/x");
        assert_eq!(object["data"]["short"], MASK);
        assert_eq!(object["data"]["plain"], "nothing here");
        assert_eq!(object["replicas"], 3);
    }

    #[test]
    fn every_value_of_a_secret_is_covered() {
        let mut object =
            json!({"kind": "Secret", "data": {"a": "eA=="}, "stringData": {"b": "x"}, "type": "Opaque"});
        masks(&[]).object(&mut object);
        assert_eq!(
            object,
            json!({"kind": "Secret", "data": {"a": MASK}, "stringData": {"b": MASK}, "type": "Opaque"})
        );
    }
}
