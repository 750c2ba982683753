//! Validation rules in CEL (`x-kubernetes-validations`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cel::{Context, IdedExpr, Value as Cel};
use parking_lot::Mutex;
use sealfast_k8s::expression::budget::{self, Budget};
use sealfast_k8s::expression::{depth, fault, on_deep_stack};
use serde_json::Value;

use super::{Kind, Problem, Twins, functions, join};

const RULES: &str = "x-kubernetes-validations";

/// Tells whether a schema has rules at any level.
pub(super) fn any(schema: &Value) -> bool {
    schema.get(RULES).is_some()
        || schema.get("items").is_some_and(any)
        || schema.get("additionalProperties").is_some_and(any)
        || schema.get("properties").and_then(Value::as_object).is_some_and(|fields| fields.values().any(any))
}

/// Checks every rule that applies to the value and its parts.
pub(super) fn check(
    schema: &Value,
    new: &Value,
    old: Option<&Value>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let run = || {
        let mut found = Vec::new();
        let budget = Arc::new(Budget::new(MOST_STEPS, MOST_BYTES, MOST_TIME));
        let context = functions::context(&budget);
        walk(&Run { context: &context, budget: &budget }, schema, (new, old), path, &mut found);
        found
    };
    let found = match deepest(schema) {
        None => return,
        Some(levels) if levels <= SHALLOW => Some(run()),
        Some(_) => on_deep_stack(run),
    };
    let none = || vec![Problem::new(path, Kind::Rule(functions::NO_THREAD.to_owned()))];
    problems.extend(found.unwrap_or_else(none));
}

/// How many expressions stand inside each other in the rules of a schema; `None` when it has no rules.
fn deepest(schema: &Value) -> Option<usize> {
    let own = schema.get(RULES).and_then(Value::as_array).into_iter().flatten().map(|rule| {
        let texts = ["rule", "messageExpression"].map(|key| rule[key].as_str().and_then(compiled));
        texts.into_iter().flatten().map(|kept| kept.levels).max().unwrap_or(0)
    });
    let fields =
        schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|fields| fields.values());
    let parts = ["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key));
    own.chain(fields.chain(parts).filter_map(deepest)).max()
}

/// The rules of one object.
struct Run<'a> {
    context: &'a Context<'static, 'static>,
    budget: &'a Budget,
}

fn walk(
    run: &Run<'_>,
    schema: &Value,
    (new, old): (&Value, Option<&Value>),
    path: &str,
    problems: &mut Vec<Problem>,
) {
    for rule in schema.get(RULES).and_then(Value::as_array).into_iter().flatten() {
        problems.extend(one(run, schema, rule, (new, old), path));
    }
    match new {
        Value::Object(fields) => {
            for (name, value) in fields {
                let known = schema.get("properties").and_then(|properties| properties.get(name));
                let twin = old.and_then(|old| old.get(name));
                match (known, schema.get("additionalProperties")) {
                    (Some(known), _) => walk(run, known, (value, twin), &join(path, name), problems),
                    (None, Some(known)) => {
                        walk(run, known, (value, twin), &format!("{path}[{name}]"), problems)
                    }
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) if schema.get("items").is_some_and(any) => {
            let twins = Twins::of(schema, old);
            for (at, item) in items.iter().enumerate() {
                let twin = twins.get(item);
                walk(run, &schema["items"], (item, twin), &format!("{path}[{at}]"), problems);
            }
        }
        _ => {}
    }
}

fn one(
    run: &Run<'_>,
    schema: &Value,
    rule: &Value,
    (new, old): (&Value, Option<&Value>),
    path: &str,
) -> Option<Problem> {
    let text = rule["rule"].as_str()?;
    let optional = rule["optionalOldSelf"] == true;
    if text.contains("oldSelf") && old.is_none() && !optional {
        return None;
    }
    if run.budget.is_spent() {
        return None;
    }
    let mut context = run.context.new_inner_scope();
    context.add_variable_from_value("self", to_cel(schema, new));
    match old.map(|old| to_cel(schema, old)) {
        old if optional => context.add_variable_from_value("oldSelf", functions::optional(old)),
        Some(old) => context.add_variable_from_value("oldSelf", old),
        None => {}
    }
    let outcome = match compiled(text) {
        Some(compiled) => Cel::resolve(&compiled.tree, &context),
        None => return Some(Problem::new(path, Kind::Rule(format!("rule compile error: {text}")))),
    };
    if run.budget.is_spent() {
        return Some(Problem::new(path, Kind::Rule(SPENT.to_owned())));
    }
    let message = match outcome {
        Ok(Cel::Bool(true)) => return None,
        Ok(_) => message(rule, &context).unwrap_or_else(|| format!("failed rule: {text}")),
        Err(error) => {
            let called = stated_message(rule).unwrap_or_else(|| text.to_owned());
            let why = format!("{} evaluating rule: {called}", fault::why(&error));
            return Some(Problem::new(path, Kind::Invalid(schema["type"].clone(), why)));
        }
    };
    let field = match rule["fieldPath"].as_str() {
        // Keys of maps are shown bare.
        Some(below) => format!("{path}{}", below.replace("['", "[").replace("']", "]")),
        None => path.to_owned(),
    };
    let kind = match rule["reason"].as_str() {
        Some("FieldValueForbidden") => Kind::Forbidden(message),
        Some("FieldValueRequired") => Kind::Missing(message),
        Some("FieldValueDuplicate") if new.is_object() || new.is_array() => Kind::Again,
        Some("FieldValueDuplicate") => Kind::Duplicate(new.clone()),
        _ if new.is_object() || new.is_array() => Kind::Rule(message),
        _ => Kind::Invalid(new.clone(), message),
    };
    Some(Problem::new(&field, kind))
}

fn message(rule: &Value, context: &Context<'_, '_>) -> Option<String> {
    if let Some(expression) = rule["messageExpression"].as_str()
        && let Some(Cel::String(text)) = Cel::resolve(&compiled(expression)?.tree, context).ok()
        && !text.trim().is_empty()
        && !text.contains('\n')
    {
        return Some(text.to_string());
    }
    stated_message(rule)
}

fn stated_message(rule: &Value) -> Option<String> {
    rule["message"].as_str().filter(|text| !text.is_empty()).map(|text| text.trim().to_owned())
}

/// An expression that is counted while it runs.
struct Compiled {
    tree: IdedExpr,
    /// How many expressions stand inside each other.
    levels: usize,
}

/// An expression, kept for the next object.
fn compiled(text: &str) -> Option<Arc<Compiled>> {
    static KEPT: LazyLock<Mutex<HashMap<String, Arc<Compiled>>>> = LazyLock::new(Mutex::default);
    if let Some(found) = KEPT.lock().get(text) {
        return Some(Arc::clone(found));
    }
    let mut tree = functions::compile(text).ok()?.expression().clone();
    budget::watched(&mut tree);
    let made = Arc::new(Compiled { levels: depth(&tree), tree });
    let mut kept = KEPT.lock();
    if kept.len() >= MOST_PROGRAMS {
        kept.clear();
    }
    kept.insert(text.to_owned(), Arc::clone(&made));
    Some(made)
}

/// A value as rules see it: whole numbers are signed, times and durations are what their format says.
fn to_cel(schema: &Value, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) if schema["type"] == "number" => {
            Cel::Float(number.as_f64().unwrap_or_default())
        }
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cel::Int(number),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => text_to_cel(schema["format"].as_str().unwrap_or_default(), text),
        Value::Array(items) => {
            Cel::List(Arc::new(items.iter().map(|item| to_cel(&schema["items"], item)).collect()))
        }
        Value::Object(fields) => {
            let known = |name: &String| schema["properties"].get(name);
            let map: HashMap<String, Cel> = fields
                .iter()
                .filter_map(|(name, value)| match known(name) {
                    Some(known) => Some((escaped(name)?, to_cel(known, value))),
                    None => Some((name.clone(), to_cel(&schema["additionalProperties"], value))),
                })
                .collect();
            Cel::Map(map.into())
        }
    }
}

fn text_to_cel(format: &str, text: &str) -> Cel {
    let plain = || Cel::String(Arc::new(text.to_owned()));
    match format {
        "byte" => STANDARD.decode(text).map_or_else(|_| plain(), |bytes| Cel::Bytes(Arc::new(bytes))),
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).map_or_else(|_| plain(), Cel::Timestamp),
        "date" => chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z"))
            .map_or_else(|_| plain(), Cel::Timestamp),
        "duration" => {
            let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
            let parsed = sealfast_k8s::duration::parse(text).ok();
            let parsed = parsed.and_then(|duration| chrono::Duration::from_std(duration).ok());
            parsed.map_or_else(plain, |duration| Cel::Duration(if negative { -duration } else { duration }))
        }
        _ => plain(),
    }
}

/// The name by which rules reach a field; `None` when they cannot.
pub(super) fn escaped(name: &str) -> Option<String> {
    let is_known = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
    if name.is_empty()
        || name.starts_with(|first: char| first.is_ascii_digit())
        || !name.chars().all(is_known)
    {
        return None;
    }
    if KEYWORDS.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let name = name.replace("__", "__underscores__");
    Some(name.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__"))
}

const MOST_PROGRAMS: usize = 1000;
/// Turns of loops, bytes and time that the rules of one object may take.
const MOST_STEPS: u64 = 10_000_000;
const MOST_BYTES: u64 = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(5);
const SPENT: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
/// Levels that the stack of a worker has room for.
const SHALLOW: usize = 20;
/// Words that are no names.
pub(crate) const KEYWORDS: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The problems of an object by one rule.
    fn told(rule: &Value, new: &Value, old: Option<&Value>) -> Vec<String> {
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object", "x-kubernetes-validations": [rule],
            "properties": {
                "s": text, "a": {"type": "integer"}, "n": {"type": "number"}, "l": {"type": "array", "items": text},
                "i": {"type": "array", "items": {"type": "integer"}}, "d": {"type": "string", "format": "date-time"},
                "u": {"type": "string", "format": "duration"}, "m": {"type": "object", "additionalProperties": text},
                "a-b": text, "x": {"x-kubernetes-int-or-string": true},
            },
        });
        let mut problems = Vec::new();
        check(&schema, new, old, "spec", &mut problems);
        problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message())).collect()
    }

    #[test]
    fn rules_hold_with_every_library() {
        let object = json!({
            "s": "a-b", "a": 2, "n": 2, "l": ["a", "b"], "i": [1, 2, 3], "d": "2024-01-02T00:00:00Z", "u": "1h",
            "m": {"k": "v"}, "a-b": "dashed", "x": 5,
        });
        for rule in [
            "self.s.upperAscii() == 'A-B' && 'X'.lowerAscii() == 'x' && self.s.charAt(1) == '-'",
            "self.s.indexOf('b') == 2 && self.s.lastIndexOf('a') == 0 && self.s.indexOf('z') == -1",
            "self.s.replace('a', 'x') == 'x-b' && self.s.substring(2) == 'b' && self.s.substring(0, 1) == 'a'",
            "self.s.split('-') == ['a', 'b'] && ' a '.trim() == 'a' && self.l.join('+') == 'a+b'",
            "['c', 'b'].reverse() == ['b', 'c'] && 'abc'.split('') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
            "'%s is %d, %.2f, %x %b'.format([self.s, self.a, 1.5, 255, 5]) == 'a-b is 2, 1.50, ff 101'",
            "self.i.isSorted() && self.i.sum() == 6 && self.i.min() == 1 && self.i.max() == 3",
            "self.i.indexOf(2) == 1 && self.i.slice(0, 2) == [1, 2] && [[1], [2]].flatten() == [1, 2]",
            "[1, 1, 2].distinct() == [1, 2] && [2, 1].sort() == [1, 2] && self.i.reverse() == [3, 2, 1]",
            "'a12b3'.find('[0-9]+') == '12' && 'a12b3'.findAll('[0-9]+') == ['12', '3']",
            "'a12'.matches('[0-9]+$') && matches('a{,3}', '^a{,3}$') && !'x'.matches('y') && 'a&b'.matches('^[a&&b]+$')",
            r"'12'.matches('^\\d+$') && !'\u0663'.matches('^\\d+$') && 'ä1'.find('\\w+') == '1' && 'äxä'.findAll('\\b.') == ['x', 'ä']",
            r"'a.b'.matches('^\\Qa.b\\E$') && self.l.all(x, x.matches('^[' + self.l.join('') + ']$'))",
            "'%s %s %s'.format([1.5, duration('90s'), [1, 'a', {'k': 1.5}]]) == '1.5 90s [1, \"a\", {\"k\":1.500000}]'",
            "'%x %X %o %s'.format([-255, b'az', 8, b'abc']) == '-ff 617A 10 abc' && '%e'.format([1234.5]) == '1.234500×10⁰³'",
            "self.l.first() == optional.of('a') && self.l.last().orValue('') == 'b' && [].first() == optional.none()",
            "[duration('1m'), duration('2m')].sum() == duration('3m')",
            "isURL('https://a.b:8/p?q=1') && url('https://a.b:8/p?q=1').getHost() == 'a.b:8' && !isURL('no')",
            "url('https://[::1]:8/p?q=1&q=2').getPort() == '8' && url('https://a/?q=1&q=2').getQuery() == {'q': ['1', '2']}",
            "isQuantity('2Gi') && quantity('2Gi').isGreaterThan(quantity('1Gi')) && !isQuantity('x')",
            "quantity('1').add(quantity('500m')).compareTo(quantity('1.5')) == 0 && quantity('1k').asInteger() == 1000",
            "isIP('127.0.0.1') && ip('127.0.0.1').isLoopback() && ip('::1').family() == 6 && !isIP('1.2.3')",
            "cidr('10.0.0.0/8').containsIP('10.1.1.1') && !cidr('10.0.0.0/8').containsIP('11.0.0.1')",
            "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
            "self.?none.orValue(5) == 5 && !self.?none.hasValue() && self.m[?'k'].orValue('d') == 'v'",
            "self.u > duration('1m') && self.d > timestamp('2020-01-01T00:00:00Z') && self.d.getFullYear() == 2024",
            "sets.contains(self.i, [1]) && sets.equivalent([1, 2], [2, 1]) && lists.range(3) == [0, 1, 2]",
            "self.m.all(k, v, k == 'k' && v == 'v') && self.l.exists(at, item, at == 1 && item == 'b')",
            "!self.i.exists(at, number, at == number) && self.i.existsOne(at, number, number == 2)",
            "self.l.all(at, item, self.l.all(other, same, at != other || item == same)) && {}.all(k, v, false)",
            "self.l.transformList(at, item, at > 0, item + '!') == ['b!'] && self.m.transformList(k, v, k + v) == ['kv']",
            "self.l.transformMap(at, item, item + '!') == {0: 'a!', 1: 'b!'} && self.m.transformMap(k, v, v == 'x', v) == {}",
            "self.l.transformMapEntry(at, item, {item: at}) == {'a': 0, 'b': 1}",
            "['bb', 'a'].sortBy(text, text.size()) == ['a', 'bb']",
            "!format.dns1123Label().validate('my-name').hasValue() && format.named('no') == optional.none()",
            "format.dns1035Label().validate('1x').value()[0].startsWith('a DNS-1035 label must consist of')",
            "format.dns1123SubdomainPrefix().validate('a.b-') == optional.none() && format.uuid().validate('x').value() == ['does not match the UUID format']",
            "semver('v1.02', true) == semver('1.2.0') && isSemver('1', true) && !isSemver('1-rc', true) && isSemver('1.2.-rc', true) && !isSemver('v1.0.0', false)",
            "semver('1.2.3').isGreaterThan(semver('1.2.3-rc.1')) && semver('1.2.3').minor() == 2 && !isSemver('1.2')",
            "self.a__dash__b == 'dashed' && self.n == 2.0 && self.x == 5 && type(self.a) == int",
            "self.m.all(k, self.m[k] == 'v') && self.l.exists_one(x, x == 'a') && self.l.map(x, x + '1') == ['a1', 'b1']",
        ] {
            assert_eq!(told(&json!({"rule": rule}), &object, None), Vec::<String>::new(), "{rule}");
        }
    }

    #[test]
    fn the_deepest_rules_run_on_the_stack_of_a_worker() {
        let sum = format!("{} == 90", ["1"; 90].join(" + "));
        let calls = format!("{}'1'{} == '1'", "string(".repeat(60), ")".repeat(60));
        let loops = format!("{}true{}", "self.l.all(x, ".repeat(15), ")".repeat(15));
        let shallow = format!("{} == 19", ["1"; 19].join(" + "));
        for rule in [sum, calls, loops, shallow] {
            assert_eq!(
                told(&json!({"rule": rule}), &json!({"l": ["a"]}), None),
                Vec::<String>::new(),
                "{rule}"
            );
        }
    }

    #[test]
    fn rules_that_grow_or_go_on_are_ended() {
        let object = json!({"l": vec!["a"; 3000], "s": "a"});
        let doubled = format!("['aaaaaaaa']{}.size() == 1", ".map(y, y + y)".repeat(60));
        for rule in [
            "lists.range(100000).distinct().size() > 0",
            "sets.equivalent(lists.range(100000), lists.range(100000).reverse())",
            "lists.range(100000).map(x, x).all(a, lists.range(100000).map(y, y).all(b, a != b + 1000000))",
            "lists.range(500000).map(x, self.s + 'a text of some length that is put together anew').size() > 0",
            "lists.range(1000000).map(x, lists.range(1000000)).size() > 0",
            doubled.as_str(),
        ] {
            let told = told(&json!({"rule": rule}), &object, None);
            assert_eq!(told, [format!("spec: Invalid value: {SPENT}")], "{rule}");
        }
        // Each match of this one looks at all the rest of the text.
        let long = json!({"s": "a".repeat(400_000)});
        let slow = told(&json!({"rule": "self.s.findAll('a.*b|a').size() > 0"}), &long, None);
        assert!(slow[0].contains("evaluating rule"), "{slow:?}");
        // What stops at once costs little.
        let nested = "self.l.all(i, x, self.l.exists(j, y, true))";
        assert_eq!(told(&json!({"rule": nested}), &object, None), Vec::<String>::new());
    }

    #[test]
    fn a_broken_rule_says_so_in_its_own_way() {
        let object = json!({"a": 1});
        let rule = |more: Value| {
            let mut rule = json!({"rule": "self.a > 5"});
            rule.as_object_mut()
                .into_iter()
                .for_each(|map| map.extend(more.as_object().cloned().unwrap_or_default()));
            told(&rule, &object, None)
        };
        assert_eq!(rule(json!({})), ["spec: Invalid value: failed rule: self.a > 5"]);
        assert_eq!(rule(json!({"message": "m"})), ["spec: Invalid value: m"]);
        assert_eq!(
            rule(json!({"messageExpression": "'a is ' + string(self.a)"})),
            ["spec: Invalid value: a is 1"]
        );
        let forbidden = json!({"reason": "FieldValueForbidden", "fieldPath": ".a"});
        assert_eq!(rule(forbidden), ["spec.a: Forbidden: failed rule: self.a > 5"]);
        let required = json!({"reason": "FieldValueRequired", "message": "need"});
        assert_eq!(rule(required), ["spec: Required value: need"]);
        let missing = told(&json!({"rule": "self.zz > 5"}), &object, None);
        assert_eq!(
            missing,
            ["spec: Invalid value: \"object\": no such key: zz evaluating rule: self.zz > 5"]
        );
        let called = told(&json!({"rule": "self.zz > 5", "message": " m "}), &object, None);
        assert_eq!(called, ["spec: Invalid value: \"object\": no such key: zz evaluating rule: m"]);
        let keyed = json!({"fieldPath": ".m['x']"});
        assert_eq!(rule(keyed), ["spec.m[x]: Invalid value: failed rule: self.a > 5"]);
        let divided = told(&json!({"rule": "10 / (self.a - 1) > 0"}), &object, None);
        let why = "division by zero evaluating rule: 10 / (self.a - 1) > 0";
        assert_eq!(divided, [format!("spec: Invalid value: \"object\": {why}")]);
        let again = json!({"reason": "FieldValueDuplicate", "fieldPath": ".a"});
        assert_eq!(rule(again), ["spec.a: Duplicate value"]);
    }

    #[test]
    fn transition_rules_wait_for_an_old_value_unless_they_take_none() {
        let (old, new) = (json!({"a": 1}), json!({"a": 2}));
        let fixed = json!({"rule": "self.a == oldSelf.a", "message": "fixed"});
        assert!(told(&fixed, &new, None).is_empty());
        assert_eq!(told(&fixed, &new, Some(&old)), ["spec: Invalid value: fixed"]);
        let optional = json!({"rule": "!oldSelf.hasValue() || oldSelf.value().a == self.a", "optionalOldSelf": true, "message": "fixed"});
        assert!(told(&optional, &new, None).is_empty());
        assert_eq!(told(&optional, &new, Some(&old)), ["spec: Invalid value: fixed"]);
    }
}
