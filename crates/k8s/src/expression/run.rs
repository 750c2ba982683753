//! Runs expressions, and counts what that costs.
//!
//! Follows: the interpreter of cel-go in what fails and how, in the order in which parts are worked on, and in what
//! each step costs. Functions that are not given here are those of the reader's library.

mod turns;
mod values;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Value};

use super::budget::Budget;
use super::loops::INSERT;
use super::operations;
use super::overloads::Functions;
use super::{TYPES, check, fault, matching, no_overload, parts};

use values::{
    absent_or, as_optional, inserted, key_of, literal_value, long_name, member, named, perhaps, presence,
};
pub use values::{optional, type_within};

/// What a function looks like: it takes its receiver and arguments in one list, and `None` is an error.
pub type Function = fn(&[Value]) -> Option<Value>;

/// Says what is wrong with the values of a call that failed; `None` when they are of the wrong types.
pub type Told = fn(&str, &[Value]) -> Option<String>;

/// What a call costs: its name, its values, and what it gave.
pub type Charge = fn(&str, &[Value], Option<&Value>) -> u64;

/// What expressions run with.
pub struct Library {
    /// What may be called, by the names that the check knows.
    pub declared: &'static Functions,
    /// Functions by their names.
    pub functions: HashMap<&'static str, Function>,
    /// Functions that take nothing, and what they give.
    pub constants: HashMap<&'static str, Value>,
    /// What is wrong with the values of a call that failed.
    pub told: Told,
    /// What a call costs.
    pub charge: Charge,
    /// The functions of the reader's library.
    pub context: Context<'static, 'static>,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Something is wrong.
    Fault(String),
    /// It costs more than it may, or there is no room or time for it.
    Spent,
}

type Outcome = Result<Value, Stop>;

fn failed<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fault(why.into()))
}

/// One run of an expression.
pub struct Run<'a> {
    library: &'a Library,
    budget: &'a Budget,
    /// Finds a variable.
    variables: &'a dyn Fn(&str) -> Option<Value>,
    locals: Vec<(String, Outcome)>,
    cost: &'a Cell<u64>,
    /// What it may cost.
    most: u64,
}

/// The value of an expression, and what it took to find it.
///
/// # Errors
/// Why it has none.
pub fn run(
    at: &IdedExpr,
    library: &Library,
    budget: &Budget,
    most: u64,
    variables: &dyn Fn(&str) -> Option<Value>,
) -> (Result<Value, Stop>, u64) {
    let cost = Cell::new(0);
    let mut run = Run { library, budget, variables, locals: Vec::new(), cost: &cost, most };
    let outcome = run.value(at);
    (outcome, cost.get())
}

impl Run<'_> {
    fn pay(&self, cost: u64) -> Result<(), Stop> {
        self.cost.set(self.cost.get().saturating_add(cost));
        let goes_on = self.cost.get() <= self.most && self.budget.work(cost.min(MOST_WORK));
        if goes_on { Ok(()) } else { Err(Stop::Spent) }
    }

    fn value(&mut self, at: &IdedExpr) -> Outcome {
        match &at.expr {
            Expr::Unspecified => failed("no such overload"),
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Ident(name) => {
                let found = self.variable(name);
                self.pay(1)?;
                found
            }
            Expr::Select(select) => {
                if let Some(value) = self.qualified(at) {
                    return value;
                }
                let operand = self.value(&select.operand)?;
                if select.test {
                    return presence(&operand, &select.field);
                }
                self.pay(1 + u64::from(!is_attribute(&select.operand)))?;
                member(&operand, &Value::String(Arc::new(select.field.clone())))
            }
            Expr::Call(call) => self.call(at, call),
            Expr::List(list) => {
                let mut items = Vec::with_capacity(list.elements.len());
                for (place, item) in list.elements.iter().enumerate() {
                    let value = self.value(item)?;
                    if list.optional_indices.contains(&place) {
                        items.extend(absent_or(&value)?);
                    } else {
                        items.push(value);
                    }
                }
                self.made(at, 10, Value::List(Arc::new(items)))
            }
            Expr::Map(map) => {
                let mut made = HashMap::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let key = key_of(self.value(&entry.key)?)?;
                    let value = self.value(&entry.value)?;
                    let value = if entry.optional { absent_or(&value)? } else { Some(value) };
                    if let Some(value) = value
                        && made.insert(key, value).is_some()
                    {
                        return failed("duplicate key");
                    }
                }
                self.made(at, 30, Value::Map(made.into()))
            }
            Expr::Struct(_) => failed("no such overload"),
            Expr::Comprehension(made) => self.comprehension(made),
        }
    }

    /// A value that was written down costs nothing when all of it is known beforehand.
    fn made(&self, at: &IdedExpr, cost: u64, value: Value) -> Outcome {
        if !is_constant(at) {
            self.pay(cost)?;
        }
        if self.budget.weigh(&value) { Ok(value) } else { Err(Stop::Spent) }
    }

    fn variable(&self, name: &str) -> Outcome {
        let name = name.strip_prefix('.').unwrap_or(name);
        if let Some((_, found)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return found.clone();
        }
        match (self.variables)(name) {
            Some(value) => Ok(value),
            None if TYPES.contains(&name) => Ok(named(name)),
            None => failed(format!("no such attribute(s): {name}")),
        }
    }

    /// A name with points in it: a type, or a variable that is not there.
    fn qualified(&self, at: &IdedExpr) -> Option<Outcome> {
        let name = super::check::qualified(at)?;
        let name = name.strip_prefix('.').unwrap_or(&name);
        let root = name.split('.').next().unwrap_or_default();
        let is_known = self.locals.iter().any(|(known, _)| known == root) || (self.variables)(root).is_some();
        if is_known {
            return None;
        }
        if LONG_TYPES.contains(&name) || super::overloads::LIBRARY.contains(&name) {
            return Some(Ok(named(name)));
        }
        (!TYPES.contains(&root)).then(|| failed(format!("no such attribute(s): {name}")))
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Outcome {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice(), &call.target) {
            (operators::LOGICAL_AND, [left, right], None) => return self.truths(left, right, false),
            (operators::LOGICAL_OR, [left, right], None) => return self.truths(left, right, true),
            (operators::CONDITIONAL, [test, yes, no], None) => {
                return match self.value(test)? {
                    Value::Bool(true) => self.value(yes),
                    Value::Bool(false) => self.value(no),
                    _ => failed(NO_OVERLOAD),
                };
            }
            (operators::NOT_STRICTLY_FALSE, [one], None) => {
                let found = self.value(one);
                self.pay(1)?;
                return match found {
                    Err(Stop::Spent) => Err(Stop::Spent),
                    Ok(Value::Bool(false)) => Ok(false.into()),
                    _ => Ok(true.into()),
                };
            }
            (operators::INDEX, [operand, place], None) => {
                let value = self.value(operand)?;
                let place = self.place(place)?;
                self.pay(1 + u64::from(!is_attribute(operand)))?;
                return member(&value, &place);
            }
            (operators::OPT_INDEX | operators::OPT_SELECT, [operand, place], None) => {
                let value = self.value(operand)?;
                let place = self.place(place)?;
                self.pay(1 + u64::from(!is_attribute(operand)))?;
                return perhaps(&value, &place);
            }
            (operators::ADD, [so_far, more], None) => {
                if let Some(added) = self.appended(so_far, more) {
                    return added;
                }
            }
            ("or" | "orValue", [other], Some(target)) => {
                let value = self.value(target)?;
                if let Some(found) = as_optional(&value) {
                    self.pay(1)?;
                    return match (found.value(), name) {
                        (Some(inner), "orValue") => Ok(inner.clone()),
                        (Some(_), _) => Ok(value),
                        (None, _) => self.value(other),
                    };
                }
                // What is there, and need not be, is its own value.
                return Ok(value);
            }
            _ => {}
        }
        let full = self.full_name(call);
        let name = full.as_deref().unwrap_or(name);
        let mut values = Vec::with_capacity(call.args.len() + 1);
        if let (Some(target), None) = (&call.target, &full) {
            values.push(self.value(target)?);
        }
        for argument in &call.args {
            values.push(self.value(argument)?);
        }
        let is_free = is_constant(at) || self.is_member_of_constants(name, call);
        // What is too much by its values alone is not begun.
        let least = (self.library.charge)(name, &values, None);
        if !is_free && self.cost.get().saturating_add(least) > self.most {
            self.pay(least)?;
        }
        let result = self.applied(name, call.target.is_some() && full.is_none(), values.clone());
        if !is_free {
            self.pay((self.library.charge)(name, &values, result.as_ref().ok()))?;
        }
        result
    }

    /// What is written down in brackets costs nothing of its own.
    fn place(&mut self, at: &IdedExpr) -> Outcome {
        let before = self.cost.get();
        let place = self.value(at)?;
        if is_attribute(at) {
            self.cost.set(self.cost.get().max(before + 1) - 1);
        }
        Ok(place)
    }

    /// Whether something is sought in a list that is written down, which the reference looks up.
    fn is_member_of_constants(&self, name: &str, call: &CallExpr) -> bool {
        let is_plain = |at: &IdedExpr| matches!(&at.expr, Expr::Literal(literal) if !matches!(literal, LiteralValue::Bytes(_) | LiteralValue::Null));
        name == operators::IN
            && matches!(call.args.get(1).map(|range| &range.expr), Some(Expr::List(list)) if list.elements.iter().all(is_plain))
    }

    /// A function with a point in its name.
    fn full_name(&self, call: &CallExpr) -> Option<String> {
        let name = check::full_name(call, self.library.declared)?;
        let space = name.rsplit_once('.').map_or("", |(space, _)| space);
        let is_hidden = self.locals.iter().any(|(known, _)| known == space);
        (!is_hidden).then_some(name)
    }

    fn truths(&mut self, left: &IdedExpr, right: &IdedExpr, ends_with: bool) -> Outcome {
        let mut why = None;
        for side in [left, right] {
            match self.value(side) {
                Ok(Value::Bool(truth)) if truth == ends_with => return Ok(truth.into()),
                Ok(Value::Bool(_)) => {}
                Err(Stop::Spent) => return Err(Stop::Spent),
                Ok(_) => why = why.or_else(|| Some(Stop::Fault(NO_OVERLOAD.to_owned()))),
                Err(stop) => why = why.or(Some(stop)),
            }
        }
        why.map_or(Ok((!ends_with).into()), Err)
    }

    /// What a function gives.
    fn applied(&self, name: &str, is_member: bool, values: Vec<Value>) -> Outcome {
        if let Some(result) = operations::operator(name, &values, self.budget) {
            if self.budget.is_spent() {
                return Err(Stop::Spent);
            }
            let result = result.map_err(Stop::Fault)?;
            let makes = name == operators::ADD;
            return if makes && !self.budget.weigh(&result) { Err(Stop::Spent) } else { Ok(result) };
        }
        if !self.budget.pay(name, &values) {
            return Err(Stop::Spent);
        }
        match (name, values.as_slice()) {
            ("type", [value]) => return Ok(named(&long_name(value))),
            ("dyn", [value]) => return Ok(value.clone()),
            ("matches", [Value::String(text), Value::String(pattern)]) => {
                if !matching::pay(text, pattern, self.budget) {
                    return Err(Stop::Spent);
                }
                return matching::matches(&values).map_err(|error| Stop::Fault(fault::why(&error)));
            }
            ("find" | "findAll", [Value::String(text), Value::String(pattern), ..])
                if !matching::pay(text, pattern, self.budget) =>
            {
                return Err(Stop::Spent);
            }
            ("matches", _) => return failed(no_overload(name, &values)),
            ("hasValue", [value]) => {
                if let Some(found) = as_optional(value) {
                    return Ok(found.value().is_some().into());
                }
            }
            ("value", [value]) => {
                if let Some(found) = as_optional(value) {
                    return found.value().cloned().map_or(failed("optional.none() dereference"), Ok);
                }
            }
            ("first", [Value::List(items)]) => return Ok(optional(items.first().cloned())),
            ("last", [Value::List(items)]) => return Ok(optional(items.last().cloned())),
            ("first" | "last", [_]) => return failed(no_overload(name, &values)),
            ("optional.of", [value]) => return Ok(optional(Some(value.clone()))),
            ("optional.none", []) => return Ok(optional(None)),
            ("optional.unwrap" | "unwrapOpt", [Value::List(items)]) => {
                let found: Option<Vec<_>> =
                    items.iter().map(|item| Some(as_optional(item)?.value().cloned())).collect();
                return found.map_or_else(
                    || failed(no_overload(name, &values)),
                    |found| Ok(Value::List(Arc::new(found.into_iter().flatten().collect()))),
                );
            }
            (INSERT, [Value::Map(map), Value::Map(more)]) => {
                return inserted(map, more.map.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            (INSERT, [Value::Map(map), key, value]) => {
                return inserted(map, [(key_of(key.clone())?, value.clone())]);
            }
            _ => {}
        }
        if let Some(value) = self.library.constants.get(name).filter(|_| values.is_empty()) {
            return Ok(value.clone());
        }
        if let Some(function) = self.library.functions.get(name) {
            let why = || (self.library.told)(name, &values).unwrap_or_else(|| no_overload(name, &values));
            let made = function(&values).map_or_else(|| failed(why()), Ok)?;
            // How much these make only their result tells.
            let is_new = ["findAll", "getQuery"].contains(&name);
            return if is_new && !self.budget.weigh(&made) { Err(Stop::Spent) } else { Ok(made) };
        }
        self.of_reader(name, is_member, values)
    }

    /// Calls a function of the reader's library.
    fn of_reader(&self, name: &str, is_member: bool, values: Vec<Value>) -> Outcome {
        let mut context = self.library.context.new_inner_scope();
        let ident = |at: usize| IdedExpr { id: 0, expr: Expr::Ident(format!("a{at}")) };
        let first = usize::from(is_member);
        let args = (first..values.len()).map(ident).collect();
        for (at, value) in values.into_iter().enumerate() {
            context.add_variable_from_value(format!("a{at}"), value);
        }
        let (target, func_name) = match name.split_once('.') {
            Some((space, name)) => {
                let space = IdedExpr { id: 0, expr: Expr::Ident(space.to_owned()) };
                (Some(Box::new(space)), name.to_owned())
            }
            None => (is_member.then(|| Box::new(ident(0))), name.to_owned()),
        };
        let call = IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name, target, args }) };
        Value::resolve(&call, &context).map_err(|error| Stop::Fault(fault::why(&error)))
    }
}

/// Whether the reference knows a value before it runs the expression.
#[must_use]
pub fn is_constant(at: &IdedExpr) -> bool {
    match &at.expr {
        Expr::Literal(_) => true,
        Expr::List(_) | Expr::Map(_) => parts(at).0.into_iter().all(is_constant),
        _ => is_conversion(at) && parts(at).0.into_iter().all(is_constant),
    }
}

/// Whether a value of one type is made one of another.
#[must_use]
pub fn is_conversion(at: &IdedExpr) -> bool {
    matches!(&at.expr, Expr::Call(call) if call.target.is_none() && call.args.len() == 1
        && CONVERSIONS.contains(&call.func_name.as_str()))
}

/// Whether a value is found by names and places alone.
fn is_attribute(at: &IdedExpr) -> bool {
    match &at.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test,
        Expr::Call(call) => {
            [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT, operators::CONDITIONAL]
                .contains(&call.func_name.as_str())
        }
        _ => false,
    }
}

const NO_OVERLOAD: &str = "no such overload";
const LONG_TYPES: [&str; 2] = ["google.protobuf.Duration", "google.protobuf.Timestamp"];
/// Steps of one cost; the rest of it stands for work that counts elsewhere.
const MOST_WORK: u64 = 64;
const CONVERSIONS: [&str; 9] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "uint"];
