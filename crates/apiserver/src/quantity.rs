//! Quantities as the server shows them: `0.5` -> `500m`, `1024Mi` -> `1Gi`.
//!
//! Follows: `resource.Quantity` of apimachinery. Nothing is finer than a nano; what is rounds up.

use serde_json::Value;

/// Rewrites a quantity in its canonical form.
///
/// # Errors
/// What is no quantity, in the reference's words.
pub(crate) fn canonical(value: &mut Value) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(SHAPE.into()),
    };
    *value = Value::String(shortest(&text)?);
    Ok(())
}

/// Rewrites a quantity that is finer than a milli as the next greater one that is not.
pub(crate) fn round_up_to_milli(value: &mut Value) {
    let Some((nanos, format)) = value.as_str().and_then(|text| parse(text).ok()) else { return };
    if nanos % MILLI != 0 && format != Format::Exponent {
        let millis = nanos.div_euclid(MILLI) + 1;
        *value = Value::String(shortest(&format!("{millis}m")).unwrap_or_default());
    }
}

/// The value of a quantity in nanos; `None` for what is none.
pub(crate) fn nanos(text: &str) -> Option<i128> {
    parse(text).ok().map(|(nanos, _)| nanos)
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

fn shortest(text: &str) -> Result<String, String> {
    let (nanos, format) = parse(text)?;
    let (sign, nanos) = if nanos < 0 { ("-", -nanos) } else { ("", nanos) };
    let whole = nanos % NANO == 0;
    if format == Format::Binary && whole && nanos >= 1024 * NANO {
        let (mut number, mut power) = (nanos / NANO, 0);
        while number % 1024 == 0 && power < BINARY.len() {
            number /= 1024;
            power += 1;
        }
        let unit = if power == 0 { "" } else { BINARY[power - 1] };
        return Ok(format!("{sign}{number}{unit}"));
    }
    if nanos == 0 {
        return Ok("0".to_owned());
    }
    let (mut number, mut power) = (nanos, 0);
    while number % 1000 == 0 && power + 1 < DECIMAL.len() {
        number /= 1000;
        power += 1;
    }
    let exponent = 3 * power as i32 - 9;
    Ok(match format {
        Format::Exponent if exponent != 0 => format!("{sign}{number}e{exponent}"),
        _ => format!("{sign}{number}{}", DECIMAL[power]),
    })
}

/// The value in nanos, and how it was written.
fn parse(text: &str) -> Result<(i128, Format), String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(SHAPE.into());
    }
    let (scale, format) = scale(unit)?;
    let nanos = match (magnitude(whole, fraction, &scale), format) {
        (Some(nanos), Format::Binary) => nanos.min(MOST_BINARY),
        (Some(nanos), _) => nanos,
        // Too many digits before the point, for those behind it are few.
        (None, Format::Binary) if fraction.len() <= 9 => MOST_BINARY,
        (None, _) => return Err("the quantity is too large".to_owned()),
    };
    Ok((if negative { -nanos } else { nanos }, format))
}

/// A number with its unit in nanos; `None` when it does not fit.
fn magnitude(whole: &str, fraction: &str, scale: &Scale) -> Option<i128> {
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (multiplier, shift) = match scale {
        Scale::Binary(power) => (1024_i128.pow(*power), 9),
        Scale::Decimal(power) => (1, power + 9),
    };
    let shift = shift - i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let digits = digits.checked_mul(multiplier)?;
    let ten = 10_i128.checked_pow(shift.unsigned_abs());
    if shift >= 0 {
        return digits.checked_mul(ten?);
    }
    Some(ten.map_or_else(|| i128::from(digits != 0), |ten| digits / ten + i128::from(digits % ten != 0)))
}

enum Scale {
    Binary(u32),
    Decimal(i32),
}

fn scale(unit: &str) -> Result<(Scale, Format), String> {
    if let Some(place) = BINARY.iter().position(|known| *known == unit) {
        return Ok((Scale::Binary(place as u32 + 1), Format::Binary));
    }
    if let Some(place) = DECIMAL.iter().position(|known| *known == unit) {
        return Ok((Scale::Decimal(3 * place as i32 - 9), Format::Decimal));
    }
    let exponent = unit.strip_prefix(['e', 'E']).and_then(|text| text.parse::<i32>().ok());
    match exponent.filter(|power| (-30..=30).contains(power)) {
        Some(power) => Ok((Scale::Decimal(power), Format::Exponent)),
        None if unit.bytes().all(|byte| b"eEinumkKMGTP+-0123456789".contains(&byte)) => {
            Err("unable to parse quantity's suffix".into())
        }
        None => Err(SHAPE.into()),
    }
}

/// More is not had with a unit of powers of two.
const MOST_BINARY: i128 = i64::MAX as i128 * NANO;
const NANO: i128 = 1_000_000_000;
/// A thousandth, in nanos.
const MILLI: i128 = 1_000_000;
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const SHAPE: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_their_shortest_form() {
        for (given, shown) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("9Ei", "9223372036854775807"),
            ("-9Ei", "-9223372036854775807"),
            ("7Ei", "7Ei"),
            ("99999999999999999999999999999999999999999999Ki", "9223372036854775807"),
            ("1.5Gi", "1536Mi"),
            ("1", "1"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("0", "0"),
            ("0Mi", "0"),
            ("1.5", "1500m"),
            ("-0.1", "-100m"),
            ("1e3", "1e3"),
            ("0.0000000001", "1n"),
            ("0.5Ki", "512"),
        ] {
            assert_eq!(shortest(given).as_deref(), Ok(shown), "{given}");
        }
        for wrong in
            ["x", "", "1.2.3", "1mi", "1e", "1e-2147483648", "9999999999999999999999999999999999999999E"]
        {
            assert!(shortest(wrong).is_err(), "{wrong}");
        }
    }
}
