//! Ranges of addresses, and the addresses that were given out.

use serde_json::json;

use super::at::At;
use super::selector;
use crate::causes::Causes;
use crate::grammar::{cidr, segment};

/// What an address belongs to.
pub(super) fn parent(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return out.push(at.required(""));
    }
    selector::name_in(at.get("group"), out);
    for field in ["resource", "name"] {
        let field = at.get(field);
        match field.needed() {
            Some(cause) => out.push(cause),
            None => out.extend(field.each(segment(field.text()))),
        }
    }
    let namespace = at.get("namespace");
    out.extend(namespace.each(segment(namespace.text())));
}

pub(super) fn ranges(at: At<'_>, out: &mut Causes) {
    let count = at.items().count();
    if count == 0 {
        return out.push(at.required("at least one CIDR required"));
    }
    if count > 2 {
        let shown = json!({"CIDRs": at.value});
        return out.push(at.with_value(&shown).invalid("may only hold up to 2 values"));
    }
    at.items().for_each(|one| out.extend(one.each(cidr(one.text()))));
    let family = |one: &At<'_>| cidr(one.text()).is_empty().then(|| one.text().contains(':'));
    let families: Vec<Option<bool>> = at.items().map(|one| family(&one)).collect();
    if let [Some(first), Some(second)] = families[..]
        && first == second
    {
        out.push(at.invalid(
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        ));
    }
}

pub(super) fn ranges_changed(new: At<'_>, old: At<'_>, out: &mut Causes) {
    let before: Vec<&str> = old.items().map(|one| one.value.as_str().unwrap_or_default()).collect();
    let count = new.items().count();
    if count != before.len() && (before.len(), count) != (1, 2) {
        return out.push(new.invalid(IMMUTABLE));
    }
    for (one, before) in new.items().zip(before) {
        if one.text() != before {
            out.push(one.invalid(IMMUTABLE));
        }
    }
}

const IMMUTABLE: &str = "field is immutable";
