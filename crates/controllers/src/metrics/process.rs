//! What the kernel says about this process.

use std::fs::{read_dir, read_to_string};

/// How many ticks of a process's clock make a second; Linux shows the same everywhere.
const TICKS: f64 = 100.0;

/// The metrics of a process by name; those of which there is nothing to read are left out.
pub(super) fn metrics() -> Vec<(&'static str, f64)> {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    let netstat = read_to_string("/proc/self/net/netstat").unwrap_or_default();
    let limits = read_to_string("/proc/self/limits").unwrap_or_default();
    let all = [
        ("process_cpu_seconds_total", cpu_seconds(&stat)),
        ("process_max_fds", most(&limits, "Max open files")),
        ("process_network_receive_bytes_total", octets(&netstat, "InOctets")),
        ("process_network_transmit_bytes_total", octets(&netstat, "OutOctets")),
        // The listing itself holds one.
        ("process_open_fds", read_dir("/proc/self/fd").ok().map(|fds| fds.count() as f64 - 1.0)),
        ("process_resident_memory_bytes", after(&status, "VmRSS:").map(|kib| kib * 1024.0)),
        ("process_start_time_seconds", started(&stat)),
        ("process_virtual_memory_bytes", after(&status, "VmSize:").map(|kib| kib * 1024.0)),
        ("process_virtual_memory_max_bytes", most(&limits, "Max address space")),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The number after a word at the beginning of a line.
fn after(text: &str, word: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A limit; one that there is not shows as the largest whole number, as in the original.
fn most(limits: &str, word: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(word))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX as f64),
        number => number.parse().ok(),
    }
}

/// Bytes on the network, from the two lines of `IpExt`: one of names, one of numbers.
fn octets(netstat: &str, name: &str) -> Option<f64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|found| found == name)?;
    numbers.split_whitespace().nth(at)?.parse().ok()
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
    fn numbers_are_found_below_their_names_and_no_limit_is_the_largest() {
        let netstat = "TcpExt: A InOctets\nTcpExt: 1 2\nIpExt: In InOctets OutOctets\nIpExt: 3 4 5\n";
        assert_eq!((octets(netstat, "InOctets"), octets(netstat, "OutOctets")), (Some(4.0), Some(5.0)));
        assert_eq!(octets("", "InOctets"), None);
        let limits = "Max open files  1024  4096  files\nMax address space  unlimited  unlimited  bytes\n";
        assert_eq!(most(limits, "Max open files"), Some(1024.0));
        assert_eq!(most(limits, "Max address space"), Some(u64::MAX as f64));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn everything_is_there_on_linux() {
        let found = metrics();
        assert_eq!(found.len(), 9, "{found:?}");
        let started = found.iter().find(|(name, _)| *name == "process_start_time_seconds").map(|(_, at)| *at);
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!(started.is_some_and(|at| at > now - 86_400.0 && at <= now + 5.0), "{started:?} {now}");
    }
}
