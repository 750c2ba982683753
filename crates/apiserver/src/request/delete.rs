//! DELETE of one object or of a collection.

use serde_json::{Value, json};

use crate::call::{Call, RETRIES, dry_run};
use crate::causes::Cause;
use crate::deletion::{DeleteOptions, Progress, step};
use crate::fields;
use crate::http::Answer;
use crate::objects;
use crate::select::Selection;
use crate::show::selects;
use crate::status_error::{Status, success};
use crate::storage::{Key, Refused, Stored};

/// Deletes the object of the path.
pub(crate) fn one(call: &Call<'_>) -> Result<Answer, Status> {
    let (options, warnings) = asked(call)?;
    Ok(delete(call, &options)?.warned(warnings))
}

/// What a request asks for, and warnings; where nothing is said of dependents, those of old kinds stay.
fn asked(call: &Call<'_>) -> Result<(DeleteOptions, Vec<String>), Status> {
    let body = if call.request.body.is_empty() { from_query(call)? } else { objects::decode_options(call)? };
    let mut options = options_of(&body)?;
    let mut warnings = Vec::new();
    if options.propagation.is_empty() && DEPENDENTS_STAY.contains(&&*call.resource.key) {
        options.propagation = "Orphan".into();
        if &*call.resource.key == crate::keys::JOBS {
            warnings.push(PODS_STAY.to_owned());
            call.tell(&warnings);
        }
    }
    Ok((options, warnings))
}

/// Deletes the object of a path as the options say.
pub(super) fn delete(call: &Call<'_>, options: &DeleteOptions) -> Result<Answer, Status> {
    for _ in 0..RETRIES {
        let stored = call.existing()?;
        check_preconditions(call, &stored, options)?;
        crate::admit::delete(call, &stored.object())?;
        match step(call.app, &call.key(), &stored, options) {
            Ok(Progress::Gone(object)) => {
                let kind = &call.resource;
                if RETURNED.contains(&&*kind.key) || kind.group == "storage.k8s.io" {
                    return Ok(call.answer(200, call.shown(object)));
                }
                return Ok(
                    call.encoded(200, success(&kind.group, &kind.plural, &call.name, fields::uid(&object)))
                );
            }
            Ok(Progress::Waits(object)) => return Ok(call.answer(200, call.shown(object))),
            Err(Refused::Changed) => {}
            Err(other) => return Err(call.refused(other, &call.name)),
        }
    }
    Err(call.conflict(&call.name))
}

/// Deletes every object that the selectors choose, or a page of them; answers what they were.
pub(crate) async fn collection(call: &Call<'_>) -> Result<Answer, Status> {
    let (metadata, chosen) = super::list::chosen(call).await?;
    let selection = super::list::selection(call)?;
    let (options, warnings) = asked(call)?;
    let mut deleted = Vec::new();
    for stored in chosen {
        let marks = stored.marks();
        let key = Key::new(&call.resource.key, &marks.namespace, &marks.name);
        if delete_chosen(call, &key, stored.clone(), &selection, &options)? {
            deleted.push(stored);
        }
    }
    Ok(super::list::shaped(call, metadata, &deleted).await.warned(warnings))
}

/// Deletes one object that was chosen; false when it went or is chosen no more by the time its turn comes.
fn delete_chosen(
    call: &Call<'_>,
    key: &Key,
    chosen: Stored,
    selection: &Selection,
    options: &DeleteOptions,
) -> Result<bool, Status> {
    let uid = chosen.bonds().uid().to_owned();
    let mut current = Some(chosen);
    let meant = |stored: &Stored| stored.bonds().uid() == uid && selects(selection, &call.resource, stored);
    for _ in 0..RETRIES {
        let Some(stored) = current.filter(meant) else { return Ok(false) };
        check_preconditions(call, &stored, options)?;
        match step(call.app, key, &stored, options) {
            Ok(_) => return Ok(true),
            Err(Refused::Changed) => current = call.app.store.get(key),
            Err(other) => return Err(call.refused(other, &key.name)),
        }
    }
    Err(call.conflict(&key.name))
}

pub(super) fn check_preconditions(
    call: &Call<'_>,
    stored: &Stored,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let object = stored.object();
    let checks = [
        ("UID", &options.uid, fields::uid(&object), "deleted and then recreated"),
        ("ResourceVersion", &options.version, fields::meta(&object, "resourceVersion"), "modified"),
    ];
    for (word, wanted, found, then) in checks {
        if !wanted.is_empty() && wanted != found {
            let why = format!(
                "the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). The object might have been {then}"
            );
            return Err(Status::conflict(
                &call.resource.group,
                &call.resource.kind,
                fields::name(&object),
                &why,
            ));
        }
    }
    Ok(())
}

/// Reads DeleteOptions.
pub(super) fn options_of(body: &Value) -> Result<DeleteOptions, Status> {
    let mut causes = Vec::new();
    let dry: Vec<&str> = body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let propagation = fields::text(body, &["propagationPolicy"]).to_owned();
    if !["", "Foreground", "Background", "Orphan"].contains(&propagation.as_str()) {
        causes.push(Cause::not_supported(
            "propagationPolicy",
            &json!(propagation),
            &["Foreground", "Background", "Orphan", "nil"],
        ));
    }
    let orphan = body["orphanDependents"].as_bool();
    if !propagation.is_empty() && orphan.is_some() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        causes.push(Cause::invalid("propagationPolicy", &json!(propagation), why));
    }
    let dry_run = dry_run(&dry, &mut causes);
    if !causes.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", causes));
    }
    let propagation = match (propagation.as_str(), orphan) {
        ("", Some(true)) => "Orphan".into(),
        ("", Some(false)) => "Background".into(),
        _ => propagation,
    };
    Ok(DeleteOptions {
        dry_run,
        propagation,
        uid: fields::text(body, &["preconditions", "uid"]).into(),
        version: fields::text(body, &["preconditions", "resourceVersion"]).into(),
    })
}

/// The query in the form of a body.
fn from_query(call: &Call<'_>) -> Result<Value, Status> {
    let query = &call.request.query;
    query.number("gracePeriodSeconds")?;
    let mut options = json!({"dryRun": query.all("dryRun")});
    if let Some(policy) = query.get("propagationPolicy") {
        options["propagationPolicy"] = policy.into();
    }
    if query.get("orphanDependents").is_some() {
        options["orphanDependents"] = query.flag("orphanDependents").into();
    }
    Ok(options)
}

/// Kinds beside those of storage whose deletion is answered with the object.
const RETURNED: [&str; 7] = [
    "pods",
    "serviceaccounts",
    "services",
    "persistentvolumes",
    "persistentvolumeclaims",
    "resourcequotas",
    "podtemplates",
];
/// Kinds whose dependents stay unless a deletion says otherwise.
const DEPENDENTS_STAY: [&str; 2] = ["jobs.batch", "replicationcontrollers"];
const PODS_STAY: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";
