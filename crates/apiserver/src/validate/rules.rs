//! Validation rules in CEL (`x-kubernetes-validations`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cel::Value as Cel;
use cel::common::ast::{Expr, IdedExpr};
use parking_lot::Mutex;
use sealfast_k8s::expression::budget::Budget;
use sealfast_k8s::expression::kept::Kept;
use sealfast_k8s::expression::run::{Stop, run};
use sealfast_k8s::expression::source::Source;
use sealfast_k8s::expression::{count, depth, on_deep_stack, parts};
use serde_json::Value;

use super::names::escaped;
use super::ruled::{Part, Ruled};
use super::{Kind, Problems, Twins, field_path, functions, shown};
use crate::go_text;
use crate::path::Path;

/// Checks every rule that applies to the value and its parts; what they say of values that an update leaves as they
/// were is only told.
pub(super) fn check(
    schema: &Value,
    ruled: &Ruled,
    new: &Value,
    old: Option<&Value>,
    path: &Path<'_>,
    found: &mut Found,
) {
    let Some(root) = ruled.root() else { return };
    let rest = found.problems.within(usize::MAX);
    let run = || {
        let budget = Budget::new(MOST_STEPS, MOST_BYTES, MOST_TIME);
        let found = Found { problems: rest, tolerated: Problems::default() };
        let mut run =
            Run { budget: &budget, left: MOST_OF_AN_OBJECT, ended: found.problems.is_full(), found };
        let kept = old == Some(new);
        run.walk(schema, root, &At { new, old, kept, path });
        run.found
    };
    let is_shallow = ruled.levels(schema, &levels) <= SHALLOW;
    match if is_shallow { Some(run()) } else { on_deep_stack(run) } {
        Some(told) => {
            found.problems.extend(told.problems);
            found.tolerated.extend(told.tolerated);
        }
        None => found.problems.note(path, || Kind::Rule(functions::NO_THREAD.to_owned())),
    }
}

/// What rules say of an object.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) problems: Problems,
    /// What was wrong before, too.
    pub(crate) tolerated: Problems,
}

/// How many expressions stand inside each other in one rule.
fn levels(rule: &Value) -> usize {
    let texts = ["rule", "messageExpression"].map(|key| rule[key].as_str().and_then(compiled));
    texts.into_iter().flatten().map(|kept| kept.levels).max().unwrap_or(0)
}

/// A value of the object.
struct At<'a> {
    new: &'a Value,
    /// What it was before, where that can be told.
    old: Option<&'a Value>,
    /// Whether it was left as it was, or what it is part of.
    kept: bool,
    path: &'a Path<'a>,
}

impl At<'_> {
    fn below<'b>(&self, new: &'b Value, old: Option<&'b Value>, path: &'b Path<'b>) -> At<'b> {
        let kept = old.map_or(self.kept, |old| old == new);
        At { new, old: old.filter(|old| !old.is_null()), kept, path }
    }
}

/// The values that rules know.
struct Known {
    own: Cel,
    old: Option<Cel>,
    /// The one before is known, as one that may be absent.
    optional: bool,
}

impl Known {
    fn find(&self, name: &str) -> Option<Cel> {
        match name {
            "self" => Some(self.own.clone()),
            "oldSelf" if self.optional => Some(functions::optional(self.old.clone())),
            "oldSelf" => self.old.clone(),
            _ => None,
        }
    }
}

/// The rules of one object.
struct Run<'a> {
    budget: &'a Budget,
    /// What they may cost yet.
    left: u64,
    /// No further rules are run.
    ended: bool,
    found: Found,
}

impl Run<'_> {
    /// Goes through what the part of the schema says to have rules, and passes over the rest.
    fn walk(&mut self, schema: &Value, part: &Part, at: &At<'_>) {
        if at.new.is_null() {
            return;
        }
        let rules = part.rules(schema);
        if !rules.is_empty() {
            self.all(schema, rules, at);
        }
        match at.new {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let known = schema.get("properties").and_then(|properties| properties.get(name));
                    let below = match known {
                        Some(known) => part.field(name).map(|part| (known, part, Path::Field(at.path, name))),
                        None => part
                            .values
                            .as_deref()
                            .map(|part| (&schema["additionalProperties"], part, Path::Entry(at.path, name))),
                    };
                    let Some((known, part, path)) = below else { continue };
                    if self.ended {
                        return;
                    }
                    let twin = at.old.and_then(|old| old.get(name));
                    self.walk(known, part, &at.below(value, twin, &path));
                }
            }
            Value::Array(items) => {
                let Some(part) = part.items.as_deref() else { return };
                let twins = Twins::of(schema, at.old);
                for (place, item) in items.iter().enumerate() {
                    if self.ended {
                        return;
                    }
                    let path = Path::Item(at.path, place);
                    self.walk(&schema["items"], part, &at.below(item, twins.get(item), &path));
                }
            }
            _ => {}
        }
    }

    fn all(&mut self, schema: &Value, rules: &[Value], at: &At<'_>) {
        if self.left == 0 {
            return self.end(schema, at, SPENT.to_owned());
        }
        // Messages know what was before only where a rule beside them asks for it.
        let texts = rules.iter().filter_map(|rule| rule["rule"].as_str());
        let asks_for_old = texts.filter_map(compiled).any(|rule| rule.asks_for_old);
        let old = at.old.filter(|_| asks_for_old).map(|old| to_cel(schema, old));
        let mut known = Known { own: to_cel(schema, at.new), old, optional: false };
        for rule in rules {
            if self.ended {
                return;
            }
            self.one(schema, rule, at, &mut known);
        }
    }

    fn end(&mut self, schema: &Value, at: &At<'_>, why: String) {
        self.ended = true;
        self.found.problems.note(at.path, || invalid(schema, why));
    }

    fn one(&mut self, schema: &Value, rule: &Value, at: &At<'_>, known: &mut Known) {
        let Some(text) = rule["rule"].as_str().filter(|text| !text.trim().is_empty()) else { return };
        let Some(compiled) = compiled(text) else {
            let why = format!("rule compile error: {text}");
            return self.found.problems.note(at.path, || invalid(schema, why));
        };
        known.optional = rule["optionalOldSelf"] == true;
        if compiled.asks_for_old && at.old.is_none() && !known.optional {
            return;
        }
        let (outcome, cost) = self.run(&compiled, known);
        if cost > self.left {
            return self.end(schema, at, SPENT.to_owned());
        }
        self.left -= cost;
        let called = stated_message(rule).unwrap_or_else(|| text.trim().to_owned());
        match outcome {
            Ok(Cel::Bool(true)) => return,
            Ok(_) => {}
            Err(Stop::Spent) => {
                let why = format!(
                    "'{TOO_COSTLY}': no further validation rules will be run due to call cost exceeds limit for rule: {called}"
                );
                return self.end(schema, at, why);
            }
            Err(Stop::Fault(why)) => {
                let why = fault_of(&called, &why);
                return self.found.problems.note(at.path, || invalid(schema, why));
            }
        }
        known.optional = false;
        let below = rule["fieldPath"].as_str().filter(|below| !below.is_empty());
        let below = below.map(|below| field_path::shown(schema, below));
        let path = below.as_ref().map_or(*at.path, |below| Path::Field(at.path, below));
        let tolerated = at.kept && !compiled.asks_for_old;
        let message = self.message(rule, known);
        self.ended |= message.is_err();
        let told = if tolerated { &mut self.found.tolerated } else { &mut self.found.problems };
        told.note(&path, || match message {
            Ok(said) => broken(schema, rule, at.new, said.unwrap_or_else(|| default_message(&called, rule))),
            Err(why) => invalid(schema, why),
        });
        self.ended |= self.found.problems.is_full();
    }

    fn run(&self, compiled: &Compiled, known: &Known) -> (Result<Cel, Stop>, u64) {
        run(&compiled.tree, functions::library(), self.budget, MOST_OF_A_CALL, &|name| known.find(name))
    }

    /// What an expression says of a broken rule; `None` when it says nothing that can be shown.
    ///
    /// # Errors
    /// What is said when it costs too much.
    fn message(&mut self, rule: &Value, known: &Known) -> Result<Option<String>, String> {
        let Some(text) = rule["messageExpression"].as_str().filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        let Some(compiled) = compiled(text) else { return Ok(None) };
        let (outcome, cost) = self.run(&compiled, known);
        if cost > self.left {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned());
        }
        if outcome == Err(Stop::Spent) {
            let quoted = go_text::quoted(text);
            return Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {quoted}"
            ));
        }
        self.left -= cost;
        let Ok(Cel::String(message)) = outcome else { return Ok(None) };
        let message = message.trim();
        let shown = !message.is_empty() && message.len() <= LONGEST_MESSAGE && !message.contains('\n');
        Ok(shown.then(|| message.to_owned()))
    }
}

/// Something wrong of which only the type of the value is shown.
fn invalid(schema: &Value, why: String) -> Kind {
    Kind::Invalid(shown(&schema["type"].as_str().unwrap_or_default().into()), why)
}

fn default_message(called: &str, rule: &Value) -> String {
    match stated_message(rule) {
        Some(message) => message,
        None => format!("failed rule: {called}"),
    }
}

/// What a broken rule is reported as.
fn broken(schema: &Value, rule: &Value, new: &Value, message: String) -> Kind {
    let whole = matches!(schema["type"].as_str(), Some("object" | "array"));
    match rule["reason"].as_str() {
        Some("FieldValueForbidden") => Kind::Forbidden(message),
        Some("FieldValueRequired") => Kind::Missing(message),
        Some("FieldValueDuplicate") if whole => Kind::Again,
        Some("FieldValueDuplicate") => Kind::Duplicate(shown(new)),
        _ if whole => Kind::Rule(message),
        _ => Kind::Invalid(shown(new), message),
    }
}

/// Why a rule could not be asked, by what it is called.
fn fault_of(called: &str, why: &str) -> String {
    if why.starts_with("no such overload") {
        format!(
            "'{why}': call arguments did not match a supported operator, function or macro signature for rule: {called}"
        )
    } else {
        format!("{why} evaluating rule: {called}")
    }
}

fn stated_message(rule: &Value) -> Option<String> {
    rule["message"].as_str().filter(|text| !text.is_empty()).map(|text| text.trim().to_owned())
}

/// An expression that was read.
struct Compiled {
    tree: IdedExpr,
    /// How many expressions stand inside each other.
    levels: usize,
    /// Whether it asks what the value was before.
    asks_for_old: bool,
}

/// An expression, kept for the next object.
fn compiled(text: &str) -> Option<Arc<Compiled>> {
    static KEPT: LazyLock<Mutex<Kept<Arc<Compiled>>>> = LazyLock::new(|| Mutex::new(Kept::new(MOST_KEPT)));
    if let Some(found) = KEPT.lock().get(text) {
        return Some(Arc::clone(found));
    }
    let tree = Source::new(text, functions::compile(text).ok()?).ok()?.root;
    let made = Arc::new(Compiled { levels: depth(&tree), asks_for_old: asks_for(&tree, "oldSelf"), tree });
    let bytes = count(&made.tree).saturating_mul(BYTES_OF_A_PART);
    KEPT.lock().put(text, Arc::clone(&made), bytes);
    Some(made)
}

fn asks_for(at: &IdedExpr, variable: &str) -> bool {
    let (once, often) = parts(at);
    matches!(&at.expr, Expr::Ident(name) if name == variable)
        || once.into_iter().chain(often).any(|part| asks_for(part, variable))
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
                    // A field that is null is not there.
                    Some(_) if value.is_null() => None,
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

/// Bytes of all expressions that are kept, and about what each part of one takes.
const MOST_KEPT: usize = 64 << 20;
const BYTES_OF_A_PART: usize = 256;
/// Turns of loops, bytes and time that the rules of one object may take.
const MOST_STEPS: u64 = 100_000_000;
/// What one rule, and what all rules of one object may cost.
const MOST_OF_A_CALL: u64 = 1_000_000;
const MOST_OF_AN_OBJECT: u64 = 10_000_000;
/// Bytes of a message that an expression makes.
const LONGEST_MESSAGE: usize = 5 << 10;
const TOO_COSTLY: &str = "operation cancelled: actual cost limit exceeded";
const MOST_BYTES: u64 = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(5);
const SPENT: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
/// Levels that the stack of a worker has room for.
const SHALLOW: usize = 20;

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
        let mut found = Found::default();
        check(&schema, &Ruled::of(&schema), new, old, &Path::Field(&Path::Root, "spec"), &mut found);
        found
            .problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message()))
            .collect()
    }

    #[test]
    fn a_long_list_may_be_asked_for_each_of_its_items() {
        let object = json!({"i": (0..700).collect::<Vec<_>>()});
        for rule in ["self.i.all(p, sets.contains(self.i, [p]))", "self.i.all(p, self.i.indexOf(p) == p)"] {
            assert_eq!(told(&json!({"rule": rule}), &object, None), Vec::<String>::new(), "{rule}");
        }
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
            let ended = told.len() == 1 && told[0].contains("no further validation rules will be run");
            assert!(ended, "{rule}: {told:?}");
        }
        // Each match of this one looks at all the rest of the text.
        let long = json!({"s": "a".repeat(400_000)});
        let slow = told(&json!({"rule": "self.s.findAll('a.*b|a').size() > 0"}), &long, None);
        assert!(slow[0].contains("evaluating rule") || slow[0].contains("no further"), "{slow:?}");
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
        let before =
            json!({"rule": "self.a > 5", "messageExpression": "string(oldSelf.a)", "message": "small"});
        assert_eq!(told(&before, &new, Some(&old)), ["spec: Invalid value: small"]);
        let both = json!({"rule": "self.a < oldSelf.a", "messageExpression": "string(oldSelf.a)"});
        assert_eq!(told(&both, &new, Some(&old)), ["spec: Invalid value: 1"]);
        let optional = json!({"rule": "!oldSelf.hasValue() || oldSelf.value().a == self.a", "optionalOldSelf": true, "message": "fixed"});
        assert!(told(&optional, &new, None).is_empty());
        assert_eq!(told(&optional, &new, Some(&old)), ["spec: Invalid value: fixed"]);
    }

    #[test]
    fn what_is_left_as_it_was_is_only_told() {
        let schema = json!({
            "type": "object", "properties": {"a": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 5"}]}},
            "x-kubernetes-validations": [{"rule": "self.a > 6"}, {"rule": "self.a > oldSelf.a"}],
        });
        let told = |new: &Value, old: &Value| {
            let mut found = Found::default();
            check(&schema, &Ruled::of(&schema), new, Some(old), &Path::Root, &mut found);
            (found.problems.into_iter().count(), found.tolerated.into_iter().count())
        };
        assert_eq!(told(&json!({"a": 1}), &json!({"a": 1})), (1, 2));
        assert_eq!(told(&json!({"a": 1, "b": 1}), &json!({"a": 1})), (2, 1));
        assert_eq!(told(&json!({"a": 2}), &json!({"a": 1})), (2, 0));
    }

    #[test]
    fn faults_are_those_of_the_reference() {
        let object = json!({"a": 1, "s": "x", "x": "a", "i": [1], "m": null});
        for (rule, wanted) in [
            ("self.i[5] > 0 && self.s.substring(9) == ''", "index out of bounds: 5 evaluating rule: "),
            (
                "self.s.substring(2, 1) == '' || self.i[5] > 0",
                "invalid substring range. start: 2, end: 1 evaluating",
            ),
            (
                "self.x > 3",
                "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.x > 3",
            ),
            ("self.m.k == ''", "no such key: m evaluating rule"),
            ("self.i.map(x, 1 / (x - 1)).size() > 0", "division by zero evaluating"),
            ("semver('1.x.0').major() > 0", "Invalid character(s) found in minor number \"x\" evaluating"),
            ("ip('1.2.3').family() == 4", "ParseAddr(\"1.2.3\"): IPv4 address too short evaluating"),
            (
                "cidr('1.2.300.4/8').prefixLength() == 8",
                "ParseAddr(\"1.2.300.4\"): IPv4 field has value >255",
            ),
            ("timestamp(self.a * 9223372036854775807) < timestamp(0)", "timestamp overflow evaluating"),
            ("optional.none().value() == 1", "optional.none() dereference evaluating"),
            (
                "lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))",
                "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: lists",
            ),
        ] {
            let told = told(&json!({"rule": rule}), &object, None);
            let begins = format!("spec: Invalid value: \"object\": {wanted}");
            let fits = |text: &String| text.starts_with(&begins) || text.contains(wanted);
            assert!(told.len() == 1 && told.iter().all(fits), "{rule}: {told:?}");
        }
        // A loop goes on behind a fault as long as another item can decide.
        assert!(
            told(
                &json!({"rule": "[0, 1].exists(x, 1 / x == 1) && ![0, 1].all(x, 1 / x == 2)"}),
                &object,
                None
            )
            .is_empty()
        );
    }
}
