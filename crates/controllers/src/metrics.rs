//! Counts and durations, in the words of Flux and controller-runtime.
//!
//! Values are kept by series (name and labels) and written as text when somebody asks; nothing runs in between.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_cluster::client::Client;

use crate::queue::{Key, Next, Queue};

/// How a family of series counts.
#[derive(Clone, Copy)]
enum Shape {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

struct Family {
    name: &'static str,
    help: &'static str,
    shape: Shape,
}

/// Ten steps from 10 ms to half an hour, each 3.83 times the one before.
const RECONCILE: [f64; 10] = [
    0.01,
    0.03836468413239042,
    0.14718489886012896,
    0.564668215475055,
    2.16633179268846,
    8.311063501406373,
    31.885129997949694,
    122.32429389882406,
    469.2912896379577,
    1800.0,
];
/// The steps of controller-runtime.
const RUN: [f64; 37] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25,
    1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 30.0, 60.0,
];

const FAMILIES: [Family; 17] = [
    Family {
        name: "controller_runtime_active_workers",
        help: "Number of currently used workers per controller",
        shape: Shape::Gauge,
    },
    Family {
        name: "controller_runtime_max_concurrent_reconciles",
        help: "Maximum number of concurrent reconciles per controller",
        shape: Shape::Gauge,
    },
    Family {
        name: "controller_runtime_reconcile_errors_total",
        help: "Total number of reconciliation errors per controller",
        shape: Shape::Counter,
    },
    Family {
        name: "controller_runtime_reconcile_panics_total",
        help: "Total number of reconciliation panics per controller",
        shape: Shape::Counter,
    },
    Family {
        name: "controller_runtime_reconcile_time_seconds",
        help: "Length of time per reconciliation per controller",
        shape: Shape::Histogram(&RUN),
    },
    Family {
        name: "controller_runtime_reconcile_total",
        help: "Total number of reconciliations per controller",
        shape: Shape::Counter,
    },
    Family {
        name: "gotk_reconcile_duration_seconds",
        help: "The duration in seconds of a GitOps Toolkit resource reconciliation.",
        shape: Shape::Histogram(&RECONCILE),
    },
    Family {
        name: "gotk_token_cache_events_total",
        help: "Total number of cache retrieval events for a GitOps Toolkit resource reconciliation.",
        shape: Shape::Counter,
    },
    Family {
        name: "gotk_token_cache_evictions_total",
        help: "Total number of cache evictions.",
        shape: Shape::Counter,
    },
    Family {
        name: "gotk_token_cache_requests_total",
        help: "Total number of cache requests partitioned by success or failure.",
        shape: Shape::Counter,
    },
    Family {
        name: "gotk_token_cached_items",
        help: "Total number of items in the cache.",
        shape: Shape::Gauge,
    },
    Family {
        name: "leader_election_master_status",
        help: "Gauge of if the reporting system is master of the relevant lease",
        shape: Shape::Gauge,
    },
    Family {
        name: "process_resident_memory_bytes",
        help: "Resident memory size in bytes.",
        shape: Shape::Gauge,
    },
    Family {
        name: "rest_client_requests_total",
        help: "Number of HTTP requests, partitioned by status code, method, and host.",
        shape: Shape::Counter,
    },
    Family {
        name: "workqueue_adds_total",
        help: "Total number of adds handled by workqueue",
        shape: Shape::Counter,
    },
    Family { name: "workqueue_depth", help: "Current depth of workqueue", shape: Shape::Gauge },
    Family {
        name: "workqueue_retries_total",
        help: "Total number of retries handled by workqueue",
        shape: Shape::Counter,
    },
];

#[derive(Clone, Default)]
struct Series {
    value: f64,
    /// Of a histogram: how many values fell into each step, and how many there are.
    steps: Vec<u64>,
    count: u64,
}

/// Names of labels and their values, as they are written.
type Labels = String;

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    series: Mutex<BTreeMap<(&'static str, Labels), Series>>,
    queues: Mutex<Vec<(&'static str, Queue)>>,
    clients: Mutex<Vec<Client>>,
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
        let labels = labels(&[("controller", controller.name)]);
        self.set("controller_runtime_max_concurrent_reconciles", labels, workers as f64);
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
        let mut all = self.series.lock();
        let series = all.entry((name, labels)).or_default();
        series.steps.resize(bounds.len(), 0);
        for (count, bound) in series.steps.iter_mut().zip(bounds) {
            *count += u64::from(value <= *bound);
        }
        series.value += value;
        series.count += 1;
    }

    /// A run begins.
    pub fn begun(&self, controller: Controller) {
        self.add("controller_runtime_active_workers", labels(&[("controller", controller.name)]), 1.0);
    }

    /// A run that was begun is over; none for one that broke off.
    pub fn done(&self, controller: Controller, key: &Key, next: Option<Next>, took: Duration) {
        let by = [("controller", controller.name)];
        let result = match next {
            None | Some(Next::BackOff) => "error",
            Some(Next::After(_)) => "requeue_after",
            Some(Next::WhenAdded) => "success",
        };
        self.add("controller_runtime_active_workers", labels(&by), -1.0);
        self.add("controller_runtime_reconcile_total", labels(&[by[0], ("result", result)]), 1.0);
        if result == "error" {
            self.add("controller_runtime_reconcile_errors_total", labels(&by), 1.0);
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
        self.series.lock().remove(&("gotk_reconcile_duration_seconds", of_object(controller, key)));
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
            self.set("workqueue_depth", by(), counts.waiting as f64);
            self.set("workqueue_adds_total", by(), counts.added as f64);
            self.set("workqueue_retries_total", by(), counts.retried as f64);
        }
        for client in self.clients.lock().iter() {
            let host = client.address().split("//").last().unwrap_or_default();
            for ((method, code), count) in client.requests() {
                let code = code.to_string();
                let by = labels(&[("code", &code), ("host", host), ("method", method)]);
                self.set("rest_client_requests_total", by, count as f64);
            }
        }
        if let Some(bytes) = resident_bytes() {
            self.set("process_resident_memory_bytes", Labels::new(), bytes as f64);
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
        Shape::Counter | Shape::Gauge => writeln!(out, "{name}{} {}", braced(""), series.value),
        Shape::Histogram(bounds) => {
            for (bound, count) in bounds.iter().zip(&series.steps) {
                let _ = writeln!(out, "{name}_bucket{} {count}", braced(&format!("le=\"{bound}\"")));
            }
            let _ = writeln!(out, "{name}_bucket{} {}", braced("le=\"+Inf\""), series.count);
            let _ = writeln!(out, "{name}_sum{} {}", braced(""), series.value);
            writeln!(out, "{name}_count{} {}", braced(""), series.count)
        }
    };
}

/// What the kernel says about us; none where there is no such file.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn labels_are_escaped() {
        assert_eq!(labels(&[("a", "x\"y\\z\n")]), "a=\"x\\\"y\\\\z\\n\"");
    }
}
