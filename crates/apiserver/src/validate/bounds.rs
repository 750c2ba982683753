//! What a schema says of the size of a number.
//!
//! Follows: kube-openapi's validation of numbers. Where number and limit are whole by the schema's type, or the number
//! happens to be, the whole parts are compared, so that 0 is at least 0.5 and 4 a multiple of 1.5.

use sealfast_k8s::expression::operations::go_float;
use serde_json::{Number, Value};

use super::{Kind, NOTHING, Problems};
use crate::path::Path;

/// What is wrong with a number.
pub(super) fn check(schema: &Value, number: &Number, path: &Path<'_>, problems: &mut Problems) {
    let misfits = |misfit: Option<Kind>, problems: &mut Problems| {
        misfit.into_iter().for_each(|kind| problems.note(&Path::Root, || kind));
    };
    misfits(out_of_range(schema, number, "Checked", path), problems);
    for (keyword, word) in LIMITS {
        let Some(limit) = schema[keyword].as_number() else { continue };
        let misfit = out_of_range(schema, limit, word, path);
        let Some(pair) = Pair::of(number, limit, misfit.is_none()) else { continue };
        misfits(misfit, problems);
        let broken = match keyword {
            "minimum" => pair.too_little(schema["exclusiveMinimum"] == true, path),
            "maximum" => pair.too_much(schema["exclusiveMaximum"] == true, path),
            _ => pair.not_multiple(path),
        };
        broken.into_iter().for_each(|kind| problems.note(path, || kind));
    }
}

/// A number and what it is compared with.
enum Pair {
    Whole(i64, i64),
    Real(f64, f64),
}

impl Pair {
    fn of(number: &Number, limit: &Number, limit_fits: bool) -> Option<Self> {
        let limit = limit.as_f64()?;
        match number.as_i64() {
            Some(number) if limit_fits => Some(Self::Whole(number, limit as i64)),
            _ => Some(Self::Real(number.as_f64()?, limit)),
        }
    }

    fn order(&self) -> Option<std::cmp::Ordering> {
        match self {
            Self::Whole(number, limit) => Some(number.cmp(limit)),
            Self::Real(number, limit) => number.partial_cmp(limit),
        }
    }

    fn not_multiple(&self, path: &Path<'_>) -> Option<Kind> {
        let is_multiple = match *self {
            Self::Whole(_, ..=0) => {
                let text = format!("factor MultipleOf declared for {path} must be positive: 0");
                return Some(Kind::Invalid("0".to_owned(), text));
            }
            Self::Whole(number, step) => number % step == 0,
            Self::Real(number, step) if step < 1.0 => is_whole(1.0 / step * number),
            Self::Real(number, step) => is_whole(number / step),
        };
        (!is_multiple).then(|| self.refused(path, "a multiple of"))
    }

    fn too_little(&self, excluded: bool, path: &Path<'_>) -> Option<Kind> {
        let order = self.order()?;
        if excluded {
            order.is_le().then(|| self.refused(path, "greater than"))
        } else {
            order.is_lt().then(|| self.refused(path, "greater than or equal to"))
        }
    }

    fn too_much(&self, excluded: bool, path: &Path<'_>) -> Option<Kind> {
        let order = self.order()?;
        if excluded {
            order.is_ge().then(|| self.refused(path, "less than"))
        } else {
            order.is_gt().then(|| self.refused(path, "less than or equal to"))
        }
    }

    /// The number is not what it should be.
    fn refused(&self, path: &Path<'_>, wanted: &str) -> Kind {
        let (number, limit) = match *self {
            Self::Whole(number, limit) => (number.to_string(), limit.to_string()),
            Self::Real(number, limit) => (go_float(number), go_float(limit)),
        };
        Kind::Invalid(number, format!("{path} in body should be {wanted} {limit}"))
    }
}

/// A quotient that is whole but for a rounding error above it, and that JSON's readers agree on.
fn is_whole(quotient: f64) -> bool {
    let below = quotient.trunc();
    quotient.abs() <= MOST_AGREED
        && (quotient == below
            || below != 0.0 && (quotient - below).abs() / (quotient + below).abs() < ROUNDING)
}

/// A number that its format cannot hold; the word says which it is.
fn out_of_range(schema: &Value, number: &Number, word: &str, path: &Path<'_>) -> Option<Kind> {
    let (kind, format) = (schema["type"].as_str()?, schema["format"].as_str().unwrap_or_default());
    let value = number.as_f64()?;
    let fits = match (kind, format) {
        ("integer", _) if value.fract() != 0.0 => false,
        ("integer", "int32") => f64::from(i32::MIN) <= value && value <= f64::from(i32::MAX),
        ("integer", _) => number.as_i64().is_some() || (number.is_f64() && value.abs() < 9.2e18),
        ("number", "float") => value.abs() <= f64::from(f32::MAX),
        _ => true,
    };
    let known = if matches!(format, "int32" | "int64" | "float" | "double") {
        format!("with format {format}")
    } else {
        "(default format)".to_owned()
    };
    let text = || format!("{word} value must be of type {kind} {known} in {path}");
    (!fits).then(|| Kind::Invalid(NOTHING.to_owned(), text()))
}

/// In this order they are told, and by these words.
const LIMITS: [(&str, &str); 3] =
    [("multipleOf", "MultipleOf"), ("minimum", "Minimum boundary"), ("maximum", "Maximum boundary")];
const MOST_AGREED: f64 = 9_007_199_254_740_991.0;
const ROUNDING: f64 = 1e-9;
