//! GET of a collection: selectors, pages, and lists of a given version.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::parts::Parts;
use crate::call::Call;
use crate::causes::Cause;
use crate::fields;
use crate::http::{Answer, Encoding, Form, Query};
use crate::select::Selection;
use crate::show::{selects, write_json};
use crate::status_error::{Details, Status};
use crate::storage::{Listing, Stored};
use crate::table;

/// The list of a collection.
pub(crate) async fn all(call: &Call<'_>) -> Result<Answer, Status> {
    let (metadata, chosen) = chosen(call).await?;
    Ok(listed(call, metadata, chosen))
}

/// The metadata of the list that a query asks for, and its objects.
pub(crate) async fn chosen(call: &Call<'_>) -> Result<(Value, Vec<Stored>), Status> {
    let query = &call.request.query;
    let selection = selection(call)?;
    // The state that everybody has is not told in parts.
    let whole = query.text("resourceVersion") == "0" && query.text("continue").is_empty();
    let limit =
        query.number("limit")?.filter(|_| !whole).filter(|&limit| limit > 0).map(|limit| limit as usize);
    let _ = query.number("timeoutSeconds")?;
    version_match(query, !query.text("continue").is_empty())?;
    let page = Page::parse(query.text("continue"))?;
    let listing = listing(call, page.as_ref()).await?;
    let mut chosen = listing.items;
    chosen.retain(|stored| selects(&selection, &call.resource, stored));
    let left = limit.map_or(0, |limit| chosen.len().saturating_sub(limit));
    chosen.truncate(chosen.len() - left);
    let mut metadata = json!({"resourceVersion": listing.revision.to_string()});
    match chosen.last().filter(|_| left > 0) {
        Some(last) => {
            let marks = last.marks();
            let after = (marks.namespace.clone(), marks.name.clone());
            metadata["continue"] = Page { after, revision: listing.revision }.text().into();
            if selection.is_empty() {
                metadata["remainingItemCount"] = left.into();
            }
        }
        None if call.resource.custom.is_some() => metadata["continue"] = "".into(),
        None => {}
    }
    Ok((metadata, chosen))
}

/// Which objects of the collection a query means.
pub(crate) fn selection(call: &Call<'_>) -> Result<Selection, Status> {
    let query = &call.request.query;
    Selection::parse(query.text("labelSelector"), query.text("fieldSelector"), &call.resource)
}

/// A list of stored objects, in the form asked for.
fn listed(call: &Call<'_>, metadata: Value, chosen: Vec<Stored>) -> Answer {
    let resource = &call.resource;
    if call.encoding == Encoding::Yaml || matches!(call.form, Form::Table(_)) {
        return shaped(call, metadata, chosen.iter().map(|stored| call.shown(stored.object())).collect());
    }
    let partial = call.form == Form::Partial;
    let (kind, version, metadata) = if partial {
        (PARTIAL_LIST, PARTIAL_VERSION.to_owned(), without_empty_continue(metadata))
    } else {
        (&*resource.list_kind, resource.api_version(), metadata)
    };
    let mut text = Vec::new();
    write_json(&json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": []}), &mut text);
    text.truncate(text.len() - "]}".len());
    Parts::of(resource, partial, text, chosen).answer()
}

/// A list answer in the form asked for.
pub(crate) fn shaped(call: &Call<'_>, metadata: Value, items: Vec<Value>) -> Answer {
    let resource = &call.resource;
    let value = match call.form {
        Form::Table(version) => {
            let policy = call.request.query.text("includeObject");
            table::of_list(resource, version, metadata, &items, policy)
        }
        Form::Partial | Form::PartialList => {
            let metadata = without_empty_continue(metadata);
            let items: Vec<Value> = items.iter().map(crate::show::partial).collect();
            json!({"kind": PARTIAL_LIST, "apiVersion": PARTIAL_VERSION, "metadata": metadata, "items": items})
        }
        Form::Object | Form::Discovery(_) => {
            let items: Vec<Value> =
                if resource.custom.is_some() { items } else { items.into_iter().map(bare).collect() };
            json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items})
        }
    };
    call.encoded(200, value)
}

fn without_empty_continue(mut metadata: Value) -> Value {
    if metadata["continue"] == "" {
        fields::remove(&mut metadata, "continue");
    }
    metadata
}

/// Items of built-in lists state no kind.
fn bare(mut item: Value) -> Value {
    fields::remove(&mut item, "kind");
    fields::remove(&mut item, "apiVersion");
    item
}

/// Where a list goes on.
struct Page {
    after: (String, String),
    revision: u64,
}

impl Page {
    fn parse(text: &str) -> Result<Option<Self>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let (revision, namespace, name): (u64, String, String) = serde_json::from_slice(&bytes).ok()?;
            Some(Self { after: (namespace, name), revision })
        };
        read().map(Some).ok_or_else(|| {
            let why = "invalid continue token: continue key is not valid: this server did not give it";
            Status::bad_request(why)
        })
    }

    fn text(&self) -> String {
        let text = json!([self.revision, self.after.0, self.after.1]).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }
}

async fn listing(call: &Call<'_>, page: Option<&Page>) -> Result<Listing, Status> {
    let query = &call.request.query;
    let version = query.text("resourceVersion");
    let exact = version_match(query, page.is_some())?;
    let store = &call.app.store;
    let namespace = Some(call.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let key = &call.resource.key;
    if let Some(page) = page {
        if !version.is_empty() && version != "0" {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let revision = if page.revision == LATEST { store.revision() } else { page.revision };
        return store.list_at(key, namespace, Some(&page.after), revision).ok_or_else(|| {
            let goes_on = Page { after: page.after.clone(), revision: LATEST }.text();
            Status {
                details: Some(Details { goes_on, ..Details::default() }),
                ..Status::plain(410, "Expired", TOO_OLD)
            }
        });
    }
    if version.is_empty() || version == "0" {
        return Ok(store.list(key, namespace));
    }
    let wanted = version_number(version)?;
    reach(call, wanted).await?;
    if !exact {
        return Ok(store.list(key, namespace));
    }
    store
        .list_at(key, namespace, None, wanted)
        .ok_or_else(|| Status::plain(410, "Expired", "The resourceVersion for the provided list is too old."))
}

/// A stated resourceVersion as a number.
fn version_number(version: &str) -> Result<u64, Status> {
    version
        .parse()
        .map_err(|_| Status::bad_request(format!("invalid resource version: {}", unreadable(version))))
}

/// Why a resourceVersion cannot be read.
pub(crate) fn unreadable(version: &str) -> String {
    format!(
        "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"
    )
}

/// Waits up to three seconds until the store has reached a version.
pub(crate) async fn reach(call: &Call<'_>, wanted: u64) -> Result<(), Status> {
    let mut latest = call.app.store.subscribe();
    let reached = latest.wait_for(|revision| *revision >= wanted);
    let done = tokio::time::timeout(Duration::from_secs(3), reached).await.is_ok_and(|done| done.is_ok());
    if done {
        return Ok(());
    }
    let message =
        format!("Timeout: Too large resource version: {wanted}, current: {}", call.app.store.revision());
    let cause = Cause {
        reason: "ResourceVersionTooLarge",
        message: "Too large resource version".into(),
        field: String::new(),
    };
    let details = Details { causes: vec![cause], retry_after: 1, ..Details::default() };
    Err(Status { code: 504, reason: "Timeout", message, details: Some(details) })
}

/// Checks the options that say which state is listed; the answer is whether it must be exactly that.
fn version_match(query: &Query, continues: bool) -> Result<bool, Status> {
    let (text, version) = (query.text("resourceVersionMatch"), query.text("resourceVersion"));
    let field = "resourceVersionMatch";
    let mut causes = Vec::new();
    if !text.is_empty() {
        if version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if continues {
            causes
                .push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !["Exact", "NotOlderThan"].contains(&text) {
            causes.push(Cause::not_supported(field, &json!(text), &["Exact", "NotOlderThan", ""]));
        }
        if text == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(Cause::forbidden(field, why));
        }
    }
    if query.get("sendInitialEvents").is_some_and(|stated| !stated.is_empty()) {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if causes.is_empty() {
        // The first page of a list in pages is of the version that is named.
        let is_paged = query.number("limit")?.is_some_and(|limit| limit > 0);
        return Ok(text == "Exact" || text.is_empty() && is_paged);
    }
    Err(Status::invalid("meta.k8s.io", "ListOptions", "", causes))
}

/// Stands for the state that there is when the rest of a list is asked for.
const LATEST: u64 = u64::MAX;
const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
const PARTIAL_LIST: &str = "PartialObjectMetadataList";
const PARTIAL_VERSION: &str = "meta.k8s.io/v1";
