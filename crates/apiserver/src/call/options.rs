//! Options that writes share, as their query states them.

use serde_json::json;

use super::Call;
use crate::causes::Cause;
use crate::go_text;
use crate::status_error::Status;

/// Options that writes share.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub dry_run: bool,
    pub manager: String,
    pub validation: Validation,
    pub force: bool,
}

/// What happens to unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    Warn,
    Strict,
}

impl Call<'_> {
    /// The options of a write; `kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`.
    pub(crate) fn options(&self, kind: &str) -> Result<WriteOptions, Status> {
        let query = &self.request.query;
        let mut causes = Vec::new();
        let dry_run = dry_run(&query.all("dryRun"), &mut causes);
        if let Some(stated) = query.get("timeout").filter(|text| !text.is_empty()) {
            check_timeout(stated)?;
        }
        let validation = match query.text("fieldValidation") {
            "Strict" => Validation::Strict,
            "Ignore" => Validation::Ignore,
            "" | "Warn" => Validation::Warn,
            other => {
                causes.push(Cause::not_supported(
                    "fieldValidation",
                    &json!(other),
                    &["", "Ignore", "Strict", "Warn"],
                ));
                Validation::Warn
            }
        };
        let manager = query.text("fieldManager");
        check_manager(manager, &mut causes);
        let applies = self.request.is_apply();
        if kind == "PatchOptions" && applies && manager.is_empty() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        let force = query.flag("force");
        if kind == "PatchOptions" && !applies && query.get("force").is_some() {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        if !causes.is_empty() {
            return Err(Status::invalid("meta.k8s.io", kind, "", causes));
        }
        let manager = if manager.is_empty() { self.request.agent() } else { manager.to_owned() };
        Ok(WriteOptions { dry_run, manager, validation, force })
    }
}

/// Reads `dryRun`: only `All` is known.
pub(crate) fn dry_run(values: &[&str], causes: &mut Vec<Cause>) -> bool {
    if values.iter().any(|value| *value != "All") {
        causes.push(Cause::not_supported("dryRun", &json!(values), &["All"]));
    }
    values.contains(&"All")
}

/// A time that a request may take is told in hours, minutes, seconds and their parts.
fn check_timeout(text: &str) -> Result<(), Status> {
    let (mut rest, mut known) = (text.trim_start_matches(['+', '-']), !text.is_empty());
    while known && !rest.is_empty() && rest != "0" {
        let digits =
            rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let behind = &rest[digits..];
        let unit = ["ns", "us", "ms", "h", "m", "s"].into_iter().find(|unit| behind.starts_with(unit));
        known = digits > 0 && unit.is_some();
        rest = &behind[unit.map_or(0, str::len)..];
    }
    if known {
        return Ok(());
    }
    let why = format!("invalid timeout specified in the request URL - time: invalid duration {text:?}");
    Err(Status::bad_request(why))
}

fn check_manager(manager: &str, causes: &mut Vec<Cause>) {
    if manager.len() > 128 {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: "Too long: may not be more than 128 bytes".into(),
            field: "fieldManager".into(),
        });
    }
    let odd = manager.char_indices().filter(|(_, letter)| !go_text::is_printable(*letter));
    causes.extend(odd.map(|(at, letter)| Cause {
        reason: "FieldValueInvalid",
        message: format!(
            "Invalid value: {}: invalid character U+{:04X} (at position {at})",
            go_text::quoted(manager),
            letter as u32
        ),
        field: "fieldManager".into(),
    }));
}
