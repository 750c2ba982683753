//! Waiting until objects are what they should be.

use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use sealfast_k8s::id::{GroupVersionKind, ObjectId};
use sealfast_k8s::object;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Select};
use crate::error::Error;
use crate::health::{self, Status};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const AT_A_TIME: usize = 8;
/// What a wait says that ends because something failed.
const STALLED: &str = "failed early due to stalled resources";

/// How a live object is judged; that may take a while and holds no worker. An error counts as "not known".
pub type Judge = dyn Fn(&Value) -> Result<Status, String> + Send + Sync;

/// How to wait.
#[derive(Debug, Clone)]
pub struct Options {
    /// Give up after this.
    pub timeout: Duration,
    /// Never ask less often than this.
    pub longest_pause: Duration,
    /// End at the first object that failed.
    pub fail_fast: FailFast,
    /// Those that go away by themselves once they are done, whatever their version: not being there is as it should be.
    pub passing: Vec<ObjectId>,
}

/// Whether one failed object ends the wait for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailFast {
    /// The first failure ends it.
    Yes,
    /// All get their time.
    No,
}

/// Waits until every object is current.
///
/// # Errors
/// A message that lists the objects which are not, as Flux words it.
pub async fn until_current(
    client: &Client,
    objects: &[ObjectId],
    judge: &Arc<Judge>,
    options: Options,
) -> Result<(), String> {
    let until = Instant::now() + options.timeout;
    timeout_at(until, placed(client, objects)).await.unwrap_or(Ok(()))?;
    let mut pause = FIRST_PAUSE;
    // Those that were current are looked at again only once all others are, too.
    let all = |last: Judged| objects.iter().map(|object| (object.clone(), last.clone())).collect();
    let mut wanted: Vec<(ObjectId, Judged)> = all(Err(Error::Late.to_string()));
    loop {
        let looked_at_all = wanted.len() == objects.len();
        let mut seen = look(client, wanted, judge, &options.passing, until).await;
        seen.retain(|(_, status)| *status != Ok(Status::Current));
        if seen.is_empty() && !looked_at_all {
            wanted = all(Ok(Status::Current));
            continue;
        }
        let has_failed = |(_, status): &&(ObjectId, Judged)| *status == Ok(Status::Failed);
        let failed: Vec<&(ObjectId, Judged)> = seen.iter().filter(has_failed).collect();
        match (failed.first(), options.fail_fast) {
            (None, _) if seen.is_empty() => return Ok(()),
            // The reference looks at one after the other and ends at the first.
            (Some(first), FailFast::Yes) => return Err(format!("{STALLED}: [{}]", listed(&[first]))),
            (Some(_), FailFast::No) if failed.len() == seen.len() => {
                return Err(format!("{STALLED}: [{}]", listed(&failed)));
            }
            _ => {}
        }
        if Instant::now() + pause > until {
            tokio::time::sleep_until(until).await;
            let late: Vec<&(ObjectId, Judged)> = seen.iter().collect();
            return Err(format!("timeout waiting for: [{}]", listed(&late)));
        }
        wanted = seen;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(options.longest_pause);
    }
}

/// An object of a namespace without one would never be found.
async fn placed(client: &Client, objects: &[ObjectId]) -> Result<(), String> {
    for object in objects.iter().filter(|object| object.namespace.is_empty()) {
        if let Ok(resource) = client.resource(&object.gvk).await
            && resource.namespaced
        {
            let GroupVersionKind { group, kind, .. } = &object.gvk;
            let dot = if group.is_empty() { "" } else { "." };
            let name = &object.name;
            return Err(format!(
                "resource {kind}{dot}{group} {name} is namespace scoped, but namespace is not set"
            ));
        }
    }
    Ok(())
}

/// How many objects are judged at a time, by all who wait: an expression may take seconds of a core, and the threads for
/// such work are everybody's.
static JUDGING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, NonZero::get)));

/// The status of an object, or why it has none.
type Judged = Result<Status, String>;

/// What objects are now; those that there is no time to look at stay what they were.
async fn look(
    client: &Client,
    objects: Vec<(ObjectId, Judged)>,
    judge: &Arc<Judge>,
    passing: &[ObjectId],
    until: Instant,
) -> Vec<(ObjectId, Judged)> {
    let look = |(object, last)| async move {
        let seen = timeout_at(until, look_at(client, &object, judge, passing)).await;
        (object, seen.unwrap_or(last))
    };
    // Boxed in a list first: the compiler cannot see through a stream of borrowing closures.
    let looks: Vec<_> = objects.into_iter().map(|wanted| look(wanted).boxed()).collect();
    futures::stream::iter(looks).buffered(AT_A_TIME).collect().await
}

async fn look_at(client: &Client, object: &ObjectId, judge: &Arc<Judge>, passing: &[ObjectId]) -> Judged {
    match read(client, object).await {
        Ok(live) => {
            let judge = Arc::clone(judge);
            let place = JUDGING.acquire().await;
            let work = tokio::task::spawn_blocking(move || {
                let _place = place;
                (judge(&live), live)
            });
            match work.await {
                Ok((judged, live)) => with_pods(client, &live, judged).await,
                Err(stopped) => Err(stopped.to_string()),
            }
        }
        Err(error) if error.is_not_found() && passing.iter().any(|other| same(other, object)) => {
            Ok(Status::Current)
        }
        Err(error) if error.is_not_found() => Ok(Status::NotFound),
        Err(Error::NoMatch { .. }) => {
            let GroupVersionKind { group, kind, .. } = &object.gvk;
            Err(format!("no matches for kind \"{kind}\" in group \"{group}\""))
        }
        Err(error) => Err(error.chain()),
    }
}

fn same(one: &ObjectId, other: &ObjectId) -> bool {
    (&one.gvk.group, &one.gvk.kind, &one.namespace, &one.name)
        == (&other.gvk.group, &other.gvk.kind, &other.namespace, &other.name)
}

/// The Jobs of a list that go away by themselves once they are done.
pub fn passing(objects: &[Value]) -> Vec<ObjectId> {
    let passes = |built: &&Value| {
        let version = built["apiVersion"].as_str().unwrap_or_default();
        object::kind(built) == "Job"
            && version.starts_with("batch/")
            && built["spec"]["ttlSecondsAfterFinished"].is_i64()
    };
    objects.iter().filter(passes).map(object::id).collect()
}

/// Reads an object in the version it was asked for, else in any that the server has: its kind is what counts.
async fn read(client: &Client, object: &ObjectId) -> Result<Value, Error> {
    let (gvk, namespace, name) = (&object.gvk, &object.namespace, &object.name);
    match client.get(gvk, namespace, name).await {
        Err(unknown @ Error::NoMatch { .. }) => match client.served(gvk).await? {
            Some(other) => client.get(&other, namespace, name).await,
            None => Err(unknown),
        },
        read => read,
    }
}

/// What is on its way may have failed with its Pods.
async fn with_pods(client: &Client, live: &Value, status: Judged) -> Judged {
    if status != Ok(Status::InProgress) || !health::fails_with_its_pods(live) {
        return status;
    }
    let select = Select { labels: selector(&live["spec"]["selector"]), ..Select::default() };
    let pods = GroupVersionKind::new("", "v1", "Pod");
    let pods = client.list(&pods, object::namespace(live), &select).await.map_err(|error| error.chain())?;
    let now = jiff::Timestamp::now();
    let any_failed = pods.items.iter().any(|pod| health::has_failed_for_good(pod, now));
    Ok(if any_failed { Status::Failed } else { Status::InProgress })
}

/// A selector of labels as requests write it.
fn selector(selector: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={}", text(value)));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|expression| {
        let key = text(&expression["key"]);
        let values: Vec<String> = expression["values"].as_array().into_iter().flatten().map(text).collect();
        match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key,
        }
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

fn listed(objects: &[&(ObjectId, Judged)]) -> String {
    let each = objects.iter().map(|(object, status)| match status {
        Ok(status) => format!("{object} status: '{status}'"),
        Err(why) => format!("{object} status: 'Unknown': {why}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_are_written_as_requests_read_them() {
        let all = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "old", "operator": "DoesNotExist"}, {"key": "new", "operator": "Exists"}]});
        assert_eq!(selector(&all), "app=web,tier in (a,b),!old,new");
    }
}
