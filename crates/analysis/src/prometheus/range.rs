//! When samples are taken: from the canary's start, each over time of its own.
//!
//! The judge takes each sample for a toss of its own coin. Samples of
//! `rate(x[5m])` that are taken every 5 s share nearly all of their time: one
//! slow minute would count sixty times. So samples are at least as far apart as
//! the longest range in their queries, and never closer than a scrape may be.

use std::time::Duration;

/// Time between two samples where the queries have no longer range. A sample
/// that is taken more often than Prometheus scrapes is the same one again, and
/// 30 s is what most installations in clusters scrape at.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

/// The shortest interval that a template may ask for: the judge's narrowest
/// bucket of time.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// The longest: with more, a day has too few samples to say anything.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// When to take samples: `first_ms`, then every `step_ms` until `end_ms`, in
/// milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
}

impl Range {
    /// The samples of a window; `None` while it is too short for one. The first
    /// comes a step after the start, since a sample tells of the time before
    /// it. The same window with a later end has the same samples, and more.
    pub(super) fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Option<Self> {
        let first_ms = start_ms.checked_add(step_ms)?;
        (first_ms <= end_ms).then_some(Self {
            first_ms,
            end_ms,
            step_ms,
        })
    }

    /// How many samples there are.
    pub(super) fn samples(&self) -> usize {
        let more = (self.end_ms - self.first_ms) / self.step_ms.max(1);
        usize::try_from(more).map_or(usize::MAX, |more| more.saturating_add(1))
    }
}

/// Time between two samples, in milliseconds: whole buckets of the judge, so
/// that each sample has a bucket of its own.
pub(super) fn step_ms(wanted: Duration, bucket_ms: u32) -> i64 {
    let bucket_ms = u64::from(bucket_ms.max(1));
    let wanted_ms = u64::try_from(wanted.as_millis()).unwrap_or(u64::MAX);
    let step_ms = wanted_ms.div_ceil(bucket_ms).saturating_mul(bucket_ms);
    i64::try_from(step_ms).unwrap_or(i64::MAX)
}

/// The longest range (`[5m]`) in a query. A range that we cannot read counts as
/// none: Prometheus will say what it thinks of it.
pub(super) fn longest(query: &str) -> Option<Duration> {
    let mut longest = None;
    let mut rest = query.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\'' => skip_string(&mut rest, c),
            '`' => drop(rest.find(|c| *c == '`')),
            '#' => drop(rest.find(|c| *c == '\n')),
            '[' => {
                let text = rest.as_str();
                // A subquery's resolution (`[1h:5m]`) is no range.
                let range = text.split([']', ':']).next().unwrap_or_default();
                longest = longest.max(duration(range.trim()));
            }
            _ => {}
        }
    }
    longest
}

fn skip_string(rest: &mut std::str::Chars<'_>, quote: char) {
    while let Some(c) = rest.next() {
        if c == '\\' {
            rest.next();
        } else if c == quote {
            return;
        }
    }
}

/// The longest duration that is read: a range beyond it is longer than any
/// window.
const MAX_DURATION_S: f64 = 366.0 * 86_400.0;

/// PromQL's duration, `1m30s`; a number alone is seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] = [
        // `ms` before `m` and `s`.
        ("ms", 0.001),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3_600.0),
        ("d", 86_400.0),
        ("w", 7.0 * 86_400.0),
        ("y", 365.0 * 86_400.0),
    ];
    let mut rest = text;
    let mut total_s = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        if rest.is_empty() && digits == text.len() {
            total_s = number;
            break;
        }
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total_s += number * seconds;
    }
    Some(Duration::from_secs_f64(total_s.min(MAX_DURATION_S)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_of_a_query_is_found() {
        for (query, seconds) in [
            ("up", None),
            ("rate(x[5m])", Some(300.0)),
            ("rate(x[ 30s ]) / rate(y[1m30s])", Some(90.0)),
            ("max_over_time(rate(x[1m])[10m:])", Some(600.0)),
            ("max_over_time(rate(x[1m])[1h:5m])", Some(3_600.0)),
            ("rate(x[300])", Some(300.0)),
            ("rate(x[250ms])", Some(0.25)),
            // What is in a string, or said in a comment, is no range.
            (r#"rate(x{path=~"[9h]"}[1m])"#, Some(60.0)),
            (r#"rate(x{path=~"\"[9h]"}[1m])"#, Some(60.0)),
            ("rate(x{path=~'[9h]'}[1m])", Some(60.0)),
            (r"rate(x{path=~`\[9h]`}[1m])", Some(60.0)),
            ("rate(x[1m]) # not [9h]", Some(60.0)),
            ("rate(x[1m]) # not [9h]\n + rate(x[2m])", Some(120.0)),
            // What is no range.
            ("rate(x[", None),
            ("rate(x[])", None),
            ("rate(x[soon])", None),
            ("rate(x[5µ])", None),
            ("rate(x[-5m])", None),
            (r#"x{path=~"[9h"#, None),
            ("rate(x[99999999999999999999999y])", Some(MAX_DURATION_S)),
        ] {
            let found = longest(query).map(|range| range.as_secs_f64());
            assert_eq!(found, seconds, "{query}");
        }
    }

    #[test]
    fn samples_are_whole_buckets_apart_and_tell_of_the_canarys_time_alone() {
        for (wanted_s, bucket_ms, expected_ms) in [
            (5, 5_000, 5_000),
            (30, 5_000, 30_000),
            (31, 5_000, 35_000),
            (30, 40_000, 40_000),
            (60, 40_000, 80_000),
        ] {
            let step_ms = step_ms(Duration::from_secs(wanted_s), bucket_ms);
            assert_eq!(step_ms, expected_ms, "{wanted_s} s, {bucket_ms} ms");
        }
        let range = Range::new(1_000, 100_999, 30_000).unwrap();
        assert_eq!((range.first_ms, range.samples()), (31_000, 3));
        assert_eq!(Range::new(1_000, 31_000, 30_000).unwrap().samples(), 1);
        assert_eq!(Range::new(1_000, 30_999, 30_000), None);
        assert_eq!(Range::new(i64::MAX, i64::MAX, 30_000), None);
    }
}
