//! A canary that does not start, in logs that are complete.
//!
//! A version whose configuration is wrong says so and ends: its log is a few
//! lines and shows no work, so that no rate can be compared. While a canary
//! runs, the states of its pods tell, and it may yet begin to work.

use crate::access::Traffic;
use crate::level::Level;
use crate::table::Row;

/// Events of a template of stable from which it is stable's work.
const MIN_WORK: u64 = 10;
/// Share of stable's events that its work must be, so that the canary would
/// have shown some of it.
const MIN_WORK_SHARE: f64 = 0.3;
/// Share of the canary's events that its failures must be.
const MIN_FAILED_SHARE: f64 = 0.1;
/// Failures, unless one is fatal: one may have been survived.
const MIN_FAILURES: u64 = 2;

/// The failure that kept the canary from doing anything that stable does.
pub(crate) fn never_worked(complete: bool, rows: &[Row]) -> Option<&Row> {
    if !complete {
        return None;
    }
    let events = |cells: fn(&Row) -> u64| -> u64 { rows.iter().map(cells).sum() };
    let (stable, canary) = (
        events(|row| row.stable.total()),
        events(|row| row.canary.total()),
    );
    let (mut work, mut done) = (0, 0);
    for row in rows.iter().filter(|row| is_work(row)) {
        work += row.stable.total();
        done += row.canary.total();
    }
    if done > 0 || (work as f64) < MIN_WORK_SHARE * stable as f64 || work < MIN_WORK {
        return None;
    }
    // A stable that fails itself is nothing to compare with.
    let rough: u64 = rows
        .iter()
        .filter(|row| row.level >= Level::Error)
        .map(|row| row.stable.total())
        .sum();
    if rough as f64 > MIN_FAILED_SHARE * stable as f64 {
        return None;
    }
    let failures = || {
        rows.iter()
            .filter(|row| row.level >= Level::Error && row.stable.is_empty())
    };
    let failed: u64 = failures().map(|row| row.canary.total()).sum();
    let fatal = failures().any(|row| row.level == Level::Fatal);
    let enough =
        (fatal || failed >= MIN_FAILURES) && failed as f64 >= MIN_FAILED_SHARE * canary as f64;
    // The first says why, the last only that it is over.
    let cause = failures()
        .filter(|row| row.canary.total() > 0)
        .min_by_key(|row| (row.first_ms, &row.text));
    cause.filter(|_| enough)
}

fn is_work(row: &Row) -> bool {
    row.stable.total() >= MIN_WORK
        && row.level < Level::Error
        && row.traffic != Traffic::Probe
        && row.regular != Some(true)
}
