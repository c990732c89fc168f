//! Evidence → counts for each bucket of time: what the gates test.
//!
//! Each bucket is a stratum with its own share of the exposure; buckets that
//! are cut short do not count.

use std::collections::BTreeMap;

use crate::access::Traffic;
use crate::dispersion::{Dispersion, Pods};
use crate::evidence::{ArmEvidence, Evidence};
use crate::judgement::ExposureUnit;
use crate::level::Level;
use crate::slow::{self, Slow};
use crate::table::{ArmCells, Row, Table, counts_by_parts};

/// Parts of a log's course below which it does not show how much it varies.
const MIN_PARTS: usize = 6;
/// DEBUG events are exposure only where both arms speak them alike: this many
/// times as talkative at most, against what else both say.
const MAX_DEBUG_RATIO: f64 = 2.0;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Events at ERROR and above, without what processes say as they start.
    Errors,
    /// Requests answered with 5xx.
    ServerErrors,
    /// Events at WARN, of templates that both arms show, and requests answered
    /// with 4xx.
    Warnings,
    /// Requests slower than the bucket's pooled median.
    Slow,
    /// Requests slower than the bucket's pooled 95th percentile.
    SlowTail,
    /// Events below ERROR that are no requests, of templates that stable shows.
    Said,
}

/// Number of [`Measure`]s.
pub(crate) const MEASURES: usize = 6;

/// One arm's counts in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub requests: u64,
    /// Events of templates that both arms share.
    pub events: u64,
    /// Requests whose duration is known and compared.
    pub timed: u64,
    measures: [Errors; MEASURES],
    /// Episodes of events that report a failure.
    pub failure_episodes: u64,
    /// Events at ERROR and above of processes that were starting.
    pub start_errors: u64,
}

/// Counts of one measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    pub count: u64,
    pub episodes: u64,
    pub squares: u64,
}

impl Errors {
    pub(crate) fn add(&mut self, count: u64, episodes: u64, squares: u64) {
        self.count += count;
        self.episodes += episodes;
        self.squares = self.squares.saturating_add(squares);
    }

    fn take_off(&mut self, count: u64, episodes: u64) {
        let kept = self.count.saturating_sub(count);
        if self.count > 0 {
            let rest = kept as f64 / self.count as f64;
            self.squares = (self.squares as f64 * rest) as u64;
        }
        self.count = kept;
        self.episodes = self.episodes.saturating_sub(episodes).min(kept);
        if kept > 0 {
            self.episodes = self.episodes.max(1);
        }
    }
}

impl Counts {
    pub(crate) fn of(&self, measure: Measure) -> Errors {
        self.measures[measure as usize]
    }

    fn of_mut(&mut self, measure: Measure) -> &mut Errors {
        &mut self.measures[measure as usize]
    }

    /// So many slow requests; how they cluster shows between buckets only.
    pub(crate) fn count_slow(&mut self, measure: Measure, count: u64) {
        self.of_mut(measure).add(count, count, count);
    }

    /// Exposure that shows service: without what only failed.
    pub(crate) fn served(&self, unit: ExposureUnit) -> u64 {
        match unit {
            ExposureUnit::Requests => self.requests,
            ExposureUnit::Events => self.events,
            ExposureUnit::None => 0,
        }
    }
}

/// Both arms in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stratum {
    pub stable: Counts,
    pub canary: Counts,
}

/// All complete buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Strata {
    pub unit: ExposureUnit,
    pub buckets: BTreeMap<u32, Stratum>,
    /// Median and 95th percentile of both arms' durations.
    pub slow: Slow,
    dispersion: Dispersion,
    /// Logs without a common time that have too few parts to show their ups
    /// and downs: what differs is told, and no gate acts on it.
    pub too_short: bool,
    /// The logs are all that there will ever be (files).
    pub complete: bool,
    /// They are counted by the parts of their course.
    pub by_parts: bool,
    /// Parts of stable's and of the canary's logs.
    pub parts: (usize, usize),
    /// Exposure of stable and of the canary over the whole logs, buckets that
    /// are not complete included: what findings, which count all that was seen,
    /// are shares of.
    pub whole: (u64, u64),
    debug_counts: bool,
}

impl Strata {
    pub(crate) fn new(evidence: &Evidence, table: &Table, warmup_ms: i64) -> Self {
        let complete = evidence.window.complete_buckets();
        let mut all: BTreeMap<u32, Stratum> = BTreeMap::new();
        let mut seen_requests = false;
        for (arm, of) in ARMS {
            let arm = arm(evidence);
            seen_requests |= add_tallies(arm, complete, &mut all, of);
        }
        let by_parts = counts_by_parts(evidence);
        if by_parts {
            set_parts(evidence, &mut all);
        }
        take_off_ignored(table, complete, &mut all);
        let seen_events = add_rows(&table.rows, complete, &mut all);
        let slow = slow::add(evidence, warmup_ms, complete, &mut all);
        let unit = match (seen_requests, seen_events) {
            (true, _) => ExposureUnit::Requests,
            (false, true) => ExposureUnit::Events,
            (false, false) => ExposureUnit::None,
        };
        let dispersion = if by_parts {
            Dispersion::of_parts(&evidence.stable, &evidence.canary)
        } else {
            let dispersion = Dispersion::new(&all, unit);
            // What is ignored is taken off sums, and not off each pod's.
            if unit == ExposureUnit::Requests && table.ignored.is_empty() {
                dispersion.between_pods(&Pods::new(&evidence.stable, complete))
            } else {
                dispersion
            }
        };
        Self {
            unit,
            buckets: all,
            slow,
            dispersion,
            too_short: by_parts && ARMS.iter().any(|(arm, _)| parts(arm(evidence)) < MIN_PARTS),
            complete: !evidence.window.is_aligned(),
            by_parts,
            parts: (parts(&evidence.stable), parts(&evidence.canary)),
            whole: whole(evidence, &table.rows, unit),
            debug_counts: speaks_debug_alike(&table.rows),
        }
    }

    /// Counts of an arm as so many independent ones: divided by stable's
    /// dispersion, or counted in episodes where stable has too few to tell.
    pub(crate) fn independent(&self, counts: &Counts, measure: Measure) -> f64 {
        self.dispersion.independent(counts, measure)
    }

    /// Whether a row's events are exposure where there are no requests.
    pub(crate) fn is_exposure(&self, row: &Row) -> bool {
        is_exposure(row, self.debug_counts)
    }

    /// Exposure of an arm for the gates: what was served, and what failed
    /// before it could be logged as served.
    pub(crate) fn exposure(&self, counts: &Counts) -> f64 {
        let errors = self.independent(counts, Measure::Errors);
        match self.unit {
            ExposureUnit::Requests => (counts.requests as f64).max(errors),
            ExposureUnit::Events => counts.events as f64 + errors,
            ExposureUnit::None => 0.0,
        }
    }

    /// The canary's share of a bucket's exposure; `None` where one arm had none.
    pub(crate) fn share(&self, stratum: &Stratum) -> Option<f64> {
        let (canary, stable) = (
            self.exposure(&stratum.canary),
            self.exposure(&stratum.stable),
        );
        (canary > 0.0 && stable > 0.0).then(|| canary / (canary + stable))
    }

    /// Exposure of stable and of the canary over all complete buckets.
    pub(crate) fn served(&self) -> (u64, u64) {
        self.buckets
            .values()
            .fold((0, 0), |(stable, canary), stratum| {
                (
                    stable + stratum.stable.served(self.unit),
                    canary + stratum.canary.served(self.unit),
                )
            })
    }

    /// Exposure of stable and of the canary for the gates, in buckets where
    /// both have some.
    pub(crate) fn exposures(&self) -> (f64, f64) {
        self.buckets
            .values()
            .filter(|stratum| self.share(stratum).is_some())
            .fold((0.0, 0.0), |(stable, canary), stratum| {
                (
                    stable + self.exposure(&stratum.stable),
                    canary + self.exposure(&stratum.canary),
                )
            })
    }

    /// Errors of stable and of the canary, those of the start included.
    pub(crate) fn all_errors(&self) -> (u64, u64) {
        let settled = self.errors(Measure::Errors);
        self.buckets
            .values()
            .fold(settled, |(stable, canary), stratum| {
                (
                    stable + stratum.stable.start_errors,
                    canary + stratum.canary.start_errors,
                )
            })
    }

    /// Counts of stable and of the canary.
    pub(crate) fn errors(&self, measure: Measure) -> (u64, u64) {
        self.buckets
            .values()
            .fold((0, 0), |(stable, canary), stratum| {
                (
                    stable + stratum.stable.of(measure).count,
                    canary + stratum.canary.of(measure).count,
                )
            })
    }
}

pub(crate) type ArmOf = fn(&mut Stratum) -> &mut Counts;

/// An arm of evidence.
type EvidenceOf = fn(&Evidence) -> &ArmEvidence;

/// Both arms of evidence, beside those of a stratum.
pub(crate) const ARMS: [(EvidenceOf, ArmOf); 2] = [
    (|evidence| &evidence.stable, |stratum| &mut stratum.stable),
    (|evidence| &evidence.canary, |stratum| &mut stratum.canary),
];

/// Adds an arm's tallies; whether it showed any request at all.
fn add_tallies(
    arm: &ArmEvidence,
    complete: u32,
    all: &mut BTreeMap<u32, Stratum>,
    of: ArmOf,
) -> bool {
    let mut seen = false;
    for tally in arm.logs.iter().flat_map(|log| &log.profile.tallies) {
        seen |= tally.requests > 0;
        if tally.bucket >= complete {
            continue;
        }
        let counts = of(all.entry(tally.bucket).or_default());
        counts.requests += tally.requests;
        counts.start_errors += tally.start_errors;
        counts.failure_episodes += tally.failure_episodes;
        counts
            .of_mut(Measure::Errors)
            .add(tally.errors, tally.error_episodes, tally.error_squares);
        counts.of_mut(Measure::ServerErrors).add(
            tally.server_errors,
            tally.server_error_episodes,
            tally.server_error_squares,
        );
    }
    seen
}

/// Exposure of stable and of the canary, whatever bucket it fell into.
fn whole(evidence: &Evidence, rows: &[Row], unit: ExposureUnit) -> (u64, u64) {
    let requests = |arm: &ArmEvidence| {
        let tallies = arm.logs.iter().flat_map(|log| &log.profile.tallies);
        tallies.map(|tally| tally.requests).sum()
    };
    match unit {
        ExposureUnit::Requests => (requests(&evidence.stable), requests(&evidence.canary)),
        ExposureUnit::Events => {
            let debug = speaks_debug_alike(rows);
            let shared = rows.iter().filter(|row| is_exposure(row, debug));
            shared.fold((0, 0), |(stable, canary), row| {
                (stable + row.stable.total(), canary + row.canary.total())
            })
        }
        ExposureUnit::None => (0, 0),
    }
}

/// Parts of an arm's logs.
fn parts(arm: &ArmEvidence) -> usize {
    let courses = arm.logs.iter().map(|log| &log.profile.course);
    courses.map(|course| course.errors_by_part().len()).sum()
}

/// Episodes of failures as parts of each log's course.
fn set_parts(evidence: &Evidence, all: &mut BTreeMap<u32, Stratum>) {
    for (arm, of) in ARMS {
        let (mut errors, mut failures) = (0, 0);
        for course in arm(evidence).logs.iter().map(|log| &log.profile.course) {
            errors += course.error_parts();
            failures += course.parts(course.failures);
        }
        let counts = of(all.entry(0).or_default());
        counts.of_mut(Measure::Errors).episodes = errors;
        counts.failure_episodes = failures;
    }
}

/// Takes what the policy ignores off the tallies, which count all templates.
fn take_off_ignored(table: &Table, complete: u32, all: &mut BTreeMap<u32, Stratum>) {
    for (row, _) in &table.ignored {
        for (cells, (_, of)) in [&row.stable, &row.canary].into_iter().zip(ARMS) {
            for (bucket, (count, episodes)) in cells.cells.range(..complete) {
                let counts = of(all.entry(*bucket).or_default());
                if row.traffic == Traffic::Request {
                    counts.requests = counts.requests.saturating_sub(*count);
                    if row.status_class == 5 {
                        counts
                            .of_mut(Measure::ServerErrors)
                            .take_off(*count, *episodes);
                    }
                }
                if row.level >= Level::Error {
                    counts.of_mut(Measure::Errors).take_off(*count, *episodes);
                }
            }
        }
    }
}

/// Adds what is counted from the table: exposure in events, warnings, what is
/// said besides requests. Whether there was any exposure in events.
fn add_rows(rows: &[Row], complete: u32, all: &mut BTreeMap<u32, Stratum>) -> bool {
    let debug_counts = speaks_debug_alike(rows);
    let mut seen = false;
    for row in rows {
        let exposure = is_exposure(row, debug_counts);
        let shared = is_shared(row);
        for (cells, (_, of)) in [&row.stable, &row.canary].into_iter().zip(ARMS) {
            for (bucket, (count, episodes)) in cells.cells.range(..complete) {
                let counts = of(all.entry(*bucket).or_default());
                if exposure {
                    counts.events += count;
                    seen = true;
                }
                // Who is turned away is told by a status, not by a level.
                let turned_away = row.traffic == Traffic::Request && row.status_class == 4;
                if turned_away || shared && row.level == Level::Warn && row.traffic == Traffic::None
                {
                    counts.of_mut(Measure::Warnings).add(
                        *count,
                        *episodes,
                        squares(*count, *episodes),
                    );
                }
                if is_said(row) {
                    counts
                        .of_mut(Measure::Said)
                        .add(*count, *episodes, squares(*count, *episodes));
                }
            }
        }
    }
    seen
}

/// Sum of the squares of so many episodes' sizes, as if they were equal.
fn squares(count: u64, episodes: u64) -> u64 {
    count.saturating_mul(count) / episodes.max(1)
}

fn is_shared(row: &Row) -> bool {
    !row.stable.cells.is_empty() && !row.canary.cells.is_empty()
}

/// Whether it is part of what work makes a version say besides its requests.
fn is_said(row: &Row) -> bool {
    !row.stable.cells.is_empty()
        && (Level::Info..=Level::Warn).contains(&row.level)
        && row.traffic == Traffic::None
        && row.regular != Some(true)
}

/// Whether a row's events are exposure where there are no requests: both arms
/// have it, it is no error, no probe and no heartbeat. DEBUG is exposure only
/// where both arms speak it alike; switched on in one, it is only talk.
fn is_exposure(row: &Row, debug_counts: bool) -> bool {
    is_shared(row)
        && row.level <= Level::Warn
        && (row.level > Level::Debug || debug_counts)
        && row.traffic != Traffic::Probe
        && row.regular != Some(true)
}

/// An arm's counts of a row.
type CellsOf = fn(&Row) -> &ArmCells;

/// Whether DEBUG is on in both arms alike.
fn speaks_debug_alike(rows: &[Row]) -> bool {
    let sum = |debug: bool, cells: CellsOf| -> f64 {
        rows.iter()
            .filter(|row| is_exposure(row, true) && (row.level == Level::Debug) == debug)
            .map(|row| cells(row).total() as f64)
            .sum()
    };
    let (stable, canary): (CellsOf, CellsOf) = (|row| &row.stable, |row| &row.canary);
    if sum(false, stable) == 0.0 {
        // All that both say is DEBUG.
        return true;
    }
    let talk = |cells| sum(true, cells) / sum(false, cells);
    let ratio = talk(canary) / talk(stable);
    // No DEBUG in common: there is nothing to count, whatever the ratio.
    !ratio.is_finite() || (1.0 / MAX_DEBUG_RATIO..=MAX_DEBUG_RATIO).contains(&ratio)
}
