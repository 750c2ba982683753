//! Loops over two variables: places and items, or keys and values.
//!
//! Follows: the macros of cel-go's extension for comprehensions.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, operators,
};
use cel::parser::{Macro, MacroExprHelper};
use cel::{DeclarationError, Env, ParseError};

/// Puts an entry or the entries of a map into another map.
pub const INSERT: &str = "cel.@mapInsert";
const RESULT: &str = "@result";

/// What a loop over two variables is for.
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

/// Adds loops over two variables: places and items, or keys and values.
///
/// # Errors
/// When the environment has them already.
pub fn loops(env: &mut Env) -> Result<(), DeclarationError> {
    LOOPS.into_iter().try_for_each(|(name, count, kind)| {
        env.add_macro(Macro::receiver(name, count, move |helper, target, arguments| {
            expand(kind, helper, target, arguments)
        }))
    })
}

fn expand(
    kind: Kind,
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    arguments: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let (Some(range), Some(body)) = (target.take(), arguments.pop()) else { return Ok(None) };
    let filter = if arguments.len() > 2 { arguments.pop() } else { None };
    let second = arguments.last().map_or(range.id, |argument| argument.id);
    let names: Vec<String> =
        arguments.drain(..).map(|argument| name_of(helper, argument)).collect::<Result<_, _>>()?;
    let [key, value] = <[String; 2]>::try_from(names).unwrap_or_default();
    if key == value {
        return Err(helper.new_error(second, format!("duplicate variable name: {value}")));
    }
    let mut maker = Maker { helper };
    let (init, open, step, result) = match kind {
        Kind::All => maker.fold(true, body),
        Kind::Exists => maker.fold(false, body),
        Kind::ExistsOne => maker.count(body),
        Kind::List => maker.gathered(filter, body),
        Kind::Map => {
            let key = maker.name(&key);
            maker.inserted(filter, vec![key, body])
        }
        Kind::Entries => maker.inserted(filter, vec![body]),
    };
    Ok(Some(maker.made(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range,
        iter_var: key,
        iter_var2: Some(value),
        accu_var: RESULT.to_owned(),
        accu_init: init,
        loop_cond: open,
        loop_step: step,
        result,
    })))))
}

fn name_of(helper: &MacroExprHelper<'_>, argument: IdedExpr) -> Result<String, ParseError> {
    match argument.expr {
        Expr::Ident(name) => Ok(name),
        _ => Err(helper.new_error(argument.id, "argument must be a simple name")),
    }
}

/// The beginning of a loop, whether it goes on, what it does each time, and its result.
type Loop = (IdedExpr, IdedExpr, IdedExpr, IdedExpr);

/// Makes the parts of a loop.
struct Maker<'a, 'b> {
    helper: &'a mut MacroExprHelper<'b>,
}

impl Maker<'_, '_> {
    /// Whether all hold, or any.
    fn fold(&mut self, all: bool, test: IdedExpr) -> Loop {
        let so_far = self.name(RESULT);
        let open = if all { so_far } else { self.call(operators::LOGICAL_NOT, vec![so_far]) };
        let open = self.call(operators::NOT_STRICTLY_FALSE, vec![open]);
        let so_far = self.name(RESULT);
        let joint = if all { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
        let step = self.call(joint, vec![so_far, test]);
        (self.truth(all), open, step, self.name(RESULT))
    }

    /// Whether exactly one holds.
    fn count(&mut self, test: IdedExpr) -> Loop {
        let (so_far, one) = (self.name(RESULT), self.number(1));
        let more = self.call(operators::ADD, vec![so_far, one]);
        let step = self.filtered(Some(test), more);
        let (so_far, one) = (self.name(RESULT), self.number(1));
        let result = self.call(operators::EQUALS, vec![so_far, one]);
        (self.number(0), self.truth(true), step, result)
    }

    /// A list of what is made of those that the filter lets through.
    fn gathered(&mut self, filter: Option<IdedExpr>, item: IdedExpr) -> Loop {
        let so_far = self.name(RESULT);
        let item = self.made(Expr::List(ListExpr::new(vec![item])));
        let more = self.call(operators::ADD, vec![so_far, item]);
        let step = self.filtered(filter, more);
        (self.made(Expr::List(ListExpr::new(Vec::new()))), self.truth(true), step, self.name(RESULT))
    }

    /// A map of what is made of those that the filter lets through.
    fn inserted(&mut self, filter: Option<IdedExpr>, entry: Vec<IdedExpr>) -> Loop {
        let mut all = vec![self.name(RESULT)];
        all.extend(entry);
        let more = self.call(INSERT, all);
        let step = self.filtered(filter, more);
        (self.made(Expr::Map(MapExpr::default())), self.truth(true), step, self.name(RESULT))
    }

    fn filtered(&mut self, filter: Option<IdedExpr>, more: IdedExpr) -> IdedExpr {
        let Some(filter) = filter else { return more };
        let same = self.name(RESULT);
        self.call(operators::CONDITIONAL, vec![filter, more, same])
    }

    fn made(&mut self, expr: Expr) -> IdedExpr {
        self.helper.next_expr(expr)
    }

    fn name(&mut self, name: &str) -> IdedExpr {
        self.made(Expr::Ident(name.to_owned()))
    }

    fn truth(&mut self, truth: bool) -> IdedExpr {
        self.made(Expr::Literal(LiteralValue::Boolean(truth.into())))
    }

    fn number(&mut self, number: i64) -> IdedExpr {
        self.made(Expr::Literal(LiteralValue::Int(number.into())))
    }

    fn call(&mut self, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.made(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
    }
}
