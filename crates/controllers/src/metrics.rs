//! Counts and durations, in the words of Flux and controller-runtime.
//!
//! Values are kept by series (name and labels) and written as text when somebody asks; nothing runs in between.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_yaml::scalar::float_text;

use crate::metrics::families::{FAMILIES, Family, RECONCILE, RUN, Shape};
use crate::queue::{Key, Next, Queue};
use crate::series::Series;

mod families;
mod process;

/// Names of labels and their values, as they are written.
type Labels = String;

/// What the original counts in every process and what no process of ours can meet: it has no such parts.
const NOTHING: [&str; 4] = [
    "certwatcher_read_certificate_errors_total",
    "certwatcher_read_certificate_total",
    "controller_runtime_conversion_webhook_panics_total",
    "controller_runtime_webhook_panics_total",
];

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    series: Mutex<BTreeMap<(&'static str, Labels), Series>>,
    queues: Mutex<Vec<(&'static str, Queue)>>,
    clients: Mutex<Vec<Client>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// A controller, as labels name it.
#[derive(Clone, Copy)]
pub struct Controller {
    /// The label `controller`, as `kustomization`.
    pub name: &'static str,
    /// The kind that it works on.
    pub kind: &'static str,
}

impl Metrics {
    /// Shows the depth of a controller's queue, and how many it works on at a time.
    pub fn follow(&self, controller: Controller, queue: &Queue, workers: usize) {
        self.queues.lock().push((controller.name, queue.clone()));
        let by = [("controller", controller.name)];
        self.set("controller_runtime_max_concurrent_reconciles", labels(&by), workers as f64);
        // What has not happened yet is shown, too: a rate needs a beginning.
        for name in [
            "controller_runtime_active_workers",
            "controller_runtime_reconcile_errors_total",
            "controller_runtime_reconcile_panics_total",
            "controller_runtime_reconcile_timeouts_total",
            "controller_runtime_terminal_reconcile_errors_total",
        ] {
            self.add(name, labels(&by), 0.0);
        }
        for result in ["error", "requeue", "requeue_after", "success"] {
            self.add("controller_runtime_reconcile_total", labels(&[by[0], ("result", result)]), 0.0);
        }
    }

    /// Shows the requests of a connection.
    pub fn follow_client(&self, client: &Client) {
        self.clients.lock().push(client.clone());
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, labels: Labels, value: f64) {
        self.series.lock().entry((name, labels)).or_default().value = value;
    }

    /// Adds to a counter or gauge.
    pub fn add(&self, name: &'static str, labels: Labels, more: f64) {
        self.series.lock().entry((name, labels)).or_default().value += more;
    }

    fn observe(&self, name: &'static str, labels: Labels, bounds: &[f64], value: f64) {
        self.series.lock().entry((name, labels)).or_default().observe(bounds, value);
    }

    /// A run begins.
    pub fn begun(&self, controller: Controller) {
        self.add("controller_runtime_active_workers", labels(&[("controller", controller.name)]), 1.0);
    }

    /// A run that was begun is over; none for one that broke off.
    pub fn done(&self, controller: Controller, key: &Key, next: Option<Next>, took: Duration) {
        let by = [("controller", controller.name)];
        let result = match next {
            None | Some(Next::BackOff | Next::Terminal) => "error",
            Some(Next::After(Duration::ZERO) | Next::Retry(Duration::ZERO)) => "requeue",
            Some(Next::After(_) | Next::Retry(_)) => "requeue_after",
            Some(Next::WhenAdded | Next::Gone) => "success",
        };
        self.add("controller_runtime_active_workers", labels(&by), -1.0);
        self.add("controller_runtime_reconcile_total", labels(&[by[0], ("result", result)]), 1.0);
        if result == "error" {
            self.add("controller_runtime_reconcile_errors_total", labels(&by), 1.0);
        }
        if next == Some(Next::Terminal) {
            self.add("controller_runtime_terminal_reconcile_errors_total", labels(&by), 1.0);
        }
        if next.is_none() {
            self.add("controller_runtime_reconcile_panics_total", labels(&by), 1.0);
        }
        let seconds = took.as_secs_f64();
        self.observe("controller_runtime_reconcile_time_seconds", labels(&by), &RUN, seconds);
        self.observe("gotk_reconcile_duration_seconds", of_object(controller, key), &RECONCILE, seconds);
    }

    /// Forgets the series of an object that is gone.
    pub fn forget(&self, controller: Controller, key: &Key) {
        let own = of_object(controller, key);
        let events = format!(",{own},operation=");
        self.series.lock().retain(|(name, labels), _| match *name {
            "gotk_reconcile_duration_seconds" => *labels != own,
            "gotk_token_cache_events_total" => !labels.contains(&events),
            _ => true,
        });
    }

    /// Everything in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.look();
        let all = self.series.lock().clone();
        let mut out = String::new();
        for family in &FAMILIES {
            let mut members = all.iter().filter(|((name, _), _)| *name == family.name).peekable();
            if members.peek().is_none() {
                continue;
            }
            let shape = match family.shape {
                Shape::Counter => "counter",
                Shape::Gauge => "gauge",
                Shape::Histogram(_) => "histogram",
            };
            // Writing into a text cannot fail.
            let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {shape}", family.name, family.help, family.name);
            for ((_, labels), series) in members {
                write(&mut out, family, labels, series);
            }
        }
        out
    }

    /// Reads what others count.
    fn look(&self) {
        for (name, queue) in self.queues.lock().iter() {
            let counts = queue.counts();
            let by = || labels(&[("controller", name), ("name", name)]);
            for (priority, depth) in [("0", counts.waiting - counts.low), ("-100", counts.low)] {
                let deep = labels(&[("controller", name), ("name", name), ("priority", priority)]);
                self.set("workqueue_depth", deep, depth as f64);
            }
            self.set("workqueue_adds_total", by(), counts.added as f64);
            self.set("workqueue_retries_total", by(), counts.retried as f64);
            self.set("workqueue_unfinished_work_seconds", by(), counts.unfinished.as_secs_f64());
            self.set("workqueue_longest_running_processor_seconds", by(), counts.longest.as_secs_f64());
            let mut all = self.series.lock();
            all.insert(("workqueue_queue_duration_seconds", by()), counts.waited);
            all.insert(("workqueue_work_duration_seconds", by()), counts.worked);
        }
        for client in self.clients.lock().iter() {
            let host = client.address().split("//").last().unwrap_or_default();
            for ((method, code), count) in client.requests() {
                let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
                let by = labels(&[("code", &code), ("host", host), ("method", method)]);
                self.set("rest_client_requests_total", by, count as f64);
            }
        }
        for name in NOTHING {
            self.set(name, Labels::new(), 0.0);
        }
        for (name, value) in process::metrics() {
            self.set(name, Labels::new(), value);
        }
    }
}

fn of_object(controller: Controller, key: &Key) -> Labels {
    labels(&[("kind", controller.kind), ("name", &key.name), ("namespace", &key.namespace)])
}

/// Writes labels as they stand between braces.
pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    let one = |(key, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{key}=\"{value}\"")
    };
    pairs.iter().map(one).collect::<Vec<_>>().join(",")
}

fn write(out: &mut String, family: &Family, labels: &str, series: &Series) {
    let name = family.name;
    let braced = |more: &str| match (labels.is_empty(), more.is_empty()) {
        (true, true) => String::new(),
        (false, false) => format!("{{{labels},{more}}}"),
        _ => format!("{{{labels}{more}}}"),
    };
    let _ = match family.shape {
        Shape::Counter | Shape::Gauge => writeln!(out, "{name}{} {}", braced(""), float_text(series.value)),
        Shape::Histogram(bounds) => {
            for (bound, count) in bounds.iter().zip(&series.steps) {
                let _ = writeln!(
                    out,
                    "{name}_bucket{} {count}",
                    braced(&format!("le=\"{}\"", float_text(*bound)))
                );
            }
            let _ = writeln!(out, "{name}_bucket{} {}", braced("le=\"+Inf\""), series.count);
            let _ = writeln!(out, "{name}_sum{} {}", braced(""), float_text(series.value));
            writeln!(out, "{name}_count{} {}", braced(""), series.count)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Priority;

    const KUSTOMIZATION: Controller = Controller { name: "kustomization", kind: "Kustomization" };

    #[test]
    fn runs_are_counted_in_the_words_that_dashboards_know() {
        let metrics = Metrics::default();
        let key = Key { namespace: "apps".into(), name: "web".into() };
        metrics.begun(KUSTOMIZATION);
        metrics.done(KUSTOMIZATION, &key, Some(Next::BackOff), Duration::from_millis(20));
        let text = metrics.render();
        let by = "kind=\"Kustomization\",name=\"web\",namespace=\"apps\"";
        for line in [
            "# TYPE gotk_reconcile_duration_seconds histogram".to_owned(),
            format!("gotk_reconcile_duration_seconds_bucket{{{by},le=\"0.01\"}} 0"),
            format!("gotk_reconcile_duration_seconds_bucket{{{by},le=\"1800\"}} 1"),
            format!("gotk_reconcile_duration_seconds_count{{{by}}} 1"),
            "controller_runtime_reconcile_total{controller=\"kustomization\",result=\"error\"} 1".to_owned(),
            "controller_runtime_active_workers{controller=\"kustomization\"} 0".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        metrics.forget(KUSTOMIZATION, &key);
        assert!(!metrics.render().contains("gotk_reconcile_duration_seconds"));
    }

    #[test]
    fn numbers_are_written_as_go_writes_them_and_what_cannot_happen_is_shown() {
        let metrics = Metrics::default();
        metrics.add("gotk_token_cache_evictions_total", String::new(), 1_234_567.0);
        metrics.observe("workqueue_queue_duration_seconds", String::new(), &crate::series::QUEUE, 5.0);
        let text = metrics.render();
        for line in [
            "gotk_token_cache_evictions_total 1.234567e+06",
            "workqueue_queue_duration_seconds_bucket{le=\"1e-08\"} 0",
            "workqueue_queue_duration_seconds_bucket{le=\"1000\"} 1",
            "certwatcher_read_certificate_total 0",
            "controller_runtime_webhook_panics_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn queues_tell_how_long_things_wait_and_take() {
        let (metrics, queue) = (Metrics::default(), Queue::default());
        metrics.follow(KUSTOMIZATION, &queue, 4);
        let key = Key { namespace: "apps".into(), name: "web".into() };
        queue.add(key.clone(), Priority::Ordinary);
        tokio::time::advance(Duration::from_secs(2)).await;
        queue.next().await;
        tokio::time::advance(Duration::from_secs(3)).await;
        let by = "controller=\"kustomization\",name=\"kustomization\"";
        let has = |line: String| {
            let text = metrics.render();
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        };
        has(format!("workqueue_queue_duration_seconds_bucket{{{by},le=\"1\"}} 0"));
        has(format!("workqueue_queue_duration_seconds_sum{{{by}}} 2"));
        has(format!("workqueue_unfinished_work_seconds{{{by}}} 3"));
        has(format!("workqueue_longest_running_processor_seconds{{{by}}} 3"));
        queue.done(&key, Next::Terminal);
        metrics.done(KUSTOMIZATION, &key, Some(Next::Terminal), Duration::from_secs(3));
        has(format!("workqueue_work_duration_seconds_bucket{{{by},le=\"10\"}} 1"));
        has(format!("workqueue_unfinished_work_seconds{{{by}}} 0"));
        has("workqueue_depth{controller=\"kustomization\",name=\"kustomization\",priority=\"0\"} 0"
            .to_owned());
        has("controller_runtime_reconcile_timeouts_total{controller=\"kustomization\"} 0".to_owned());
        has("controller_runtime_terminal_reconcile_errors_total{controller=\"kustomization\"} 1".to_owned());
        has("controller_runtime_reconcile_total{controller=\"kustomization\",result=\"requeue\"} 0"
            .to_owned());
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(labels(&[("a", "x\"y\\z\n")]), "a=\"x\\\"y\\\\z\\n\"");
    }
}
