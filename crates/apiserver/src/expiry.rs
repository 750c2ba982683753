//! Events go some time after they were last written.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::app::{App, stopped};
use crate::keys;
use crate::storage::Key;

/// Looks for Events that are too old until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.subscribe();
    let pause = (app.event_ttl / 12).clamp(Duration::from_millis(50), Duration::from_secs(300));
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut stopping) => return,
        }
        let app = Arc::clone(&app);
        let _ = tokio::task::spawn_blocking(move || expire(&app, crate::clock::unix())).await;
    }
}

/// Deletes the Events that are too old at a time in seconds since 1970.
fn expire(app: &Arc<App>, now: i64) {
    let ttl = i64::try_from(app.event_ttl.as_secs()).unwrap_or(i64::MAX);
    let resource = Arc::from(keys::EVENTS);
    for stored in app.store.list(&resource, None).items {
        let event = stored.object();
        if written(&event).is_some_and(|at| now.saturating_sub(at) > ttl) {
            let key =
                Key::new(&resource, crate::fields::meta(&event, "namespace"), crate::fields::name(&event));
            // One that was written meanwhile stays.
            let _ = app.store.delete(&key, stored.revision);
        }
    }
}

/// When the server last took a write of an object, in seconds since 1970.
fn written(object: &Value) -> Option<i64> {
    let metadata = &object["metadata"];
    let managers = metadata["managedFields"].as_array().into_iter().flatten().map(|manager| &manager["time"]);
    let times = managers.chain([&metadata["creationTimestamp"]]).filter_map(Value::as_str);
    times.filter_map(|time| time.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_second).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_write_counts() {
        let created = json!({"metadata": {"creationTimestamp": "1970-01-01T00:01:00Z"}});
        assert_eq!(written(&created), Some(60));
        let mut again = created;
        again["metadata"]["managedFields"] =
            json!([{"time": "1970-01-01T00:01:00Z"}, {"time": "1970-01-01T00:02:00Z"}, {"manager": "x"}]);
        assert_eq!(written(&again), Some(120));
        assert_eq!(written(&json!({"lastTimestamp": "2030-01-01T00:00:00Z"})), None);
    }
}
