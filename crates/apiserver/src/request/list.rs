//! GET of a collection: selectors, pages, and lists of a given version.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::parts::Parts;
use crate::call::Call;
use crate::causes::Cause;
use crate::fields;
use crate::http::{Answer, Content, Encoding, Form, Query};
use crate::select::Selection;
use crate::show::{selects, write_json};
use crate::status_error::{Details, Status};
use crate::storage::{Listing, Store, Stored};
use crate::table;

/// The list of a collection.
pub(crate) async fn all(call: &Call<'_>) -> Result<Answer, Status> {
    let (metadata, chosen) = chosen(call).await?;
    Ok(listed(call, metadata, chosen).await)
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
async fn listed(call: &Call<'_>, metadata: Value, chosen: Vec<Stored>) -> Answer {
    let resource = &call.resource;
    if call.encoding == Encoding::Yaml || matches!(call.form, Form::Table(_)) {
        return shaped(call, metadata, &chosen).await;
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
    Parts::of(resource, partial, text, chosen).answer(call.app.limits.whole, &call.request.unread)
}

/// A list answer in the form asked for, of objects that are read one after another: read, they are many times larger.
pub(crate) async fn shaped(call: &Call<'_>, metadata: Value, chosen: &[Stored]) -> Answer {
    let bytes: usize = chosen.iter().map(Stored::size).sum();
    // Until the text is complete nobody else counts it.
    let _room = call.app.texts.take(&call.request.user.name, bytes.div_ceil(1 << 10)).await;
    let resource = &call.resource;
    let items = chosen.iter().map(|stored| call.shown(stored.object()));
    let of = |kind: &str, version: &str, metadata: Value| json!({"kind": kind, "apiVersion": version, "metadata": metadata});
    match call.form {
        Form::Table(version) => {
            let policy = call.request.query.text("includeObject");
            let rows = items.map(|item| table::row(resource, version, &item, policy));
            filled(call.encoding, table::without_rows(resource, version, metadata), "rows", rows)
        }
        Form::Partial | Form::PartialList => {
            let list = of(PARTIAL_LIST, PARTIAL_VERSION, without_empty_continue(metadata));
            filled(call.encoding, list, "items", items.map(|item| crate::show::partial(&item)))
        }
        Form::Object | Form::Discovery(_) => {
            let list = of(&resource.list_kind, &resource.api_version(), metadata);
            let is_custom = resource.custom.is_some();
            filled(call.encoding, list, "items", items.map(|item| if is_custom { item } else { bare(item) }))
        }
    }
}

/// An answer with a list to which items are added as text one after another.
fn filled(encoding: Encoding, mut list: Value, key: &str, items: impl Iterator<Item = Value>) -> Answer {
    let mut items = items.peekable();
    if encoding == Encoding::Yaml {
        let mark = items.peek().map(|_| ITEMS);
        list[key] = mark.into_iter().collect();
        let text = sealfast_yaml::json::to_yaml(&list);
        // Only the list itself begins a line so: all else stands further to the right.
        let (mut text, rest) = match text.split_once(&format!("\n- {ITEMS}\n")) {
            Some((before, behind)) => (format!("{before}\n"), behind),
            None => (text.clone(), ""),
        };
        items.for_each(|item| text.push_str(&sealfast_yaml::json::to_yaml(&json!([item]))));
        text.push_str(rest);
        return Answer { content: Content::Yaml(text), ..Answer::json(200, Value::Null) };
    }
    list[key] = json!([]);
    let mut text = Vec::new();
    write_json(&list, &mut text);
    text.truncate(text.len() - "]}".len());
    while let Some(item) = items.next() {
        write_json(&item, &mut text);
        if items.peek().is_some() {
            text.push(b',');
        }
    }
    text.extend_from_slice(b"]}");
    Answer::json_text(200, text)
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
    reach(store, wanted).await?;
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
pub(crate) async fn reach(store: &Store, wanted: u64) -> Result<(), Status> {
    let mut latest = store.subscribe();
    let reached = latest.wait_for(|revision| *revision >= wanted);
    let done = tokio::time::timeout(Duration::from_secs(3), reached).await.is_ok_and(|done| done.is_ok());
    if done {
        return Ok(());
    }
    let message = format!("Timeout: Too large resource version: {wanted}, current: {}", store.revision());
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
/// Stands in YAML where items come.
const ITEMS: &str = "items";
const PARTIAL_LIST: &str = "PartialObjectMetadataList";
const PARTIAL_VERSION: &str = "meta.k8s.io/v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(encoding: Encoding, items: &[Value]) -> String {
        let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"note": "a\n- items\n- items\n"}});
        match filled(encoding, list, "items", items.iter().cloned()).content {
            Content::Yaml(text) => text,
            Content::Bytes { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        }
    }

    #[test]
    fn items_one_after_another_make_the_list_as_a_whole() {
        let one = json!({"b": {"list": [1, {"c": []}], "text": "a\nb\n", "long": "word ".repeat(40)}, "a": "items"});
        for items in [vec![], vec![one.clone()], vec![one.clone(), json!({}), one]] {
            let whole = json!({"kind": "List", "apiVersion": "v1", "metadata": {"note": "a\n- items\n- items\n"}, "items": items});
            assert_eq!(text(Encoding::Json, &items), format!("{whole}\n"));
            assert_eq!(text(Encoding::Yaml, &items), sealfast_yaml::json::to_yaml(&whole));
        }
    }
}
