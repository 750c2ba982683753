//! Counts of requests and objects for Prometheus, under the reference's names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http::ResourcePath;

/// What was asked since the start.
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Series, Counts>>,
    started: Instant,
    started_at: i64,
}

/// The labels of a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    verb: String,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
}

#[derive(Default)]
struct Counts {
    codes: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

impl Series {
    /// The series of a request for a resource that is served.
    pub(crate) fn of(verb: &str, path: &ResourcePath) -> Self {
        let scope = match (&path.name, &path.namespace) {
            (Some(_), _) => "resource",
            (None, Some(_)) => "namespace",
            (None, None) => "cluster",
        };
        Self {
            verb: verb.to_ascii_uppercase(),
            group: path.group.clone(),
            version: path.version.clone(),
            resource: path.resource.clone(),
            subresource: path.subresource.clone().unwrap_or_default(),
            scope,
        }
    }

    fn labels(&self) -> String {
        let Self { verb, group, version, resource, subresource, scope } = self;
        format!(
            "component=\"apiserver\",dry_run=\"\",group=\"{group}\",resource=\"{resource}\",scope=\"{scope}\",subresource=\"{subresource}\",verb=\"{verb}\",version=\"{version}\""
        )
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Mutex::default(), started: Instant::now(), started_at: crate::clock::unix() }
    }
}

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn answered(&self, series: Series, code: u16, took: Duration) {
        let mut requests = self.requests.lock();
        let counts = requests.entry(series).or_default();
        *counts.codes.entry(code).or_default() += 1;
        let seconds = took.as_secs_f64();
        for (bound, count) in BOUNDS.iter().zip(&mut counts.buckets) {
            *count += u64::from(seconds <= *bound);
        }
        counts.count += 1;
        counts.seconds += seconds;
    }

    /// All of it as text.
    pub(crate) fn text(&self, counts: Vec<(Arc<str>, usize)>) -> String {
        let mut out = String::new();
        self.requests_into(&mut out);
        head(&mut out, "apiserver_storage_objects", "gauge", "Number of stored objects by kind.");
        for (resource, count) in &counts {
            let _ = writeln!(out, "apiserver_storage_objects{{resource=\"{resource}\"}} {count}");
        }
        head(&mut out, "apiserver_resource_objects", "gauge", "Number of stored objects by kind.");
        for (resource, count) in &counts {
            let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
            let _ = writeln!(
                out,
                "apiserver_resource_objects{{group=\"{group}\",resource=\"{plural}\"}} {count}"
            );
        }
        head(&mut out, "process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970.");
        let _ = writeln!(out, "process_start_time_seconds {}", self.started_at);
        head(&mut out, "process_uptime_seconds", "gauge", "Seconds since the start.");
        let _ = writeln!(out, "process_uptime_seconds {}", self.started.elapsed().as_secs());
        if let Some(bytes) = resident_bytes() {
            head(&mut out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
            let _ = writeln!(out, "process_resident_memory_bytes {bytes}");
        }
        out
    }

    fn requests_into(&self, out: &mut String) {
        let requests = self.requests.lock();
        head(out, "apiserver_request_total", "counter", "Answered requests by verb, resource and code.");
        for (series, counts) in &*requests {
            for (code, count) in &counts.codes {
                let labels = series.labels();
                let _ = writeln!(out, "apiserver_request_total{{code=\"{code}\",{labels}}} {count}");
            }
        }
        let name = "apiserver_request_duration_seconds";
        head(out, name, "histogram", "Seconds until a request was answered.");
        for (series, counts) in &*requests {
            let labels = series.labels();
            for (bound, count) in BOUNDS.iter().zip(&counts.buckets) {
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counts.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", counts.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", counts.count);
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// What the kernel says; none where there is no such file.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 11] = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 3.0, 10.0, 60.0];
