//! What came back, counted in bounded memory, and said in a line or a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use sketches_ddsketch::{Config, DDSketch};

use crate::client::{Answer, Unanswered};

/// Colours that are counted by name; what else answers is `other`.
const MAX_COLORS: usize = 16;
/// Error of a latency percentile, relative.
const LATENCY_ERROR: f64 = 0.01;
/// Bins of the latency sketch: from a microsecond to an hour at that error.
const LATENCY_BINS: u32 = 1_200;
/// Smallest latency that is told from zero, in seconds.
const LATENCY_FLOOR_S: f64 = 1e-6;

/// Counts of one load.
pub struct Summary {
    sent: u64,
    not_sent: u64,
    colors: BTreeMap<String, ColorCounts>,
    statuses: BTreeMap<u16, u64>,
    unanswered: BTreeMap<Unanswered, u64>,
    latencies: DDSketch,
}

/// Counts of one colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ColorCounts {
    answers: u64,
    /// Those with a status of 500 and above.
    errors: u64,
}

/// A summary as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    seconds: f64,
    sent: u64,
    not_sent: u64,
    answered: u64,
    colors: &'a BTreeMap<String, ColorCounts>,
    statuses: &'a BTreeMap<u16, u64>,
    unanswered: BTreeMap<&'static str, u64>,
    latency_ms: BTreeMap<&'static str, f64>,
}

impl Summary {
    /// Nothing was sent yet.
    pub fn new() -> Self {
        Self {
            sent: 0,
            not_sent: 0,
            colors: BTreeMap::new(),
            statuses: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            latencies: DDSketch::new(Config::new(LATENCY_ERROR, LATENCY_BINS, LATENCY_FLOOR_S)),
        }
    }

    /// Counts a request that was answered, or was not; `took` from when it was
    /// due to the answer's end.
    pub fn count(&mut self, outcome: &Result<Answer, Unanswered>, took: Duration) {
        self.sent += 1;
        match outcome {
            Ok(answer) => {
                *self.statuses.entry(answer.status).or_default() += 1;
                self.latencies.add(took.as_secs_f64());
                if let Some(color) = &answer.color {
                    self.color(color.as_str(), answer.status);
                }
            }
            Err(why) => *self.unanswered.entry(*why).or_default() += 1,
        }
    }

    fn color(&mut self, color: &str, status: u16) {
        let known = self.colors.contains_key(color) || self.colors.len() < MAX_COLORS;
        let name = if known { color } else { "other" };
        let counts = self.colors.entry(name.to_owned()).or_default();
        counts.answers += 1;
        counts.errors += u64::from(status >= 500);
    }

    /// Counts a request that was due while too many were in flight.
    pub fn count_not_sent(&mut self, count: u64) {
        self.not_sent += count;
    }

    /// Requests that were answered, whatever the answer.
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Latencies at the usual percentiles, in milliseconds.
    fn percentiles(&self) -> BTreeMap<&'static str, f64> {
        [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)]
            .into_iter()
            .filter_map(|(name, share)| {
                let seconds = self.latencies.quantile(share).ok().flatten()?;
                Some((name, (seconds * 100_000.0).round() / 100.0))
            })
            .collect()
    }

    fn errors(&self) -> u64 {
        self.statuses.range(500..).map(|(_, count)| count).sum()
    }

    /// One line on how it goes.
    pub fn line(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let answered = self.answered();
        let mut line = format!(
            "{seconds:.0} s: {answered} answers, {:.1}/s",
            per(answered, seconds)
        );
        for (color, counts) in &self.colors {
            let _ = write!(
                line,
                ", {color} {:.0} %",
                100.0 * share(counts.answers, answered)
            );
        }
        let _ = write!(
            line,
            ", 5xx {:.1} %",
            100.0 * share(self.errors(), answered)
        );
        if let Some(p95) = self.percentiles().get("p95") {
            let _ = write!(line, ", p95 {p95} ms");
        }
        let unanswered: u64 = self.unanswered.values().sum();
        if unanswered > 0 {
            let _ = write!(line, ", {unanswered} without an answer");
        }
        if self.not_sent > 0 {
            let _ = write!(line, ", {} not sent", self.not_sent);
        }
        line
    }

    /// The whole of it, for people.
    pub fn table(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let answered = self.answered();
        let mut out = format!(
            "{} requests in {seconds:.1} s ({:.1}/s), {answered} answered",
            self.sent,
            per(self.sent, seconds)
        );
        for (color, counts) in &self.colors {
            let _ = write!(
                out,
                "\n  {color:<12} {:>8} answers {:>5.1} %, {} of them 5xx ({:.1} %)",
                counts.answers,
                100.0 * share(counts.answers, answered),
                counts.errors,
                100.0 * share(counts.errors, counts.answers)
            );
        }
        for (status, count) in &self.statuses {
            let _ = write!(
                out,
                "\n  status {status:<5} {count:>8} answers {:>5.1} %",
                100.0 * share(*count, answered)
            );
        }
        for (why, count) in &self.unanswered {
            let _ = write!(out, "\n  no answer    {count:>8} {}", why.as_str());
        }
        if self.not_sent > 0 {
            let _ = write!(
                out,
                "\n  not sent     {:>8} due while --in-flight was reached",
                self.not_sent
            );
        }
        let mut separator = "\n  latency      ";
        for (name, ms) in self.percentiles() {
            let _ = write!(out, "{separator}{name} {ms} ms");
            separator = ", ";
        }
        out
    }

    /// The whole of it, as one line of JSON.
    pub fn json(&self, elapsed: Duration) -> String {
        let json = Json {
            seconds: (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0,
            sent: self.sent,
            not_sent: self.not_sent,
            answered: self.answered(),
            colors: &self.colors,
            statuses: &self.statuses,
            unanswered: self
                .unanswered
                .iter()
                .map(|(why, count)| (why.as_str(), *count))
                .collect(),
            latency_ms: self.percentiles(),
        };
        #[expect(clippy::expect_used, reason = "maps of words and finite numbers")]
        serde_json::to_string(&json).expect("a summary is always JSON")
    }
}

fn per(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole > 0 {
        part as f64 / whole as f64
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, color: &str) -> Result<Answer, Unanswered> {
        Ok(Answer {
            status,
            color: color.parse().ok(),
        })
    }

    fn some() -> Summary {
        let mut summary = Summary::new();
        for index in 0..100 {
            let status = if index % 10 == 0 { 500 } else { 200 };
            let color = if index < 30 { "yellow" } else { "blue" };
            summary.count(&answer(status, color), Duration::from_millis(10));
        }
        summary.count(&Err(Unanswered::Unconnected), Duration::ZERO);
        summary.count_not_sent(2);
        summary
    }

    #[test]
    fn a_line_says_how_it_goes() {
        assert_eq!(
            some().line(Duration::from_secs(10)),
            "10 s: 100 answers, 10.0/s, blue 70 %, yellow 30 %, 5xx 10.0 %, p95 9.95 ms, 1 without an answer, 2 not sent"
        );
        assert_eq!(
            Summary::new().line(Duration::ZERO),
            "0 s: 0 answers, 0.0/s, 5xx 0.0 %"
        );
    }

    #[test]
    fn the_table_says_it_all() {
        assert_eq!(
            some().table(Duration::from_secs(10)),
            "101 requests in 10.0 s (10.1/s), 100 answered
  blue               70 answers  70.0 %, 7 of them 5xx (10.0 %)
  yellow             30 answers  30.0 %, 3 of them 5xx (10.0 %)
  status 200         90 answers  90.0 %
  status 500         10 answers  10.0 %
  no answer           1 not connected
  not sent            2 due while --in-flight was reached
  latency      p50 9.95 ms, p95 9.95 ms, p99 9.95 ms"
        );
    }

    #[test]
    fn json_has_the_same_counts() {
        let json: serde_json::Value =
            serde_json::from_str(&some().json(Duration::from_secs(10))).unwrap();
        assert_eq!(json["colors"]["yellow"]["errors"], 3);
        assert_eq!(json["statuses"]["500"], 10);
        assert_eq!(json["unanswered"]["not connected"], 1);
        assert_eq!(
            (&json["sent"], &json["notSent"], &json["answered"]),
            (&101.into(), &2.into(), &100.into())
        );
    }

    #[test]
    fn colours_are_limited_in_number() {
        let mut summary = Summary::new();
        for index in 0..100 {
            summary.count(&answer(200, &format!("c{index}")), Duration::ZERO);
        }
        assert_eq!(summary.colors.len(), MAX_COLORS + 1);
        assert_eq!(summary.colors["other"].answers, 84);
    }
}
