//! Loops of expressions.

use std::sync::Arc;

use cel::Value;
use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr};
use cel::objects::Key;

use super::super::type_name;
use super::{NO_OVERLOAD, Outcome, Run, Stop, failed, is_constant};

impl Run<'_> {
    /// A loop gathers into the list that it has, which nobody else sees.
    pub(super) fn appended(&mut self, so_far: &IdedExpr, more: &IdedExpr) -> Option<Outcome> {
        let (Expr::Ident(name), Expr::List(list)) = (&so_far.expr, &more.expr) else { return None };
        let [item] = list.elements.as_slice() else { return None };
        if name != "@result" || !list.optional_indices.is_empty() {
            return None;
        }
        let place = self.locals.iter().rposition(|(known, _)| known == name)?;
        if !matches!(self.locals[place].1, Ok(Value::List(_))) {
            return None;
        }
        let item = match self.value(item) {
            Ok(item) => item,
            Err(stop) => return Some(Err(stop)),
        };
        // The item is put into a list of one, which is put behind the other.
        let cost = 2 + if is_constant(more) { 0 } else { 10 };
        if let Err(stop) = self.pay(cost) {
            return Some(Err(stop));
        }
        if !self.budget.weigh(&item) {
            return Some(Err(Stop::Spent));
        }
        let Ok(Value::List(mut gathered)) = std::mem::replace(&mut self.locals[place].1, Ok(Value::Null))
        else {
            return None;
        };
        Arc::make_mut(&mut gathered).push(item);
        Some(Ok(Value::List(gathered)))
    }

    pub(super) fn comprehension(&mut self, made: &ComprehensionExpr) -> Outcome {
        let range = self.value(&made.iter_range)?;
        let outside = self.locals.len();
        let init = match self.value(&made.accu_init) {
            Err(Stop::Spent) => return Err(Stop::Spent),
            init => init,
        };
        self.locals.push((made.accu_var.clone(), init));
        let result = self.turns(made, &range, outside);
        let result = result.and_then(|()| {
            // What was gathered is the result, as a rule.
            match &made.result.expr {
                Expr::Ident(name) if *name == made.accu_var => {
                    self.pay(1)?;
                    self.locals.get(outside).map_or(failed(NO_OVERLOAD), |(_, found)| found.clone())
                }
                _ => self.value(&made.result),
            }
        });
        self.locals.truncate(outside);
        result
    }

    fn turns(&mut self, made: &ComprehensionExpr, range: &Value, gathered: usize) -> Result<(), Stop> {
        let two = made.iter_var2.as_ref();
        let entries: Box<dyn Iterator<Item = (Value, Option<Value>)>> = match range {
            Value::List(items) if two.is_some() => Box::new(items.iter().enumerate().map(|(place, item)| {
                (Value::Int(i64::try_from(place).unwrap_or(i64::MAX)), Some(item.clone()))
            })),
            Value::List(items) => Box::new(items.iter().map(|item| (item.clone(), None))),
            Value::Map(map) => {
                if !self.budget.work(map.map.len() as u64) {
                    return Err(Stop::Spent);
                }
                let mut keys: Vec<&Key> = map.map.keys().collect();
                keys.sort();
                Box::new(keys.into_iter().map(|key| (Value::from(key), map.map.get(key).cloned())))
            }
            _ => return failed(format!("got '{}', expected iterable type", go_name(range))),
        };
        for (first, second) in entries {
            if !self.budget.turn(1) {
                return Err(Stop::Spent);
            }
            self.locals.push((made.iter_var.clone(), Ok(first)));
            if let (Some(name), Some(second)) = (two, second) {
                self.locals.push((name.clone(), Ok(second)));
            }
            let goes_on = match self.value(&made.loop_cond) {
                Err(Stop::Spent) => return Err(Stop::Spent),
                Ok(Value::Bool(false)) => false,
                _ => true,
            };
            let step = goes_on.then(|| self.value(&made.loop_step));
            self.locals.truncate(gathered + 1);
            match step {
                None => break,
                Some(Err(Stop::Spent)) => return Err(Stop::Spent),
                Some(step) => self.locals[gathered].1 = step,
            }
        }
        Ok(())
    }
}

/// The name that the reference's own language has for a value.
fn go_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "types.Bool",
        Value::Bytes(_) => "types.Bytes",
        Value::Duration(_) => "types.Duration",
        Value::Timestamp(_) => "types.Timestamp",
        Value::Float(_) => "types.Double",
        Value::Int(_) => "types.Int",
        Value::Null => "types.Null",
        Value::String(_) => "types.String",
        Value::UInt(_) => "types.Uint",
        other => type_name(other),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::LazyLock;
    use std::time::Duration;

    use cel::{Context, Env};

    use super::super::{Library, run};
    use super::*;
    use crate::expression::budget::Budget;
    use crate::expression::overloads::Functions;

    #[test]
    fn a_loop_that_stops_at_once_does_not_go_over_its_list() {
        let env = Arc::new(Env::stdlib());
        let program = env.compile("few.all(x, many.exists(y, true))").expect("an expression");
        static DECLARED: LazyLock<Functions> = LazyLock::new(|| Functions::new(&[], &[]));
        let library = Library {
            declared: &DECLARED,
            functions: HashMap::new(),
            constants: HashMap::new(),
            told: |_, _| None,
            charge: |_, _, _| 1,
            context: Context::with_env(env),
        };
        let list = |count: usize| Value::List(Arc::new(vec![Value::Int(1); count]));
        let (few, many) = (list(20_000), list(2_000_000));
        let budget = Budget::new(100_000_000, u64::MAX, Duration::from_secs(1 << 20));
        let variables = |name: &str| match name {
            "few" => Some(few.clone()),
            "many" => Some(many.clone()),
            _ => None,
        };
        // Copied for each loop these would be as many items as no machine copies in an hour.
        let (found, _) = run(program.expression(), &library, &budget, u64::MAX, &variables);
        assert_eq!(found, Ok(Value::Bool(true)));
    }
}
