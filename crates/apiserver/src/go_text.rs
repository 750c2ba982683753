//! Values and texts as Go prints them: `map[a:1 b:[x y]]`, `"a\nb"`.

use std::num::IntErrorKind;

use sealfast_k8s::expression::escape;
use serde_json::Value;

/// The text of a value.
pub(crate) fn of(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(of).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let shown: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{name}:{}", of(value))).collect();
            format!("map[{}]", shown.join(" "))
        }
        other => other.to_string(),
    }
}

/// True for letters, marks, digits, signs and the plain blank.
pub(crate) fn is_printable(letter: char) -> bool {
    letter == ' ' || !(letter.is_whitespace() || letter.is_control() || is_invisible(letter))
}

/// Characters of no width, for writing direction, and of private use.
fn is_invisible(letter: char) -> bool {
    matches!(u32::from(letter),
        0xAD | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E
        | 0x2060..=0x206F | 0xE000..=0xF8FF | 0xFEFF | 0xFFF0..=0xFFFB | 0xFFFE | 0xFFFF | 0xE0000..=0x10FFFF)
}

/// A whole number in 64 bits.
///
/// # Errors
/// What Go says of a text that is none.
pub(crate) fn parse_int(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseInt: parsing {}: {why}", quoted(text))
    })
}

/// A text in quotes, what cannot be printed escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        if let Some(escape) = escape(letter) {
            out.push_str(escape);
            continue;
        }
        match letter {
            letter if is_printable(letter) => out.push(letter),
            letter if u32::from(letter) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter if u32::from(letter) < 0x10000 => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push_str(&format!("\\U{:08x}", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn texts_show_what_cannot_be_seen() {
        assert_eq!(super::quoted("a\n\u{200b}\u{1}é\""), r#""a\n\u200b\x01é\"""#);
    }

    #[test]
    fn maps_are_sorted_and_texts_are_bare() {
        let value = json!({"b": ["x", 1, null], "a": {"c": true}});
        assert_eq!(super::of(&value), "map[a:map[c:true] b:[x 1 <nil>]]");
    }
}
