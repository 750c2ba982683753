//! Expressions as they are read: with loops over two variables and with copies.

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, MapExpr, operators};
use cel::common::ast::{EntryExpr, IdedExpr};
use cel::parser::{Macro, MacroExprHelper};
use cel::{DeclarationError, Env, ParseError, ParseErrors, Program};

use super::pointed;

/// An expression, and where its parts stand in its text.
pub struct Source {
    /// The expression as a whole.
    pub root: IdedExpr,
    program: Program,
    /// Where the parts stand that were made after the text was read.
    made: HashMap<u64, usize>,
}

impl Source {
    /// What was read of a text.
    #[must_use]
    pub fn new(text: &str, program: Program) -> Source {
        let mut root = program.expression().clone();
        let mut copier = Copier { next: highest(&root) + 1, program: &program, text, made: HashMap::new() };
        copier.spread(&mut root);
        let made = copier.made;
        Source { root, program, made }
    }

    /// The byte at which a part stands.
    #[must_use]
    pub fn offset(&self, id: u64) -> usize {
        offset(&self.program, &self.made, id)
    }
}

fn offset(program: &Program, made: &HashMap<u64, usize>, id: u64) -> usize {
    let read = || program.source_info().offset_for(id).map_or(0, |(start, _)| start as usize);
    made.get(&id).copied().unwrap_or_else(read)
}

/// What keeps a text from being read, with its lines.
#[must_use]
pub fn unread(text: &str, errors: &ParseErrors) -> String {
    // What the reader only says of itself is nothing to the writer.
    let of_text = errors.errors.iter().filter(|error| !error.msg.starts_with("Incomplete "));
    let told = of_text.map(|error| {
        let place = |number: isize| usize::try_from(number - 1).unwrap_or(0);
        let lines: Vec<&str> = text.split('\n').collect();
        let above: usize = lines.iter().take(place(error.pos.0)).map(|line| line.len() + 1).sum();
        let line = lines.get(place(error.pos.0)).copied().unwrap_or_default();
        let before = line.char_indices().nth(place(error.pos.1)).map_or(line.len(), |(at, _)| at);
        pointed(text, above + before, &expected(&error.msg))
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Behind a whole expression the reference only tells what would end it.
fn expected(message: &str) -> String {
    let Some((found, all)) = message.split_once(" expecting {") else { return message.to_owned() };
    if !message.starts_with("Syntax error: mismatched") || !all.contains("'=='") {
        return message.to_owned();
    }
    let could = |end: &&str| all.contains(*end) && !found.ends_with(*end);
    let end = ["')'", "':'"].into_iter().find(could).unwrap_or("<EOF>");
    format!("{found} expecting {end}")
}

/// The name under which the reader keeps what `optMap` is called on.
const TARGET: &str = "@target";

fn highest(at: &IdedExpr) -> u64 {
    let (once, often) = super::parts(at);
    once.into_iter().chain(often).map(highest).max().unwrap_or(0).max(at.id)
}

struct Copier<'a> {
    next: u64,
    program: &'a Program,
    text: &'a str,
    made: HashMap<u64, usize>,
}

impl Copier<'_> {
    /// Puts what a value was called on where its name stands: once as it is, and then copies.
    fn spread(&mut self, at: &mut IdedExpr) {
        if let Expr::Comprehension(made) = &mut at.expr {
            if made.accu_var == TARGET {
                let mut value = std::mem::take(&mut made.accu_init);
                let mut result = std::mem::take(&mut made.result);
                self.spread(&mut value);
                self.replace(&mut result, &value, &mut true);
                *at = result;
            } else if made.iter_var2.is_none() && self.was_written(at.id, "existsOne") {
                self.call_again(at);
            }
        }
        if let Expr::Literal(literal) = &at.expr
            && is_negative(literal)
        {
            // A number stands where its sign does.
            let digits = offset(self.program, &self.made, at.id);
            let sign = self.text.get(..digits).and_then(|before| before.trim_end().strip_suffix('-'));
            self.made.extend(sign.map(|before| (at.id, before.len())));
        }
        for_parts(at, &mut |part| self.spread(part));
    }

    /// Whether a name stands before a part.
    fn was_written(&self, id: u64, name: &str) -> bool {
        let before = self.text.get(..offset(self.program, &self.made, id)).unwrap_or_default();
        before.trim_end().ends_with(name)
    }

    /// A loop that the reader knows and the reference does not is a call.
    fn call_again(&mut self, at: &mut IdedExpr) {
        let Expr::Comprehension(made) = std::mem::take(&mut at.expr) else { return };
        let ComprehensionExpr { iter_range, iter_var, loop_step, .. } = *made;
        let Expr::Call(step) = loop_step.expr else { return };
        let bracket = offset(self.program, &self.made, at.id) + 1;
        let behind = self.text.get(bracket..).unwrap_or_default();
        let first = bracket + behind.len() - behind.trim_start().len();
        let variable = IdedExpr { id: self.next, expr: Expr::Ident(iter_var) };
        self.made.insert(self.next, first);
        self.next += 1;
        at.expr = Expr::Call(CallExpr {
            func_name: "existsOne".to_owned(),
            target: Some(Box::new(iter_range)),
            args: std::iter::once(variable).chain(step.args.into_iter().next()).collect(),
        });
    }

    fn replace(&mut self, at: &mut IdedExpr, by: &IdedExpr, first: &mut bool) {
        if matches!(&at.expr, Expr::Ident(name) if name == TARGET) {
            *at = by.clone();
            if !std::mem::take(first) {
                self.renumber(at);
            }
            return;
        }
        for_parts(at, &mut |part| self.replace(part, by, first));
    }

    fn renumber(&mut self, at: &mut IdedExpr) {
        self.made.insert(self.next, offset(self.program, &self.made, at.id));
        at.id = self.next;
        self.next += 1;
        for_parts(at, &mut |part| self.renumber(part));
    }
}

fn is_negative(literal: &LiteralValue) -> bool {
    match literal {
        LiteralValue::Int(number) => *number.inner() < 0,
        LiteralValue::Double(number) => number.inner().is_sign_negative(),
        _ => false,
    }
}

/// Does something with each part of an expression.
pub(super) fn for_parts(at: &mut IdedExpr, work: &mut dyn FnMut(&mut IdedExpr)) {
    match &mut at.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(work),
        Expr::List(list) => list.elements.iter_mut().for_each(work),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| match &mut entry.expr {
            EntryExpr::StructField(field) => work(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                work(&mut entry.key);
                work(&mut entry.value);
            }
        }),
        Expr::Struct(made) => made.entries.iter_mut().for_each(|entry| match &mut entry.expr {
            EntryExpr::StructField(field) => work(&mut field.value),
            EntryExpr::MapEntry(entry) => work(&mut entry.value),
        }),
        Expr::Select(select) => work(&mut select.operand),
        Expr::Comprehension(made) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } = &mut **made;
            [iter_range, accu_init, loop_cond, loop_step, result].into_iter().for_each(work);
        }
    }
}

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
