//! Calls: operators, and what each function takes and gives.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use sealfast_k8s::expression::matching::{self, MATCHES};

use super::{AUTHORIZER, Checker, Misfit, RESOURCE_CHECK, Type, operators};
use crate::validate::format;
use crate::validate::functions::loops;

/// The type of a call.
pub(super) fn check(checker: &mut Checker<'_>, at: &IdedExpr, call: &CallExpr) -> Result<Type, Misfit> {
    let name = name_of(call);
    if let Some(text) = namespaced(checker, call) {
        let arguments = all(checker, &call.args)?;
        return overload(checker, at, &text, None, arguments);
    }
    if let (operators::OPT_SELECT, [operand, field]) = (name, call.args.as_slice()) {
        return optional_field(checker, at, operand, field);
    }
    if let (loops::KEYS, [range]) = (name, call.args.as_slice()) {
        return keys(checker, range);
    }
    if let (operators::LOGICAL_AND | operators::LOGICAL_OR, None) = (name, &call.target) {
        return truths(checker, &call.args);
    }
    let receiver = call.target.as_ref().map(|target| checker.check(target)).transpose();
    // Of a function that nobody knows it is told even when its receiver is not known either.
    let known = if receiver.is_err() && !is_known(name) { undeclared(checker, at, name) } else { Ok(()) };
    let receiver = Misfit::and(receiver, known).map(|(receiver, ())| receiver);
    // What is put into a text may be of several types.
    let outside = checker.mixes;
    checker.mixes |= name == "format";
    let arguments = all(checker, &call.args);
    checker.mixes = outside;
    let (receiver, arguments) = Misfit::and(receiver, arguments)?;
    if receiver.is_none()
        && let Some(result) = operator(name, &arguments)
    {
        return match result {
            Some(found) => Ok(found),
            None => mismatch(checker, at, name, None, &arguments),
        };
    }
    let found = overload(checker, at, name, receiver, arguments)?;
    literal(checker, call)?;
    Ok(found)
}

/// Both sides are truth values.
fn truths(checker: &mut Checker<'_>, sides: &[IdedExpr]) -> Result<Type, Misfit> {
    let mut all = Ok(());
    for side in sides {
        let one = checker.check(side).and_then(|found| match found.fits(&Type::Bool) {
            true => Ok(()),
            false => checker.fault(side, format!("expected type 'bool' but found '{}'", found.name())),
        });
        all = Misfit::and(all, one).map(drop);
    }
    all.map(|()| Type::Bool)
}

/// The name as it was written.
fn name_of(call: &CallExpr) -> &str {
    if call.func_name == MATCHES { "matches" } else { &call.func_name }
}

/// What a loop with two variables goes over.
fn keys(checker: &mut Checker<'_>, range: &IdedExpr) -> Result<Type, Misfit> {
    let found = checker.check(range)?;
    let (first, second, size) = checker.range_of(range, found)?;
    Ok(Type::List(Box::new(if second.is_some() || first == Type::Dyn { first } else { Type::Int }), size))
}

/// A text that is written down must be what its function reads. The reference finds wrong expressions in
/// `text.matches(…)` when it checks a rule, and those of other calls when it prepares the rule for running.
fn literal(checker: &mut Checker<'_>, call: &CallExpr) -> Result<(), Misfit> {
    let (name, is_method) = (name_of(call), call.target.is_some());
    let place = usize::from(name == "matches" && !is_method);
    let Some(argument) = call.args.get(place) else { return Ok(()) };
    let Expr::Literal(LiteralValue::String(text)) = &argument.expr else { return Ok(()) };
    let text = text.inner();
    let valid = match (name, is_method) {
        ("duration", false) => format::is_go_duration(text),
        ("timestamp", false) => format::is_valid("datetime", text),
        ("matches", true) => matching::compiled(text).is_ok(),
        ("matches", false) | ("find" | "findAll", true) => {
            let wrong = matching::compiled(text).err();
            checker.unready = checker.unready.take().or(wrong);
            true
        }
        _ => true,
    };
    if valid { Ok(()) } else { checker.fault(argument, format!("invalid {name} argument")) }
}

fn all(checker: &mut Checker<'_>, arguments: &[IdedExpr]) -> Result<Vec<Type>, Misfit> {
    let mut all = Ok(Vec::with_capacity(arguments.len()));
    for argument in arguments {
        let one = checker.check(argument);
        all = Misfit::and(all, one).map(|(mut all, one)| {
            all.push(one);
            all
        });
    }
    all
}

/// `math.greatest` and the like: a name with a point in it, not a call on a value.
fn namespaced(checker: &Checker<'_>, call: &CallExpr) -> Option<String> {
    let Expr::Ident(space) = &call.target.as_ref()?.expr else { return None };
    let text = format!("{space}.{}", call.func_name);
    (checker.variable(space).is_none() && FUNCTIONS.iter().any(|(name, ..)| *name == text)).then_some(text)
}

fn optional_field(
    checker: &mut Checker<'_>,
    at: &IdedExpr,
    operand: &IdedExpr,
    field: &IdedExpr,
) -> Result<Type, Misfit> {
    let operand = checker.check(operand)?;
    let Expr::Literal(LiteralValue::String(name)) = &field.expr else { return Ok(Type::Dyn) };
    Ok(match checker.field(at, &operand, name.inner())? {
        found @ Type::Optional(_) => found,
        found => Type::Optional(Box::new(found)),
    })
}

/// The result of an operator; `None` inside when it does not take such values, outside when it is none.
fn operator(name: &str, arguments: &[Type]) -> Option<Option<Type>> {
    use Type::{Bool, Bytes, Double, Duration, Dyn, Int, List, Map, Optional, String, Timestamp, UInt};
    let known = |found: Type| Some(Some(found));
    Some(match (name, arguments) {
        (operators::CONDITIONAL, [test, yes, no]) => {
            (test.fits(&Bool) && yes.fits(no)).then(|| yes.clone().join(no.clone()))
        }
        (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [one]) => one.fits(&Bool).then_some(Bool),
        (operators::NEGATE, [one]) => match one {
            Dyn | Int | Double => Some(one.clone()),
            _ => None,
        },
        (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => left.fits(right).then_some(Bool),
        (
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
            [left, right],
        ) => {
            let ordered = |one: &Type| {
                one.is_number() || matches!(one, Dyn | Bool | String | Bytes | Timestamp | Duration)
            };
            let fits = left.fits(right) || (left.is_number() && right.is_number());
            (ordered(left) && ordered(right) && fits).then_some(Bool)
        }
        (_, [Dyn, _] | [_, Dyn]) if ARITHMETIC.contains(&name) => Some(Dyn),
        (operators::ADD, [left, right]) => match (left, right) {
            (Timestamp, Duration) | (Duration, Timestamp) => Some(Timestamp),
            (Int | UInt | Double | String | Bytes | Duration | List(..), _) if left.fits(right) => {
                Some(left.clone().join(right.clone()))
            }
            _ => None,
        },
        (operators::SUBSTRACT, [left, right]) => match (left, right) {
            (Timestamp, Timestamp) => Some(Duration),
            (Timestamp, Duration) => Some(Timestamp),
            (Int | UInt | Double | Duration, _) if left == right => Some(left.clone()),
            _ => None,
        },
        (operators::MULTIPLY | operators::DIVIDE, [left, right]) => {
            (left.is_number() && left == right).then(|| left.clone())
        }
        (operators::MODULO, [left @ (Int | UInt), right]) => (left == right).then(|| left.clone()),
        (operators::MODULO, _) => None,
        (operators::IN, [value, range]) => match range {
            Dyn | Type::Object(_) => Some(Bool),
            List(of, _) | Map(of, ..) => value.fits(of).then_some(Bool),
            _ => None,
        },
        (operators::INDEX, [range, at]) => indexed(range, at),
        (operators::OPT_INDEX, [range, at]) => match range {
            Optional(range) => indexed(range, at).map(|found| Optional(Box::new(found))),
            range => indexed(range, at).map(|found| Optional(Box::new(found))),
        },
        ("size", [one]) => matches!(one, Dyn | String | Bytes | List(..) | Map(..)).then_some(Int),
        ("dyn", [_]) => return known(Dyn),
        ("type", [_]) => return known(Type::Kind),
        _ => return None,
    })
}

fn indexed(range: &Type, at: &Type) -> Option<Type> {
    match range {
        Type::Dyn => Some(Type::Dyn),
        Type::List(of, _) => (at.fits(&Type::Int) || at.is_number()).then(|| (**of).clone()),
        Type::Map(key, of, _) => at.fits(key).then(|| (**of).clone()),
        Type::Optional(range) => indexed(range, at).map(|found| Type::Optional(Box::new(found))),
        _ => None,
    }
}

fn overload(
    checker: &Checker<'_>,
    at: &IdedExpr,
    name: &str,
    receiver: Option<Type>,
    arguments: Vec<Type>,
) -> Result<Type, Misfit> {
    if !is_known(name) {
        return undeclared(checker, at, name);
    }
    let values: Vec<&Type> = receiver.iter().chain(&arguments).collect();
    let fits = |(known, of, wanted, _): &&(&str, Of, &str, Gives)| {
        *known == name
            && (*of == Of::Value) == receiver.is_some()
            && wanted.len() == values.len()
            && wanted.chars().zip(&values).all(|(letter, value)| takes(letter, value))
    };
    let alike = |values: &[&Type]| match values {
        [left, right] if name.starts_with("sets.") => left.fits(right),
        _ => true,
    };
    match FUNCTIONS.iter().find(fits).filter(|_| alike(&values)) {
        Some((.., gives)) => Ok(given(*gives, &values)),
        None => mismatch(checker, at, name, receiver.as_ref(), &arguments),
    }
}

/// Whether there is a function of this name.
fn is_known(name: &str) -> bool {
    name == "size" || FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

fn undeclared<T>(checker: &Checker<'_>, at: &IdedExpr, name: &str) -> Result<T, Misfit> {
    checker.fault(at, format!("undeclared reference to '{name}' (in container '')"))
}

fn mismatch<T>(
    checker: &Checker<'_>,
    at: &IdedExpr,
    name: &str,
    receiver: Option<&Type>,
    arguments: &[Type],
) -> Result<T, Misfit> {
    let names: Vec<String> = arguments.iter().map(Type::name).collect();
    let receiver = receiver.map(|receiver| format!("{}.", receiver.name())).unwrap_or_default();
    let values = names.join(", ");
    checker.fault(at, format!("found no matching overload for '{name}' applied to '{receiver}({values})'"))
}

/// Whether a value may stand where a letter of a signature stands.
fn takes(letter: char, value: &Type) -> bool {
    use Type::{
        Bool, Bytes, Double, Duration, Dyn, Int, Library, List, Map, Null, Optional, String, Timestamp,
    };
    if matches!(value, Dyn | Null) {
        return true;
    }
    match letter {
        's' => value == &String,
        'i' => value == &Int,
        'd' => value == &Double,
        'b' => value == &Bool,
        'y' => value == &Bytes,
        'D' => value == &Duration,
        'T' => value == &Timestamp,
        'n' => value.is_number(),
        'l' => matches!(value, List(..)),
        'm' => matches!(value, Map(..)),
        'N' => match value {
            List(of, _) => of.is_number() || matches!(**of, Dyn | Duration),
            _ => false,
        },
        'S' => {
            value.is_number()
                || matches!(value, String | Bool | Bytes | Duration | Timestamp)
                || [IP, CIDR].iter().any(|name| *value == Library(name))
        }
        'o' => matches!(value, Optional(_)),
        'U' => value == &Library(URL),
        'I' => value == &Library(IP),
        'C' => value == &Library(CIDR),
        'Q' => value == &Library(QUANTITY),
        'V' => value == &Library(SEMVER),
        'F' => value == &Library(FORMAT),
        'A' => value == &Library(AUTHORIZER),
        'P' => value == &Library(PATH_CHECK),
        'G' => value == &Library(GROUP_CHECK),
        'R' => value == &Library(RESOURCE_CHECK),
        'E' => value == &Library(DECISION),
        _ => true,
    }
}

fn given(gives: Gives, values: &[&Type]) -> Type {
    use Type::{Bool, Bytes, Double, Duration, Dyn, Int, Library, List, Optional, String, Timestamp, UInt};
    let list = |of: Type| List(Box::new(of), 0);
    match gives {
        Gives::Anything => Dyn,
        Gives::Truth => Bool,
        Gives::Int => Int,
        Gives::UInt => UInt,
        Gives::Double => Double,
        Gives::Text => String,
        Gives::Bytes => Bytes,
        Gives::Duration => Duration,
        Gives::Timestamp => Timestamp,
        Gives::Texts => list(String),
        Gives::Range => List(Box::new(Int), LONGEST_RANGE),
        Gives::Entry => match values {
            [key, value] => Type::Map(Box::new((*key).clone()), Box::new((*value).clone()), 0),
            _ => Dyn,
        },
        Gives::Format => Optional(Box::new(Library(FORMAT))),
        Gives::Whys => Optional(Box::new(list(String))),
        Gives::Query => Type::Map(Box::new(String), Box::new(list(String)), 0),
        Gives::Same => values.first().map_or(Dyn, |value| (*value).clone()),
        Gives::Item => match values.first() {
            Some(List(of, _) | Optional(of)) => (**of).clone(),
            _ => Dyn,
        },
        Gives::OptionalItem => Optional(Box::new(given(Gives::Item, values))),
        Gives::Optional => Optional(Box::new(values.first().map_or(Dyn, |value| (*value).clone()))),
        Gives::Library(name) => Library(name),
    }
}

/// How a function is called.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    /// `f(a)`.
    Nothing,
    /// `a.f()`; the receiver is the first letter of the signature.
    Value,
}

/// What a function gives.
#[derive(Clone, Copy)]
enum Gives {
    Anything,
    Truth,
    Int,
    UInt,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    Texts,
    Query,
    /// As many numbers as are asked for.
    Range,
    /// A map of the first value to the second.
    Entry,
    /// A format, perhaps.
    Format,
    /// What is wrong, perhaps.
    Whys,
    /// What the first value is.
    Same,
    /// What the first value holds.
    Item,
    /// What the first value holds, perhaps.
    OptionalItem,
    /// The first value, perhaps.
    Optional,
    Library(&'static str),
}

const URL: &str = "kubernetes.URL";
const IP: &str = "net.IP";
const CIDR: &str = "net.CIDR";
const QUANTITY: &str = "kubernetes.Quantity";
const SEMVER: &str = "kubernetes.Semver";
const FORMAT: &str = "kubernetes.NamedFormat";
const PATH_CHECK: &str = "kubernetes.authorization.PathCheck";
const GROUP_CHECK: &str = "kubernetes.authorization.GroupCheck";
const DECISION: &str = "kubernetes.authorization.Decision";
/// The longest list that `lists.range` makes.
const LONGEST_RANGE: u64 = 1_000_000;
const ARITHMETIC: [&str; 5] =
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO];

/// Name, how it is called, a letter for each value it takes (see [`takes`], `a` is anything), and what it gives.
const FUNCTIONS: &[(&str, Of, &str, Gives)] = &[
    // Conversions.
    ("int", Of::Nothing, "n", Gives::Int),
    ("int", Of::Nothing, "s", Gives::Int),
    ("int", Of::Nothing, "T", Gives::Int),
    ("uint", Of::Nothing, "n", Gives::UInt),
    ("uint", Of::Nothing, "s", Gives::UInt),
    ("double", Of::Nothing, "n", Gives::Double),
    ("double", Of::Nothing, "s", Gives::Double),
    ("string", Of::Nothing, "S", Gives::Text),
    ("bytes", Of::Nothing, "s", Gives::Bytes),
    ("bytes", Of::Nothing, "y", Gives::Bytes),
    ("bool", Of::Nothing, "b", Gives::Truth),
    ("bool", Of::Nothing, "s", Gives::Truth),
    ("duration", Of::Nothing, "s", Gives::Duration),
    ("duration", Of::Nothing, "i", Gives::Duration),
    ("duration", Of::Nothing, "D", Gives::Duration),
    ("timestamp", Of::Nothing, "s", Gives::Timestamp),
    ("timestamp", Of::Nothing, "i", Gives::Timestamp),
    ("timestamp", Of::Nothing, "T", Gives::Timestamp),
    ("size", Of::Value, "s", Gives::Int),
    ("size", Of::Value, "y", Gives::Int),
    ("size", Of::Value, "l", Gives::Int),
    ("size", Of::Value, "m", Gives::Int),
    // Texts.
    ("startsWith", Of::Value, "ss", Gives::Truth),
    ("endsWith", Of::Value, "ss", Gives::Truth),
    ("contains", Of::Value, "ss", Gives::Truth),
    ("matches", Of::Value, "ss", Gives::Truth),
    ("matches", Of::Nothing, "ss", Gives::Truth),
    ("charAt", Of::Value, "si", Gives::Text),
    ("indexOf", Of::Value, "ss", Gives::Int),
    ("indexOf", Of::Value, "ssi", Gives::Int),
    ("lastIndexOf", Of::Value, "ss", Gives::Int),
    ("lastIndexOf", Of::Value, "ssi", Gives::Int),
    ("lowerAscii", Of::Value, "s", Gives::Text),
    ("upperAscii", Of::Value, "s", Gives::Text),
    ("replace", Of::Value, "sss", Gives::Text),
    ("replace", Of::Value, "sssi", Gives::Text),
    ("split", Of::Value, "ss", Gives::Texts),
    ("split", Of::Value, "ssi", Gives::Texts),
    ("substring", Of::Value, "si", Gives::Text),
    ("substring", Of::Value, "sii", Gives::Text),
    ("trim", Of::Value, "s", Gives::Text),
    ("format", Of::Value, "sl", Gives::Text),
    ("join", Of::Value, "l", Gives::Text),
    ("join", Of::Value, "ls", Gives::Text),
    ("strings.quote", Of::Nothing, "s", Gives::Text),
    ("find", Of::Value, "ss", Gives::Text),
    ("findAll", Of::Value, "ss", Gives::Texts),
    ("findAll", Of::Value, "ssi", Gives::Texts),
    // Lists and sets.
    ("isSorted", Of::Value, "l", Gives::Truth),
    ("first", Of::Value, "l", Gives::OptionalItem),
    ("last", Of::Value, "l", Gives::OptionalItem),
    ("sum", Of::Value, "N", Gives::Item),
    ("min", Of::Value, "l", Gives::Item),
    ("max", Of::Value, "l", Gives::Item),
    ("indexOf", Of::Value, "la", Gives::Int),
    ("lastIndexOf", Of::Value, "la", Gives::Int),
    ("reverse", Of::Value, "l", Gives::Same),
    ("slice", Of::Value, "lii", Gives::Same),
    ("flatten", Of::Value, "l", Gives::Anything),
    ("flatten", Of::Value, "li", Gives::Anything),
    ("distinct", Of::Value, "l", Gives::Same),
    ("sort", Of::Value, "l", Gives::Same),
    ("first", Of::Value, "l", Gives::Anything),
    ("last", Of::Value, "l", Gives::Anything),
    ("lists.range", Of::Nothing, "i", Gives::Range),
    ("@sortByAssociatedKeys", Of::Value, "ll", Gives::Same),
    (loops::ENTRY, Of::Nothing, "aa", Gives::Entry),
    (loops::MERGED, Of::Nothing, "l", Gives::Item),
    ("sets.contains", Of::Nothing, "ll", Gives::Truth),
    ("sets.intersects", Of::Nothing, "ll", Gives::Truth),
    ("sets.equivalent", Of::Nothing, "ll", Gives::Truth),
    // Addresses.
    ("url", Of::Nothing, "s", Gives::Library(URL)),
    ("isURL", Of::Nothing, "s", Gives::Truth),
    ("getScheme", Of::Value, "U", Gives::Text),
    ("getHost", Of::Value, "U", Gives::Text),
    ("getHostname", Of::Value, "U", Gives::Text),
    ("getPort", Of::Value, "U", Gives::Text),
    ("getEscapedPath", Of::Value, "U", Gives::Text),
    ("getQuery", Of::Value, "U", Gives::Query),
    ("ip", Of::Nothing, "s", Gives::Library(IP)),
    ("ip", Of::Value, "C", Gives::Library(IP)),
    ("isIP", Of::Nothing, "s", Gives::Truth),
    ("ip.isCanonical", Of::Nothing, "s", Gives::Truth),
    ("family", Of::Value, "I", Gives::Int),
    ("isUnspecified", Of::Value, "I", Gives::Truth),
    ("isLoopback", Of::Value, "I", Gives::Truth),
    ("isLinkLocalMulticast", Of::Value, "I", Gives::Truth),
    ("isLinkLocalUnicast", Of::Value, "I", Gives::Truth),
    ("isGlobalUnicast", Of::Value, "I", Gives::Truth),
    ("cidr", Of::Nothing, "s", Gives::Library(CIDR)),
    ("isCIDR", Of::Nothing, "s", Gives::Truth),
    ("prefixLength", Of::Value, "C", Gives::Int),
    ("masked", Of::Value, "C", Gives::Same),
    ("containsIP", Of::Value, "Cs", Gives::Truth),
    ("containsIP", Of::Value, "CI", Gives::Truth),
    ("containsCIDR", Of::Value, "Cs", Gives::Truth),
    ("containsCIDR", Of::Value, "CC", Gives::Truth),
    // Amounts and versions.
    ("quantity", Of::Nothing, "s", Gives::Library(QUANTITY)),
    ("isQuantity", Of::Nothing, "s", Gives::Truth),
    ("sign", Of::Nothing, "Q", Gives::Int),
    ("isInteger", Of::Value, "Q", Gives::Truth),
    ("asInteger", Of::Value, "Q", Gives::Int),
    ("asApproximateFloat", Of::Value, "Q", Gives::Double),
    ("add", Of::Value, "QQ", Gives::Same),
    ("add", Of::Value, "Qi", Gives::Same),
    ("sub", Of::Value, "QQ", Gives::Same),
    ("sub", Of::Value, "Qi", Gives::Same),
    ("semver", Of::Nothing, "s", Gives::Library(SEMVER)),
    ("semver", Of::Nothing, "sb", Gives::Library(SEMVER)),
    ("isSemver", Of::Nothing, "s", Gives::Truth),
    ("isSemver", Of::Nothing, "sb", Gives::Truth),
    ("major", Of::Value, "V", Gives::Int),
    ("minor", Of::Value, "V", Gives::Int),
    ("patch", Of::Value, "V", Gives::Int),
    ("isGreaterThan", Of::Value, "QQ", Gives::Truth),
    ("isGreaterThan", Of::Value, "VV", Gives::Truth),
    ("isLessThan", Of::Value, "QQ", Gives::Truth),
    ("isLessThan", Of::Value, "VV", Gives::Truth),
    ("compareTo", Of::Value, "QQ", Gives::Int),
    ("compareTo", Of::Value, "VV", Gives::Int),
    // Formats.
    ("format.named", Of::Nothing, "s", Gives::Format),
    ("validate", Of::Value, "Fs", Gives::Whys),
    ("format.dns1123Label", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.dns1123Subdomain", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.dns1035Label", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.qualifiedName", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.dns1123LabelPrefix", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.dns1123SubdomainPrefix", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.dns1035LabelPrefix", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.labelValue", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.uri", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.uuid", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.byte", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.date", Of::Nothing, "", Gives::Library(FORMAT)),
    ("format.datetime", Of::Nothing, "", Gives::Library(FORMAT)),
    // Who may do what.
    ("path", Of::Value, "As", Gives::Library(PATH_CHECK)),
    ("group", Of::Value, "As", Gives::Library(GROUP_CHECK)),
    ("serviceAccount", Of::Value, "Ass", Gives::Library(AUTHORIZER)),
    ("resource", Of::Value, "Gs", Gives::Library(RESOURCE_CHECK)),
    ("subresource", Of::Value, "Rs", Gives::Library(RESOURCE_CHECK)),
    ("namespace", Of::Value, "Rs", Gives::Library(RESOURCE_CHECK)),
    ("name", Of::Value, "Rs", Gives::Library(RESOURCE_CHECK)),
    ("fieldSelector", Of::Value, "Rs", Gives::Library(RESOURCE_CHECK)),
    ("labelSelector", Of::Value, "Rs", Gives::Library(RESOURCE_CHECK)),
    ("check", Of::Value, "Ps", Gives::Library(DECISION)),
    ("check", Of::Value, "Rs", Gives::Library(DECISION)),
    ("allowed", Of::Value, "E", Gives::Truth),
    ("errored", Of::Value, "E", Gives::Truth),
    ("error", Of::Value, "E", Gives::Text),
    ("reason", Of::Value, "E", Gives::Text),
    ("jsonpatch.escapeKey", Of::Nothing, "s", Gives::Text),
    // Optional values.
    ("optional.of", Of::Nothing, "a", Gives::Optional),
    ("optional.ofNonZeroValue", Of::Nothing, "a", Gives::Optional),
    ("optional.none", Of::Nothing, "", Gives::Anything),
    ("hasValue", Of::Value, "o", Gives::Truth),
    ("value", Of::Value, "o", Gives::Item),
    ("or", Of::Value, "oo", Gives::Same),
    ("orValue", Of::Value, "oa", Gives::Item),
    // Times.
    ("getFullYear", Of::Value, "T", Gives::Int),
    ("getFullYear", Of::Value, "Ts", Gives::Int),
    ("getMonth", Of::Value, "T", Gives::Int),
    ("getMonth", Of::Value, "Ts", Gives::Int),
    ("getDayOfYear", Of::Value, "T", Gives::Int),
    ("getDayOfYear", Of::Value, "Ts", Gives::Int),
    ("getDayOfMonth", Of::Value, "T", Gives::Int),
    ("getDayOfMonth", Of::Value, "Ts", Gives::Int),
    ("getDate", Of::Value, "T", Gives::Int),
    ("getDate", Of::Value, "Ts", Gives::Int),
    ("getDayOfWeek", Of::Value, "T", Gives::Int),
    ("getDayOfWeek", Of::Value, "Ts", Gives::Int),
    ("getHours", Of::Value, "T", Gives::Int),
    ("getHours", Of::Value, "Ts", Gives::Int),
    ("getHours", Of::Value, "D", Gives::Int),
    ("getMinutes", Of::Value, "T", Gives::Int),
    ("getMinutes", Of::Value, "Ts", Gives::Int),
    ("getMinutes", Of::Value, "D", Gives::Int),
    ("getSeconds", Of::Value, "T", Gives::Int),
    ("getSeconds", Of::Value, "Ts", Gives::Int),
    ("getSeconds", Of::Value, "D", Gives::Int),
    ("getMilliseconds", Of::Value, "T", Gives::Int),
    ("getMilliseconds", Of::Value, "Ts", Gives::Int),
    ("getMilliseconds", Of::Value, "D", Gives::Int),
];
