//! The metrics by name, with the words of Flux and controller-runtime.

use crate::series::QUEUE;

/// How a family of series counts.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// The series of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) shape: Shape,
}

/// Ten steps from 10 ms to half an hour, each 3.83 times the one before.
pub(super) const RECONCILE: [f64; 10] = [
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
pub(super) const RUN: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25,
    1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0,
    50.0, 60.0,
];

const fn family(name: &'static str, help: &'static str, shape: Shape) -> Family {
    Family { name, help, shape }
}

pub(super) const FAMILIES: [Family; 35] = [
    family(
        "certwatcher_read_certificate_errors_total",
        "Total number of certificate read errors",
        Shape::Counter,
    ),
    family("certwatcher_read_certificate_total", "Total number of certificate reads", Shape::Counter),
    family(
        "controller_runtime_active_workers",
        "Number of currently used workers per controller",
        Shape::Gauge,
    ),
    family(
        "controller_runtime_conversion_webhook_panics_total",
        "Total number of conversion webhook panics",
        Shape::Counter,
    ),
    family(
        "controller_runtime_max_concurrent_reconciles",
        "Maximum number of concurrent reconciles per controller",
        Shape::Gauge,
    ),
    family(
        "controller_runtime_reconcile_errors_total",
        "Total number of reconciliation errors per controller",
        Shape::Counter,
    ),
    family(
        "controller_runtime_reconcile_panics_total",
        "Total number of reconciliation panics per controller",
        Shape::Counter,
    ),
    family(
        "controller_runtime_reconcile_time_seconds",
        "Length of time per reconciliation per controller",
        Shape::Histogram(&RUN),
    ),
    family(
        "controller_runtime_reconcile_timeouts_total",
        "Total number of reconciliation timeouts per controller",
        Shape::Counter,
    ),
    family(
        "controller_runtime_reconcile_total",
        "Total number of reconciliations per controller",
        Shape::Counter,
    ),
    family(
        "controller_runtime_terminal_reconcile_errors_total",
        "Total number of terminal reconciliation errors per controller",
        Shape::Counter,
    ),
    family("controller_runtime_webhook_panics_total", "Total number of webhook panics", Shape::Counter),
    family(
        "gotk_reconcile_duration_seconds",
        "The duration in seconds of a GitOps Toolkit resource reconciliation.",
        Shape::Histogram(&RECONCILE),
    ),
    family(
        "gotk_token_cache_events_total",
        "Total number of cache retrieval events for a Gitops Toolkit resource reconciliation.",
        Shape::Counter,
    ),
    family("gotk_token_cache_evictions_total", "Total number of cache evictions.", Shape::Counter),
    family(
        "gotk_token_cache_requests_total",
        "Total number of cache requests partioned by success or failure.",
        Shape::Counter,
    ),
    family("gotk_token_cached_items", "Total number of items in the cache.", Shape::Gauge),
    family(
        "leader_election_master_status",
        "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
        Shape::Gauge,
    ),
    family("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", Shape::Counter),
    family("process_max_fds", "Maximum number of open file descriptors.", Shape::Gauge),
    family(
        "process_network_receive_bytes_total",
        "Number of bytes received by the process over the network.",
        Shape::Counter,
    ),
    family(
        "process_network_transmit_bytes_total",
        "Number of bytes sent by the process over the network.",
        Shape::Counter,
    ),
    family("process_open_fds", "Number of open file descriptors.", Shape::Gauge),
    family("process_resident_memory_bytes", "Resident memory size in bytes.", Shape::Gauge),
    family(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        Shape::Gauge,
    ),
    family("process_virtual_memory_bytes", "Virtual memory size in bytes.", Shape::Gauge),
    family(
        "process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes.",
        Shape::Gauge,
    ),
    family(
        "rest_client_requests_total",
        "Number of HTTP requests, partitioned by status code, method, and host.",
        Shape::Counter,
    ),
    family("workqueue_adds_total", "Total number of adds handled by workqueue", Shape::Counter),
    family("workqueue_depth", "Current depth of workqueue by workqueue and priority", Shape::Gauge),
    family(
        "workqueue_longest_running_processor_seconds",
        "How many seconds has the longest running processor for workqueue been running.",
        Shape::Gauge,
    ),
    family(
        "workqueue_queue_duration_seconds",
        "How long in seconds an item stays in workqueue before being requested",
        Shape::Histogram(&QUEUE),
    ),
    family(
        "workqueue_retries_total",
        "Total number of items added to the workqueue with a non-zero delay (rate-limited requeues, explicit RequeueAfter or AddAfter calls)",
        Shape::Counter,
    ),
    family(
        "workqueue_unfinished_work_seconds",
        "How many seconds of work has been done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
        Shape::Gauge,
    ),
    family(
        "workqueue_work_duration_seconds",
        "How long in seconds processing an item from workqueue takes.",
        Shape::Histogram(&QUEUE),
    ),
];
