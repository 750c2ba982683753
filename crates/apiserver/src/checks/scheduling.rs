//! Where a pod may run: tolerations, affinity, spread.

use std::collections::{HashMap, HashSet};

use super::at::At;
use super::selector::{self, Values};
use crate::causes::{Cause, Causes};
use crate::grammar::{label, label_value, qualified};

/// The taints that a pod bears with.
pub(super) fn tolerations(list: At<'_>, out: &mut Causes) {
    for one in list.items() {
        let (key, operator) = (one.get("key"), one.get("operator"));
        let (value, effect) = (one.get("value"), one.get("effect"));
        if !key.is_empty() {
            out.extend(key.each(qualified(key.text())));
        } else if operator.text() != "Exists" {
            out.push(operator.invalid(ANY_KEY));
        }
        if one.get("tolerationSeconds").is_set() && effect.text() != "NoExecute" {
            out.push(effect.invalid("effect must be 'NoExecute' when `tolerationSeconds` is set"));
        }
        match operator.text() {
            "" | "Equal" => {
                let whys = label_value(value.text());
                if !whys.is_empty() {
                    out.push(operator.wrong(value.text(), &whys.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                out.push(operator.wrong(value.text(), "value must be empty when `operator` is 'Exists'"));
            }
            "Exists" => {}
            "Lt" | "Gt" => out.push(operator.not_supported(&["Equal", "Exists", "Lt", "Gt"])),
            _ => out.push(operator.not_supported(&["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            out.extend(effect.one_of(&EFFECTS));
        }
    }
}

/// The taints of a node.
pub(super) fn taints(list: At<'_>, out: &mut Causes) {
    let mut seen = HashSet::new();
    for taint in list.items() {
        let (key, effect) = (taint.get("key"), taint.get("effect"));
        out.extend(key.each(qualified(key.text())));
        let whys = label_value(taint.get("value").text());
        if !whys.is_empty() {
            out.push(taint.get("value").wrong(taint.get("value").text(), &whys.join(";")));
        }
        out.extend(effect.must_be(&EFFECTS));
        if !seen.insert((taint.text_of("key"), taint.text_of("effect"))) {
            let mut cause = taint.duplicate();
            cause.message.push_str(": taints must be unique by key and effect pair");
            out.push(cause);
        }
    }
}

/// Which nodes a pod wants, and which pods it wants to be near to or far from.
pub(super) fn affinity(at: At<'_>, out: &mut Causes) {
    let nodes = at.get("nodeAffinity");
    let required = nodes.get(REQUIRED);
    if required.is_set() {
        selector::node_selector(required, out);
    }
    for term in nodes.get(PREFERRED).items() {
        weight(term, out);
        selector::node_term(term.get("preference"), Values::Free, out);
    }
    for key in ["podAffinity", "podAntiAffinity"] {
        let pods = at.get(key);
        pods.get(REQUIRED).items().for_each(|term| pod_term(term, out));
        for term in pods.get(PREFERRED).items() {
            weight(term, out);
            pod_term(term.get("podAffinityTerm"), out);
        }
    }
}

fn weight(term: At<'_>, out: &mut Causes) {
    let weight = term.get("weight").number().unwrap_or(0);
    if !(1..=100).contains(&weight) {
        out.push(term.get("weight").wrong(weight, "must be in the range 1-100"));
    }
}

fn pod_term(term: At<'_>, out: &mut Causes) {
    selector::selector(term.get("labelSelector"), out);
    selector::selector(term.get("namespaceSelector"), out);
    for namespace in term.get("namespaces").items() {
        let whys = label(namespace.text());
        out.extend(whys.iter().map(|why| term.get("namespace").wrong(namespace.text(), why)));
    }
    match_keys(term, out);
    let key = term.get("topologyKey");
    if key.is_empty() {
        out.push(key.required("can not be empty"));
    }
    out.extend(key.each(qualified(key.text())));
}

/// Keys whose values come from the pod itself.
fn match_keys(term: At<'_>, out: &mut Causes) {
    let selector = term.get("labelSelector");
    let (wanted, unwanted) = (term.get("matchLabelKeys"), term.get("mismatchLabelKeys"));
    for keys in [wanted, unwanted].into_iter().filter(|keys| !keys.is_empty()) {
        if !selector.is_set() {
            out.push(keys.forbidden("must not be specified when labelSelector is not set"));
            continue;
        }
        keys.items().for_each(|key| out.extend(key.each(qualified(key.text()))));
    }
    let refused: HashSet<&str> =
        unwanted.value.as_array().into_iter().flatten().filter_map(|key| key.as_str()).collect();
    for key in wanted.items() {
        if refused.contains(key.text()) {
            out.push(key.invalid("exists in both matchLabelKeys and mismatchLabelKeys"));
        }
    }
}

/// How pods are spread.
pub(super) fn spread(list: At<'_>, out: &mut Causes) {
    let pair_of =
        |one: At<'_>| (one.text_of("topologyKey").to_owned(), one.text_of("whenUnsatisfiable").to_owned());
    let mut left: HashMap<(String, String), usize> = HashMap::new();
    list.items().for_each(|one| *left.entry(pair_of(one)).or_default() += 1);
    for one in list.items() {
        let (key, action) = (one.get("topologyKey"), one.get("whenUnsatisfiable"));
        out.extend(one.get("maxSkew").positive());
        if key.is_empty() {
            out.push(key.required("can not be empty"));
        }
        if !ACTIONS.contains(&action.text()) {
            out.push(action.not_supported(&ACTIONS));
        }
        let alike = left.entry(pair_of(one)).or_default();
        *alike -= 1;
        if *alike > 0 {
            let pair = format!("{{{}, {}}}", key.text(), action.text());
            let place = one.get("{topologyKey, whenUnsatisfiable}");
            out.push(Cause::duplicate(place.path(), &pair.into()));
        }
        least_domains(one, out);
        out.extend(one.get("nodeAffinityPolicy").one_of(&["Honor", "Ignore"]));
        out.extend(one.get("nodeTaintsPolicy").one_of(&["Honor", "Ignore"]));
        match_keys(one, out);
        selector::selector(one.get("labelSelector"), out);
    }
}

fn least_domains(one: At<'_>, out: &mut Causes) {
    let least = one.get("minDomains");
    let action = one.get("whenUnsatisfiable");
    if !least.is_set() {
        return;
    }
    out.extend(least.positive());
    if action.text() != "DoNotSchedule" {
        let why =
            format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", action.text());
        out.push(least.invalid(&why));
    }
}

const ANY_KEY: &str =
    "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const ACTIONS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
