//! What applying one object would change: a dry run beside what is there.
//!
//! Follows: the difference of fluxcd/pkg/ssa.

use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;

use crate::apply::{Options, Recreate, is_immutable, refusal};
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
    let id = object::id(object);
    let live = client.find(&id.gvk, &id.namespace, &id.name).await;
    let live = live.map_err(|error| refusal(object, &error))?;
    let there = live.as_ref().unwrap_or(object);
    let is_skipped = switches::ignored(object)
        || switches::ignored(there)
        || (live.is_some() && switches::only_if_absent(object));
    if is_skipped {
        return Ok(Preview { object: object::id(there), outcome: Outcome::Skipped });
    }
    let payload = drift::mended(object);
    let how = Apply { manager: &options.manager, force: true, dry_run: DryRun::Yes };
    let merged = match client.apply(&payload, &how).await {
        Ok(merged) => merged,
        Err(error) => {
            let may_recreate =
                options.recreate == Recreate::All || switches::forced(object) || switches::forced(there);
            if live.is_some() && may_recreate && is_immutable(&error) {
                return Ok(Preview { object: id, outcome: Outcome::Created });
            }
            return Err(refusal(object, &error));
        }
    };
    let found = object::id(&merged);
    let Some(live) = live.filter(|_| !object::metadata_text(&merged, "resourceVersion").is_empty()) else {
        return Ok(Preview { object: found, outcome: Outcome::Created });
    };
    let ignored = options.ignored.as_ref().map(|ignored| ignored(&merged)).unwrap_or_default();
    if !drift::differs(&live, &merged, &ignored) {
        return Ok(Preview { object: found, outcome: Outcome::Unchanged });
    }
    let (mut live, mut merged) = (live, merged);
    for side in [&mut live, &mut merged] {
        drift::strip(side, &ignored);
    }
    Ok(Preview { object: found, outcome: Outcome::Drifted { live, merged } })
}
