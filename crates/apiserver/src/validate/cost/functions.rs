//! What each function costs: at most, with the size of its result, and once it ran.

use cel::Value;
use cel::common::ast::{Expr, IdedExpr, LiteralValue};
use cel::objects::OptionalValue;
use sealfast_k8s::expression::kind::Type;

use super::node::Node;
use super::{LETTER, LIST, PATTERN_LETTER, Range};

/// What a call costs beside its arguments, and the size of what it gives where that is known.
pub(super) type Estimate = (Range, Option<Range>);

/// A call of one form of a function.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) form: &'a str,
    /// What it is called on.
    pub(super) target: Option<&'a Node<'a>>,
    pub(super) arguments: &'a [Node<'a>],
}

fn cost(cost: Range) -> Option<Estimate> {
    Some((cost, None))
}

fn sized(cost: Range, size: Range) -> Option<Estimate> {
    Some((cost, Some(size)))
}

impl Call<'_> {
    /// What the call costs; `None` of functions that cost as much as any.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        self.of_lists().or_else(|| self.of_kubernetes()).or_else(|| self.standard())
    }

    fn size(&self, at: usize) -> Option<Range> {
        self.arguments.get(at).map(Node::size)
    }

    fn target_size(&self) -> Option<Range> {
        self.target.map(Node::size)
    }

    /// Follows: the libraries of cel-go for lists and sets.
    fn of_lists(&self) -> Option<Estimate> {
        let made = |factor: f64, size: Range| sized(size.each(factor).plus(Range::fixed(1 + LIST)), size);
        match self.form {
            "list_sets_contains_list" | "list_sets_intersects_list" | "list_sets_equivalent_list" => {
                let factor = if self.form == "list_sets_equivalent_list" { 2.0 } else { 1.0 };
                cost(self.size(0)?.times(self.size(1)?).each(factor).plus(Range::ONE))
            }
            "list_slice" => {
                let size = self.target_size()?;
                let (start, end) =
                    (number(self.arguments.first()?, 0), number(self.arguments.get(1)?, size.most));
                made(1.0, Range::fixed(end.wrapping_sub(start)))
            }
            "list_flatten" => made(1.0, self.target_size()?),
            "list_flatten_int" => made(number(self.arguments.first()?, u64::MAX) as f64, self.target_size()?),
            "lists_range" => made(1.0, Range::fixed(number(self.arguments.first()?, u64::MAX))),
            "list_reverse" => made(1.0, self.target_size()?),
            "list_distinct" => {
                let size = self.target_size()?;
                made(2.0, size.times(size))
            }
            "list_sort" | "list_sortByAssociatedKeys" => {
                let keys = self.arguments.first().or(self.target)?;
                let of_letters =
                    matches!(keys.kind, Type::List(of) if matches!(**of, Type::String | Type::Bytes));
                let size = keys.size();
                made(if of_letters { 2.0 + LETTER } else { 2.0 }, size.times(size))
            }
            _ => None,
        }
    }

    /// Follows: the cost estimator of the CEL library of apiserver.
    fn of_kubernetes(&self) -> Option<Estimate> {
        match self.name {
            "check" => cost(Range::fixed(350_000)),
            "fieldSelector" | "labelSelector" => {
                let size = self.size(0)?;
                let requirements = size.each(0.5).each((LIST + super::OBJECT) as f64);
                cost(Range::fixed(LIST).plus(size.each(LETTER)).plus(requirements))
            }
            name if OF_ONE_STEP.contains(&name) => cost(Range::ONE),
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => self.traversed(),
            "url" | "jsonpatch.escapeKey" => {
                let size = self.size(0)?;
                sized(size.each(LETTER), size)
            }
            "lowerAscii" | "upperAscii" | "substring" | "trim" => {
                let size = self.target_size()?;
                sized(size.each(LETTER), size)
            }
            "replace" => {
                let size = self.target_size()?;
                sized(size.each(2.0 * LETTER), replaced(size, self.size(0)?, self.size(1)?))
            }
            "split" => {
                let size = self.target_size()?;
                let most = self.arguments.get(1).map_or(size.most, |most| signed(most, size.most));
                sized(size.each(2.0 * LETTER), Range::up_to(most))
            }
            "join" => self.joined(),
            "find" | "findAll" => {
                let size = self.target_size()?;
                sized(searched(size, self.size(0)?), Range::up_to(size.most))
            }
            "ip" if self.form == "cidr_ip" => cost(Range::ONE),
            "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver" => {
                cost(self.size(0)?.each(LETTER))
            }
            "ip.isCanonical" => cost(self.size(0)?.each(2.0 * LETTER)),
            "containsIP" | "containsCIDR" => self.contained(),
            "validate" => cost(self.size(0)?.each(LETTER).each(128.0 * PATTERN_LETTER)),
            "_==_" => self.same(),
            _ => None,
        }
    }

    /// What goes over all items of a list.
    fn traversed(&self) -> Option<Estimate> {
        let target = self.target?;
        let Some(item) = target.item() else { return cost(target.size().each(LETTER)) };
        let letters = match item.kind {
            Type::String | Type::Bytes => item.size().each(LETTER),
            _ => Range::NONE,
        };
        cost(target.size().times(Range::ONE.plus(letters)))
    }

    /// A text of all items of a list.
    fn joined(&self) -> Option<Estimate> {
        let target = self.target?;
        let items = target.size();
        let mut size = target.item().map_or(Range::NONE, |item| items.times(item.size()));
        if let Some(separator) = self.size(0) {
            let between = |count: u64| count.saturating_sub(1);
            let between = Range { least: between(items.least), most: between(items.most) };
            size = size.plus(separator.times(between));
        }
        sized(size.each(LETTER), size)
    }

    /// Whether an address, or a range of them, lies in a range.
    fn contained(&self) -> Option<Estimate> {
        let address = Range { least: 4, most: 16 };
        let mut whole = address.plus(address).each(LETTER);
        if self.name == "containsCIDR" {
            whole = whole.plus(address.each(LETTER)).plus(Range::ONE);
        }
        if self.form.ends_with("_string") {
            whole = whole.plus(self.size(0)?.each(LETTER));
        }
        cost(whole)
    }

    /// Whether two values of a library are the same.
    fn same(&self) -> Option<Estimate> {
        let [left, right] = self.arguments else { return None };
        match (left.kind, right.kind) {
            (Type::Library(left), Type::Library(right)) if left == right => match *left {
                "kubernetes.NamedFormat" => cost(Range { least: 1, most: 64 }.each(LETTER)),
                "kubernetes.URL" => {
                    let most = right_size(self.arguments.get(1)?);
                    cost(Range { least: 1, most }.each(LETTER))
                }
                _ => cost(Range::ONE),
            },
            _ => None,
        }
    }

    /// Follows: the coster of cel-go.
    fn standard(&self) -> Option<Estimate> {
        match self.form {
            "string_format" => cost(self.target?.known_size().each(LETTER)),
            "string_to_bytes" => {
                let size = self.known(0)?;
                sized(size.each(LETTER), Range { least: size.least, most: size.most.wrapping_mul(4) })
            }
            "bytes_to_string" => {
                let size = self.known(0)?;
                sized(size.each(LETTER), Range { least: size.least / 4, most: size.most })
            }
            "strings_quote" => {
                let size = self.known(0)?;
                let most = size.most.wrapping_mul(2).wrapping_add(2);
                sized(size.each(LETTER), Range { least: size.least.wrapping_add(2), most })
            }
            "starts_with_string" | "ends_with_string" => cost(self.known(0)?.each(LETTER)),
            "in_list" => cost(self.known(1)?.each(1.0)),
            "matches_string" => cost(searched(self.target?.known_size(), self.known(0)?)),
            "contains_string" => {
                cost(self.target?.known_size().each(LETTER).times(self.known(0)?.each(LETTER)))
            }
            "add_list" => sized(Range::ONE, self.known(0)?.plus(self.known(1)?)),
            "add_string" | "add_bytes" => {
                let size = self.known(0)?.plus(self.known(1)?);
                sized(size.each(LETTER), size)
            }
            "compare_string" | "compare_bytes" | "equals" | "not_equals" => {
                let most = self.known(0)?.most.min(self.known(1)?.most);
                cost(Range { least: most.min(1), most }.each(LETTER))
            }
            _ => None,
        }
    }

    fn known(&self, at: usize) -> Option<Range> {
        self.arguments.get(at).map(Node::known_size)
    }
}

fn right_size(node: &Node<'_>) -> u64 {
    node.own_size().map_or(1, |size| size.most)
}

/// What it costs to look for a pattern in a text.
fn searched(text: Range, pattern: Range) -> Range {
    text.plus(Range::ONE).each(LETTER).times(pattern.each(PATTERN_LETTER))
}

/// How large a text is once others were put into the place of parts of it.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let between = |whole: u64, part: u64| (whole as f64 / part as f64).ceil() as u64;
    let (mut count, mut kept) = (Range::NONE, Range::NONE);
    if from.least == 0 {
        count.most = text.most.saturating_add(1);
        kept.most = text.most;
    } else if to.most <= from.least {
        kept.most = text.most;
    } else {
        count.most = between(text.most, from.least);
    }
    if from.most == 0 {
        count.least = text.least.saturating_add(1);
        kept.least = text.least;
    } else if from.most <= to.least {
        kept.least = text.least;
    } else {
        count.least = between(text.least, from.most);
    }
    count.times(to).plus(kept)
}

/// A number that is written down, zero for a negative one.
fn number(node: &Node<'_>, otherwise: u64) -> u64 {
    written(node.at).map_or(otherwise, |number| u64::try_from(number).unwrap_or(0))
}

/// A number that is written down; a negative one is as much as there is no number for.
fn signed(node: &Node<'_>, otherwise: u64) -> u64 {
    written(node.at).map_or(otherwise, i64::cast_unsigned)
}

fn written(at: Option<&IdedExpr>) -> Option<i64> {
    match at.map(|at| &at.expr) {
        Some(Expr::Literal(LiteralValue::Int(number))) => Some(*number.inner()),
        _ => None,
    }
}

/// What a call cost that was made with these values.
///
/// Follows: the runtime costs of cel-go and of the CEL library of apiserver.
pub(in crate::validate) fn spent(name: &str, values: &[Value], result: Option<&Value>) -> u64 {
    let size = |at: usize| values.get(at).map_or(0, size_of);
    let letters = |count: u64, factor: f64| super::each(count, factor * LETTER);
    match name {
        "check" => 350_000,
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => values.first().map_or(0, traversed),
        "url"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "cidr"
        | "isIP"
        | "isCIDR"
        | "quantity"
        | "isQuantity"
        | "semver"
        | "isSemver"
        | "jsonpatch.escapeKey" => letters(size(0), 1.0),
        "ip" if matches!(values, [Value::String(_)]) => letters(size(0), 1.0),
        "replace" | "split" | "ip.isCanonical" => letters(size(0), 2.0),
        "join" => letters(result.map_or(1, size_of), 2.0),
        "find" | "findAll" | "matches" => sought(size(0), size(1)),
        "containsIP" | "containsCIDR" => {
            let own = letters(size(0).saturating_mul(2), 1.0);
            let masks = if name == "containsCIDR" { letters(size(0), 1.0).saturating_add(1) } else { 0 };
            let read = matches!(values.get(1), Some(Value::String(_)));
            let read = if read { letters(size(1), 1.0) } else { 0 };
            own.saturating_add(masks).saturating_add(read)
        }
        "validate" => sought(size(1), 128),
        "startsWith" | "endsWith" | "strings.quote" | "format" => letters(size(0), 1.0),
        "bytes" if matches!(values, [Value::String(_)]) => letters(size(0), 1.0),
        "string" if matches!(values, [Value::Bytes(_)]) => letters(size(0), 1.0),
        "contains" => letters(size(0), 1.0).saturating_mul(letters(size(1), 1.0)),
        "@in" if matches!(values.get(1), Some(Value::List(_))) => size(1),
        "_==_" | "_!=_" => match values {
            [Value::Opaque(left), _] if left.downcast_ref::<OptionalValue>().is_none() && name == "_==_" => 1,
            _ => letters(size(0).min(size(1)), 1.0),
        },
        "_<_" | "_<=_" | "_>_" | "_>=_"
            if matches!(values.first(), Some(Value::String(_) | Value::Bytes(_))) =>
        {
            letters(size(0).min(size(1)), 1.0)
        }
        "_+_" if matches!(values.first(), Some(Value::String(_) | Value::Bytes(_))) => {
            letters(size(0).saturating_add(size(1)), 1.0)
        }
        "sets.contains" | "sets.intersects" => size(0).saturating_mul(size(1)).saturating_add(1),
        "sets.equivalent" => size(0).saturating_mul(size(1)).saturating_mul(2).saturating_add(1),
        "slice" | "reverse" => listed(1.0, result.map_or(1, size_of)),
        "lists.range" => match values {
            [Value::Int(count)] => listed(1.0, u64::try_from(*count).unwrap_or(0)),
            _ => 1,
        },
        "flatten" => match values.get(1) {
            Some(Value::Int(levels)) => listed(*levels as f64, size(0)),
            _ => listed(1.0, size(0)),
        },
        "distinct" | "sort" => compared(values.first()),
        "@sortByAssociatedKeys" => compared(values.get(1)),
        _ => 1,
    }
}

/// What it costs to make a list of so many items.
fn listed(factor: f64, items: u64) -> u64 {
    ((items as f64 * factor) as u64).saturating_add(1 + LIST)
}

/// What it costs to compare the items of a list with each other.
fn compared(list: Option<&Value>) -> u64 {
    let Some(Value::List(items)) = list else { return 1 };
    let of_letters = matches!(items.first(), Some(Value::String(_) | Value::Bytes(_)));
    let count = items.len() as u64;
    listed(if of_letters { 2.0 + LETTER } else { 2.0 }, count.saturating_mul(count))
}

fn sought(text: u64, pattern: u64) -> u64 {
    super::each(text.saturating_add(1), LETTER).saturating_mul(super::each(pattern, PATTERN_LETTER))
}

/// How large a value is; one of what has no size.
fn size_of(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::List(items) => items.len() as u64,
        Value::Map(map) => map.map.len() as u64,
        Value::Opaque(opaque) => {
            opaque.downcast_ref::<OptionalValue>().and_then(OptionalValue::value).map_or(1, size_of)
        }
        _ => 1,
    }
}

/// What it costs to go over all of a value.
fn traversed(value: &Value) -> u64 {
    let letters = |count: usize| (count as f64 * LETTER) as u64;
    match value {
        Value::String(text) => letters(text.len()),
        Value::Bytes(bytes) => letters(bytes.len()),
        Value::List(items) => items.iter().map(traversed).fold(0, u64::saturating_add),
        Value::Map(map) => {
            let entries = map
                .map
                .iter()
                .map(|(key, value)| traversed(&Value::from(key)).saturating_add(traversed(value)));
            entries.fold(0, u64::saturating_add)
        }
        _ => 1,
    }
}

/// Functions of the libraries of Kubernetes that cost as much as one step.
const OF_ONE_STEP: [&str; 38] = [
    "serviceAccount",
    "path",
    "group",
    "resource",
    "subresource",
    "namespace",
    "name",
    "allowed",
    "reason",
    "error",
    "errored",
    "masked",
    "prefixLength",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "format.named",
    "sign",
    "asInteger",
    "isInteger",
    "asApproximateFloat",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "add",
    "sub",
    "major",
    "minor",
    "patch",
    "getScheme",
    "getHostname",
    "getHost",
    "getPort",
    "getEscapedPath",
    "getQuery",
];
