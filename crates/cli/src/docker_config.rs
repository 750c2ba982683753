//! What Docker keeps to log in to a registry, as Go writes it; it is wiped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Who comes to which registry.
pub(crate) struct Login<'a> {
    pub(crate) server: &'a str,
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) email: Option<&'a str>,
}

/// How the text is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// On one line, as kubectl does.
    Line,
    /// Indented by two blanks, as flux does.
    Indented,
}

/// Writes the text.
pub(crate) fn text(login: &Login<'_>, layout: Layout) -> Zeroizing<String> {
    let pair = Zeroizing::new([login.username, ":", login.password].concat());
    let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    let (username, password, auth) =
        (("username", login.username), ("password", login.password), ("auth", pair.as_str()));
    let email = login.email.map(|email| ("email", email));
    let fields: Vec<_> = [username, password].into_iter().chain(email).chain([auth]).collect();
    let mut out = Text::new(layout, &[fields.as_slice(), &[("", login.server)]].concat());
    out.opened(1, "auths");
    out.opened(2, login.server);
    for (at, (name, value)) in fields.iter().enumerate() {
        out.text.push_str(if at > 0 { "," } else { "" });
        out.named(3, name);
        out.quoted(value);
    }
    for level in [2, 1, 0] {
        out.line(level);
        out.text.push('}');
    }
    out.text
}

/// A text that never grows out of its room.
struct Text {
    text: Zeroizing<String>,
    layout: Layout,
}

impl Text {
    fn new(layout: Layout, fields: &[(&str, &str)]) -> Self {
        // A letter takes six at most.
        let room: usize = fields.iter().map(|(name, value)| 6 * (name.len() + value.len()) + 16).sum();
        let mut text = Zeroizing::new(String::with_capacity(room + 64));
        text.push('{');
        Self { text, layout }
    }

    fn line(&mut self, level: usize) {
        if self.layout == Layout::Indented {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("  ", level));
        }
    }

    fn named(&mut self, level: usize, name: &str) {
        self.line(level);
        self.quoted(name);
        self.text.push_str(if self.layout == Layout::Indented { ": " } else { ":" });
    }

    fn opened(&mut self, level: usize, name: &str) {
        self.named(level, name);
        self.text.push('{');
    }

    /// A JSON string; what means something in HTML or JavaScript is escaped, too.
    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.text.extend(['\\', letter]),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    self.text.push_str(&format!("\\u{:04x}", u32::from(letter)));
                }
                letter => self.text.push(letter),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn passwords_are_escaped_as_go_escapes_them() {
        let password = "a\"b\\c<d>&é\n\r\t\u{8}\u{c}\u{2028}\u{1}";
        let login = Login { server: "ghcr.io", username: "bob", password, email: Some("b@x.y") };
        for layout in [Layout::Line, Layout::Indented] {
            let text = text(&login, layout);
            assert!(text.contains(r#""a\"b\\c\u003cd\u003e\u0026é\n\r\t\b\f\u2028\u0001""#), "{}", *text);
            let read: Value = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!(read["auths"]["ghcr.io"]["password"], password);
            assert_eq!(read["auths"]["ghcr.io"]["email"], "b@x.y");
        }
    }

    #[test]
    fn the_text_is_laid_out_as_the_original_does() {
        let login = Login { server: "ghcr.io", username: "bob", password: "<s>", email: None };
        assert_eq!(
            text(&login, Layout::Line).as_str(),
            r#"{"auths":{"ghcr.io":{"username":"bob","password":"\u003cs\u003e","auth":"Ym9iOjxzPg=="}}}"#
        );
        assert!(
            text(&login, Layout::Indented).starts_with("{\n  \"auths\": {\n    \"ghcr.io\": {\n      \"user")
        );
    }
}
