//! Rules when they are written: whether they fit their schema, and what they cost.
//!
//! Follows: the checker of CEL as kube-apiserver 1.36 sets it up, its texts included.

mod literals;

use sealfast_k8s::expression::check::{Checked, check};
use sealfast_k8s::expression::kind::Type;
use sealfast_k8s::expression::on_deep_stack;
use sealfast_k8s::expression::source::Source;
use serde_json::Value;

use super::cost::estimate;
use super::declared::{Declared, declared};
use super::functions;
use super::libraries::{FUNCTIONS, OF_PATCHES};

/// What an expression must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A rule.
    Truth,
    /// The text of a message.
    Text,
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not fit.
    Invalid(String),
    /// It may take too long.
    Costly(String),
}

/// What was found about a rule of a schema.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Why it cannot be taken; `None` when it can.
    pub(crate) fault: Option<Fault>,
    /// What it may cost for one object.
    pub(crate) cost: u64,
    /// Whether it asks what the value was before.
    pub(crate) asks_for_old: bool,
}

/// What the rules of one schema are about.
pub(crate) struct Subject {
    declared: Declared,
}

impl Subject {
    /// `None` of values that rules cannot reach.
    pub(crate) fn new(schema: &Value, root: bool) -> Option<Subject> {
        let resource = root || schema["x-kubernetes-embedded-resource"] == true;
        declared(schema, resource, SELF_TYPE).map(|declared| Subject { declared })
    }

    /// How many such values a request has room for.
    pub(crate) fn most_in_a_request(&self) -> u64 {
        self.declared.most_in_a_request()
    }

    /// Looks at a rule that runs so many `times` for one object, or at the expression of its message.
    pub(crate) fn judged(&self, rule: &str, optional_old: bool, times: u64, wanted: Wanted) -> Judged {
        let invalid = |why: String| Judged { fault: Some(Fault::Invalid(why)), ..Judged::default() };
        on_deep_stack(|| self.judged_below(rule, optional_old, times, wanted).unwrap_or_else(invalid))
            .unwrap_or_else(|| invalid(functions::NO_THREAD.to_owned()))
    }

    fn judged_below(
        &self,
        rule: &str,
        optional_old: bool,
        times: u64,
        wanted: Wanted,
    ) -> Result<Judged, String> {
        let own = self.declared.kind.clone();
        let old = if optional_old { Type::optional(own.clone()) } else { own.clone() };
        let variables = [("self".into(), own), ("oldSelf".into(), old)];
        let (source, checked) = typed(rule, &variables, Makes::Values)?;
        match (checked.type_of(&source.root), wanted) {
            (Type::Bool, Wanted::Truth) | (Type::String, Wanted::Text) => {}
            (_, Wanted::Truth) => return Err("cel expression must evaluate to a bool".to_owned()),
            (_, Wanted::Text) => return Err("must evaluate to a string".to_owned()),
        }
        if let Some(why) = literals::unready(&source.root) {
            return Err(format!("program instantiation failed: {why}"));
        }
        let cost = estimate::most(&source.root, &checked, &self.declared).saturating_mul(times);
        let fault =
            (cost > MOST_OF_A_RULE).then(|| Fault::Costly(costly(wanted.named(), cost, MOST_OF_A_RULE)));
        Ok(Judged { fault, cost, asks_for_old: checked.asks_for("oldSelf") })
    }
}

impl Wanted {
    fn named(self) -> &'static str {
        match self {
            Self::Truth => "estimated rule cost",
            Self::Text => "estimated messageExpression cost",
        }
    }
}

/// Why the rules of a schema may take too long together; `None` when they may not.
pub(crate) fn too_costly(total: u64) -> Option<String> {
    const NAME: &str = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    (total > MOST_OF_A_SCHEMA).then(|| costly(NAME, total, MOST_OF_A_SCHEMA))
}

fn costly(name: &str, cost: u64, most: u64) -> String {
    let factor = cost as f64 / most as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// What an expression may write down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Makes {
    Values,
    /// Objects as well, and the operations of a patch.
    Objects,
}

/// An expression with its types.
fn typed(text: &str, known: &[(String, Type)], makes: Makes) -> Result<(Source, Checked), String> {
    let failed = |why: String| format!("compilation failed: {why}");
    let source = Source::new(text, functions::compile(text).map_err(failed)?).map_err(failed)?;
    let (functions, objects): (_, &[&str]) = match makes {
        Makes::Values => (&*FUNCTIONS, &[]),
        Makes::Objects => (&*OF_PATCHES, &["JSONPatch", "Object"]),
    };
    let checked = check(text, &source, known, functions, objects, &literals::faults).map_err(failed)?;
    Ok((source, checked))
}

/// What an expression gives that knows these variables.
///
/// # Errors
/// Why it cannot be taken.
pub(super) fn type_of(text: &str, known: &[(String, Type)], makes: Makes) -> Result<Type, String> {
    on_deep_stack(|| {
        let (source, checked) = typed(text, known, makes)?;
        Ok(checked.type_of(&source.root).clone())
    })
    .unwrap_or_else(|| Err(functions::NO_THREAD.to_owned()))
}

/// The name of the type of what a rule is about, which the reference makes up anew each time.
const SELF_TYPE: &str = "selfType1";
/// What a rule may cost for one object.
const MOST_OF_A_RULE: u64 = 10_000_000;
/// What all rules of a schema may cost for one object.
const MOST_OF_A_SCHEMA: u64 = 10 * MOST_OF_A_RULE;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(rule: &str) -> Option<String> {
        let text = json!({"type": "string", "maxLength": 10});
        let schema = json!({
            "type": "object",
            "properties": {
                "s": text, "a": {"type": "integer"}, "n": {"type": "number"},
                "l": {"type": "array", "maxItems": 10, "items": text},
                "m": {"type": "object", "maxProperties": 10, "additionalProperties": text}, "a-b": text,
                "x": {"x-kubernetes-int-or-string": true}, "free": {"x-kubernetes-preserve-unknown-fields": true},
                "o": {"type": "object", "properties": {"in": text}},
            },
        });
        let subject = Subject::new(&schema, true).expect("a type");
        subject.judged(rule, false, 1, Wanted::Truth).fault.map(|fault| match fault {
            Fault::Invalid(text) | Fault::Costly(text) => text,
        })
    }

    #[test]
    fn rules_that_fit_are_taken() {
        for rule in [
            "self.a > 1 && self.n > 1 && self.s != '' && self.x == 5 && self.x == 'a'",
            "self.l.all(x, x.startsWith('a')) && self.m.exists(k, self.m[k] == 'v') && 'k' in self.m",
            "self.l.map(x, size(x)).sum() > 3 && self.l.filter(x, x != '')[0] == 'a' && self.a__dash__b == ''",
            "has(self.s) && !has(self.o.__in__) && self.?s.orValue('') == '' && self.metadata.name.size() < 5",
            "quantity('1').isLessThan(quantity(self.s)) && ip(self.s).family() == 4 && isURL(self.s)",
            "self.a == oldSelf.a || (self.a > 3 ? true : self.s == oldSelf.s)",
            "type(self.a) == int && int(self.s) == 4 && string(self.a) == '4' && self.l + ['a'] == []",
            "duration('1h') < duration('2h') && timestamp('2020-01-01T00:00:00Z').getFullYear() == 2020",
            "sets.contains(self.l, ['a']) && self.s.matches('^a$') && lists.range(3).all(x, x < 3)",
            "self.s.matches('^a{,3}$') && self.s.matches('^\\\\Qa.b\\\\E$') && matches(self.s, '[a&&b]')",
            "self.m.all(k, v, k.startsWith('a') && v != '') && self.l.exists(i, x, i > 0 && x == 'a')",
            "self.m.transformMap(k, v, v.size()).all(k, n, n > 0) && self.l.transformList(i, x, i > 0, i).sum() > 0",
            "self.l.existsOne(i, x, i == 0) && self.l.transformMapEntry(i, x, {x: i}).all(x, i, x == self.l[i])",
            "!format.dns1123Label().validate(self.s).hasValue() && format.named('uri').hasValue()",
            "'%s %d'.format(['a', 1]) == 'a 1' && self.l.first().orValue('') == '' && self.?s != null",
            "self.l.sortBy(x, x.size())[0] == 'a' && semver('v1', true).major() == 1",
            "'%s'.format([self.s]) == '' && self.l.join(',').split(',').size() > 0 && self.kind == 'X'",
        ] {
            assert_eq!(told(rule), None, "{rule}");
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let compiled = |text: &str| Some(format!("compilation failed: ERROR: <input>:{text}"));
        assert_eq!(
            told("self.nope > 1"),
            compiled("1:5: undefined field 'nope'\n | self.nope > 1\n | ....^")
        );
        let mixed = "found no matching overload for '_>_' applied to '(string, int)'";
        assert_eq!(told("self.s > 1"), compiled(&format!("1:8: {mixed}\n | self.s > 1\n | .......^")));
        for (rule, why) in [
            ("self.free == 1", "undefined field 'free'"),
            ("other == 1", "undeclared reference to 'other' (in container '')"),
            ("self.s.nope()", "undeclared reference to 'nope' (in container '')"),
            (
                "self.a.startsWith('a')",
                "found no matching overload for 'startsWith' applied to 'int.(string)'",
            ),
            ("self.a + 1.5 > 2", "found no matching overload for '_+_' applied to '(int, double)'"),
            ("self.s.b == 1", "type 'string' does not support field selection"),
            ("self.s.all(x, true)", "cannot be range of a comprehension"),
            ("self.s.all(i, x, true)", "cannot be range of a comprehension"),
            ("self.m.all(k, v, v > 1)", "found no matching overload for '_>_' applied to '(string, int)'"),
            ("self.l.all(i, i, true)", "duplicate variable name: i"),
            ("self.l.all(i, 'x', true)", "argument must be a simple name"),
            ("duration('1 day') > duration('1h')", "1:10: invalid duration argument"),
            ("timestamp('today') > timestamp('2020-01-01T00:00:00Z')", "1:11: invalid timestamp argument"),
            ("self.s.matches('(')", "1:16: invalid matches argument"),
            ("self.s.matches('x++')", "1:16: invalid matches argument"),
            ("self.a.matches('x')", "found no matching overload for 'matches' applied to 'int.(string)'"),
            ("self.s.matches()", "found no matching overload for 'matches'"),
            ("matches(self.s, ')')", "program instantiation failed: error parsing regexp: unexpected ): `)`"),
            (
                "self.s.find(')') == ''",
                "program instantiation failed: error parsing regexp: unexpected ): `)`",
            ),
            ("self.s.findAll('a**', 1) == []", "invalid nested repetition operator: `**`"),
            (
                "self.nope == 1 && other",
                "undefined field 'nope'\n | self.nope == 1 && other\n | ....^\nERROR: <input>:1:19: undeclared reference to 'other' (in container '')",
            ),
            (
                "math.greatest(1, 2) == 2",
                "1:1: undeclared reference to 'math' (in container '')\n | math.greatest(1, 2) == 2\n | ^\nERROR: <input>:1:14: undeclared reference to 'greatest'",
            ),
            ("self.x", "cel expression must evaluate to a bool"),
            ("self.a == null", "found no matching overload for '_==_' applied to '(int, null)'"),
            ("self.a > 0 && self.s", "1:19: expected type 'bool' but found 'string'"),
            ("int(true) > 0", "found no matching overload for 'int' applied to '(bool)'"),
            ("duration('1h') * 2 > 1", "applied to '(duration, int)'"),
            ("'é' == foo", "undeclared reference to 'foo' (in container '')\n | 'é' == foo\n | .．.....^"),
            ("self.a >", "Syntax error: mismatched input '<EOF>'"),
            ("self.a >", "\n | self.a >\n | ........^"),
            ("[1, 'a'].size() > 0", "1:5: expected type 'int' but found 'string'"),
            ("math.greatest(1, 2) == 2", "undeclared reference to"),
            ("self.l.all(x, x > 1)", "found no matching overload for '_>_' applied to '(string, int)'"),
        ] {
            assert!(told(rule).is_some_and(|text| text.contains(why)), "{rule}: {:?}", told(rule));
        }
        for nested in
            ["(".repeat(60_000), format!("{}true", "!".repeat(1000)), "[".repeat(70) + &"]".repeat(70)]
        {
            assert!(told(&nested).is_some_and(|text| text.contains("nested too deeply")));
        }
        assert_eq!(told("self.a + 1").as_deref(), Some("cel expression must evaluate to a bool"));
    }

    #[test]
    fn what_grows_by_its_text_is_refused_before_it_is_looked_at() {
        let chain = format!("optional.of(1){}.hasValue()", ".optMap(x, x)".repeat(40));
        assert!(told(&chain).is_some_and(|why| why.contains("it copies too much")), "{:?}", told(&chain));
        let names: Vec<String> = (0..30).map(|place| format!("v{place}")).collect();
        let doubled: String =
            names.windows(2).map(|pair| format!("[{{{0}: {0}}}].all({1}, ", pair[0], pair[1])).collect();
        let types = format!("[1].all(v0, {doubled}true{}", ")".repeat(30));
        let why = told(&types);
        assert!(why.as_ref().is_some_and(|why| why.ends_with("its types are too large")), "{why:?}");
        // The reference's sizes go round where they are too large for a number.
        let quoted = told("strings.quote(['a'].slice(1, 0).join('ab')) == ''");
        assert!(quoted.is_none_or(|why| !why.contains(functions::NO_THREAD)));
    }

    #[test]
    fn costs_are_estimated_as_the_reference_does() {
        let text = |most: u64| json!({"type": "string", "maxLength": most});
        let schema = json!({
            "type": "object",
            "properties": {
                "s": text(2000), "l": {"type": "array", "maxItems": 3000, "items": text(100)},
                "m": {"type": "object", "maxProperties": 1000, "additionalProperties": text(500)},
                "i": {"type": "array", "maxItems": 3000, "items": {"type": "integer"}}, "u": {"type": "string"},
                "d": {"type": "string", "format": "duration"}, "x": {"x-kubernetes-int-or-string": true},
                "e": {"type": "string", "enum": ["a", "bbb"]},
            },
        });
        let subject = Subject::new(&schema, false).expect("a type");
        let told = |rule: &str, wanted: Wanted| subject.judged(rule, false, 1, wanted).fault;
        for (rule, factor) in [
            ("self.l.all(a, self.l.exists(b, a == b))", "41.4x"),
            ("self.m.all(k, self.l.all(b, self.m[k].contains(b)))", "more than 100x"),
            ("self.i.all(a, self.i.exists(b, a == b))", "5.4x"),
            ("self.l.all(a, i, self.l.all(b, j, i != j))", "40.5x"),
            ("self.l.map(a, a + self.s).all(b, self.l.exists(c, b.startsWith(c)))", "41.7x"),
            ("self.l.sort() == self.l && sets.contains(self.l, self.l)", "2.8x"),
            ("self.l.all(a, self.l.all(b, quantity(a).isLessThan(quantity(b))))", "77.4x"),
            ("self.l.join(',').split(',').all(a, self.s.contains(a) && a.size() < 5)", "1.118789x"),
            ("self.i.all(a, self.l.filter(b, b != string(a)).size() < a)", "50.4x"),
            ("self.l.all(a, self.l.all(b, self.x == a || self.e > b))", "45.0x"),
            ("self.i.sortBy(a, -a).slice(0, 5).all(b, self.i.indexOf(b) == self.i.max())", "1.8x"),
            (
                "self.l.all(a, self.l.all(b, self.d < duration(a) ? ip(b).family() == 4 : cidr(a).containsIP(b)))",
                "84.6x",
            ),
        ] {
            let wanted = format!("estimated rule cost exceeds budget by factor of {factor} (try");
            let fault = told(rule, Wanted::Truth);
            assert!(
                matches!(&fault, Some(Fault::Costly(why)) if why.starts_with(&wanted)),
                "{rule}: {fault:?}"
            );
        }
        for rule in [
            "self.u.matches('^a+$') && self.u.find('[0-9]{40}') == self.u",
            "self.m.transformMap(k, v, v + k).all(k, v, v.lowerAscii() in self.l)",
        ] {
            assert_eq!(told(rule, Wanted::Truth), None, "{rule}");
        }
        let message = told("self.l.map(a, self.u + string(self.x)).join()", Wanted::Text);
        assert!(
            matches!(message, Some(Fault::Costly(why)) if why.starts_with("estimated messageExpression"))
        );
    }

    #[test]
    fn what_is_written_down_is_read_beforehand() {
        for (rule, why) in [
            (
                "'%d'.format(['a']) == ''",
                "1:14: error during formatting: decimal clause can only be used on integers, was given string",
            ),
            ("'%s'.format([]) == ''", "1:12: index 0 out of range"),
            (
                "'%s'.format([1, 2]) == ''",
                "1:12: too many arguments supplied to string.format (expected 1, got 2)",
            ),
            (
                "'%q'.format([1]) == ''",
                "could not parse formatting clause: unrecognized formatting clause \"q\"",
            ),
            (
                "'%.s'.format([1]) == ''",
                "error while converting precision to integer: strconv.Atoi: parsing \"\": invalid syntax",
            ),
            ("int('1.2') > 0", "program instantiation failed: type conversion error from 'string' to 'int'"),
            ("timestamp(9223372036854775807) == timestamp(0)", "1:11: invalid timestamp argument"),
            ("self.l.existsOne(x, true)", "1:17: undeclared reference to 'existsOne' (in container '')"),
            ("[1].all(x, -1 && x == 1)", "1:12: expected type 'bool' but found 'int'"),
            ("semver('1.0.0').x == 1", "unexpected failed resolution of 'kubernetes.Semver'"),
            ("ip('::1').x == 1", "type 'net.IP' does not support field selection"),
            ("[1 2] == []", "extraneous input '2' expecting {']', ','}"),
            ("self.s.size(1 2", "mismatched input '2' expecting ')'"),
            ("self.o == self.o && self == self.o", "applied to '(selfType1, selfType1.o)'"),
        ] {
            assert!(told(rule).is_some_and(|text| text.contains(why)), "{rule}: {:?}", told(rule));
        }
        assert_eq!(told(".optional.of(1).optMap(x, x + 1).orValue(2) == 2"), None);
        assert_eq!(told("'%s %d %%'.format([[1, 2], self.a]) == '' && self.o == self.o"), None);
    }
}
