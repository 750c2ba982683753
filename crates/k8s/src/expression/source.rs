//! Expressions as they are read: faults in their text, and values that are copied.

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{ParseErrors, Program};

use super::{all_pointed, count};

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
    ///
    /// # Errors
    /// When it stands for far more than is written down.
    pub fn new(text: &str, program: Program) -> Result<Source, String> {
        let mut root = program.expression().clone();
        let next = highest(&root) + 1;
        let mut copier = Copier { next, program: &program, text, made: HashMap::new(), left: MOST_COPIES };
        copier.spread(&mut root);
        let Copier { made, left, .. } = copier;
        if left == 0 { Err(TOO_MANY.to_owned()) } else { Ok(Source { root, program, made }) }
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
    let mut above = 0;
    let lines: Vec<(usize, &str)> = text
        .split('\n')
        .map(|line| {
            let begins = above;
            above += line.len() + 1;
            (begins, line)
        })
        .collect();
    let all = of_text.clone().count();
    let told = of_text.map(|error| {
        let place = |number: isize| usize::try_from(number - 1).unwrap_or(0);
        let (above, line) = lines.get(place(error.pos.0)).copied().unwrap_or((text.len(), ""));
        let before = line.char_indices().nth(place(error.pos.1)).map_or(line.len(), |(at, _)| at);
        (above + before, expected(&error.msg))
    });
    all_pointed(text, all, told)
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
/// Parts of all copies: each `optMap` in a chain has two of what the one before it gives.
const MOST_COPIES: usize = 10_000;
const TOO_MANY: &str = "it copies too much of what optMap and optFlatMap are called on";

fn highest(at: &IdedExpr) -> u64 {
    let (once, often) = super::parts(at);
    once.into_iter().chain(often).map(highest).max().unwrap_or(0).max(at.id)
}

struct Copier<'a> {
    next: u64,
    program: &'a Program,
    text: &'a str,
    made: HashMap<u64, usize>,
    /// Parts that may be copied yet.
    left: usize,
}

impl Copier<'_> {
    /// Puts what a value was called on where its name stands: once as it is, and then copies.
    fn spread(&mut self, at: &mut IdedExpr) {
        if self.left == 0 {
            return;
        }
        if let Expr::Comprehension(made) = &mut at.expr {
            if made.accu_var == TARGET {
                let mut value = std::mem::take(&mut made.accu_init);
                let mut result = std::mem::take(&mut made.result);
                self.spread(&mut value);
                self.replace(&mut result, &value, count(&value), &mut true);
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

    fn replace(&mut self, at: &mut IdedExpr, by: &IdedExpr, size: usize, first: &mut bool) {
        if matches!(&at.expr, Expr::Ident(name) if name == TARGET) {
            self.left = self.left.saturating_sub(size);
            if self.left == 0 {
                return;
            }
            *at = by.clone();
            if !std::mem::take(first) {
                self.renumber(at);
            }
            return;
        }
        for_parts(at, &mut |part| self.replace(part, by, size, first));
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

#[cfg(test)]
mod tests {
    use cel::Env;

    use super::*;

    fn read(text: &str) -> Result<Source, String> {
        let program = Env::stdlib().compile(text).map_err(|errors| unread(text, &errors))?;
        Source::new(text, program)
    }

    #[test]
    fn chains_that_double_what_they_are_called_on_are_refused() {
        let chain = |links: usize| format!("optional.of(1){}", ".optMap(x, x)".repeat(links));
        assert!(read(&chain(8)).is_ok());
        assert_eq!(read(&chain(60)).err().as_deref(), Some(TOO_MANY));
    }

    #[test]
    fn faults_of_a_text_are_not_told_without_end() {
        let told = read(&"#".repeat(16 << 10)).err().unwrap_or_default();
        assert!(told.len() < 256 << 10, "{}", told.len());
        assert!(told.ends_with(" more errors were truncated"), "{}", told.len());
        let two = read("a.#\n + #").err().unwrap_or_default();
        assert!(two.starts_with("ERROR: <input>:1:3: ") && two.contains("<input>:2:4: "), "{two}");
    }
}
