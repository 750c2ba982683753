//! Quantities as the server shows them: `0.5` -> `500m`.

use serde_json::Value;

/// Rewrites a quantity; what cannot be read stays as it is.
pub(super) fn normalize(value: &mut Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Some(normal) = normal(&text) {
        *value = Value::String(normal);
    }
}

fn normal(text: &str) -> Option<String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if let Some(power) = BINARY.iter().position(|known| *known == unit) {
        if number.contains('.') {
            return None;
        }
        let mut number: u64 = number.parse().ok()?;
        let mut power = power;
        while number != 0 && number.is_multiple_of(1024) && power + 1 < BINARY.len() {
            number /= 1024;
            power += 1;
        }
        return Some(format!("{number}{}", BINARY[power]));
    }
    let power = DECIMAL.iter().position(|known| *known == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    // A fraction is written in the next smaller unit.
    let steps = fraction.len().div_ceil(3);
    let mut power = power.checked_sub(steps)?;
    let padded = format!("{whole}{fraction:0<width$}", width = steps * 3);
    let mut number: u64 = padded.parse().ok()?;
    while number != 0 && number.is_multiple_of(1000) && power + 1 < DECIMAL.len() {
        number /= 1000;
        power += 1;
    }
    if number == 0 {
        return Some("0".to_owned());
    }
    Some(format!("{number}{}", DECIMAL[power]))
}

const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_their_shortest_form() {
        for (given, shown) in
            [("0.5", "500m"), ("1024Mi", "1Gi"), ("1", "1"), ("1000m", "1"), ("0", "0"), ("1.5", "1500m")]
        {
            assert_eq!(normal(given).as_deref(), Some(shown), "{given}");
        }
        assert_eq!(normal("x"), None);
    }
}
