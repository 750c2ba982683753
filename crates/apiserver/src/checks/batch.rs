//! Jobs and CronJobs.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::at::{At, once, same};
use super::{pod, schedule, selector, workload};
use crate::causes::{Cause, Causes};
use crate::fields;
use crate::grammar::{label, qualified};

/// A Job.
pub(super) fn job(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let selector = spec.get("selector");
    let metadata = spec.get("template");
    let metadata = metadata.get("metadata");
    let labels = metadata.get("labels");
    if selector.is_set() && !spec.get("manualSelector").is_true() {
        generated(object, selector, metadata, out);
    }
    job_spec(spec, out);
    match selector.is_set() {
        true => selector::selector(selector, out),
        false => out.push(selector.required("")),
    }
    if selector::selects(selector, labels.value) == Some(false) {
        out.push(labels.wrong(labels.value.clone(), "`selector` does not match template `labels`"));
    }
}

/// What only a new Job is checked for: its pods need names, and it a controller.
pub(super) fn new_job(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    managed_by(spec.get("managedBy"), out);
    let completions = object["spec"]["completions"].as_i64().unwrap_or(0);
    if object["spec"]["completionMode"] == "Indexed" && completions > 0 {
        let name = fields::name(object);
        let host = format!("{name}-{}", completions - 1);
        if !label(&host).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {host}");
            out.push(Cause::invalid("metadata.name", &json!(name), &why));
        }
    }
}

/// Who takes care of a Job.
fn managed_by(by: At<'_>, out: &mut Causes) {
    if by.is_set() && !by.text().contains('/') {
        out.push(by.invalid("must be a domain-prefixed path (such as \"acme.io/foo\")"));
    }
}

/// The labels that the server gives to a Job's pods, and the selector made of them.
fn generated(object: &Value, selector: At<'_>, metadata: At<'_>, out: &mut Causes) {
    let (uid, name) = (fields::uid(object), fields::name(object));
    let wanted = json!({
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "controller-uid": uid, "job-name": name,
    });
    for key in
        ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"]
    {
        let labels = metadata.get("labels");
        let (stated, right) = (labels.key(key), &wanted[key]);
        if !stated.is_set() {
            out.push(stated.required(&format!("must be '{}'", right.as_str().unwrap_or_default())));
        } else if stated.value != right {
            out.push(stated.invalid(&format!("must be '{}'", right.as_str().unwrap_or_default())));
        }
    }
    if selector::selects(selector, &wanted) == Some(false) {
        out.push(selector.invalid("`selector` not auto-generated"));
    }
}

fn job_spec(spec: At<'_>, out: &mut Causes) {
    for key in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        out.extend(spec.get(key).not_negative());
    }
    let (per_index, most) = (spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes"));
    if most.is_set() && !per_index.is_set() {
        out.push(per_index.required("when maxFailedIndexes is specified"));
    }
    out.extend(spec.get("completionMode").one_of(&["NonIndexed", "Indexed"]));
    match spec.get("completionMode").text() {
        "Indexed" => indexed(spec, out),
        "" | "NonIndexed" => {
            for field in [per_index, most].into_iter().filter(At::is_set) {
                out.push(field.invalid("requires indexed completion mode"));
            }
        }
        _ => {}
    }
    failure_policy(spec, out);
    let success = spec.get("successPolicy");
    if success.is_set() {
        success_policy(spec, success, out);
    }
    let replacement = spec.get("podReplacementPolicy");
    match spec.get("podFailurePolicy").is_set() {
        true => out.extend(replacement.one_of(&["Failed"])),
        false => out.extend(replacement.one_of(&["Failed", "TerminatingOrFailed"])),
    }
    pod::template(spec.get("template"), out);
    let template = spec.get("template");
    let template = template.get("spec");
    let restart = template.get("restartPolicy");
    match restart.text() {
        "" | "Always" => out.push(restart.required("valid values: \"OnFailure\", \"Never\"")),
        "Never" => {}
        "OnFailure" if spec.get("podFailurePolicy").is_set() => {
            out.push(restart.invalid("only \"Never\" is supported when podFailurePolicy is specified"));
        }
        _ => out.extend(restart.one_of(&["OnFailure", "Never"])),
    }
}

fn indexed(spec: At<'_>, out: &mut Causes) {
    let (completions, parallelism) = (spec.get("completions"), spec.get("parallelism"));
    let most = spec.get("maxFailedIndexes");
    if !completions.is_set() {
        out.push(completions.required("when completion mode is Indexed"));
    }
    if parallelism.number().is_some_and(|number| number > 100_000) {
        let why = "must be less than or equal to 100000 when completion mode is Indexed";
        out.push(parallelism.invalid(why));
    }
    if let (Some(most_number), Some(all)) = (most.number(), completions.number())
        && most_number > all
    {
        out.push(most.invalid("must be less than or equal to completions"));
    }
    if most.number().is_some_and(|number| number > 100_000) {
        out.push(most.invalid("must be less than or equal to 100000"));
    }
}

fn failure_policy(spec: At<'_>, out: &mut Causes) {
    let policy = spec.get("podFailurePolicy");
    let rules = policy.get("rules");
    let count = rules.items().count();
    if count > 20 {
        out.push(Cause::too_many(rules.path(), count, 20));
    }
    let template = spec.get("template");
    let template = template.get("spec");
    let containers = pod::names_in_lists(template, &["containers", "initContainers"]);
    for rule in rules.items() {
        if out.is_full() {
            return;
        }
        let (action, codes, conditions) =
            (rule.get("action"), rule.get("onExitCodes"), rule.get("onPodConditions"));
        match action.text() {
            "" => out.push(action.required("valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]")),
            "FailIndex" if !spec.get("backoffLimitPerIndex").is_set() => {
                out.push(action.invalid("requires the backoffLimitPerIndex to be set"));
            }
            _ => out.extend(action.one_of(&["Count", "FailIndex", "FailJob", "Ignore"])),
        }
        if codes.is_set() {
            exit_codes(&containers, codes, out);
        }
        for condition in conditions.items() {
            let (kind, status) = (condition.get("type"), condition.get("status"));
            out.extend(kind.each(qualified(kind.text())));
            match status.text() {
                "" => out.push(status.required("valid values: [\"False\" \"True\" \"Unknown\"]")),
                _ => out.extend(status.one_of(&["False", "True", "Unknown"])),
            }
        }
        let why = match (codes.is_set(), conditions.is_empty()) {
            (true, false) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, true) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        out.push(Cause::omitted(rule.path(), why));
    }
}

fn exit_codes(containers: &HashSet<&str>, codes: At<'_>, out: &mut Causes) {
    let (operator, container, values) =
        (codes.get("operator"), codes.get("containerName"), codes.get("values"));
    match operator.text() {
        "" => out.push(operator.required("valid values: [\"In\" \"NotIn\"]")),
        _ => out.extend(operator.one_of(&["In", "NotIn"])),
    }
    if container.is_set() && !containers.contains(container.text()) {
        let why = "must be one of the container or initContainer names in the pod template";
        out.push(container.invalid(why));
    }
    let numbers: Vec<i64> = values.items().filter_map(|value| value.number()).collect();
    if numbers.is_empty() {
        out.push(values.wrong(json!([]), "at least one value is required"));
    } else if numbers.len() > 255 {
        out.push(Cause::too_many(values.path(), numbers.len(), 255));
    }
    let mut seen = HashSet::new();
    for value in values.items() {
        if operator.text() == "In" && value.number() == Some(0) {
            out.push(value.invalid("must not be 0 for the In operator"));
        }
        once(&mut seen, value.number(), value, out);
    }
    if !numbers.is_sorted() {
        out.push(values.invalid("must be ordered"));
    }
}

fn success_policy(spec: At<'_>, policy: At<'_>, out: &mut Causes) {
    if spec.get("completionMode").text() != "Indexed" {
        out.push(policy.invalid("requires indexed completion mode"));
        return;
    }
    let rules = policy.get("rules");
    if rules.is_empty() {
        out.push(rules.required("at least one rules must be specified when the successPolicy is specified"));
    }
    if rules.items().count() > MOST_RULES {
        out.push(Cause::too_many(rules.path(), rules.items().count(), MOST_RULES));
    }
    let all = spec.get("completions").number().unwrap_or(0);
    for rule in rules.items() {
        success_rule(rule, all, out);
    }
}

/// A rule of a success policy for a Job of so many completions.
fn success_rule(rule: At<'_>, all: i64, out: &mut Causes) {
    let (count, indexes) = (rule.get("succeededCount"), rule.get("succeededIndexes"));
    if !count.is_set() && !indexes.is_set() {
        out.push(rule.required("at least one of succeededCount or succeededIndexes must be specified"));
    }
    let mut stated = None;
    if indexes.is_set() {
        if indexes.text().len() > LONGEST_INDEXES {
            out.push(Cause::too_long(indexes.path(), LONGEST_INDEXES));
        }
        let counted = indexes_in(indexes.text(), all);
        if let Err(why) = &counted {
            out.push(indexes.invalid(&format!("error parsing succeededIndexes: {why}")));
        }
        stated = Some(counted.unwrap_or(0));
    }
    out.extend(count.not_negative());
    let bounds = [
        (Some(all), "the number of specified completions"),
        (stated, "the number of indexes in the specified succeededIndexes field"),
    ];
    for (most, what) in bounds {
        let Some(most) = most.filter(|most| count.number().is_some_and(|number| number > *most)) else {
            continue;
        };
        out.push(count.invalid(&format!("must be less than or equal to {most} ({what})")));
    }
}

/// Rules of a success policy, and bytes of the indexes of one.
const MOST_RULES: usize = 20;
const LONGEST_INDEXES: usize = 64 << 10;

/// How many indexes a list such as `0-2,5` names, which rise and stay below the number of completions.
fn indexes_in(list: &str, completions: i64) -> Result<i64, String> {
    let number = |text: &str| {
        let parsed = text.parse::<i32>().map(i64::from);
        parsed.map_err(|_| format!("cannot convert string to integer for index: {text:?}"))
    };
    let (mut last, mut total) = (None::<i64>, 0);
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let limits: Vec<&str> = part.split('-').collect();
        if limits.len() > 2 {
            return Err(format!(
                "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
            ));
        }
        for (at, text) in limits.iter().enumerate() {
            let index = number(text)?;
            if index >= completions {
                return Err(format!("too large index: {text:?}"));
            }
            // An interval may end where it begins.
            if let Some(before) = last.filter(|before| *before > index || (at == 0 && *before == index)) {
                return Err(format!("non-increasing order, previous: {before}, current: {index}"));
            }
            total += if at == 0 { 1 } else { index - last.unwrap_or(index) };
            last = Some(index);
        }
    }
    Ok(total)
}

/// What may not change in a Job.
pub(super) fn job_changed(new: &Value, old: &Value, out: &mut Causes) {
    let (after, before) = (&new["spec"], &old["spec"]);
    let indexed = after["completionMode"] == "Indexed";
    if !indexed {
        workload::fixed(after, before, "spec", &["completions"], out);
    } else if after["completions"] != before["completions"]
        && !after["completions"].is_null()
        && after["completions"] != after["parallelism"]
    {
        let why = "can only be modified in tandem with spec.parallelism";
        out.push(Cause::invalid("spec.completions", &after["completions"], why));
    }
    workload::fixed(after, before, "spec", &["selector"], out);
    let held =
        |spec: &Value| template_held(spec, before["suspend"] == true && old["status"]["startTime"].is_null());
    if !same(&held(after), &held(before)) {
        out.push(Cause::invalid("spec.template", &after["template"], "field is immutable"));
    }
    let rest = ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"];
    workload::fixed(after, before, "spec", &rest, out);
}

/// The part of a template that stays; before a suspended Job starts, where its pods run may change.
fn template_held(spec: &Value, may_move: bool) -> Value {
    let mut template = spec["template"].clone();
    if may_move {
        for path in ["annotations", "labels"] {
            template["metadata"].as_object_mut().map(|map| map.shift_remove(path));
        }
        for path in ["nodeSelector", "tolerations", "schedulingGates"] {
            template["spec"].as_object_mut().map(|map| map.shift_remove(path));
        }
        template["spec"]["affinity"].as_object_mut().map(|map| map.shift_remove("nodeAffinity"));
    }
    template
}

/// A CronJob; `old` is what it was before.
pub(super) fn cron_job(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let (when, zone) = (spec.get("schedule"), spec.get("timeZone"));
    match when.needed() {
        Some(cause) => out.push(cause),
        None => scheduled(when, zone, old, out),
    }
    out.extend(spec.get("startingDeadlineSeconds").not_negative());
    if old.is_none_or(|old| old["spec"]["timeZone"] != *zone.value) {
        out.extend(schedule::zone_fault(zone.value).map(|why| zone.invalid(&why)));
    }
    out.extend(spec.get("concurrencyPolicy").must_be(&["Allow", "Forbid", "Replace"]));
    let template = spec.get("jobTemplate");
    let job = template.get("spec");
    job_spec(job, out);
    managed_by(job.get("managedBy"), out);
    if job.get("selector").is_set() {
        out.push(job.get("selector").invalid("`selector` will be auto-generated"));
    }
    if job.get("manualSelector").is_true() {
        out.push(job.get("manualSelector").not_supported(&["nil", "false"]));
    }
    out.extend(spec.get("successfulJobsHistoryLimit").not_negative());
    out.extend(spec.get("failedJobsHistoryLimit").not_negative());
}

fn scheduled(when: At<'_>, zone: At<'_>, old: Option<&Value>, out: &mut Causes) {
    let text = when.text();
    out.extend(schedule::fault(text).map(|why| when.invalid(&why)));
    let before = old.map(|old| fields::text(old, &["spec", "schedule"])).unwrap_or_default();
    match (before.contains("TZ"), text.contains("TZ")) {
        (true, true) if zone.is_set() => {
            out.push(when.invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule"));
        }
        (false, true) => {
            out.push(when.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead"));
        }
        _ => {}
    }
}

/// What only a new CronJob is checked for.
pub(super) fn new_cron_job(object: &Value, out: &mut Causes) {
    let name = fields::name(object);
    if name.len() > 52 {
        out.push(Cause::invalid("metadata.name", &json!(name), "must be no more than 52 characters"));
    }
}
