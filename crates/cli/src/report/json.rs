//! The report as JSON: names that scripts may rely on.
//!
//! Fields are added, never renamed or given another meaning. What may be absent
//! is written as `null`; times are RFC 3339 in UTC.

use serde::Serialize;

use super::Report;
use super::tally::{Held, Tally, ratio};
use super::verdicts::Cost;

#[derive(Serialize)]
struct Whole<'a> {
    /// Time of the first verdict.
    first: Option<String>,
    /// Time of the last verdict.
    last: Option<String>,
    /// AnalysisRuns with a verdict.
    runs: usize,
    /// Verdicts left out since their time is not known.
    untimed: u64,
    all: Counts,
    rollouts: Vec<Row<'a>>,
    #[serde(rename = "dryRuns")]
    dry_runs: Vec<DryRun<'a>>,
    /// `true`, `false`, or `null` while too little is known.
    earned: Option<bool>,
    rules: Vec<RuleReport>,
}

#[derive(Serialize)]
struct Row<'a> {
    namespace: &'a str,
    rollout: &'a str,
    #[serde(flatten)]
    counts: Counts,
    /// The same of this Rollout alone.
    earned: Option<bool>,
}

#[derive(Serialize)]
struct DryRun<'a> {
    namespace: &'a str,
    rollout: &'a str,
    metric: &'a str,
    verdicts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    verdicts: u64,
    promote: u64,
    abort: u64,
    inconclusive: u64,
    error: u64,
    dry_run: u64,
    /// Promotions and aborts of which it is known whether they were right.
    known: u64,
    /// Those that were.
    right: u64,
    right_aborts: u64,
    false_aborts: u64,
    /// Promotions of versions that were not fit.
    missed: u64,
    /// Aborts of which nothing is known but that they were carried out.
    carried_out: u64,
    abort_precision: Option<PrecisionReport>,
    inconclusive_share: f64,
    error_share: f64,
    mean_seconds: Option<f64>,
    /// `null` where no verdict says what it cost.
    cost: Option<Cost>,
}

/// A share with its 95 % interval.
#[derive(Serialize)]
struct PrecisionReport {
    estimate: f64,
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct RuleReport {
    rule: String,
    held: Option<bool>,
}

/// The report as indented JSON, which ends with a newline.
///
/// # Errors
/// The JSON could not be made.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let earned = report.all.earned();
    let whole = Whole {
        first: time(report.first_ms),
        last: time(report.last_ms),
        runs: report.runs,
        untimed: report.untimed,
        all: counts(&report.all),
        rollouts: report
            .rollouts
            .iter()
            .map(|((namespace, rollout), tally)| Row {
                namespace,
                rollout,
                counts: counts(tally),
                earned: held(tally.earned().held),
            })
            .collect(),
        dry_runs: report
            .dry_runs
            .iter()
            .map(|((namespace, rollout, metric), verdicts)| DryRun {
                namespace,
                rollout,
                metric,
                verdicts: *verdicts,
            })
            .collect(),
        earned: held(earned.held),
        rules: earned
            .rules
            .into_iter()
            .map(|rule| RuleReport {
                rule: rule.text,
                held: held(rule.held),
            })
            .collect(),
    };
    serde_json::to_string_pretty(&whole).map(|text| text + "\n")
}

fn counts(tally: &Tally) -> Counts {
    Counts {
        verdicts: tally.verdicts,
        promote: tally.promote,
        abort: tally.abort,
        inconclusive: tally.inconclusive,
        error: tally.error,
        dry_run: tally.dry_run,
        known: tally.known(),
        right: tally.right(),
        right_aborts: tally.right_aborts,
        false_aborts: tally.false_aborts,
        missed: tally.missed,
        carried_out: tally.carried_out,
        abort_precision: tally.precision().map(|precision| PrecisionReport {
            estimate: precision.estimate,
            low: precision.low,
            high: precision.high,
        }),
        inconclusive_share: ratio(tally.inconclusive, tally.verdicts),
        error_share: ratio(tally.error, tally.verdicts),
        mean_seconds: tally.mean_seconds(),
        cost: (tally.priced > 0).then_some(tally.cost),
    }
}

fn held(held: Held) -> Option<bool> {
    match held {
        Held::Yes => Some(true),
        Held::NotYet => None,
        Held::No => Some(false),
    }
}

fn time(ms: Option<i64>) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms?).ok()?;
    Some(format!("{at:.3}"))
}
