//! CEL: health of custom resources and readiness of dependencies.
//!
//! Follows: fluxcd/pkg/runtime/cel, its texts included. Differs: an expression that copies too much, or whose types are
//! too large, is refused; one whose loops could take more than ten million steps is not run, and one that runs ends once
//! its loops took as many turns, once it made 16 MiB of values, or after ten seconds.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cel::{Context, Env, IdedExpr, Value as Cel};
use sealfast_cluster::health::{self, Status};
use sealfast_k8s::expression::budget::Budget;
use sealfast_k8s::expression::check::check;
use sealfast_k8s::expression::kind::Type;
use sealfast_k8s::expression::overloads::{Functions, OPTIONALS, SETS, STANDARD, STRINGS};
use sealfast_k8s::expression::run::{Library, Stop, is_constant, is_conversion, run};
use sealfast_k8s::expression::source::{Source, unread};
use sealfast_k8s::expression::{depth, matching, nests_too_deeply, on_deep_stack, parts};
use sealfast_k8s::flux::kustomization::HealthCheckExpression;
use sealfast_k8s::{duration, object};
use serde_json::Value;

mod functions;

/// The longest expression that is compiled, in bytes.
const LONGEST: usize = 16 << 10;
/// Expressions that may stand inside each other.
const MOST_LEVELS: usize = 100;
/// Said when there is no thread to work on.
const GONE: &str = "it cannot be worked on now";
/// Steps that all loops of an expression may take, by its text and while it runs.
const MOST_STEPS: u64 = 10_000_000;
/// Bytes of all that an expression makes while it runs, and how long it may.
const MOST_BYTES: u64 = 16 << 20;
pub(crate) const MOST_TIME: Duration = Duration::from_secs(10);

/// The environment in which expressions are read: with optional values.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
/// What expressions may call, when they are checked.
static DECLARED: LazyLock<Functions> =
    LazyLock::new(|| Functions::new(&[STANDARD, OPTIONALS, STRINGS, SETS, functions::DECLARED], &[]));
/// What they run with.
static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library {
    declared: &DECLARED,
    functions: functions::FUNCTIONS.into_iter().collect(),
    constants: HashMap::new(),
    told: functions::told,
    charge: |_, _, _| 1,
    context: Context::with_env(Arc::clone(&ENVIRONMENT)),
});

/// An expression with its text.
struct Expression {
    text: String,
    source: Source,
}

impl Expression {
    fn compile(text: &str) -> Result<Expression, String> {
        let failed = |why: String| format!("failed to parse the CEL expression '{text}': {why}");
        if text.len() > LONGEST {
            return Err(failed(format!("longer than {LONGEST} bytes")));
        }
        if nests_too_deeply(text) {
            return Err(failed("nested too deeply".to_owned()));
        }
        let compiled = on_deep_stack(|| {
            let program = ENVIRONMENT.compile(text).map_err(|errors| unread(text, &errors))?;
            let source = Source::new(text, program)?;
            if depth(&source.root) <= MOST_LEVELS { Ok(source) } else { Err("nested too deeply".to_owned()) }
        });
        let source = compiled.unwrap_or_else(|| Err(GONE.to_owned())).map_err(failed)?;
        Ok(Expression { text: text.to_owned(), source })
    }

    /// Refuses patterns that are none, and constants that cannot be made what they are to be, as the reference does where
    /// it prepares an expression for running.
    fn prepared(self, budget: &Budget) -> Result<Expression, String> {
        let root = &self.source.root;
        match on_deep_stack(|| matching::faulty(root, budget).or_else(|| unmade(root, budget))) {
            Some(None) => Ok(self),
            Some(Some(why)) => Err(format!("failed to create CEL program: {why}")),
            None => Err(GONE.to_owned()),
        }
    }

    /// Checks the types of what it is made of, and that it gives a truth.
    fn checked(self, variables: &[&str]) -> Result<Expression, String> {
        let object = || Type::map(Type::String, Type::Dyn);
        let variables: Vec<(String, Type)> =
            variables.iter().map(|name| ((*name).to_owned(), object())).collect();
        let checked = on_deep_stack(|| {
            let checked = check(&self.text, &self.source, &variables, &DECLARED, &[], &|_, _| Vec::new())?;
            Ok(checked.type_of(&self.source.root).clone())
        });
        let found = checked
            .unwrap_or_else(|| Err(GONE.to_owned()))
            .map_err(|why| format!("failed to parse the CEL expression '{}': {why}", self.text))?;
        let name = match found {
            Type::Bool => return Ok(self),
            Type::Null => "null_type".to_owned(),
            Type::Duration => "google.protobuf.Duration".to_owned(),
            Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
            other => other.name(),
        };
        Err(format!("CEL expression output type mismatch: expected bool, got {name}"))
    }

    /// Whether it holds for these variables.
    fn holds(&self, variables: &[(&str, &Value)]) -> Result<bool, String> {
        let failed = |why: String| format!("failed to evaluate the CEL expression '{}': {why}", self.text);
        let root = &self.source.root;
        let largest = variables.iter().map(|(_, value)| largest(value, self.text.contains("split"))).max();
        if steps(root, largest.unwrap_or_default().max(self.text.len() as u64)) > MOST_STEPS {
            return Err(failed("operation interrupted".to_owned()));
        }
        on_deep_stack(|| {
            let known: HashMap<&str, Cel> =
                variables.iter().map(|(name, value)| (*name, to_cel(value))).collect();
            match run(root, &LIBRARY, &budget(), u64::MAX, &|name| known.get(name).cloned()).0 {
                Ok(Cel::Bool(value)) => Ok(value),
                Ok(_) => Err(format!("failed to evaluate CEL expression as boolean: '{}'", self.text)),
                Err(Stop::Spent) => Err(failed("operation interrupted".to_owned())),
                Err(Stop::Fault(why)) => Err(failed(why)),
            }
        })
        .unwrap_or_else(|| Err(GONE.to_owned()))
    }
}

/// What is wrong with the first constant that is made one of another type and cannot be.
fn unmade(at: &IdedExpr, budget: &Budget) -> Option<String> {
    if is_conversion(at) && is_constant(at) {
        return match run(at, &LIBRARY, budget, u64::MAX, &|_| None).0 {
            Err(Stop::Fault(why)) => Some(why),
            Err(Stop::Spent) => Some("operation interrupted".to_owned()),
            Ok(_) => None,
        };
    }
    let (once, often) = parts(at);
    once.into_iter().chain(often).find_map(|part| unmade(part, budget))
}

/// What one run may take, or the preparation of all expressions of an object.
fn budget() -> Budget {
    Budget::new(MOST_STEPS, MOST_BYTES, MOST_TIME)
}

/// Whole numbers are signed.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cel::Int(number),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let map: HashMap<String, Cel> =
                fields.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect();
            Cel::Map(map.into())
        }
    }
}

/// How many steps an expression takes when no loop goes over more than `most` items.
fn steps(at: &IdedExpr, most: u64) -> u64 {
    let (once, often) = parts(at);
    let sum =
        |parts: Vec<&IdedExpr>| parts.into_iter().map(|part| steps(part, most)).fold(0, u64::saturating_add);
    sum(often).saturating_mul(most).saturating_add(sum(once)).saturating_add(1)
}

/// The most items that a part of a value has; texts count where they can be taken apart.
fn largest(value: &Value, with_texts: bool) -> u64 {
    let (count, below): (usize, Option<u64>) = match value {
        Value::Array(items) => (items.len(), items.iter().map(|item| largest(item, with_texts)).max()),
        Value::Object(fields) => (fields.len(), fields.values().map(|item| largest(item, with_texts)).max()),
        Value::String(text) if with_texts => (text.len(), None),
        _ => (0, None),
    };
    (count as u64).max(below.unwrap_or_default())
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
    let compiled = Expression::compile(expression)?.checked(&["self", "dep"])?.prepared(&budget())?;
    let (own, dependency) = (typed(own), typed(dependency));
    Ok(compiled.holds(&[("self", &own), ("dep", &dependency)]))
}

/// A Kustomization as its type writes it: durations have one spelling.
fn typed(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["interval", "retryInterval", "timeout"] {
        let written = object["spec"][field].as_str().and_then(|text| duration::parse(text).ok());
        if let Some(written) = written {
            object["spec"][field] = duration::format(written).into();
        }
    }
    object
}

struct Rule {
    group: String,
    kind: String,
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
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
        let budget = budget();
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
                let dot = if gvk.group.is_empty() { "" } else { "." };
                let name = format!("{}{dot}{}", gvk.kind, gvk.group);
                return Err(format!(
                    "duplicate custom health check for GroupKind {name} at healthchecks[{at}]"
                ));
            }
            if expression.current.is_empty() {
                return Err(place("expression Current not specified".to_owned()));
            }
            let compile = |what: &str, text: &str| {
                Expression::compile(text)
                    .and_then(|expression| expression.prepared(&budget))
                    .map_err(|why| place(format!("failed to parse the expression {what}: {why}")))
            };
            let optional = |what: &str, text: &Option<String>| {
                text.as_deref().filter(|text| !text.is_empty()).map(|text| compile(what, text)).transpose()
            };
            rules.push(Rule {
                current: compile("Current", &expression.current)?,
                failed: optional("Failed", &expression.failed)?,
                in_progress: optional("InProgress", &expression.in_progress)?,
                group: gvk.group,
                kind: gvk.kind,
            });
        }
        Ok(Health { rules: Arc::new(rules) })
    }

    /// Judges a live object; `now` matters for Pods that wait for a node.
    ///
    /// # Errors
    /// An expression that cannot be evaluated.
    pub fn judge(&self, live: &Value, now: jiff::Timestamp) -> Result<Status, String> {
        let gvk = object::gvk(live);
        let exact = self.rules.iter().find(|r| r.group == gvk.group && r.kind == gvk.kind);
        match exact.or_else(|| self.rules.iter().find(|r| r.group == gvk.group && r.kind.is_empty())) {
            Some(rule) => by_rule(rule, live),
            None => Ok(health::status(live, now)),
        }
    }
}

fn by_rule(rule: &Rule, live: &Value) -> Result<Status, String> {
    let observed = live.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let generation = live["metadata"]["generation"].as_i64();
    // What is not a whole number on both sides is left to the expressions.
    if observed.is_some() && generation.is_some() && observed != generation {
        return Ok(Status::InProgress);
    }
    let variables: Vec<(&str, &Value)> =
        live.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    let holds = |expression: &Option<Expression>| match expression {
        Some(expression) => expression.holds(&variables),
        None => Ok(false),
    };
    if holds(&rule.in_progress)? {
        return Ok(Status::InProgress);
    }
    if holds(&rule.failed)? {
        return Ok(Status::Failed);
    }
    Ok(if rule.current.holds(&variables)? { Status::Current } else { Status::InProgress })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

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
        assert_eq!(health.judge(&widget("Up"), NOW), Ok(Status::Current));
        assert_eq!(health.judge(&widget("Down"), NOW), Ok(Status::Failed));
        assert_eq!(health.judge(&widget("x"), NOW), Ok(Status::InProgress));
        assert_eq!(health.judge(&json!({"apiVersion": "v1", "kind": "ConfigMap"}), NOW), Ok(Status::Current));
        let observed = |generation: Value, observed: Value| {
            let mut widget = widget("Up");
            widget["metadata"] = json!({"generation": generation});
            widget["status"]["observedGeneration"] = observed;
            health.judge(&widget, NOW)
        };
        assert_eq!(observed(json!(2), json!(1)), Ok(Status::InProgress));
        assert_eq!(observed(json!(2), json!("1")), Ok(Status::Current));
        assert_eq!(observed(Value::Null, json!(1)), Ok(Status::Current));
        let bare = json!({"apiVersion": "example.com/v1", "kind": "Widget"});
        let why = health.judge(&bare, NOW).err().unwrap_or_default();
        assert!(why.ends_with("': no such attribute(s): status.phase"), "{why}");
    }

    #[test]
    fn every_library_is_there() {
        let object = json!({"metadata": {"name": "a-b", "labels": {"x": "1"}}, "spec": {"interval": "10m", "n": 2, "l": ["a", "b"]}});
        for expression in [
            "dep.metadata.?labels.?x.orValue('n') == '1' && dep.?none.?x.orValue('n') == 'n'",
            "dep.metadata.labels[?'y'].orValue('d') == 'd' && dep.spec.n + 1 == 3",
            "'a,b'.split(',') == dep.spec.l && ['a', 'b'].join('-') == dep.metadata.name",
            "'abc'.substring(1) == 'bc' && 'ABC'.lowerAscii() == 'abc' && 'abc'.indexOf('c') == 2 && 'aba'.lastIndexOf('a') == 2",
            "sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1]) && sets.intersects([1], [1, 3])",
            "base64.encode(b'hi') == 'aGk=' && base64.decode('aGk=') == b'hi'",
            "'%s is %d'.format(['a', 5]) == 'a is 5' && 'a-b'.replace('-', '+') == 'a+b'",
            "self.spec.interval == '10m0s' && dep.spec.l.exists(x, x == 'a')",
            "has(dep.spec.n) && dep.spec.n == 2.0 && dep.spec.n > 1",
        ] {
            assert_eq!(dependency_ready(expression, &object, &object), Ok(Ok(true)), "{expression}");
        }
    }

    #[test]
    fn values_are_those_of_the_original() {
        let object = json!({"s": "up", "l": [1, 2], "n": -5, "f": 2.5});
        for text in [
            "'%s %s %s %s'.format([dep.l, {'b': 1u, 'a': null}, duration('1.5s'), timestamp(0)]) == '[1, 2] {a: null, b: 1} 1.5s 1970-01-01T00:00:00Z'",
            "'%d|%.1f|%e|%.2e|%%'.format([dep.f, dep.f, 1.5, 12345.678]) == '2.5|2.5|1.500000e+00|1.23e+04|%'",
            "'%x %X %b %b %o'.format([dep.n, 'hi', dep.n, true, 8u]) == '-5 6869 -101 1 10'",
            "'%s'.format([type(dep.l)]) == 'list' && duration('-1h1.5s') == duration('-3601.5s') && duration('1µs') == duration('1000ns')",
            "base64.decode('1h') == b'\\xd6' && base64.decode('aG\\nk=') == b'hi'",
            "dep.l.first().value() == 1 && dep.l.last().value() == 2 && ![].first().hasValue()",
            "dep.s.orValue('x') == 'up' && dep.s.indexOf('', 9) == 9 && -duration('1s') == duration('-1s')",
        ] {
            // Not every one of them has types that fit.
            let health = Health::compile(&[expression(&text.replace("dep.", "status."), None)]);
            let live = json!({"apiVersion": "example.com/v1", "kind": "Widget", "status": object});
            let judged = health.and_then(|health| health.judge(&live, NOW));
            assert_eq!(judged, Ok(Status::Current), "{text}");
        }
        for (text, why) in [
            (
                "'%d'.format([dep.s])",
                "error during formatting: decimal clause can only be used on ints, uints, and doubles, was given string",
            ),
            ("'%s %s'.format([dep.s])", "index 1 out of range"),
            ("'%'.format([dep.s])", "unexpected end of string"),
            (
                "'%q'.format([dep.s])",
                "could not parse formatting clause: unrecognized formatting clause \"q\"",
            ),
            ("string(base64.decode('aGk!'))", "illegal base64 data at input byte 3"),
            ("string(dep.s.all(x, true))", "got 'types.String', expected iterable type"),
            ("string(lists.range(2))", "no such attribute(s): lists"),
            ("string(optional.unwrap([dep.s]))", "no such overload: optional.unwrap(list)"),
        ] {
            let health =
                Health::compile(&[expression(&format!("{} == ''", text.replace("dep.", "status.")), None)]);
            let live = json!({"apiVersion": "example.com/v1", "kind": "Widget", "status": object});
            let failed = health.and_then(|health| health.judge(&live, NOW)).err().unwrap_or_default();
            assert!(failed.ends_with(&format!("': {why}")), "{text}: {failed}");
        }
    }

    #[test]
    fn constants_that_cannot_be_made_are_refused_before_they_run() {
        let told = |text: &str| dependency_ready(text, &json!({}), &json!({}));
        for (text, why) in [
            (
                "true || duration('x') == duration('1s')",
                "type conversion error from 'string' to 'google.protobuf.Duration'",
            ),
            ("dep.l.all(x, x == uint(int('-1')))", "unsigned integer overflow"),
            (
                "duration('1hx') > duration('0')",
                "type conversion error from 'string' to 'google.protobuf.Duration'",
            ),
            (
                "duration('1h-30m') > duration('0')",
                "type conversion error from 'string' to 'google.protobuf.Duration'",
            ),
            (
                "timestamp('2024-02-29t12:34:56z') > timestamp(0)",
                "type conversion error from 'string' to 'google.protobuf.Timestamp'",
            ),
            (
                "timestamp('2024-02-29T12:34:60Z') > timestamp(0)",
                "type conversion error from 'string' to 'google.protobuf.Timestamp'",
            ),
            ("bool('maybe')", "type conversion error from 'string' to 'bool'"),
        ] {
            assert_eq!(told(text), Err(format!("failed to create CEL program: {why}")), "{text}");
            let health = Health::compile(&[expression(text, None)]).err().unwrap_or_default();
            assert!(health.ends_with(&format!("failed to create CEL program: {why}")), "{text}: {health}");
        }
        assert_eq!(told("has(dep.l) || bool('true')"), Ok(Ok(true)));
    }

    #[test]
    fn what_gives_no_truth_is_refused_before_it_runs() {
        let told = |text: &str| dependency_ready(text, &json!({}), &json!({})).err().unwrap_or_default();
        let mismatch = |got: &str| format!("CEL expression output type mismatch: expected bool, got {got}");
        assert_eq!(told("1 + 1"), mismatch("int"));
        assert_eq!(told("'x'"), mismatch("string"));
        assert_eq!(told("dep.spec.suspend"), mismatch("dyn"));
        assert_eq!(told("[dep.a]"), mismatch("list(dyn)"));
        for (text, why) in [
            (
                "dep == 'x'",
                "1:5: found no matching overload for '_==_' applied to '(map(string, dyn), string)'",
            ),
            ("'a' > 1", "found no matching overload for '_>_' applied to '(string, int)'"),
            ("dep.x.nope()", "undeclared reference to 'nope' (in container '')"),
            ("[1, 'a'].size() > 0", "1:5: expected type 'int' but found 'string'"),
            ("dep.l.all(k, v, v > 1)", "undeclared reference to 'all' (in container '')"),
        ] {
            assert!(told(text).contains(why), "{text}: {}", told(text));
        }
        assert!(told("foo.bar == 1").contains("undeclared reference to 'foo' (in container '')"));
        assert!(told("dep.x.all(y, y == z)").contains("undeclared reference to 'z'"));
        let failed = dependency_ready("dep.a == 1", &json!({}), &json!({})).unwrap_or(Ok(true));
        assert_eq!(
            failed.err().as_deref(),
            Some("failed to evaluate the CEL expression 'dep.a == 1': no such key: a")
        );
    }

    #[test]
    fn what_fails_tells_no_value() {
        let object = json!({"data": {"password": "hunter2"}});
        for text in [
            "dep.data.password - 1 == 0",
            "-dep.data.password == 0",
            "duration(dep.data.password) == duration('1s')",
            "dep.data.password[0] == 'h'",
            "dep.data[dep] == 'h'",
            "int(dep.data.password) == 1",
        ] {
            let Ok(Err(why)) = dependency_ready(text, &object, &object) else {
                panic!("{text} gives a value")
            };
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn patterns_are_those_of_go() {
        let object = json!({"a": "x1", "n": 1, "bad": "("});
        let told = |text: &str| dependency_ready(text, &object, &object);
        for fine in [r"dep.a.matches('^\\Qx\\E\\d$')", r"matches(dep.a, 'x') && !dep.a.matches('\\pN{2}')"] {
            assert_eq!(told(fine), Ok(Ok(true)), "{fine}");
        }
        let refused = "failed to create CEL program: error parsing regexp: missing closing ): `(`";
        assert_eq!(told("dep.a.matches('(') || true"), Err(refused.to_owned()));
        let wrong =
            Health::compile(&[expression("matches(status.phase, '(')", None)]).err().unwrap_or_default();
        assert!(wrong.ends_with(refused), "{wrong}");
        let failed = |text: &str| {
            let why = told(text).unwrap_or(Ok(true)).err().unwrap_or_default();
            why.rsplit_once("': ").map_or(why.clone(), |(_, why)| why.to_owned())
        };
        assert_eq!(failed("dep.a.matches(dep.bad)"), "error parsing regexp: missing closing ): `(`");
        assert_eq!(failed("dep.n.matches('a')"), "no such overload: matches(int, string)");
        let misfit = told("dep.n == 1 && (1).matches('a')").err().unwrap_or_default();
        let wanted = "ERROR: <input>:1:26: found no matching overload for 'matches' applied to 'int.(string)'\n | dep.n == 1 && (1).matches('a')\n | .........................^";
        assert!(misfit.ends_with(wanted), "{misfit}");
    }

    #[test]
    fn loops_in_loops_are_bounded() {
        let many = json!({"l": vec![1; 1000]});
        let loops = |count: usize| format!("{}true{}", "dep.l.all(x, ".repeat(count), ")".repeat(count));
        assert_eq!(dependency_ready(&loops(1), &many, &many), Ok(Ok(true)));
        let told = dependency_ready(&loops(4), &many, &many).unwrap_or(Ok(true)).err().unwrap_or_default();
        assert!(told.ends_with("operation interrupted"), "{told}");
        assert!(dependency_ready(&"(".repeat(100), &many, &many).is_err());
        assert!(dependency_ready(&format!("{}true", "!".repeat(5000)), &many, &many).is_err());
    }

    #[test]
    fn what_grows_while_it_runs_is_bounded() {
        let object = json!({"l": vec!["abcdefghij"; 100], "o": {"x": "y".repeat(1000)}});
        let told = |text: &str| dependency_ready(text, &object, &object);
        let refused = [
            format!("dep.o.x{} == 'y'", ".replace('y', dep.o.x)".repeat(4)),
            format!("dep.l{}.size() == 1", ".map(x, x + x)".repeat(40)),
            format!("[dep.l]{}.size() == 1", ".map(x, x + x)".repeat(40)),
            format!("[dep.l]{}.size() == 1", ".map(x, [x, x])".repeat(40)),
            format!("[dep.l]{}.size() == 1", ".map(x, {'a': x, 'b': x})".repeat(40)),
            format!("[dep.l]{}.size() == 1", ".map(x, {'a': x}).map(x, [?x.?a, ?x.?a])".repeat(15)),
            format!("[dep.l]{}.size() == 1", ".map(x, {'a': x}).map(x, [x.?a, x.?a])".repeat(15)),
            format!("[dep.o.x]{}.exists(x, x == '')", ".map(x, [x, x].join(x))".repeat(40)),
            format!("[dep.o.x]{}.exists(x, x == '')", ".map(x, '%s%s'.format([x, x]))".repeat(40)),
            // An error of one turn is overridden by a later one; this one is not.
            format!("dep.o.x{}.size() == 1 || true", ".replace('y', dep.o.x)".repeat(4)),
        ];
        for text in refused {
            let why = told(&text).unwrap_or(Ok(true)).err().unwrap_or_default();
            assert!(why.ends_with("operation interrupted"), "{text}: {why}");
        }
        let fine = [
            "dep.l.map(x, x + '-').filter(x, x.endsWith('-')).size() == 100",
            "dep.l.exists_one(x, x == 'a') == false && dep.l.all(x, dep.l.exists(y, y == x))",
            "[?dep.?none, ?dep.?o].size() == 1 && [dep.?o].size() == 1 && {?'a': dep.?none}.size() == 0",
            "dep.l.map(x, x.size() > 3, [x, dyn('b')] + [dyn('c')])[0] == ['abcdefghij', 'b', 'c']",
            "dep.o.map(k, k) == ['x'] && dep.o.x.replace('y', 'yes').size() == 3000 && 1 + 2 == 3",
        ];
        for text in fine {
            assert_eq!(told(text), Ok(Ok(true)), "{text}");
        }
    }

    #[test]
    fn patterns_are_within_the_budget() {
        let large = r"(\\pL{100}){100}";
        let object = json!({"l": vec!["a"; 50], "p": r"(\pL{100}){100}", "long": "a".repeat(1 << 20)});
        let told = |text: &str| dependency_ready(text, &object, &object);
        // Written down: they are compiled before anything runs, and not one after the other without end.
        let written =
            (0..50).map(|n| format!("dep.p.matches('{large}x{n}')")).collect::<Vec<_>>().join(" || ");
        let began = std::time::Instant::now();
        let refused = told(&written).err().unwrap_or_default();
        assert!(refused.starts_with("failed to create CEL program: error parsing regexp: "), "{refused}");
        let small = (0..300).map(|n| format!("dep.p.matches('{n}')")).collect::<Vec<_>>().join(" || ");
        let refused = Health::compile(&[expression(&small, None)]).err().unwrap_or_default();
        assert!(refused.ends_with("its regular expressions are too large"), "{refused}");
        // Made as it runs: an error of one is overridden by another one that is true.
        let made = [
            "dep.l.exists(x, dep.l.exists(y, x.matches(dep.p + y)) || x.matches(dep.p + x + x)) || true",
            "dep.l.exists(x, dep.long.matches('(b|c)$')) || true",
        ];
        for text in made {
            let why = told(text).unwrap_or(Ok(true)).err().unwrap_or_default();
            assert!(why.ends_with("operation interrupted"), "{text}: {why}");
        }
        // One of them takes a second or so where nothing is optimised; a thousand would not fit.
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    }

    #[test]
    fn turns_over_what_grew_are_counted() {
        let object = json!({"l": vec!["a"; 60]});
        let grown = "dep.l.map(x, dep.l)".to_owned();
        let flat = format!("{grown}.all(x, x.all(y, {grown}.all(z, z.all(w, w == y))))");
        assert_eq!(dependency_ready("dep.l.all(x, dep.l.all(y, x == y))", &object, &object), Ok(Ok(true)));
        let told = dependency_ready(&flat, &object, &object).unwrap_or(Ok(true)).err().unwrap_or_default();
        assert!(told.ends_with("operation interrupted"), "{told}");
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

    #[test]
    fn what_fails_is_told_as_by_the_reference() {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "status": {"phase": "Up", "n": 1, "l": [1]}});
        let told = |text: &str| {
            let health = Health::compile(&[expression(text, None)]).unwrap_or_default();
            let why = health.judge(&object, NOW).err().unwrap_or_default();
            why.split_once("': ").map_or(why.clone(), |(_, why)| why.to_owned())
        };
        for (text, wanted) in [
            ("status.phase.x == 1", "no such key: x"),
            ("status.none == 1 || nope.x", "no such key: none"),
            ("spec.x.y == 1", "no such attribute(s): spec.x.y"),
            ("status.l[3] == 1", "index out of bounds: 3"),
            ("status.l['a'] == 1", "unsupported index type 'string' in list"),
            ("status.phase > 1", "no such overload"),
            ("status.n / 0 == 1", "division by zero"),
            ("status.phase ? true : false", "no such overload"),
            ("status.phase.substring(9) == ''", "index out of range: 9"),
            ("status.l.all(x, x / 0 == 1)", "division by zero"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
        assert_eq!(told("!has(status.phase.x) && (true || spec.x)"), "");
        assert!(told("status.phase").starts_with("failed to evaluate CEL expression as boolean"));
    }
}
