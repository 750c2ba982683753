//! Doubles as text, in the four forms that the formats use.
//!
//! All of them print the shortest digits that read back as the same double; they differ in when they change to an
//! exponent and how they write it.
//!
//! Follows: Go's `strconv.FormatFloat` with `f`, `G` and the JSON encoder's choice between `f` and `e`.

/// Never an exponent: what is encrypted and hashed.
pub(crate) fn positional(float: f64) -> String {
    special(float).map_or_else(|| float.to_string(), str::to_owned)
}

/// `1E+06` below 1e-4 and from 1e6 (Go's `G`), and at least one decimal otherwise.
pub(crate) fn general(float: f64) -> String {
    if let Some(text) = special(float) {
        return text.to_owned();
    }
    let (digits, exponent) = scientific(float);
    if (-4..6).contains(&exponent) {
        let text = float.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}E{sign}{:02}", exponent.unsigned_abs())
}

/// As ECMAScript writes numbers; none for what JSON cannot hold.
pub(crate) fn json(float: f64) -> Option<String> {
    if !float.is_finite() {
        return None;
    }
    let (digits, exponent) = scientific(float);
    if float == 0.0 || (-6..21).contains(&exponent) {
        return Some(float.to_string());
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Some(format!("{digits}e{sign}{}", exponent.unsigned_abs()))
}

/// Reads what Go's `ParseFloat` reads, hexadecimal floats aside.
pub(crate) fn parse(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn special(float: f64) -> Option<&'static str> {
    if float.is_nan() {
        Some("NaN")
    } else if float == f64::INFINITY {
        Some("+Inf")
    } else if float == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// Splits into the digits with sign and point, and the decimal exponent.
fn scientific(float: f64) -> (String, i32) {
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{general, json, positional};

    #[test]
    fn forms_agree_with_go() {
        assert_eq!(
            [1e10, 1.0, -0.0, f64::INFINITY, 1e-7].map(positional),
            ["10000000000", "1", "-0", "+Inf", "0.0000001"]
        );
        assert_eq!(
            [2.0, 1e6, 123_456.75, 1e-5, 0.0001].map(general),
            ["2.0", "1E+06", "123456.75", "1E-05", "0.0001"]
        );
        assert_eq!(
            [1e20, 1e21, 1e-6, 1e-7, 0.0].map(|float| json(float).unwrap_or_default()),
            ["100000000000000000000", "1e+21", "0.000001", "1e-7", "0"]
        );
    }
}
