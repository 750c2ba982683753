//! Loops with two variables: over places and items, or over keys and values.
//!
//! Follows: the two-variable comprehensions of cel-go. `target.all(key, value, test)` becomes a loop with one variable
//! over the keys of the target, in which the value is looked up:
//! `bind(@target, target, @keys(@target).all(key, bind(value, @target[key], test)))`, where `bind` is a loop that does
//! not run.

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, operators};
use cel::common::types::{CelInt, CelList, LIST_TYPE, MAP_TYPE};
use cel::common::value::{CowVal, Val};
use cel::objects::Key;
use cel::parser::{Macro, MacroExprHelper};
use cel::{DeclarationError, Env, ExecutionError, IdedExpr, ParseError, Value};

use super::Function;

/// The keys of a map, or the places of a list.
pub(crate) const KEYS: &str = "@keys";
/// A map with one entry.
pub(crate) const ENTRY: &str = "@entry";
/// One map of many that share no key.
pub(crate) const MERGED: &str = "@merged";

pub(super) const FUNCTIONS: &[(&str, Function)] = &[(ENTRY, entry), (MERGED, merged)];

/// Adds every loop with two variables.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(KEYS, "@keys(list)", vec![LIST_TYPE], places)?;
    env.add_overload(KEYS, "@keys(map)", vec![MAP_TYPE], names)?;
    LOOPS.into_iter().try_for_each(|(name, count, kind)| {
        env.add_macro(Macro::receiver(name, count, move |helper, target, arguments| {
            expand(kind, helper, target, arguments)
        }))
    })
}

/// What a loop is for.
#[derive(Clone, Copy)]
enum Kind {
    All,
    Exists,
    ExistsOne,
    List,
    Map,
    Entries,
}

const LOOPS: [(&str, usize, Kind); 10] = [
    ("all", 3, Kind::All),
    ("exists", 3, Kind::Exists),
    ("existsOne", 3, Kind::ExistsOne),
    ("exists_one", 3, Kind::ExistsOne),
    ("transformList", 3, Kind::List),
    ("transformList", 4, Kind::List),
    ("transformMap", 3, Kind::Map),
    ("transformMap", 4, Kind::Map),
    ("transformMapEntry", 3, Kind::Entries),
    ("transformMapEntry", 4, Kind::Entries),
];

const TARGET: &str = "@target";
const RESULT: &str = "@result";

/// Key, value, perhaps a filter, and what is asked or made of them.
fn expand(
    kind: Kind,
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    arguments: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let (Some(range), Some(body)) = (target.take(), arguments.pop()) else { return Ok(None) };
    let filter = if arguments.len() > 2 { arguments.pop() } else { None };
    let names: Vec<String> =
        arguments.drain(..).map(|argument| name_of(helper, argument)).collect::<Result<_, _>>()?;
    let [key, value] = names.as_slice() else { return Ok(None) };
    if key == value {
        return Err(helper.new_error(range.id, format!("duplicate variable name: {value}")));
    }
    // A path is read in place; anything else is made once.
    let in_place = root(&range).is_some_and(|root| root != key && root != value);
    let target = if in_place { range.clone() } else { helper.next_expr(Expr::Ident(TARGET.to_owned())) };
    let mut maker = Maker { helper, key, value, target };
    let made = match kind {
        Kind::All => maker.fold(true, body),
        Kind::Exists => maker.fold(false, body),
        Kind::ExistsOne => maker.count(body),
        Kind::List => maker.gather(filter, body),
        Kind::Map => {
            let key = maker.name(key);
            let entry = maker.call(ENTRY, vec![key, body]);
            let entries = maker.gather(filter, entry);
            maker.call(MERGED, vec![entries])
        }
        Kind::Entries => {
            let entries = maker.gather(filter, body);
            maker.call(MERGED, vec![entries])
        }
    };
    Ok(Some(if in_place { made } else { maker.bind(TARGET, range, made) }))
}

/// The variable that a path such as `self.spec.items` begins with.
fn root(at: &IdedExpr) -> Option<&str> {
    match &at.expr {
        Expr::Ident(name) => Some(name),
        Expr::Select(select) if !select.test => root(&select.operand),
        _ => None,
    }
}

fn name_of(helper: &MacroExprHelper<'_>, argument: IdedExpr) -> Result<String, ParseError> {
    match argument.expr {
        Expr::Ident(name) => Ok(name),
        _ => Err(helper.new_error(argument.id, "argument must be a simple name")),
    }
}

/// Makes the parts of a loop.
struct Maker<'a, 'b> {
    helper: &'a mut MacroExprHelper<'b>,
    key: &'a str,
    value: &'a str,
    target: IdedExpr,
}

impl Maker<'_, '_> {
    /// Whether all hold, or any.
    fn fold(&mut self, all: bool, test: IdedExpr) -> IdedExpr {
        let so_far = self.name(RESULT);
        let open = if all { so_far } else { self.call(operators::LOGICAL_NOT, vec![so_far]) };
        let open = self.call(operators::NOT_STRICTLY_FALSE, vec![open]);
        let (so_far, test) = (self.name(RESULT), self.with_value(test));
        let joint = if all { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
        let step = self.call(joint, vec![so_far, test]);
        let (init, result) = (self.truth(all), self.name(RESULT));
        self.over_keys(init, open, step, result)
    }

    /// Whether exactly one holds.
    fn count(&mut self, test: IdedExpr) -> IdedExpr {
        let (so_far, one) = (self.name(RESULT), self.number(1));
        let more = self.call(operators::ADD, vec![so_far, one]);
        let (test, same) = (self.with_value(test), self.name(RESULT));
        let step = self.call(operators::CONDITIONAL, vec![test, more, same]);
        let (so_far, one) = (self.name(RESULT), self.number(1));
        let result = self.call(operators::EQUALS, vec![so_far, one]);
        let (init, open) = (self.number(0), self.truth(true));
        self.over_keys(init, open, step, result)
    }

    /// A list of what is made of those that the filter lets through.
    fn gather(&mut self, filter: Option<IdedExpr>, item: IdedExpr) -> IdedExpr {
        let item = self.with_value(item);
        let (so_far, item) = (self.name(RESULT), self.list(vec![item]));
        let more = self.call(operators::ADD, vec![so_far, item]);
        let step = match filter {
            Some(filter) => {
                let (filter, same) = (self.with_value(filter), self.name(RESULT));
                self.call(operators::CONDITIONAL, vec![filter, more, same])
            }
            None => more,
        };
        let (init, open, result) = (self.list(Vec::new()), self.truth(true), self.name(RESULT));
        self.over_keys(init, open, step, result)
    }

    fn over_keys(&mut self, init: IdedExpr, open: IdedExpr, step: IdedExpr, result: IdedExpr) -> IdedExpr {
        let keys = self.call(KEYS, vec![self.target.clone()]);
        self.made(ComprehensionExpr {
            iter_range: keys,
            iter_var: self.key.to_owned(),
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init: init,
            loop_cond: open,
            loop_step: step,
            result,
        })
    }

    /// What stands under the name of the value inside.
    fn with_value(&mut self, inside: IdedExpr) -> IdedExpr {
        let (target, key) = (self.target.clone(), self.name(self.key));
        let value = self.call(operators::INDEX, vec![target, key]);
        self.bind(self.value, value, inside)
    }

    fn bind(&mut self, name: &str, value: IdedExpr, inside: IdedExpr) -> IdedExpr {
        let made = ComprehensionExpr {
            iter_range: self.list(Vec::new()),
            iter_var: "#unused".to_owned(),
            iter_var2: None,
            accu_var: name.to_owned(),
            accu_init: value,
            loop_cond: self.truth(false),
            loop_step: self.name(name),
            result: inside,
        };
        self.made(made)
    }

    fn made(&mut self, made: ComprehensionExpr) -> IdedExpr {
        self.helper.next_expr(Expr::Comprehension(Box::new(made)))
    }

    fn call(&mut self, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.helper.next_expr(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
    }

    fn name(&mut self, name: &str) -> IdedExpr {
        self.helper.next_expr(Expr::Ident(name.to_owned()))
    }

    fn list(&mut self, items: Vec<IdedExpr>) -> IdedExpr {
        self.helper.next_expr(Expr::List(ListExpr::new(items)))
    }

    fn truth(&mut self, truth: bool) -> IdedExpr {
        self.helper.next_expr(Expr::Literal(LiteralValue::Boolean(truth.into())))
    }

    fn number(&mut self, number: i64) -> IdedExpr {
        self.helper.next_expr(Expr::Literal(LiteralValue::Int(number.into())))
    }
}

fn places<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list = arguments.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let length = list.as_sizer().map_or(0, |list| *list.size().inner());
    let places = (0..length).map(|place| Box::new(CelInt::from(place)) as Box<dyn Val + 'v>);
    Ok(CowVal::owned(CelList::from(places.collect::<Vec<_>>())))
}

fn names<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let map = arguments.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let mut items = map.as_iterable().ok_or_else(ExecutionError::missing_argument_or_target)?.iter();
    let mut found: Vec<(Option<Key>, Box<dyn Val + 'v>)> = Vec::new();
    while let Some(item) = items.next() {
        found.push((Value::try_from(item)?.try_into().ok(), item.clone_as_boxed()));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(CowVal::owned(CelList::from(found.into_iter().map(|(_, key)| key).collect::<Vec<_>>())))
}

fn entry(values: &[Value]) -> Option<Value> {
    let [key, value] = values else { return None };
    let key: Key = key.clone().try_into().ok()?;
    Some(Value::Map(HashMap::from([(key, value.clone())]).into()))
}

fn merged(values: &[Value]) -> Option<Value> {
    let [Value::List(maps)] = values else { return None };
    let mut all = HashMap::new();
    for map in maps.iter() {
        let Value::Map(map) = map else { return None };
        for (key, value) in map.map.iter() {
            if all.insert(key.clone(), value.clone()).is_some() {
                return None;
            }
        }
    }
    Some(Value::Map(all.into()))
}
