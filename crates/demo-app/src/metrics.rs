//! Counts of requests by status, as Prometheus reads them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::color::Color;

/// Upper bounds of the latency buckets, in seconds: from an answer at once to
/// one as late as a slider allows.
const BOUNDS_S: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Requests that were answered.
#[derive(Debug, Default)]
pub struct Metrics {
    /// One for each status: the application has no more than a handful.
    by_status: Vec<Series>,
}

#[derive(Debug, Default)]
struct Series {
    status: u16,
    count: u64,
    sum_s: f64,
    /// Not added up yet: each request is in one of them, or in none.
    buckets: [u64; BOUNDS_S.len()],
}

/// What is told of the process itself.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Name of the scenario in force.
    pub scenario: &'static str,
    /// Memory in use, in bytes, where the system tells.
    pub resident_bytes: Option<u64>,
    /// When it started, in seconds since 1970.
    pub started_s: f64,
}

impl Metrics {
    /// Counts an answer.
    pub fn count(&mut self, status: u16, took: Duration) {
        let at = self.by_status.iter().position(|of| of.status == status);
        let at = at.unwrap_or_else(|| {
            self.by_status.push(Series {
                status,
                ..Series::default()
            });
            self.by_status.len() - 1
        });
        let series = &mut self.by_status[at];
        let took = took.as_secs_f64();
        series.count += 1;
        series.sum_s += took;
        if let Some(bucket) = BOUNDS_S.iter().position(|bound| took <= *bound) {
            series.buckets[bucket] += 1;
        }
    }

    /// All answers, and those with a status of 500 and above.
    pub fn totals(&self) -> (u64, u64) {
        let failed = self.by_status.iter().filter(|of| of.status >= 500);
        (
            self.by_status.iter().map(|of| of.count).sum(),
            failed.map(|of| of.count).sum(),
        )
    }

    /// In the text format of Prometheus.
    pub fn text(&self, color: &Color, process: Process) -> String {
        let color = color.as_str();
        let mut out = String::with_capacity(4_096);
        out.push_str(
            "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n",
        );
        for of in &self.by_status {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "http_requests_total{{color=\"{color}\",code=\"{}\"}} {}",
                of.status, of.count
            );
        }
        out.push_str(
            "# HELP http_request_errors_total Requests answered with 500 or above.\n\
             # TYPE http_request_errors_total counter\n",
        );
        for of in self.by_status.iter().filter(|of| of.status >= 500) {
            let _ = writeln!(
                out,
                "http_request_errors_total{{color=\"{color}\",code=\"{}\"}} {}",
                of.status, of.count
            );
        }
        out.push_str(
            "# HELP http_request_duration_seconds Time to the answer.\n\
             # TYPE http_request_duration_seconds histogram\n",
        );
        for of in &self.by_status {
            of.histogram(color, &mut out);
        }
        let Process {
            scenario,
            resident_bytes,
            started_s,
        } = process;
        let _ = writeln!(
            out,
            "# HELP rollouts_demo_info The version that answers here, and what goes wrong on purpose.\n\
             # TYPE rollouts_demo_info gauge\n\
             rollouts_demo_info{{version=\"{color}\",scenario=\"{scenario}\"}} 1\n\
             # HELP process_start_time_seconds When the process started, since 1970.\n\
             # TYPE process_start_time_seconds gauge\n\
             process_start_time_seconds {started_s}"
        );
        if let Some(bytes) = resident_bytes {
            let _ = writeln!(
                out,
                "# HELP process_resident_memory_bytes Memory in use.\n\
                 # TYPE process_resident_memory_bytes gauge\n\
                 process_resident_memory_bytes {bytes}"
            );
        }
        out
    }
}

impl Series {
    fn histogram(&self, color: &str, out: &mut String) {
        let labels = format!("color=\"{color}\",code=\"{}\"", self.status);
        let mut below = 0;
        for (bound, count) in BOUNDS_S.iter().zip(self.buckets) {
            below += count;
            let _ = writeln!(
                out,
                "http_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {below}"
            );
        }
        let (count, sum) = (self.count, self.sum_s);
        let _ = writeln!(
            out,
            "http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {count}\n\
             http_request_duration_seconds_sum{{{labels}}} {sum}\n\
             http_request_duration_seconds_count{{{labels}}} {count}"
        );
    }
}

/// What Linux says of this process's memory, in bytes.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: Process = Process {
        scenario: "none",
        resident_bytes: Some(5_242_880),
        started_s: 1_732_545_600.5,
    };

    #[test]
    fn buckets_add_up_and_statuses_stand_apart() {
        let mut metrics = Metrics::default();
        for (status, ms) in [(200, 1), (200, 30), (500, 30), (200, 60_000)] {
            metrics.count(status, Duration::from_millis(ms));
        }
        assert_eq!(metrics.totals(), (4, 1));
        let text = metrics.text(&"blue".parse().unwrap(), PROCESS);
        for line in [
            "http_requests_total{color=\"blue\",code=\"200\"} 3",
            "http_request_errors_total{color=\"blue\",code=\"500\"} 1",
            "http_request_duration_seconds_bucket{color=\"blue\",code=\"200\",le=\"0.001\"} 1",
            "http_request_duration_seconds_bucket{color=\"blue\",code=\"200\",le=\"0.05\"} 2",
            "http_request_duration_seconds_bucket{color=\"blue\",code=\"200\",le=\"30\"} 2",
            "http_request_duration_seconds_bucket{color=\"blue\",code=\"200\",le=\"+Inf\"} 3",
            "http_request_duration_seconds_count{color=\"blue\",code=\"500\"} 1",
            "rollouts_demo_info{version=\"blue\",scenario=\"none\"} 1",
            "process_resident_memory_bytes 5242880",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_system_tells_its_memory() {
        let bytes = resident_bytes().unwrap();
        assert!(bytes > 100_000, "{bytes}");
    }
}
