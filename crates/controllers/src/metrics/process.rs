//! What the kernel says about this process.

use std::fs::{read_dir, read_to_string};

/// How many ticks of a process's clock make a second; Linux shows the same everywhere.
const TICKS: f64 = 100.0;

/// The metrics of a process by name; those of which there is nothing to read are left out.
pub(super) fn metrics() -> Vec<(&'static str, f64)> {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    let limits = read_to_string("/proc/self/limits").unwrap_or_default();
    let all = [
        ("process_cpu_seconds_total", cpu_seconds(&stat)),
        ("process_max_fds", after(&limits, "Max open files")),
        // The listing itself holds one.
        ("process_open_fds", read_dir("/proc/self/fd").ok().map(|fds| fds.count() as f64 - 1.0)),
        ("process_resident_memory_bytes", after(&status, "VmRSS:").map(|kib| kib * 1024.0)),
        ("process_start_time_seconds", started(&stat)),
        ("process_virtual_memory_bytes", after(&status, "VmSize:").map(|kib| kib * 1024.0)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The number after a word at the beginning of a line.
fn after(text: &str, word: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A field of `stat`, counted from one as the manual does. The name of the program may hold blanks.
fn field(stat: &str, number: usize) -> Option<f64> {
    let rest = stat.rsplit_once(')')?.1;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

fn started(stat: &str) -> Option<f64> {
    let boot = after(&read_to_string("/proc/stat").ok()?, "btime")?;
    Some(boot + field(stat, 22)? / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_odd_names() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 5 0 0 0 250 50 0 0 20 0 3 0 1200 9 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(field(stat, 22), Some(1200.0));
        assert_eq!(cpu_seconds("7 (a) S"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn everything_is_there_on_linux() {
        let found = metrics();
        assert_eq!(found.len(), 6, "{found:?}");
        let started = found.iter().find(|(name, _)| *name == "process_start_time_seconds").map(|(_, at)| *at);
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!(started.is_some_and(|at| at > now - 86_400.0 && at <= now + 5.0), "{started:?} {now}");
    }
}
