//! Jobs and CronJobs.

use serde_json::{Value, json};

use super::pod;
use crate::fields::text;
use crate::status_error::Cause;

/// What is wrong with a Job's spec that stands at a path.
pub(super) fn job(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for key in
        ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"]
    {
        if spec[key].as_i64().is_some_and(|number| number < 0) {
            let why = "must be greater than or equal to 0";
            causes.push(Cause::invalid(format!("{path}.{key}"), &spec[key], why));
        }
    }
    let template = &spec["template"]["spec"];
    let place = format!("{path}.template.spec");
    causes.extend(pod::spec(template, &place));
    if template["restartPolicy"] == "Always" {
        let why = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required(format!("{place}.restartPolicy"), why));
    }
    causes
}

/// What is wrong with a CronJob.
pub(super) fn cron_job(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let schedule = text(spec, &["schedule"]);
    let mut causes = Vec::new();
    if schedule.is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    } else if let Some(why) = fault(schedule) {
        causes.push(Cause::invalid("spec.schedule", &json!(schedule), &why));
    }
    causes.extend(pod::one_of(spec, "spec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"]));
    causes.extend(job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"));
    causes
}

/// Five fields, or a word such as `@daily`.
fn fault(schedule: &str) -> Option<String> {
    if let Some(word) = schedule.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let every =
            word.strip_prefix("every ").is_some_and(|rest| sealfast_k8s::duration::parse(rest).is_ok());
        return (!known.contains(&word) && !every).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"*/,-?".contains(&byte);
    let wrong = fields.iter().find(|field| !field.bytes().all(letter))?;
    Some(format!("failed to parse int from {wrong}"))
}
