//! Flow control: what requests wait behind.

use serde_json::json;

use super::at::At;
use super::selector;
use crate::causes::Causes;
use crate::grammar::{label, subdomain};

pub(super) fn flow_schema(name: &str, spec: At<'_>, out: &mut Causes) {
    let precedence = spec.get("matchingPrecedence");
    match precedence.number().unwrap_or(0) {
        ..=0 => out.push(precedence.invalid("must be a positive value")),
        1 if name != "exempt" => {
            out.push(precedence.invalid("only the schema named 'exempt' may have matchingPrecedence 1"));
        }
        10_001.. => out.push(precedence.invalid("must not be greater than 10000")),
        _ => {}
    }
    let method = spec.get("distinguisherMethod");
    if method.is_set() && !["ByNamespace", "ByUser"].contains(&method.text_of("type")) {
        let shown = json!({"Type": method.text_of("type")});
        out.push(method.with("type", &shown).not_supported(&["ByNamespace", "ByUser"]));
    }
    let level = spec.get("priorityLevelConfiguration");
    let level_name = level.get("name");
    match level_name.is_empty() {
        true => out.push(level_name.required("must reference a priority level")),
        false => out.extend(level_name.each(subdomain(level_name.text()))),
    }
    for rule in spec.get("rules").items() {
        let (subjects, of_resources, others) =
            (rule.get("subjects"), rule.get("resourceRules"), rule.get("nonResourceRules"));
        if subjects.is_empty() {
            out.push(subjects.required("subjects must contain at least one value"));
        }
        subjects.items().for_each(|one| subject(one, out));
        if of_resources.is_empty() && others.is_empty() {
            out.push(rule.required("at least one of resourceRules and nonResourceRules has to be non-empty"));
        }
        of_resources.items().for_each(|one| resource_rule(one, out));
        others.items().for_each(|one| path_rule(one, out));
    }
}

fn subject(at: At<'_>, out: &mut Causes) {
    const KINDS: [(&str, &str); 3] =
        [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = at.get("kind");
    let Some((name, own)) = KINDS.into_iter().find(|(name, _)| *name == kind.text()) else {
        return out.push(kind.not_supported(&["Group", "ServiceAccount", "User"]));
    };
    let place = at.get(own);
    if !place.is_set() {
        out.push(place.required(&format!("{own} is required when subject kind is '{name}'")));
    } else {
        let (subject_name, namespace) = (place.get("name"), place.get("namespace"));
        out.extend(subject_name.needed());
        if name == "ServiceAccount" {
            if subject_name.text() != "*" {
                selector::name_in(subject_name, out);
            }
            match namespace.is_empty() {
                true => out.push(namespace.required("must specify namespace for service account")),
                false => selector::label_in(namespace, out),
            }
        }
    }
    for (other, field) in KINDS.into_iter().filter(|(other, _)| *other != name) {
        if at.get(field).is_set() {
            out.push(
                at.get(field).forbidden(&format!("{field} is forbidden when subject kind is not '{other}'")),
            );
        }
    }
}

fn verbs(at: At<'_>, out: &mut Causes) {
    if at.is_empty() {
        out.push(at.required("verbs must contain at least one value"));
    } else if at.items().any(|verb| verb.text() == "*") {
        selector::alone(at, "verbs", out);
    } else if at.items().any(|verb| !VERBS.contains(&verb.text())) {
        out.push(at.not_supported(&VERBS));
    }
}

fn resource_rule(rule: At<'_>, out: &mut Causes) {
    verbs(rule.get("verbs"), out);
    for (field, what, one) in
        [("apiGroups", "api groups", "api group"), ("resources", "resources", "resource")]
    {
        let list = rule.get(field);
        if list.is_empty() {
            out.push(list.required(&format!("resource rules must supply at least one {one}")));
        }
        selector::alone(list, what, out);
    }
    let namespaces = rule.get("namespaces");
    if namespaces.is_empty() && !rule.get("clusterScope").is_true() {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        out.push(namespaces.required(why));
    } else if namespaces.items().any(|namespace| namespace.text() == "*") {
        selector::alone(namespaces, "namespaces", out);
    } else {
        for namespace in namespaces.items() {
            let whys = label(namespace.text());
            let intro = "each member of this list must be '*' or a DNS-1123 label; ";
            out.extend(whys.iter().map(|why| namespace.invalid(&format!("{intro}{why}"))));
        }
    }
}

fn path_rule(rule: At<'_>, out: &mut Causes) {
    verbs(rule.get("verbs"), out);
    let paths = rule.get("nonResourceURLs");
    if paths.is_empty() {
        out.push(paths.required("nonResourceURLs must contain at least one value"));
    } else if paths.items().any(|path| path.text() == "*") {
        selector::alone(paths, "non-resource URLs", out);
    } else {
        for path in paths.items() {
            out.extend(path_fault(path.text()).map(|why| path.invalid(why)));
        }
    }
}

fn path_fault(path: &str) -> Option<&'static str> {
    let stars = path.matches('*').count();
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !path.starts_with('/') => Some("must start with slash"),
        _ if path.contains(' ') => Some("must not contain white-space"),
        _ if path.contains("//") => Some("must not contain double slash"),
        _ if stars > 1 || stars == 1 && !path.ends_with("/*") => Some("wildcard can only do suffix matching"),
        _ => None,
    }
}

pub(super) fn level(name: &str, spec: At<'_>, out: &mut Causes) {
    let (kind, exempt, limited) = (spec.get("type"), spec.get("exempt"), spec.get("limited"));
    if (name == "exempt") != (kind.text() == "Exempt") {
        out.push(kind.wrong(kind.text(), "must be 'Exempt' if and only if `name` is 'exempt'"));
    }
    match kind.text() {
        "Exempt" => {
            if limited.is_set() {
                out.push(limited.forbidden("must be nil if the type is not Limited"));
            }
            shares(exempt, out);
        }
        "Limited" => {
            if exempt.is_set() {
                out.push(exempt.forbidden("must be nil if the type is Limited"));
            }
            match limited.is_set() {
                true => limits(limited, out),
                false => out.push(limited.required("must not be empty when type is Limited")),
            }
        }
        "" => out.push(kind.required("")),
        _ => out.push(kind.not_supported(&["Exempt", "Limited"])),
    }
}

fn shares(at: At<'_>, out: &mut Causes) {
    let shares = at.get("nominalConcurrencyShares");
    if shares.number().is_some_and(|number| number < 0) {
        out.push(shares.invalid("must be a non-negative integer"));
    }
}

fn limits(at: At<'_>, out: &mut Causes) {
    shares(at, out);
    let response = at.get("limitResponse");
    let (kind, queuing) = (response.get("type"), response.get("queuing"));
    match kind.text() {
        "Reject" if queuing.is_set() => {
            out.push(queuing.forbidden("must be nil if limited.limitResponse.type is not Limited"));
        }
        "Queue" if !queuing.is_set() => {
            out.push(queuing.required("must not be empty if limited.limitResponse.type is Limited"));
        }
        "Queue" => queues(queuing, out),
        "Reject" => {}
        "" => out.push(kind.required("")),
        _ => out.push(kind.not_supported(&["Queue", "Reject"])),
    }
    out.extend(at.get("lendablePercent").between(0, 100));
    let borrowing = at.get("borrowingLimitPercent");
    if borrowing.number().is_some_and(|number| number < 0) {
        out.push(borrowing.invalid("if specified, must be a non-negative integer"));
    }
}

fn queues(at: At<'_>, out: &mut Causes) {
    let [length, queues, hand] =
        ["queueLengthLimit", "queues", "handSize"].map(|field| at.value[field].as_i64().unwrap_or(0));
    if length <= 0 {
        out.push(at.get("queueLengthLimit").wrong(length, "must be positive"));
    }
    let place = at.get("queues");
    if queues <= 0 {
        out.push(place.wrong(queues, "must be positive"));
    } else if queues > MOST_QUEUES {
        out.push(place.wrong(queues, &format!("must not be greater than {MOST_QUEUES}")));
    }
    let place = at.get("handSize");
    if hand <= 0 {
        out.push(place.wrong(hand, "must be positive"));
    } else if hand > queues {
        out.push(place.wrong(hand, &format!("should not be greater than queues ({queues})")));
    } else if entropy(queues, hand) > MOST_BITS {
        out.push(place.wrong(hand, &format!("required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MOST_BITS}")));
    }
}

/// Bits that it takes to deal a hand of queues.
fn entropy(queues: i64, hand: i64) -> i64 {
    ((queues as f64).log2() * hand as f64).ceil() as i64
}

const MOST_QUEUES: i64 = 10_000_000;
const MOST_BITS: i64 = 60;
/// Verbs of requests, sorted.
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
