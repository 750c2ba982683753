//! What an expression costs at most: each part, and each turn of its loops.

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue};
use sealfast_k8s::expression::check::{Checked, full_name};
use sealfast_k8s::expression::kind::Type;

use super::functions::Call;
use super::node::{ITEMS, KEYS, Node, Path, VALUES, declared_size};
use super::{LIST, MAP, OBJECT, Range};
use crate::validate::declared::Declared;
use crate::validate::libraries::FUNCTIONS;

/// What a rule of a schema costs at most.
pub(in crate::validate) fn most(root: &IdedExpr, checked: &Checked, declared: &Declared) -> u64 {
    let mut estimator = Estimator {
        checked,
        declared,
        paths: HashMap::new(),
        locals: Vec::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
    };
    estimator.cost(root).most
}

/// How large the keys and values of a list or map are.
#[derive(Debug, Clone, Copy)]
struct Entry {
    is_list: bool,
    key: Range,
    value: Range,
}

/// A variable of a loop.
struct Local {
    name: String,
    path: Path,
    size: Option<Range>,
    entry: Option<Entry>,
}

struct Estimator<'a> {
    checked: &'a Checked,
    declared: &'a Declared,
    paths: HashMap<u64, Path>,
    locals: Vec<Local>,
    sizes: HashMap<u64, Range>,
    entries: HashMap<u64, Entry>,
}

impl<'a> Estimator<'a> {
    fn cost(&mut self, at: &'a IdedExpr) -> Range {
        match &at.expr {
            Expr::Unspecified | Expr::Literal(_) => Range::NONE,
            Expr::Ident(name) => {
                let path = self.local(name).map_or_else(|| Path::of(name), |local| local.path.clone());
                self.paths.insert(at.id, path);
                Range::ONE
            }
            Expr::Select(select) => {
                let operand = self.cost(&select.operand);
                if select.test {
                    return operand;
                }
                let path = self.path(&select.operand).with(&select.field);
                self.paths.insert(at.id, path);
                match self.checked.type_of(&select.operand) {
                    Type::Map(..) | Type::Object(_) | Type::Library(_) => operand.plus(Range::ONE),
                    _ => operand,
                }
            }
            Expr::Call(call) => self.call(at, call),
            Expr::List(list) => self.list(at, &list.elements),
            Expr::Map(map) => self.map(at, &map.entries),
            Expr::Struct(made) => {
                let mut sum = Range::fixed(OBJECT);
                for entry in &made.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        sum = sum.plus(self.cost(&field.value));
                    }
                }
                sum
            }
            Expr::Comprehension(made) if is_bind(made) => self.bind(at, made),
            Expr::Comprehension(made) => self.comprehension(at, made),
        }
    }

    fn list(&mut self, at: &IdedExpr, items: &'a [IdedExpr]) -> Range {
        let mut sum = Range::fixed(LIST);
        let mut value = (!items.is_empty()).then_some(Range { least: u64::MAX, most: 0 });
        for item in items {
            sum = sum.plus(self.cost(item));
            value = value.map(|value| value.union(self.size_or_unknown(item)));
        }
        let value = value.unwrap_or(Range::NONE);
        self.entries.insert(at.id, Entry { is_list: true, key: Range::ONE, value });
        sum
    }

    fn map(&mut self, at: &IdedExpr, entries: &'a [IdedEntryExpr]) -> Range {
        let mut sum = Range::fixed(MAP);
        let none = Range { least: if entries.is_empty() { 0 } else { u64::MAX }, most: 0 };
        let (mut key, mut value) = (none, none);
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            sum = sum.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
            key = key.union(self.size_or_unknown(&entry.key));
            value = value.union(self.size_or_unknown(&entry.value));
        }
        self.entries.insert(at.id, Entry { is_list: false, key, value });
        sum
    }

    fn bind(&mut self, at: &IdedExpr, made: &'a ComprehensionExpr) -> Range {
        let outer = self.cost(&made.iter_range).plus(self.cost(&made.accu_init));
        self.push(made);
        let sum = outer.plus(self.cost(&made.result));
        self.locals.pop();
        self.copy_sizes(at, &made.result);
        sum
    }

    fn comprehension(&mut self, at: &IdedExpr, made: &'a ComprehensionExpr) -> Range {
        let outer = self.cost(&made.iter_range).plus(self.cost(&made.accu_init));
        self.push(made);
        let entry = self.entry(&made.iter_range);
        let is_list = entry.map_or_else(
            || matches!(self.checked.type_of(&made.iter_range), Type::List(_)),
            |entry| entry.is_list,
        );
        let path = self.path(&made.iter_range);
        let mut variable = |name: &str, size: Option<Range>, below: &str| {
            self.locals.push(Local { name: name.to_owned(), path: path.with(below), size, entry: None });
        };
        let (key, value) = (entry.map(|entry| entry.key), entry.map(|entry| entry.value));
        match &made.iter_var2 {
            Some(second) => {
                variable(&made.iter_var, key, if is_list { INDICES } else { KEYS });
                variable(second, value, if is_list { ITEMS } else { VALUES });
            }
            None if is_list => variable(&made.iter_var, value, ITEMS),
            None => variable(&made.iter_var, key, KEYS),
        }
        let turn = self.cost(&made.loop_cond).plus(self.cost(&made.loop_step));
        let variables = 1 + usize::from(made.iter_var2.is_some());
        self.locals.truncate(self.locals.len() - variables);
        let sum = outer.plus(self.cost(&made.result));
        self.locals.pop();
        let turns = self.size_or_unknown(&made.iter_range);
        match &made.accu_init.expr {
            Expr::Literal(_) => {
                let size = self.size(&made.accu_init);
                self.set_size(at, size);
            }
            Expr::List(_) | Expr::Map(_) => {
                self.set_size(at, Some(turns));
                let entry = self.entry(&made.loop_step);
                self.set_entry(at, entry);
            }
            _ => {}
        }
        sum.plus(turns.times(turn))
    }

    /// Makes what a loop gathers known.
    fn push(&mut self, made: &ComprehensionExpr) {
        let init = &made.accu_init;
        let (path, entry, size) = (self.path(init), self.entry(init), self.size(init));
        self.locals.push(Local { name: made.accu_var.clone(), path, size, entry });
    }

    fn call(&mut self, at: &'a IdedExpr, call: &'a CallExpr) -> Range {
        if let ("dyn", [argument]) = (call.func_name.as_str(), call.args.as_slice()) {
            let cost = self.cost(argument);
            self.copy_sizes(at, argument);
            return cost.plus(Range::ONE);
        }
        let full = full_name(call, &FUNCTIONS);
        let mut costs = Vec::with_capacity(call.args.len());
        let mut nodes = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            costs.push(self.cost(argument));
            nodes.push(self.node(argument));
        }
        let forms = self.checked.overloads_of(at);
        if forms.is_empty() {
            return Range::NONE;
        }
        let mut outer = Range::NONE;
        let mut target = None;
        if let (Some(receiver), None) = (call.target.as_deref(), &full) {
            outer = self.cost(receiver);
            target = Some(self.node(receiver));
        }
        let name = full.as_deref().unwrap_or(&call.func_name);
        let mut whole = Range { least: u64::MAX, most: 0 };
        let mut result: Option<Range> = None;
        for form in forms {
            let called = Call { name, form, target: target.as_ref(), arguments: &nodes };
            let (cost, size) = self.form(at, &called, &costs, call);
            whole = whole.union(cost);
            result = match (result, size) {
                (Some(result), Some(size)) => Some(result.union(size)),
                (result, size) => result.or(size),
            };
            if let ("index_list" | "index_map", Some(of)) = (*form, call.args.first()) {
                result = self.entry(of).map(|entry| entry.value);
                let path = self.path(of).with(if *form == "index_list" { ITEMS } else { VALUES });
                self.paths.insert(at.id, path);
            }
            result = result.or_else(|| self.size(at));
        }
        self.set_size(at, result);
        outer.plus(whole)
    }

    /// What a call costs as one form of its function, with its arguments.
    fn form(
        &mut self,
        at: &IdedExpr,
        called: &Call<'_>,
        costs: &[Range],
        call: &'a CallExpr,
    ) -> (Range, Option<Range>) {
        let all = costs.iter().copied().fold(Range::NONE, Range::plus);
        match (called.form, costs) {
            ("logical_and" | "logical_or", [left, right]) => {
                (Range { least: left.least, most: left.plus(*right).most }, None)
            }
            ("conditional", [test, yes, no]) => {
                let [_, one, other] = call.args.as_slice() else { return (all, None) };
                let size = called.arguments[1].known_size().union(called.arguments[2].known_size());
                let entry = union(self.entry(one), self.entry(other));
                self.set_entry(at, entry);
                (test.plus(yes.union(*no)), Some(size))
            }
            _ => {
                if let ("add_list" | "add_string" | "add_bytes", [left, right]) =
                    (called.form, call.args.as_slice())
                {
                    let entry = union(self.entry(left), self.entry(right));
                    self.set_entry(at, entry);
                }
                let (cost, size) = called.estimate().unwrap_or((Range::ONE, None));
                (cost.plus(all), size)
            }
        }
    }

    fn node(&mut self, at: &'a IdedExpr) -> Node<'a> {
        let path = self.path(at);
        let gathered = path.is_within("@result");
        let size = self.size(at);
        Node {
            kind: self.checked.type_of(at),
            at: Some(at),
            path: if gathered { Path::default() } else { path },
            size,
            declared: self.declared,
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    fn path(&self, at: &IdedExpr) -> Path {
        if let Expr::Ident(name) = &at.expr
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths.get(&at.id).cloned().unwrap_or_default()
    }

    fn set_size(&mut self, at: &IdedExpr, size: Option<Range>) {
        if let Some(size) = size {
            self.sizes.insert(at.id, size);
        }
    }

    fn set_entry(&mut self, at: &IdedExpr, entry: Option<Entry>) {
        if let Some(entry) = entry {
            self.entries.insert(at.id, entry);
        }
    }

    fn copy_sizes(&mut self, to: &IdedExpr, from: &IdedExpr) {
        let (size, entry) = (self.size(from), self.entry(from));
        self.set_size(to, size);
        self.set_entry(to, entry);
    }

    fn size_or_unknown(&mut self, at: &IdedExpr) -> Range {
        self.size(at).unwrap_or(Range::UNKNOWN)
    }

    fn size(&mut self, at: &IdedExpr) -> Option<Range> {
        if let Some(size) = self.sizes.get(&at.id) {
            return Some(*size);
        }
        if let Some(size) = written_size(at) {
            return Some(Range::fixed(size));
        }
        if let Some(size) = declared_size(self.declared, &self.path(at)) {
            self.sizes.insert(at.id, size);
            return Some(size);
        }
        if is_scalar(self.checked.type_of(at)) {
            return Some(Range::ONE);
        }
        match &at.expr {
            Expr::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    fn entry(&self, at: &IdedExpr) -> Option<Entry> {
        if let Some(entry) = self.entries.get(&at.id) {
            return Some(*entry);
        }
        match &at.expr {
            Expr::Ident(name) => self.local(name).and_then(|local| local.entry),
            _ => None,
        }
    }
}

fn union(one: Option<Entry>, other: Option<Entry>) -> Option<Entry> {
    let (one, other) = (one?, other?);
    Some(Entry { is_list: one.is_list, key: one.key.union(other.key), value: one.value.union(other.value) })
}

/// The size of what is written down.
fn written_size(at: &IdedExpr) -> Option<u64> {
    Some(match &at.expr {
        Expr::Literal(LiteralValue::String(text)) => text.inner().chars().count() as u64,
        Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len() as u64,
        Expr::Literal(_) => 1,
        Expr::List(list) => list.elements.len() as u64,
        Expr::Map(map) => map.entries.len() as u64,
        _ => return None,
    })
}

fn is_scalar(kind: &Type) -> bool {
    match kind {
        Type::Optional(of) => is_scalar(of),
        other => {
            matches!(
                other,
                Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::UInt
            )
        }
    }
}

/// A loop that only gives a value a name.
fn is_bind(made: &ComprehensionExpr) -> bool {
    let never =
        matches!(&made.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(truth)) if !*truth.inner());
    let over_nothing = matches!(&made.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    never && over_nothing && made.accu_var != "__result__"
}

const INDICES: &str = "@indices";
