//! What an expression gives, by its variables and by the functions that it calls.
//!
//! Follows: the checker of cel-go, its texts included.

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr, StructExpr,
    operators,
};

use super::all_pointed;
use super::kind::{Known, Type};
use super::overloads::{Functions, Overload};
use super::source::Source;

/// Variables that an expression may ask for; those of the last entries hide others.
pub type Variables<'a> = &'a [(String, Type)];

/// An expression with its types.
pub struct Checked {
    /// What each of its parts gives.
    types: HashMap<u64, Type>,
    /// The forms of functions that a call may be one of.
    calls: HashMap<u64, Vec<&'static str>>,
    /// The variables that it asks for.
    asked: Vec<String>,
}

impl Checked {
    /// What a part of the expression gives.
    #[must_use]
    pub fn type_of(&self, at: &IdedExpr) -> &Type {
        self.types.get(&at.id).unwrap_or(&Type::Dyn)
    }

    /// The forms of functions that a call may be one of.
    #[must_use]
    pub fn overloads_of(&self, at: &IdedExpr) -> &[&'static str] {
        self.calls.get(&at.id).map_or(&[], Vec::as_slice)
    }

    /// Whether the expression asks for a variable.
    #[must_use]
    pub fn asks_for(&self, variable: &str) -> bool {
        self.asked.iter().any(|name| name == variable)
    }
}

/// A function with a point in its name is called on what stands before the point.
#[must_use]
pub fn full_name(call: &CallExpr, functions: &Functions) -> Option<String> {
    let space = qualified(call.target.as_deref()?)?;
    let name = format!("{}.{}", absolute(&space), call.func_name);
    functions.has(&name).then_some(name)
}

/// The name that fields and a variable spell.
#[must_use]
pub fn qualified(at: &IdedExpr) -> Option<String> {
    match &at.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", qualified(&select.operand)?, select.field))
        }
        _ => None,
    }
}

/// A name that begins with a point is sought from the outside, where all names are.
fn absolute(name: &str) -> &str {
    name.strip_prefix('.').unwrap_or(name)
}

/// What is wrong, and with which part.
pub type Fault = (u64, String);

/// What is wrong with an expression beyond its types.
pub type Inspect<'a> = &'a dyn Fn(&IdedExpr, &Checked) -> Vec<Fault>;

/// Checks an expression, and then whether what is written down in it can be read.
///
/// # Errors
/// What is wrong, with its lines.
pub fn check(
    text: &str,
    source: &Source,
    variables: Variables<'_>,
    functions: &Functions,
    makes: &[&str],
    inspect: Inspect<'_>,
) -> Result<Checked, String> {
    let mut checker = Checker {
        functions,
        variables,
        makes,
        locals: Vec::new(),
        known: Known::default(),
        open: 0,
        faults: Vec::new(),
        found: Checked { types: HashMap::new(), calls: HashMap::new(), asked: Vec::new() },
    };
    let root = &source.root;
    checker.check(root);
    let Checker { known, mut faults, mut found, .. } = checker;
    for kind in found.types.values_mut() {
        *kind = known.applied(kind, true);
    }
    // What was made of types that are too large says nothing of the text.
    if known.is_spent() {
        return Err(TOO_LARGE.to_owned());
    }
    if faults.is_empty() {
        faults = inspect(root, &found);
        mixed(root, &found, &mut faults);
    }
    if faults.is_empty() { Ok(found) } else { Err(told(text, source, faults)) }
}

/// Faults in the order of the text.
fn told(text: &str, source: &Source, faults: Vec<Fault>) -> String {
    let mut faults: Vec<(usize, String)> =
        faults.into_iter().map(|(id, message)| (source.offset(id), message)).collect();
    faults.sort_by_key(|(offset, _)| *offset);
    all_pointed(text, faults.len(), faults)
}

struct Checker<'a> {
    functions: &'a Functions,
    variables: Variables<'a>,
    /// Types of objects that may be written down, with all that begin so.
    makes: &'a [&'a str],
    /// The variables of the loops around the expression at hand.
    locals: Vec<(String, Type)>,
    known: Known,
    /// How many open types there are.
    open: usize,
    faults: Vec<Fault>,
    found: Checked,
}

impl Checker<'_> {
    fn fault(&mut self, id: u64, message: String) {
        self.faults.push((id, message));
    }

    fn set(&mut self, at: &IdedExpr, found: Type) {
        self.known.weigh(&found);
        self.found.types.insert(at.id, found);
    }

    fn get(&self, at: &IdedExpr) -> Type {
        self.found.types.get(&at.id).cloned().unwrap_or(Type::Dyn)
    }

    fn open(&mut self) -> Type {
        self.open += 1;
        Type::Open(Arc::from(format!("_var{}", self.open - 1)))
    }

    fn fits(&mut self, one: &Type, other: &Type) -> bool {
        self.known.unify(std::slice::from_ref(one), std::slice::from_ref(other))
    }

    fn undeclared(&mut self, at: &IdedExpr, name: &str) {
        self.set(at, Type::Fault);
        self.fault(at.id, format!("undeclared reference to '{name}' (in container '')"));
    }

    fn mismatch(&mut self, at: &IdedExpr, wanted: &Type, found: &Type) {
        let why = format!("expected type '{}' but found '{}'", wanted.name(), found.name());
        self.fault(at.id, why);
    }

    /// A variable, or a type as a value.
    fn lookup(&mut self, name: &str) -> Option<Type> {
        let name = absolute(name);
        let local = self.locals.iter().rev().find(|(known, _)| known == name).map(|(_, found)| found.clone());
        if local.is_some() {
            return local;
        }
        let variable = self.variables.iter().rev().find(|(known, _)| known == name);
        if let Some((_, found)) = variable {
            if !self.found.asks_for(name) {
                self.found.asked.push(name.to_owned());
            }
            return Some(found.clone());
        }
        self.functions.has_type(name).then_some(Type::Kind)
    }

    fn check(&mut self, at: &IdedExpr) {
        if self.known.is_spent() {
            return;
        }
        match &at.expr {
            Expr::Unspecified => self.set(at, Type::Dyn),
            Expr::Literal(literal) => self.set(at, of_literal(literal)),
            Expr::Ident(name) => match self.lookup(name) {
                Some(found) => self.set(at, found),
                None => self.undeclared(at, name),
            },
            Expr::Select(select) => self.select(at, select),
            Expr::Call(call) => self.call(at, call),
            Expr::List(list) => self.list(at, list),
            Expr::Map(map) => self.map(at, map),
            Expr::Struct(made) => self.made(at, made),
            Expr::Comprehension(made) => self.comprehension(at, made),
        }
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) {
        if let Some(found) = qualified(at).and_then(|name| self.lookup(&name)) {
            return self.set(at, found);
        }
        let found = self.field(at, &select.operand, &select.field, false);
        let found = if select.test { Type::Bool } else { self.known.applied(&found, false) };
        self.set(at, found);
    }

    fn field(&mut self, at: &IdedExpr, operand: &IdedExpr, field: &str, optional: bool) -> Type {
        self.check(operand);
        let whole = self.known.applied(&self.get(operand), false);
        let (target, is_optional) = whole.unwrapped();
        let found = match target {
            Type::Map(_, of) => (**of).clone(),
            Type::Object(object) => match object.fields.get(field) {
                Some(found) => found.clone(),
                None => {
                    self.fault(at.id, format!("undefined field '{field}'"));
                    Type::Fault
                }
            },
            Type::Open(_) => {
                self.fits(&Type::Dyn, target);
                Type::Dyn
            }
            Type::Library(name) if !name.starts_with("net.") => {
                self.fault(at.id, format!("unexpected failed resolution of '{name}'"));
                Type::Fault
            }
            other => {
                if !other.is_dyn_or_fault() {
                    self.fault(at.id, format!("type '{}' does not support field selection", other.name()));
                }
                Type::Dyn
            }
        };
        if is_optional || optional { Type::optional(found) } else { found }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) {
        if call.func_name == operators::OPT_SELECT {
            return self.optional_field(at, call);
        }
        for argument in &call.args {
            self.check(argument);
        }
        if let Some(name) = full_name(call, self.functions) {
            return self.resolve(at, &name, None, &call.args);
        }
        if let Some(target) = &call.target {
            self.check(target);
        }
        if self.functions.has(&call.func_name) {
            self.resolve(at, &call.func_name, call.target.as_deref(), &call.args);
        } else {
            self.undeclared(at, &call.func_name);
        }
    }

    fn optional_field(&mut self, at: &IdedExpr, call: &CallExpr) {
        let [operand, field] = call.args.as_slice() else { return self.set(at, Type::Dyn) };
        let Expr::Literal(LiteralValue::String(name)) = &field.expr else {
            return self.set(at, Type::Dyn);
        };
        let found = self.field(at, operand, name.inner(), true);
        let found = self.known.applied(&found, false);
        self.set(at, found);
        self.set(field, Type::String);
        self.found.calls.insert(at.id, vec!["select_optional_field"]);
    }

    /// Finds the forms of a function that a call may be one of.
    fn resolve(&mut self, at: &IdedExpr, name: &str, target: Option<&IdedExpr>, arguments: &[IdedExpr]) {
        if [operators::LOGICAL_AND, operators::LOGICAL_OR].contains(&name) {
            return self.truths(at, name, arguments);
        }
        let given: Vec<Type> = target.into_iter().chain(arguments).map(|part| self.get(part)).collect();
        let mut result: Option<Type> = None;
        let functions = self.functions;
        for overload in functions.of(name).iter().filter(|overload| overload.is_member == target.is_some()) {
            let Overload { id, takes, gives, .. } = self.instance(overload);
            if !self.known.unify(&given, &takes) {
                continue;
            }
            self.found.calls.entry(at.id).or_default().push(id);
            let gives = self.known.applied(&gives, false);
            result = Some(match result {
                None => gives,
                Some(before) if before != Type::Dyn && before != gives => Type::Dyn,
                Some(before) => before,
            });
        }
        if let Some(result) = result {
            return self.set(at, result);
        }
        let given: Vec<String> = given.iter().map(|one| self.known.applied(one, true).name()).collect();
        let (receiver, given) = given.split_at(usize::from(target.is_some()));
        let receiver: String = receiver.iter().map(|name| format!("{name}.")).collect();
        let given = given.join(", ");
        self.fault(
            at.id,
            format!("found no matching overload for '{name}' applied to '{receiver}({given})'"),
        );
        self.set(at, Type::Fault);
    }

    /// A form with open types of its own.
    fn instance(&mut self, overload: &Overload) -> Overload {
        if overload.open.is_empty() {
            return overload.clone();
        }
        let mut fresh = Known::default();
        for name in &overload.open {
            let open = self.open();
            fresh.add(name, open);
        }
        Overload {
            takes: overload.takes.iter().map(|one| fresh.applied(one, false)).collect(),
            gives: fresh.applied(&overload.gives, false),
            ..overload.clone()
        }
    }

    fn truths(&mut self, at: &IdedExpr, name: &str, sides: &[IdedExpr]) {
        let mut all = true;
        for side in sides {
            let found = self.get(side);
            if !self.fits(&found, &Type::Bool) {
                self.mismatch(side, &Type::Bool, &found);
                all = false;
            }
        }
        if all {
            let id = if name == operators::LOGICAL_AND { "logical_and" } else { "logical_or" };
            self.found.calls.insert(at.id, vec![id]);
        }
        self.set(at, if all { Type::Bool } else { Type::Fault });
    }

    fn list(&mut self, at: &IdedExpr, list: &ListExpr) {
        let mut of = None;
        for (place, item) in list.elements.iter().enumerate() {
            self.check(item);
            let found = self.get(item);
            let found = if list.optional_indices.contains(&place) { self.within(item, found) } else { found };
            of = Some(self.join(of, found));
        }
        let of = of.unwrap_or_else(|| self.open());
        self.set(at, Type::list(of));
    }

    fn map(&mut self, at: &IdedExpr, map: &MapExpr) {
        let mut joint: Option<(Type, Type)> = None;
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            self.check(&entry.key);
            self.check(&entry.value);
            let (key, of) = (self.get(&entry.key), self.get(&entry.value));
            let of = if entry.optional { self.within(&entry.value, of) } else { of };
            joint = Some(match joint {
                None => (key, of),
                Some((other_key, other)) => (self.join(Some(other_key), key), self.join(Some(other), of)),
            });
        }
        let (key, of) = joint.unwrap_or_else(|| (self.open(), self.open()));
        self.set(at, Type::map(key, of));
    }

    /// The type within what must be optional.
    fn within(&mut self, at: &IdedExpr, found: Type) -> Type {
        match found {
            Type::Optional(of) => (*of).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                self.mismatch(at, &Type::optional(other.clone()), &other);
                other
            }
        }
    }

    fn join(&mut self, before: Option<Type>, found: Type) -> Type {
        let Some(before) = before else { return found };
        if !self.fits(&before, &found) {
            return Type::Dyn;
        }
        if before.is_as_general(&found) { before } else { found }
    }

    fn made(&mut self, at: &IdedExpr, made: &StructExpr) {
        let name = &made.type_name;
        let first = name.split('.').next().unwrap_or_default();
        if !self.makes.contains(&first) {
            return self.undeclared(at, name);
        }
        for entry in &made.entries {
            if let EntryExpr::StructField(field) = &entry.expr {
                self.check(&field.value);
            }
        }
        self.set(at, Type::Dyn);
    }

    fn comprehension(&mut self, at: &IdedExpr, made: &ComprehensionExpr) {
        self.check(&made.iter_range);
        self.check(&made.accu_init);
        let range = self.known.applied(&self.get(&made.iter_range), false);
        let gathered = self.get(&made.accu_init);
        let outside = self.locals.len();
        self.locals.push((made.accu_var.clone(), gathered.clone()));
        let two = made.iter_var2.is_some();
        let (first, second) = match &range {
            Type::List(of) if two => (Type::Int, (**of).clone()),
            Type::List(of) => ((**of).clone(), Type::Dyn),
            Type::Map(key, of) => ((**key).clone(), (**of).clone()),
            Type::Dyn | Type::Fault | Type::Open(_) => {
                self.fits(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let why = format!(
                    "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                    other.name()
                );
                self.fault(made.iter_range.id, why);
                (Type::Fault, Type::Fault)
            }
        };
        self.locals.push((made.iter_var.clone(), first));
        if let Some(name) = &made.iter_var2 {
            self.locals.push((name.clone(), second));
        }
        self.check(&made.loop_cond);
        self.assert(&made.loop_cond, &Type::Bool);
        self.check(&made.loop_step);
        self.assert(&made.loop_step, &gathered);
        self.locals.truncate(outside + 1);
        self.check(&made.result);
        self.locals.truncate(outside);
        let found = self.known.applied(&self.get(&made.result), false);
        self.set(at, found);
    }

    fn assert(&mut self, at: &IdedExpr, wanted: &Type) {
        let found = self.get(at);
        if !self.fits(wanted, &found) {
            self.mismatch(at, wanted, &found);
        }
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

/// Lists and maps that are written down hold one type of values, but for what is put into a text.
fn mixed(at: &IdedExpr, found: &Checked, faults: &mut Vec<Fault>) {
    let mut lists = Vec::new();
    written_down(at, &mut lists);
    for list in lists {
        match &list.expr {
            Expr::List(list) => {
                let mut first = None;
                for (place, item) in list.elements.iter().enumerate() {
                    let whole = found.type_of(item);
                    let kind =
                        if list.optional_indices.contains(&place) { whole.unwrapped().0 } else { whole };
                    let first = *first.get_or_insert(kind);
                    if first != kind {
                        faults.push(unlike(item, first, kind));
                        break;
                    }
                }
            }
            Expr::Map(map) => {
                let mut first = None;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let (key, whole) = (found.type_of(&entry.key), found.type_of(&entry.value));
                    let of = if entry.optional { whole.unwrapped().0 } else { whole };
                    let (first_key, first_of) = *first.get_or_insert((key, of));
                    if first_key != key {
                        faults.push(unlike(&entry.key, first_key, key));
                    }
                    if first_of != of {
                        faults.push(unlike(&entry.value, first_of, of));
                    }
                }
            }
            _ => {}
        }
    }
}

fn unlike(at: &IdedExpr, wanted: &Type, found: &Type) -> Fault {
    (at.id, format!("expected type '{}' but found '{}'", wanted.name(), found.name()))
}

/// The lists and maps that are written down outside of texts that are put together.
fn written_down<'a>(at: &'a IdedExpr, found: &mut Vec<&'a IdedExpr>) {
    match &at.expr {
        Expr::Call(call) if call.func_name == "format" => return,
        Expr::List(_) | Expr::Map(_) => found.push(at),
        _ => {}
    }
    let (once, often) = super::parts(at);
    for part in once.into_iter().chain(often) {
        written_down(part, found);
    }
}

const TOO_LARGE: &str = "its types are too large";
