//! CEL: health of custom resources and readiness of dependencies.

use std::sync::Arc;

use cel::{Context, Program, Value as CelValue};
use sealfast_cluster::health::{self, Status};
use sealfast_k8s::flux::kustomization::HealthCheckExpression;
use sealfast_k8s::object;
use serde_json::Value;

/// The longest expression that is compiled, in bytes.
const LONGEST: usize = 16 << 10;

fn compile(text: &str) -> Result<Program, String> {
    if text.len() > LONGEST {
        return Err(format!("failed to parse the CEL expression: longer than {LONGEST} bytes"));
    }
    Program::compile(text).map_err(|error| format!("failed to parse the CEL expression '{text}': {error}"))
}

fn is_true(program: &Program, variables: &[(&str, &Value)]) -> Result<bool, String> {
    let mut context = Context::default();
    for (name, value) in variables {
        let value = cel::to_value(value).map_err(|e| e.to_string())?;
        context.add_variable_from_value(*name, value);
    }
    match program.execute(&context) {
        Ok(CelValue::Bool(value)) => Ok(value),
        Ok(_) => Err("the CEL expression does not give a boolean".to_owned()),
        Err(error) => Err(format!("failed to evaluate the CEL expression: {error}")),
    }
}

/// Whether `expression` holds for the object and one that it depends on.
///
/// # Errors
/// The inner result is an error of evaluation; the outer one says that it is no expression.
pub fn dependency_ready(
    expression: &str,
    own: &Value,
    dependency: &Value,
) -> Result<Result<bool, String>, String> {
    let program = compile(expression)?;
    Ok(is_true(&program, &[("self", own), ("dep", dependency)]))
}

struct Rule {
    group: String,
    kind: String,
    in_progress: Option<Program>,
    failed: Option<Program>,
    current: Program,
}

/// Health by expressions where there are some, else by the built-in rules.
#[derive(Clone, Default)]
pub struct Health {
    rules: Arc<Vec<Rule>>,
}

impl Health {
    /// Compiles the expressions of an object.
    ///
    /// # Errors
    /// Which entry is wrong and why.
    pub fn compile(expressions: &[HealthCheckExpression]) -> Result<Health, String> {
        let mut rules: Vec<Rule> = Vec::new();
        for (at, expression) in expressions.iter().enumerate() {
            let place = |why: String| {
                format!("failed to create custom status evaluator for healthchecks[{at}]: {why}")
            };
            let gvk = sealfast_k8s::id::GroupVersionKind::from_api_version(
                &expression.api_version,
                &expression.kind,
            );
            if rules.iter().any(|r| r.group == gvk.group && r.kind == gvk.kind) {
                return Err(place(format!("duplicate GroupKind '{}/{}'", gvk.group, gvk.kind)));
            }
            let optional =
                |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(compile).transpose();
            rules.push(Rule {
                in_progress: optional(&expression.in_progress).map_err(place)?,
                failed: optional(&expression.failed).map_err(place)?,
                current: compile(&expression.current).map_err(place)?,
                group: gvk.group,
                kind: gvk.kind,
            });
        }
        Ok(Health { rules: Arc::new(rules) })
    }

    /// Judges a live object.
    ///
    /// # Errors
    /// An expression that cannot be evaluated.
    pub fn judge(&self, live: &Value) -> Result<Status, String> {
        let gvk = object::gvk(live);
        let exact = self.rules.iter().find(|r| r.group == gvk.group && r.kind == gvk.kind);
        match exact.or_else(|| self.rules.iter().find(|r| r.group == gvk.group && r.kind.is_empty())) {
            Some(rule) => by_rule(rule, live),
            None => Ok(health::status(live, jiff::Timestamp::now())),
        }
    }
}

fn by_rule(rule: &Rule, live: &Value) -> Result<Status, String> {
    let observed = live.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if observed.is_some_and(|observed| observed != object::generation(live)) {
        return Ok(Status::InProgress);
    }
    let variables: Vec<(&str, &Value)> =
        live.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    let holds = |program: &Option<Program>| match program {
        Some(program) => is_true(program, &variables),
        None => Ok(false),
    };
    if holds(&rule.in_progress)? {
        return Ok(Status::InProgress);
    }
    if holds(&rule.failed)? {
        return Ok(Status::Failed);
    }
    Ok(if is_true(&rule.current, &variables)? { Status::Current } else { Status::InProgress })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expression(current: &str, failed: Option<&str>) -> HealthCheckExpression {
        HealthCheckExpression {
            api_version: "example.com/v1".into(),
            kind: "Widget".into(),
            current: current.into(),
            failed: failed.map(str::to_owned),
            ..HealthCheckExpression::default()
        }
    }

    #[test]
    fn expressions_beat_the_rules() {
        let health = Health::compile(&[expression("status.phase == 'Up'", Some("status.phase == 'Down'"))])
            .unwrap_or_default();
        let widget = |phase: &str| json!({"apiVersion": "example.com/v2", "kind": "Widget", "status": {"phase": phase}});
        assert_eq!(health.judge(&widget("Up")), Ok(Status::Current));
        assert_eq!(health.judge(&widget("Down")), Ok(Status::Failed));
        assert_eq!(health.judge(&widget("x")), Ok(Status::InProgress));
        assert_eq!(health.judge(&json!({"apiVersion": "v1", "kind": "ConfigMap"})), Ok(Status::Current));
    }

    #[test]
    fn nonsense_is_refused() {
        let wrong = Health::compile(&[expression("status.phase ==", None)]).err().unwrap_or_default();
        assert!(
            wrong
                .starts_with("failed to create custom status evaluator for healthchecks[0]: failed to parse"),
            "{wrong}"
        );
        assert!(dependency_ready("dep.x ==", &json!({}), &json!({})).is_err());
    }
}
