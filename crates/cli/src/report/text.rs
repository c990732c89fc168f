//! The report as a page for people. Names come from a cluster, and are kept
//! from breaking a line or steering a terminal.

use std::fmt::Write as _;

use analysis::message::one_line;

use super::Report;
use super::tally::{Held, Tally, percent, ratio};

/// The longest name in the table, in bytes.
const MAX_NAME_BYTES: usize = 48;

/// Rollouts in the table: what a person reads. JSON has all.
const MAX_ROWS: usize = 100;

/// Dry runs that are named.
const MAX_DRY_RUNS: usize = 20;

/// The columns of numbers.
const COLUMNS: [&str; 9] = [
    "verdicts",
    "promote",
    "abort",
    "inconclusive",
    "error",
    "known",
    "right",
    "false aborts",
    "missed",
];

/// Everything, line by line.
pub fn text(report: &Report) -> String {
    let all = &report.all;
    let mut out = String::new();
    let span = match (day(report.first_ms), day(report.last_ms)) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{} of {}{span}",
        counted(all.verdicts, "verdict"),
        counted(report.runs as u64, "AnalysisRun")
    );
    if report.untimed > 0 {
        let _ = writeln!(
            out,
            "{} left out: their time is not known, and one was asked for",
            counted(report.untimed, "verdict")
        );
    }
    if all.verdicts == 0 {
        return out;
    }
    out.push('\n');
    table(report, &mut out);
    out.push('\n');
    aborts(all, &mut out);
    if all.missed > 0 {
        let _ = writeln!(
            out,
            "Missed: {} of {} promotions with a known outcome were of versions that were not fit",
            all.missed,
            all.right_promotes + all.missed
        );
    }
    let _ = writeln!(
        out,
        "Inconclusive: {} of {} ({})",
        all.inconclusive,
        all.verdicts,
        percent(ratio(all.inconclusive, all.verdicts))
    );
    let _ = writeln!(
        out,
        "Errors: {} of {} ({})",
        all.error,
        all.verdicts,
        percent(ratio(all.error, all.verdicts))
    );
    let _ = match all.mean_seconds() {
        Some(seconds) => writeln!(
            out,
            "Time to a verdict: {seconds:.0} s on average, of {}",
            counted(all.timed, "verdict")
        ),
        None => writeln!(out, "Time to a verdict: not known"),
    };
    cost(all, &mut out);
    dry_runs(report, &mut out);
    earned(all, &mut out);
    out
}

fn table(report: &Report, out: &mut String) {
    let mut rows: Vec<(String, [u64; 9])> = report
        .rollouts
        .iter()
        .take(MAX_ROWS)
        .map(|((namespace, rollout), tally)| (place(namespace, rollout), numbers(tally)))
        .collect();
    if report.rollouts.len() > 1 {
        rows.push(("all".to_owned(), numbers(&report.all)));
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .chain(["rollout".len()])
        .max()
        .unwrap_or(0);
    let _ = write!(out, "{:<width$}", "rollout");
    for column in COLUMNS {
        let _ = write!(out, "  {column:>8}");
    }
    out.push('\n');
    for (name, numbers) in rows {
        let _ = write!(out, "{name:<width$}");
        for (number, column) in numbers.into_iter().zip(COLUMNS) {
            let width = column.len().max(8);
            let _ = write!(out, "  {number:>width$}");
        }
        out.push('\n');
    }
    if report.rollouts.len() > MAX_ROWS {
        let more = report.rollouts.len() - MAX_ROWS;
        let _ = writeln!(out, "and {more} more: `--format json` has all");
    }
}

fn numbers(tally: &Tally) -> [u64; 9] {
    [
        tally.verdicts,
        tally.promote,
        tally.abort,
        tally.inconclusive,
        tally.error,
        tally.known(),
        tally.right(),
        tally.false_aborts,
        tally.missed,
    ]
}

/// `namespace/rollout`; files have neither.
fn place(namespace: &str, rollout: &str) -> String {
    match (namespace, rollout) {
        ("", "") => "(files)".to_owned(),
        (namespace, "") => format!("{}/?", one_line(namespace, MAX_NAME_BYTES)),
        (namespace, rollout) => one_line(&format!("{namespace}/{rollout}"), MAX_NAME_BYTES),
    }
}

fn aborts(all: &Tally, out: &mut String) {
    let _ = match all.precision() {
        Some(precision) => writeln!(
            out,
            "Aborts: {} of {} with a known outcome were right: {} (95 %: {} to {})",
            all.right_aborts,
            all.known_aborts(),
            percent(precision.estimate),
            percent(precision.low),
            percent(precision.high)
        ),
        None => writeln!(out, "Aborts: of none is it known whether it was right"),
    };
    if all.carried_out > 0 {
        let _ = writeln!(
            out,
            "  {} more were carried out, which does not say that they were right: `--outcomes` can",
            all.carried_out
        );
    }
}

fn cost(all: &Tally, out: &mut String) {
    let cost = &all.cost;
    let _ = if all.priced == 0 {
        writeln!(out, "Cost: no model was asked, as far as is known")
    } else {
        writeln!(
            out,
            "Cost: {} calls, {} tokens, {:.0} s, ${:.2} over {}",
            cost.calls,
            cost.tokens,
            cost.seconds,
            cost.usd,
            counted(all.priced, "verdict")
        )
    };
}

fn dry_runs(report: &Report, out: &mut String) {
    if report.dry_runs.is_empty() {
        return;
    }
    let _ = writeln!(out, "Dry runs: {}", counted(report.all.dry_run, "verdict"));
    for ((namespace, rollout, metric), count) in report.dry_runs.iter().take(MAX_DRY_RUNS) {
        let _ = writeln!(
            out,
            "  {} {}: {count}",
            place(namespace, rollout),
            one_line(metric, MAX_NAME_BYTES)
        );
    }
}

fn earned(all: &Tally, out: &mut String) {
    let earned = all.earned();
    let answer = match earned.held {
        Held::Yes => "yes",
        Held::NotYet => "not yet, too little is known",
        Held::No => "no",
    };
    let _ = writeln!(out, "\nHas it earned being enforced? {answer}");
    for rule in earned.rules {
        let mark = match rule.held {
            Held::Yes => "yes    ",
            Held::NotYet => "not yet",
            Held::No => "no     ",
        };
        let _ = writeln!(out, "  {mark}  {}", rule.text);
    }
}

/// `1 verdict`, `2 verdicts`.
fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// `2026-11-22`.
fn day(ms: Option<i64>) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms?).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}
