//! Work that stops: a canary whose lines end, or which only beats on.
//!
//! A process that hangs says nothing of it. What shows is that the lines of
//! its work end long before its log does, or its log long before stable's. A
//! version that nobody asks any more looks the same, so this holds a canary
//! back and never aborts it.

use crate::access::Traffic;
use crate::evidence::{ArmEvidence, Evidence};
use crate::level::Level;
use crate::table::Row;

/// Events of a kind, in each arm, from which its end is told from chance.
const MIN_EVENTS: u64 = 20;
/// Times the mean gap between its events that must have passed without one: of
/// a steady stream that is a chance of one in 10⁸.
const MIN_GAPS: f64 = 20.0;
/// And at least this part of the log.
const MIN_PART: f64 = 0.25;
/// Share of the work that must have stopped; what jobs on timers say may go on.
const MIN_STOPPED: f64 = 0.5;
/// How much later than stable's a canary's file may begin to be of the same
/// time, as a part of stable's.
const MAX_LATE: f64 = 0.1;

/// When something was first and last seen, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
}

impl Seen {
    pub(crate) fn join(&mut self, first_ms: Option<i64>, last_ms: Option<i64>) {
        self.first_ms = [self.first_ms, first_ms].into_iter().flatten().min();
        self.last_ms = [self.last_ms, last_ms].into_iter().flatten().max();
    }

    fn of(arm: &ArmEvidence) -> Self {
        let mut seen = Self::default();
        for log in &arm.logs {
            seen.join(log.profile.first_ms, log.profile.last_ms);
        }
        seen
    }

    /// Both times.
    fn span(self) -> Option<(f64, f64)> {
        Some((self.first_ms? as f64, self.last_ms? as f64))
    }

    /// Whether `count` events seen so stopped long before `end_ms` of a log
    /// that began at `begin_ms`.
    fn stopped(self, count: u64, begin_ms: f64, end_ms: f64) -> bool {
        let Some((first_ms, last_ms)) = self.span() else {
            return false;
        };
        let (gap_ms, span_ms) = (
            (last_ms - first_ms) / count.max(1) as f64,
            end_ms - begin_ms,
        );
        // What came in one burst has not stopped, it is over.
        let went_on =
            first_ms - begin_ms <= MIN_PART * span_ms && last_ms - first_ms >= MIN_PART * span_ms;
        went_on && end_ms - last_ms > (MIN_PART * span_ms).max(MIN_GAPS * gap_ms)
    }
}

/// Whether the canary's work stopped while stable's went on.
pub(crate) fn work_stopped(evidence: &Evidence, rows: &[Row]) -> bool {
    let (stable, canary) = (Seen::of(&evidence.stable), Seen::of(&evidence.canary));
    let (Some((stable_begin, stable_end)), Some((begin, end))) = (stable.span(), canary.span())
    else {
        return false;
    };
    // Read over one time, or cut from it: then the canary should go on until
    // stable ends.
    let together = evidence.window.is_aligned()
        || (begin - stable_begin).abs() <= MAX_LATE * (stable_end - stable_begin);
    let end = if together { end.max(stable_end) } else { end };
    let (mut all, mut stopped) = (0, 0);
    for row in rows.iter().filter(|row| is_work(row)) {
        let count = row.canary.total();
        all += count;
        let here = row.canary_seen.stopped(count, begin, end);
        let there = row
            .stable_seen
            .stopped(row.stable.total(), stable_begin, stable_end);
        stopped += if here && !there { count } else { 0 };
    }
    all > 0 && stopped as f64 >= MIN_STOPPED * all as f64
}

/// What both arms do often, and not by the clock.
fn is_work(row: &Row) -> bool {
    row.canary.total() >= MIN_EVENTS
        && row.stable.total() >= MIN_EVENTS
        && matches!(row.level, Level::Debug | Level::Info | Level::Warn)
        && row.traffic != Traffic::Probe
        && row.regular != Some(true)
}
