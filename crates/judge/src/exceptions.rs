//! A new exception in logs that are complete.
//!
//! Two files are all there will ever be: nobody can wait for a third error.
//! If a request of the canary died of an exception that stable never threw,
//! while stable threw none at all, that is told from chance by what else is
//! seen: the exception says that the code is wrong, or requests failed with
//! it, or work that stable did is missing. While a canary runs, more will
//! come, and the gates decide alone.

use std::cmp::Reverse;

use crate::judgement::ExposureUnit;
use crate::level::Level;
use crate::policy::Policy;
use crate::signs;
use crate::strata::{Measure, Strata};
use crate::table::Row;

/// Share of what stable's work says that must be missing to count as a sign.
const MISSING_WORK: f64 = 0.1;

/// The row of the new exception that aborts, if one does.
pub(crate) fn new_exception<'a>(
    complete: bool,
    strata: &Strata,
    rows: &'a [Row],
    policy: &Policy,
) -> Option<&'a Row> {
    if !complete
        || rows
            .iter()
            .any(|row| row.has_trace() && !row.stable.is_empty())
    {
        return None;
    }
    // What stable has shown itself to do without an exception: requests, or
    // events of any kind, since much of its work may be missing in the canary.
    let (stable, canary) = strata.served();
    let stable = match strata.unit {
        ExposureUnit::Requests => stable,
        _ => rows.iter().map(|row| row.stable.total()).sum(),
    };
    if stable < policy.exception_min_stable {
        return None;
    }
    // A job on a timer fails as often as it runs, and no traffic made it: alone
    // it says nothing of the work.
    let work_is_missing = missing_work(rows) >= MISSING_WORK;
    let mut new: Vec<&Row> = rows
        .iter()
        .filter(|row| row.has_trace() && row.canary.total() > 0)
        .filter(|row| row.regular != Some(true) || work_is_missing)
        .collect();
    new.sort_by_key(|row| (Reverse(row.canary.total()), &row.text));
    let occasions = new.iter().map(|row| row.canary.occasions).max()?;
    let least = match strata.unit {
        ExposureUnit::Events => policy.exception_min_share_events,
        _ => policy.exception_min_share,
    };
    if (occasions as f64) < least * canary as f64 {
        return None;
    }
    let (stable_5xx, canary_5xx) = strata.errors(Measure::ServerErrors);
    let requests_failed = canary_5xx > 0 && stable_5xx == 0;
    let defect = new.iter().find(|row| signs::is_defect(&row.exception));
    let corroborated = requests_failed || work_is_missing;
    match defect {
        Some(row) => Some(row),
        None if corroborated => new.first().copied(),
        None => None,
    }
}

/// Share of the events of stable whose template the canary never shows.
fn missing_work(rows: &[Row]) -> f64 {
    let (mut all, mut missing) = (0, 0);
    for row in rows.iter().filter(|row| row.level < Level::Error) {
        let stable = row.stable.total();
        all += stable;
        if row.canary.is_empty() {
            missing += stable;
        }
    }
    if all == 0 {
        0.0
    } else {
        missing as f64 / all as f64
    }
}
