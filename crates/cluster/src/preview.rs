//! What applying one object would change: a dry run beside what is there.
//!
//! Follows: the difference of fluxcd/pkg/ssa.

use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;

use crate::apply::{Options, may_be_immutable, may_recreate, refusal, unread};
use crate::client::{Apply, Client, DryRun};
use crate::{drift, switches};

/// One object, and what would be done to it. There is no Debug: it may be a Secret.
pub struct Preview {
    /// The object as the server knows it, or as it was written.
    pub object: ObjectId,
    /// What would be done.
    pub outcome: Outcome,
}

/// What would be done to an object.
pub enum Outcome {
    /// It asks to be left alone.
    Skipped,
    /// It is not there, or must be made anew.
    Created,
    /// Nothing.
    Unchanged,
    /// It differs.
    Drifted {
        /// As it is, without bookkeeping of fields and without what is ignored.
        live: Value,
        /// As it would be.
        merged: Value,
    },
}

/// Looks at one object.
///
/// # Errors
/// The server's refusal of the read or of the dry run, as Flux words it.
pub async fn object(client: &Client, object: &Value, options: &Options) -> Result<Preview, String> {
    let live = read(client, object).await?;
    let there = live.as_ref().unwrap_or(object);
    if switches::skipped(object, live.as_ref()) {
        return Ok(Preview { object: object::id(there), outcome: Outcome::Skipped });
    }
    let Some(merged) = tried(client, object, live.as_ref(), options).await? else {
        return Ok(Preview { object: object::id(object), outcome: Outcome::Created });
    };
    let found = object::id(&merged);
    let live = live.filter(|_| !object::metadata_text(&merged, "resourceVersion").is_empty());
    let outcome = live.map_or(Outcome::Created, |live| compared(live, merged, options));
    Ok(Preview { object: found, outcome })
}

async fn read(client: &Client, object: &Value) -> Result<Option<Value>, String> {
    let id = object::id(object);
    let live = client.find(&id.gvk, &id.namespace, &id.name).await;
    live.map_err(|error| match error.is_no_match() {
        true => refusal(object, &error),
        false => unread(&id, &error),
    })
}

/// The object as a dry run makes it; none when it must be made anew.
async fn tried(
    client: &Client,
    object: &Value,
    live: Option<&Value>,
    options: &Options,
) -> Result<Option<Value>, String> {
    let how = Apply { manager: &options.manager, force: true, dry_run: DryRun::Yes };
    match client.apply(&drift::mended(object), &how).await {
        Ok(merged) => Ok(Some(merged)),
        Err(error)
            if live.is_some_and(|live| may_recreate(options.recreate, object, live))
                && may_be_immutable(&error) =>
        {
            Ok(None)
        }
        Err(error) => Err(refusal(object, &error)),
    }
}

fn compared(mut live: Value, mut merged: Value, options: &Options) -> Outcome {
    let ignored = options.ignored.as_ref().map(|ignored| ignored(&merged)).unwrap_or_default();
    if !drift::differs(&live, &merged, &ignored) {
        return Outcome::Unchanged;
    }
    for side in [&mut live, &mut merged] {
        drift::strip(side, &ignored);
    }
    Outcome::Drifted { live, merged }
}
