//! The process's own memory, processor time, start, descriptors and threads, read from `/proc` when asked,
//! under the names every Prometheus client library uses, so that stock dashboards find them.
//!
//! Where `/proc` has no answer (another operating system) the line is left out; nothing fails because of it.

use std::{fmt, fs};

/// Ticks per second in `/proc`: the kernel's USER_HZ, fixed at 100 towards programs whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// What `/proc` tells of this process.
#[derive(Debug, Default, PartialEq)]
struct Usage {
    resident_memory_bytes: Option<f64>,
    virtual_memory_bytes: Option<f64>,
    cpu_seconds: Option<f64>,
    start_time_seconds: Option<f64>,
    threads: Option<f64>,
    open_descriptors: Option<f64>,
}

/// The lines to append to `/metrics`.
pub(crate) fn render() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let mut usage = parse(&read("/proc/self/status"), &read("/proc/self/stat"), &read("/proc/stat"));
    usage.open_descriptors = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64);
    usage.to_string()
}

/// Takes the figures out of `/proc/self/status`, `/proc/self/stat` and `/proc/stat`.
fn parse(status: &str, stat: &str, system: &str) -> Usage {
    let figure = |text: &str, key: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
    };
    // The program's name stands in brackets and may hold anything: the numbered fields begin after the last one.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    // proc(5) counts from 1 and the name is field 2, so field n is the entry n - 3.
    let ticks = |field: usize| -> Option<f64> { fields.get(field - 3)?.parse().ok() };
    let seconds = |field: usize| ticks(field).map(|count| count / TICKS_PER_SECOND);
    let (user_time, system_time, start_time) = (seconds(14), seconds(15), seconds(22));
    Usage {
        resident_memory_bytes: figure(status, "VmRSS:").map(|kilobytes| kilobytes * 1024.0),
        virtual_memory_bytes: figure(status, "VmSize:").map(|kilobytes| kilobytes * 1024.0),
        cpu_seconds: user_time.zip(system_time).map(|(user, system)| user + system),
        start_time_seconds: figure(system, "btime ").zip(start_time).map(|(boot, start)| boot + start),
        threads: figure(status, "Threads:"),
        open_descriptors: None,
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", self.resident_memory_bytes),
            ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", self.virtual_memory_bytes),
            ("process_cpu_seconds_total", "counter", "User and system CPU time in seconds.", self.cpu_seconds),
            ("process_start_time_seconds", "gauge", "Start time since the Unix epoch.", self.start_time_seconds),
            ("process_threads", "gauge", "Number of threads.", self.threads),
            ("process_open_fds", "gauge", "Number of open file descriptors.", self.open_descriptors),
        ];
        for (name, kind, help, value) in lines {
            if let Some(value) = value {
                writeln!(formatter, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_taken_from_the_right_fields() {
        let status = "Name:\tfoldstream\nVmSize:\t  2048 kB\nVmRSS:\t   512 kB\nThreads:\t7\n";
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 7 0 12345 2097152 128";
        let usage = parse(status, stat, "cpu  1 2 3\nbtime 1700000000\n");
        assert_eq!(usage.resident_memory_bytes, Some(524_288.0));
        assert_eq!(usage.virtual_memory_bytes, Some(2_097_152.0));
        assert_eq!(usage.cpu_seconds, Some(3.0));
        assert_eq!(usage.start_time_seconds, Some(1_700_000_123.45));
        assert_eq!(usage.threads, Some(7.0));
    }

    #[test]
    fn without_proc_there_are_no_lines() {
        assert_eq!(parse("", "", ""), Usage::default());
        assert_eq!(Usage::default().to_string(), "");
    }

    #[test]
    fn this_process_is_described() {
        let text = render();
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} in:\n{text}");
        }
    }
}
