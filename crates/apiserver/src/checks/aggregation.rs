//! API services: other servers that answer for a group.

use serde_json::{Value, json};

use super::at::At;
use super::{selector, webhook};
use crate::causes::{Cause, Causes};
use crate::fields;
use crate::grammar::{LABEL_1035, is_label_1035, segment};

pub(super) fn api_service(object: &Value, spec: At<'_>, out: &mut Causes) {
    let (group, version) = (spec.get("group"), spec.get("version"));
    let wanted = format!("{}.{}", version.text(), group.text());
    let name = fields::name(object);
    if !name.is_empty() && segment(name).is_empty() && name != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: \"{wanted}\"");
        out.push(Cause::invalid("metadata.name", &json!(name), &why));
    }
    if group.is_empty() && version.text() != "v1" {
        out.push(group.required("only v1 may have an empty group and it better be legacy kube"));
    }
    selector::name_in(group, out);
    if !is_label_1035(version.text()) {
        out.push(version.wrong(version.text(), LABEL_1035));
    }
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let priority = spec.get(field);
        let number = priority.number().unwrap_or(0);
        if !(1..=most).contains(&number) {
            out.push(priority.wrong(number, &format!("must be positive and less than {most}")));
        }
    }
    let (service, authority, insecure) =
        (spec.get("service"), spec.get("caBundle"), spec.get("insecureSkipTLSVerify"));
    if !service.is_set() {
        if !authority.is_empty() {
            let shown = format!("{} bytes", authority.text().trim_end_matches('=').len() * 3 / 4);
            out.push(authority.wrong(shown, "local APIServices may not have a caBundle"));
        }
        if insecure.is_true() {
            out.push(insecure.invalid("local APIServices may not have insecureSkipTLSVerify"));
        }
        return;
    }
    out.extend(service.get("namespace").needed());
    out.extend(service.get("name").needed());
    webhook::port(service.get("port"), out);
    if insecure.is_true() && !authority.is_empty() {
        out.push(insecure.invalid("may not be true if caBundle is present"));
    }
}
