//! Types of rules: what a rule may ask of the values that its schema describes.
//!
//! Follows: the checker of CEL as kube-apiserver 1.36 sets it up, its texts included.

mod calls;

use cel::Program;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use sealfast_k8s::expression::{TYPES, on_deep_stack, parts, pointed};
use serde_json::Value;

use super::functions;
use super::rules::escaped;

/// What an expression must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A rule.
    Truth,
    /// The text of a message.
    Text,
}

/// Whether a rule asks for a variable.
pub(crate) fn names(rule: &str, variable: &str) -> bool {
    fn within(at: &IdedExpr, variable: &str) -> bool {
        let (once, often) = parts(at);
        matches!(&at.expr, Expr::Ident(name) if name == variable)
            || once.into_iter().chain(often).any(|part| within(part, variable))
    }
    let look = || functions::compile(rule).is_ok_and(|program| within(program.expression(), variable));
    on_deep_stack(look).unwrap_or(false)
}

/// What was found about a rule of a schema.
pub(crate) struct Judged {
    /// Why it cannot be taken; `None` when it can.
    pub(crate) fault: Option<Fault>,
    /// Steps that it may take for one object.
    pub(crate) cost: u64,
}

/// Looks at a rule of a schema, or at the expression of its message.
pub(crate) fn judged(rule: &str, schema: &Value, place: Place, wanted: Wanted) -> Judged {
    on_deep_stack(|| judged_below(rule, schema, place, wanted))
        .unwrap_or_else(|| Judged { fault: Some(Fault::Invalid(functions::NO_THREAD.to_owned())), cost: 0 })
}

fn judged_below(rule: &str, schema: &Value, place: Place, wanted: Wanted) -> Judged {
    let own = of_schema(schema, place.root).unwrap_or(Type::Dyn);
    let old = if place.optional_old { Type::Optional(Box::new(own.clone())) } else { own.clone() };
    let variables = [("self".into(), own), ("oldSelf".into(), old)];
    let invalid = |why: &str| Some(Fault::Invalid(why.to_owned()));
    let (found, cost) = match typed(rule, &variables, place.times, Makes::Values) {
        Ok(found) => found,
        Err(why) => return Judged { fault: invalid(&why), cost: 0 },
    };
    let fault = match (found, wanted) {
        _ if cost > MOST_STEPS => Some(Fault::Costly(costly(wanted.named(), cost, MOST_STEPS))),
        (Type::Bool, Wanted::Truth) | (Type::String, Wanted::Text) => None,
        (Type::Dyn, _) if !is_read(rule) => None,
        (_, Wanted::Truth) => invalid("cel expression must evaluate to a bool"),
        (_, Wanted::Text) => invalid("must evaluate to a string"),
    };
    Judged { fault, cost }
}

impl Wanted {
    fn named(self) -> &'static str {
        match self {
            Self::Truth => "estimated rule cost",
            Self::Text => "estimated messageExpression cost",
        }
    }
}

/// Why the rules of a schema may take too long together; `None` when they may not.
pub(crate) fn too_costly(total: u64) -> Option<String> {
    const NAME: &str = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    (total > MOST_OF_A_SCHEMA).then(|| costly(NAME, total, MOST_OF_A_SCHEMA))
}

fn costly(name: &str, steps: u64, most: u64) -> String {
    let factor = steps as f64 / most as f64;
    let factor = match factor {
        100.0.. => "more than 100x".to_owned(),
        1.5.. => format!("{factor:.1}x"),
        _ => format!("{factor:.6}x"),
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// What an expression may write down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Makes {
    Values,
    /// Objects as well, and the operations of a patch.
    Objects,
}

/// What an expression gives, and how many steps it may take.
fn typed(text: &str, known: &[(String, Type)], times: u64, makes: Makes) -> Result<(Type, u64), String> {
    let program = functions::compile(text).map_err(|why| format!("compilation failed: {why}"))?;
    let mut checker = Checker {
        program: &program,
        known,
        variables: Vec::new(),
        times,
        most: times,
        unready: None,
        makes,
        mixes: false,
    };
    let found = checker
        .check(program.expression())
        .map_err(|misfit| format!("compilation failed: {}", misfit.told(text)))?;
    match checker.unready {
        Some(why) => Err(format!("program instantiation failed: error parsing regexp: {why}")),
        None => Ok((found, checker.most)),
    }
}

/// What an expression gives that knows these variables, and whether it only reads a value that is there.
///
/// # Errors
/// Why it cannot be taken.
pub(super) fn type_of(text: &str, known: &[(String, Type)], makes: Makes) -> Result<(Type, bool), String> {
    on_deep_stack(|| typed(text, known, 1, makes).map(|(found, _)| (found, is_read(text))))
        .unwrap_or_else(|| Err(functions::NO_THREAD.to_owned()))
}

/// True when an expression only reads a value that is there.
fn is_read(text: &str) -> bool {
    functions::compile(text)
        .is_ok_and(|program| matches!(&program.expression().expr, Expr::Ident(_) | Expr::Select(_)))
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not fit.
    Invalid(String),
    /// It may take too long.
    Costly(String),
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// At the root of the object, whose kind and name every rule knows.
    pub(crate) root: bool,
    /// `oldSelf` is an optional value.
    pub(crate) optional_old: bool,
    /// How often the rule may run for one object: once for each item of the lists it stands in.
    pub(crate) times: u64,
}

/// How many items a list or map of a schema is said to have at most; 1 for other values.
pub(crate) fn stated_items(schema: &Value) -> Option<u64> {
    let most = |key: &str| schema[key].as_i64().map(|most| u64::try_from(most).unwrap_or(0));
    match schema["type"].as_str() {
        Some("array") => most("maxItems"),
        Some("object") if schema["additionalProperties"].is_object() => most("maxProperties"),
        _ => Some(1),
    }
}

/// How many items a list or map of a schema may have: as many as are stated, or as a request has room for.
fn most_items(schema: &Value) -> u64 {
    stated_items(schema).unwrap_or_else(|| {
        let (item, around) = match schema["type"].as_str() {
            Some("array") => (&schema["items"], 1),
            _ => (&schema["additionalProperties"], 6),
        };
        (LARGEST_REQUEST - 2) / (least_size(item) + around)
    })
}

/// How many values of a schema a request has room for.
pub(crate) fn most_in_a_request(schema: &Value) -> u64 {
    LARGEST_REQUEST / (least_size(schema) + 1)
}

/// The fewest bytes that a value of a schema is written in.
fn least_size(schema: &Value) -> u64 {
    if schema["x-kubernetes-int-or-string"] == true {
        return 1;
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("integer" | "number"), _) => 1,
        (Some("boolean"), _) => 4,
        (Some("string"), Some("duration")) => 3,
        (Some("string"), Some("date")) => 12,
        (Some("string"), Some("date-time")) => 21,
        (Some("object"), _) if !schema["additionalProperties"].is_object() => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let fields = required.filter_map(|name| Some((name, schema["properties"].get(name)?)));
            let stated = fields.filter(|(_, field)| field.get("default").is_none());
            2 + stated.map(|(name, field)| name.len() as u64 + least_size(field) + 4).sum::<u64>()
        }
        _ => 2,
    }
}

/// The type of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// Anything.
    Dyn,
    Bool,
    Int,
    UInt,
    Double,
    String,
    Bytes,
    Null,
    Duration,
    Timestamp,
    /// A type as a value.
    Kind,
    // Lists and maps say how many items they may have; 0 is not known.
    List(Box<Type>, u64),
    Map(Box<Type>, Box<Type>, u64),
    Optional(Box<Type>),
    Object(Vec<(String, Type)>),
    /// A value of a library, such as `kubernetes.Quantity`.
    Library(&'static str),
}

impl Type {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Dyn => "dyn".into(),
            Self::Bool => "bool".into(),
            Self::Int => "int".into(),
            Self::UInt => "uint".into(),
            Self::Double => "double".into(),
            Self::String => "string".into(),
            Self::Bytes => "bytes".into(),
            Self::Null => "null".into(),
            Self::Duration => "duration".into(),
            Self::Timestamp => "timestamp".into(),
            Self::Kind => "type".into(),
            Self::List(of, _) => format!("list({})", of.name()),
            Self::Map(key, of, _) => format!("map({}, {})", key.name(), of.name()),
            Self::Optional(of) => format!("optional_type({})", of.name()),
            Self::Object(_) => "object".into(),
            Self::Library(name) => (*name).into(),
        }
    }

    /// True when a value of one type may stand where the other is wanted.
    fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            // Nothing stands beside what may be absent, and beside no plain value.
            (Self::Null, other) | (other, Self::Null) => matches!(
                other,
                Self::Null
                    | Self::Duration
                    | Self::Timestamp
                    | Self::Optional(_)
                    | Self::Object(_)
                    | Self::Library(_)
            ),
            (Self::List(left, _), Self::List(right, _)) | (Self::Optional(left), Self::Optional(right)) => {
                left.fits(right)
            }
            (Self::Map(key, of, _), Self::Map(other_key, other, _)) => key.fits(other_key) && of.fits(other),
            // An object is compared with a map that is written down.
            (Self::Object(_), Self::Map(..) | Self::Object(_)) | (Self::Map(..), Self::Object(_)) => true,
            _ => self == other,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::UInt | Self::Double)
    }

    /// The more telling of two types that fit.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Dyn | Self::Null, other) => other,
            (Self::List(left, size), Self::List(right, _)) => Self::List(Box::new(left.join(*right)), size),
            (left, right) if left.fits(&right) => left,
            _ => Self::Dyn,
        }
    }
}

/// The type that a schema describes; `None` for values that rules cannot reach.
fn of_schema(schema: &Value, root: bool) -> Option<Type> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    Some(match schema["type"].as_str()? {
        "array" => Type::List(Box::new(of_schema(&schema["items"], false)?), most_items(schema)),
        "object" => return of_object(schema, root || schema["x-kubernetes-embedded-resource"] == true),
        "boolean" => Type::Bool,
        "integer" => Type::Int,
        "number" => Type::Double,
        "string" => match schema["format"].as_str().unwrap_or_default() {
            "byte" => Type::Bytes,
            "duration" => Type::Duration,
            "date" | "date-time" => Type::Timestamp,
            _ => Type::String,
        },
        _ => return None,
    })
}

fn of_object(schema: &Value, resource: bool) -> Option<Type> {
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let values = of_schema(values, false)?;
        return Some(Type::Map(Box::new(Type::String), Box::new(values), most_items(schema)));
    }
    let known = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<(String, Type)> =
        known.filter_map(|(name, schema)| Some((escaped(name), of_schema(schema, false)?))).collect();
    if resource {
        let text = |name: &str| (name.to_owned(), Type::String);
        fields.retain(|(name, _)| !["apiVersion", "kind", "metadata"].contains(&name.as_str()));
        fields.extend([text("apiVersion"), text("kind")]);
        fields.push(("metadata".into(), Type::Object(vec![text("name"), text("generateName")])));
    }
    Some(Type::Object(fields))
}

/// What is wrong, and with which parts: bytes from the beginning of the rule.
struct Misfit(Vec<(usize, String)>);

impl Misfit {
    /// Both, as far as something is wrong.
    fn and<T, U>(one: Result<T, Misfit>, other: Result<U, Misfit>) -> Result<(T, U), Misfit> {
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (Err(Misfit(mut faults)), Err(Misfit(more))) => {
                faults.extend(more);
                Err(Misfit(faults))
            }
            (Err(misfit), _) | (_, Err(misfit)) => Err(misfit),
        }
    }

    /// The faults in their order in the rule.
    fn told(mut self, rule: &str) -> String {
        self.0.sort_by_key(|(offset, _)| *offset);
        let mut told = String::new();
        for (offset, message) in self.0.iter().take(MOST_FAULTS) {
            if told.len() > MOST_TOLD {
                break;
            }
            if !told.is_empty() {
                told.push('\n');
            }
            told += &pointed(rule, *offset, message);
        }
        told
    }
}

struct Checker<'a> {
    program: &'a Program,
    /// Variables that are there from the start.
    known: &'a [(String, Type)],
    /// Those of the loops around the expression at hand.
    variables: Vec<(String, Type)>,
    /// How often the expression at hand may run for one object, and the most of all.
    times: u64,
    most: u64,
    /// Why the rule fits and still cannot be run.
    unready: Option<String>,
    makes: Makes,
    /// Lists and maps may hold values of several types.
    mixes: bool,
}

impl Checker<'_> {
    fn fault<T>(&self, at: &IdedExpr, message: String) -> Result<T, Misfit> {
        let offset = self.program.source_info().offset_for(at.id).map_or(0, |(start, _)| start as usize);
        Err(Misfit(vec![(offset, message)]))
    }

    fn variable(&self, name: &str) -> Option<&Type> {
        self.find(|known| known == name)
    }

    fn find(&self, is_it: impl Fn(&str) -> bool) -> Option<&Type> {
        let inner_first = self.variables.iter().rev().chain(self.known.iter().rev());
        inner_first.into_iter().find(|(known, _)| is_it(known)).map(|(_, found)| found)
    }

    fn check(&mut self, at: &IdedExpr) -> Result<Type, Misfit> {
        match &at.expr {
            Expr::Unspecified => Ok(Type::Dyn),
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::Ident(name) => match self.variable(name) {
                Some(found) => Ok(found.clone()),
                None if TYPES.contains(&name.as_str()) => Ok(Type::Kind),
                None => self.fault(at, format!("undeclared reference to '{name}' (in container '')")),
            },
            Expr::List(list) => {
                let mut of = Type::Dyn;
                for item in &list.elements {
                    of = self.alike(of, item)?;
                }
                Ok(Type::List(Box::new(of), 0))
            }
            Expr::Map(map) => {
                let (mut key, mut of) = (Type::Dyn, Type::Dyn);
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        key = self.alike(key, &entry.key)?;
                        of = self.alike(of, &entry.value)?;
                    }
                }
                Ok(Type::Map(Box::new(key), Box::new(of), 0))
            }
            Expr::Struct(made) => {
                let name = &made.type_name;
                if self.makes == Makes::Objects
                    && (name == "JSONPatch" || name.split('.').next() == Some("Object"))
                {
                    let (values, _) = parts(at);
                    for value in values {
                        self.check(value)?;
                    }
                    return Ok(Type::Dyn);
                }
                self.fault(at, format!("undeclared reference to '{name}' (in container '')"))
            }
            Expr::Select(select) => self.select(at, select),
            Expr::Call(call) => calls::check(self, at, call),
            Expr::Comprehension(made) => self.comprehension(made),
        }
    }

    /// The type of an item beside others, which must fit them.
    fn alike(&mut self, others: Type, item: &IdedExpr) -> Result<Type, Misfit> {
        let found = self.check(item)?;
        if others.fits(&found) {
            return Ok(others.join(found));
        }
        if self.mixes {
            return Ok(Type::Dyn);
        }
        self.fault(item, format!("expected type '{}' but found '{}'", others.name(), found.name()))
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Result<Type, Misfit> {
        if let Expr::Ident(space) = &select.operand.expr
            && let Some(found) = self.find(|known| known.split_once('.') == Some((space, &select.field)))
        {
            return Ok(found.clone());
        }
        let operand = self.check(&select.operand)?;
        let found = self.field(at, &operand, &select.field)?;
        Ok(if select.test { Type::Bool } else { found })
    }

    fn field(&self, at: &IdedExpr, operand: &Type, field: &str) -> Result<Type, Misfit> {
        match operand {
            Type::Dyn => Ok(Type::Dyn),
            Type::Map(_, of, _) => Ok((**of).clone()),
            Type::Optional(of) => Ok(Type::Optional(Box::new(self.field(at, of, field)?))),
            Type::Object(fields) => match fields.iter().find(|(name, _)| name == field) {
                Some((_, found)) => Ok(found.clone()),
                None => self.fault(at, format!("undefined field '{field}'")),
            },
            other => {
                let name = other.name();
                self.fault(at, format!("type '{name}' does not support field selection"))
            }
        }
    }

    /// What a loop goes over: items or keys, values, and how many there may be.
    fn range_of(&self, at: &IdedExpr, range: Type) -> Result<(Type, Option<Type>, u64), Misfit> {
        Ok(match range {
            Type::List(of, size) => (*of, None, size),
            Type::Map(key, of, size) => (*key, Some(*of), size),
            Type::Object(_) | Type::Dyn => (Type::Dyn, None, 0),
            other => {
                let name = other.name();
                let why = format!(
                    "expression of type '{name}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                return self.fault(at, why);
            }
        })
    }

    /// A loop that a macro such as `all` stands for.
    fn comprehension(&mut self, made: &ComprehensionExpr) -> Result<Type, Misfit> {
        let range = self.check(&made.iter_range)?;
        let (first, _, size) = self.range_of(&made.iter_range, range)?;
        let gathered = self.check(&made.accu_init)?;
        let outside = self.variables.len();
        self.variables.push((made.accu_var.clone(), gathered.clone()));
        self.variables.push((made.iter_var.clone(), first));
        let times = self.times;
        self.times = times.saturating_mul(size.max(1));
        self.most = self.most.max(self.times);
        self.check(&made.loop_cond)?;
        let step = self.check(&made.loop_step)?;
        self.times = times;
        self.variables.truncate(outside);
        self.variables.push((made.accu_var.clone(), gathered.join(step)));
        let result = self.check(&made.result);
        self.variables.truncate(outside);
        result
    }
}

fn of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::UInt,
    }
}

/// Who may do what, and what is asked of it.
pub(super) const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
pub(super) const RESOURCE_CHECK: &str = "kubernetes.authorization.ResourceCheck";
/// Faults that are told of one rule.
const MOST_FAULTS: usize = 100;
/// Each fault shows its line, which may be long.
const MOST_TOLD: usize = 64 << 10;
/// Steps that a rule may take for one object.
const MOST_STEPS: u64 = 10_000_000;
/// Steps that all rules of a schema may take for one object.
const MOST_OF_A_SCHEMA: u64 = 10 * MOST_STEPS;
const LARGEST_REQUEST: u64 = 3 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(rule: &str) -> Option<String> {
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object",
            "properties": {
                "s": text, "a": {"type": "integer"}, "n": {"type": "number"}, "l": {"type": "array", "items": text},
                "m": {"type": "object", "additionalProperties": text}, "a-b": text,
                "x": {"x-kubernetes-int-or-string": true}, "free": {"x-kubernetes-preserve-unknown-fields": true},
                "o": {"type": "object", "properties": {"in": text}},
            },
        });
        let place = Place { root: true, optional_old: false, times: 1 };
        judged(rule, &schema, place, Wanted::Truth).fault.map(|fault| match fault {
            Fault::Invalid(text) | Fault::Costly(text) => text,
        })
    }

    #[test]
    fn rules_that_fit_are_taken() {
        for rule in [
            "self.a > 1 && self.n > 1 && self.s != '' && self.x == 5 && self.x == 'a'",
            "self.l.all(x, x.startsWith('a')) && self.m.exists(k, self.m[k] == 'v') && 'k' in self.m",
            "self.l.map(x, size(x)).sum() > 3 && self.l.filter(x, x != '')[0] == 'a' && self.a__dash__b == ''",
            "has(self.s) && !has(self.o.__in__) && self.?s.orValue('') == '' && self.metadata.name.size() < 5",
            "quantity('1').isLessThan(quantity(self.s)) && ip(self.s).family() == 4 && isURL(self.s)",
            "self.a == oldSelf.a || (self.a > 3 ? true : self.s == oldSelf.s)",
            "type(self.a) == int && int(self.s) == 4 && string(self.a) + self.s == '4' && self.l + ['a'] == []",
            "duration('1h') < duration('2h') && timestamp('2020-01-01T00:00:00Z').getFullYear() == 2020",
            "sets.contains(self.l, ['a']) && self.s.matches('^a$') && lists.range(3).all(x, x < 3)",
            "self.s.matches('^a{,3}$') && self.s.matches('^\\\\Qa.b\\\\E$') && matches(self.s, '[a&&b]')",
            "self.m.all(k, v, k.startsWith('a') && v != '') && self.l.exists(i, x, i > 0 && x == 'a')",
            "self.m.transformMap(k, v, v.size()).all(k, n, n > 0) && self.l.transformList(i, x, i > 0, i).sum() > 0",
            "self.l.existsOne(i, x, i == 0) && self.l.transformMapEntry(i, x, {x: i}).all(x, i, x == self.l[i])",
            "!format.dns1123Label().validate(self.s).hasValue() && format.named('uri').hasValue()",
            "'%s %d'.format(['a', 1]) == 'a 1' && self.l.first().orValue('') == '' && self.?s != null",
            "self.l.sortBy(x, x.size())[0] == 'a' && semver('v1', true).major() == 1",
            "'%s'.format([self.s]) == '' && self.l.join(',').split(',').size() > 0 && self.kind == 'X'",
        ] {
            assert_eq!(told(rule), None, "{rule}");
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let compiled = |text: &str| Some(format!("compilation failed: ERROR: <input>:{text}"));
        assert_eq!(
            told("self.nope > 1"),
            compiled("1:5: undefined field 'nope'\n | self.nope > 1\n | ....^")
        );
        let mixed = "found no matching overload for '_>_' applied to '(string, int)'";
        assert_eq!(told("self.s > 1"), compiled(&format!("1:8: {mixed}\n | self.s > 1\n | .......^")));
        for (rule, why) in [
            ("self.free == 1", "undefined field 'free'"),
            ("other == 1", "undeclared reference to 'other' (in container '')"),
            ("self.s.nope()", "undeclared reference to 'nope' (in container '')"),
            (
                "self.a.startsWith('a')",
                "found no matching overload for 'startsWith' applied to 'int.(string)'",
            ),
            ("self.a + 1.5 > 2", "found no matching overload for '_+_' applied to '(int, double)'"),
            ("self.s.b == 1", "type 'string' does not support field selection"),
            ("self.s.all(x, true)", "cannot be range of a comprehension"),
            ("self.s.all(i, x, true)", "cannot be range of a comprehension"),
            ("self.m.all(k, v, v > 1)", "found no matching overload for '_>_' applied to '(string, int)'"),
            ("self.l.all(i, i, true)", "duplicate variable name: i"),
            ("self.l.all(i, 'x', true)", "argument must be a simple name"),
            ("duration('1 day') > duration('1h')", "1:10: invalid duration argument"),
            ("timestamp('today') > timestamp('2020-01-01T00:00:00Z')", "1:11: invalid timestamp argument"),
            ("self.s.matches('(')", "1:16: invalid matches argument"),
            ("self.s.matches('x++')", "1:16: invalid matches argument"),
            ("self.a.matches('x')", "found no matching overload for 'matches' applied to 'int.(string)'"),
            ("self.s.matches()", "found no matching overload for 'matches'"),
            ("matches(self.s, ')')", "program instantiation failed: error parsing regexp: unexpected ): `)`"),
            (
                "self.s.find(')') == ''",
                "program instantiation failed: error parsing regexp: unexpected ): `)`",
            ),
            ("self.s.findAll('a**', 1) == []", "invalid nested repetition operator: `**`"),
            (
                "self.nope == 1 && other",
                "undefined field 'nope'\n | self.nope == 1 && other\n | ....^\nERROR: <input>:1:19: undeclared reference to 'other' (in container '')",
            ),
            (
                "math.greatest(1, 2) == 2",
                "1:1: undeclared reference to 'math' (in container '')\n | math.greatest(1, 2) == 2\n | ^\nERROR: <input>:1:14: undeclared reference to 'greatest'",
            ),
            ("self.x", "cel expression must evaluate to a bool"),
            ("self.a == null", "found no matching overload for '_==_' applied to '(int, null)'"),
            ("self.a > 0 && self.s", "1:19: expected type 'bool' but found 'string'"),
            ("int(true) > 0", "found no matching overload for 'int' applied to '(bool)'"),
            ("duration('1h') * 2 > 1", "applied to '(duration, int)'"),
            ("'é' == foo", "undeclared reference to 'foo' (in container '')\n | 'é' == foo\n | .．.....^"),
            ("self.a >", "Syntax error: mismatched input '<EOF>'"),
            ("self.a >", "\n | self.a >\n | ........^"),
            ("[1, 'a'].size() > 0", "1:5: expected type 'int' but found 'string'"),
            ("math.greatest(1, 2) == 2", "undeclared reference to"),
            ("self.l.all(x, x > 1)", "found no matching overload for '_>_' applied to '(string, int)'"),
        ] {
            assert!(told(rule).is_some_and(|text| text.contains(why)), "{rule}: {:?}", told(rule));
        }
        for costly in [
            "self.l.all(a, self.l.all(b, a == b))",
            "self.m.all(a, self.l.exists(b, a == b))",
            "self.l.all(i, a, self.l.all(j, b, a == b))",
            "lists.range(9).all(i, lists.range(9).all(j, i == j))",
        ] {
            assert!(told(costly).is_some_and(|text| text.contains("exceeds budget")), "{costly}");
        }
        for nested in
            ["(".repeat(60_000), format!("{}true", "!".repeat(1000)), "[".repeat(70) + &"]".repeat(70)]
        {
            assert!(told(&nested).is_some_and(|text| text.contains("nested too deeply")));
        }
        assert_eq!(told("self.a + 1").as_deref(), Some("cel expression must evaluate to a bool"));
    }
}
