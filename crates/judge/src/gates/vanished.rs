//! Events that stable shows and the canary no longer: some failures only
//! remove lines.
//!
//! Each template of stable has an e-process of its own, for "the canary says
//! it as often as its exposure explains" against "less often". The gate's
//! e-value is their mean over a fixed number of places, the empty ones holding
//! their stake: a mean of e-values is an e-value however they depend on each
//! other (V. Vovk and R. Wang, "E-values: calibration, combination and
//! applications", Ann. Stat. 49, 2021), and templates may join at any time.

use crate::access::Traffic;
use crate::dispersion::ASSUMED;
use crate::eprocess::{Mixture, log_mean};
use crate::judgement::{ExposureUnit, Gate, GateKind};
use crate::level::Level;
use crate::policy::Policy;
use crate::strata::Strata;
use crate::table::{self, Row};

/// Places for templates; the most frequent of stable take them.
const PLACES: usize = 128;
/// Events of a part of a log that count as independent, where a log is counted
/// by parts: what is said all the time is not one occasion a part.
const EVENTS_OF_A_PART: f64 = 4.0;
/// Share of stable's parts that show what is said all the time; what comes and
/// goes is one occasion a part.
const MIN_STEADY: f64 = 0.75;
/// Events of stable below which a template is not looked at.
const MIN_STABLE: u64 = 5;

/// The gate, and the indices of the rows that vanished.
pub(super) fn gate(strata: &Strata, rows: &[Row], policy: &Policy) -> (Gate, Vec<usize>) {
    let (stable_exposure, canary_exposure) = strata.exposures();
    let work = Work::new(strata, rows);
    let mut candidates: Vec<(std::cmp::Reverse<u64>, usize)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| is_candidate(row))
        .map(|(index, row)| (std::cmp::Reverse(row.stable.total()), index))
        .collect();
    candidates.sort_unstable();
    candidates.truncate(PLACES);

    let hold = policy.hold_e_value.ln();
    let threshold = super::effect::threshold(GateKind::Vanished, policy);
    let needed = threshold.min(hold + (PLACES as f64).ln());
    let mut logs = Vec::with_capacity(candidates.len());
    let (mut gone, mut vanished) = (Vec::new(), Vec::new());
    let (mut stable_count, mut canary_count) = (0, 0);
    for (_, index) in &candidates {
        let row = &rows[*index];
        let (stable, canary) = (row.stable.total(), row.canary.total());
        let is_gone =
            |share: f64| canary as f64 <= policy.vanished_max_rest * stable as f64 * share;
        let least = log_e(strata, row, work.least);
        logs.push(least);
        if is_gone(work.least) && least >= needed {
            gone.push(*index);
        }
        if is_gone(work.most) && log_e(strata, row, work.most) >= needed {
            vanished.push(*index);
            stable_count += stable;
            canary_count += canary;
        }
    }
    let empty = (PLACES - logs.len()) as f64 / PLACES as f64;
    let place = 1.0 / PLACES as f64;
    let log_e = log_mean(
        logs.iter()
            .map(|log_e| (*log_e, place))
            .chain(std::iter::once((0.0, empty))),
    );
    let enough = |of: &[usize]| statements(rows, of) >= policy.vanished_min_templates;
    let fired = log_e >= threshold && enough(&gone) && still_talks(rows) && !strata.too_short;
    // Where only the most that it may have had to do says that it is lost, two
    // statements hold it back.
    let lost = log_e >= hold && !gone.is_empty() || enough(&vanished);
    let rate = |count: u64, exposure: f64| {
        if exposure > 0.0 {
            count as f64 / exposure
        } else {
            0.0
        }
    };
    let gate = Gate {
        kind: GateKind::Vanished,
        log_e,
        threshold,
        stable_rate: rate(stable_count, stable_exposure),
        canary_rate: rate(canary_count, canary_exposure),
        stable_count,
        canary_count,
        fired,
        holds: !fired && (lost || fewer_kinds(strata, rows) >= hold),
    };
    (gate, vanished)
}

/// How much work the canary did for each that stable did.
///
/// Requests say so. Where events are counted nothing does: a canary with little
/// traffic does little of the work and as much as stable of what timers do, and
/// one that loses the lines of its work looks the same. So there is a least and
/// a most that it may have had to do, from what most of stable's lines show.
struct Work {
    least: f64,
    most: f64,
}

impl Work {
    fn new(strata: &Strata, rows: &[Row]) -> Self {
        let (stable, canary) = strata.exposures();
        let all = if stable > 0.0 { canary / stable } else { 0.0 };
        if !strata.by_parts {
            return Self {
                least: all,
                most: all,
            };
        }
        let mut shares: Vec<(f64, u64)> = rows
            .iter()
            .filter(|row| strata.is_exposure(row) && row.stable.total() >= MIN_SHARED)
            .map(|row| {
                (
                    row.canary.total() as f64 / row.stable.total() as f64,
                    row.stable.total(),
                )
            })
            .collect();
        shares.sort_by(|a, b| a.0.total_cmp(&b.0));
        let lines: u64 = shares.iter().map(|(_, count)| count).sum();
        let at = |part: f64| {
            let mut seen = 0;
            let found = shares.iter().find(|(_, count)| {
                seen += count;
                seen as f64 >= part * lines as f64
            });
            found.map_or(all, |(share, _)| *share)
        };
        Self {
            least: at(OUTLYING).max(LEAST_TRAFFIC).min(all),
            most: at(1.0 - OUTLYING).max(all),
        }
    }
}

/// Events of stable from which a template says how much work there was.
const MIN_SHARED: u64 = 20;
/// Part of stable's lines that may say something else than the others.
const OUTLYING: f64 = 0.25;
/// Traffic of a canary, for each of stable's, that no rollout goes below.
const LEAST_TRAFFIC: f64 = 0.03;

/// Whether the canary says anything at INFO besides requests. A version that
/// says nothing there may have its level set higher; that is no failure by
/// itself, and no promotion either.
pub(super) fn still_talks(rows: &[Row]) -> bool {
    rows.iter().any(|row| {
        row.level == Level::Info && row.traffic == Traffic::None && !row.canary.cells.is_empty()
    })
}

/// How many log statements these rows are, by their words: one statement with
/// a few different words in one place ("paid by card", "paid by voucher") is
/// several templates.
fn statements(rows: &[Row], vanished: &[usize]) -> u64 {
    let frame = table::frame_of(rows);
    let mut statements: Vec<Vec<String>> = Vec::new();
    for index in vanished {
        let words = table::words(&rows[*index].text, &frame);
        if !statements
            .iter()
            .any(|other| table::are_alike(other, &words))
        {
            statements.push(words);
        }
    }
    statements.len() as u64
}

/// Logarithm of the e-value of "the canary does fewer kinds of things": of the
/// templates that only one arm shows, in so many episodes, each is stable's
/// with the chance that all of them fell there. Version differences make kinds
/// vanish as well, so this holds a canary back and never aborts it.
fn fewer_kinds(strata: &Strata, rows: &[Row]) -> f64 {
    let (stable_exposure, canary_exposure) = strata.exposures();
    let share = canary_exposure / (canary_exposure + stable_exposure);
    let mut mixture = Mixture::default();
    // What is asked for is the clients' choice.
    let own = |row: &&Row| row.level < Level::Error && row.traffic == Traffic::None;
    for row in rows.iter().filter(own) {
        let (stable, canary) = (row.stable.episodes(), row.canary.episodes());
        if row.stable.is_empty() && canary > 0 {
            mixture.add(0.0, 1.0, only_stables(share, canary));
        } else if row.canary.is_empty() && stable > 0 {
            mixture.add(1.0, 0.0, only_stables(share, stable));
        }
    }
    mixture.log_e()
}

/// Chance that so many episodes, all of one arm, are stable's.
fn only_stables(share: f64, episodes: u64) -> f64 {
    let episodes = i32::try_from(episodes).unwrap_or(i32::MAX);
    let (stable, canary) = ((1.0 - share).powi(episodes), share.powi(episodes));
    stable / (stable + canary)
}

/// What work makes stable say: no debugging, no failure, no heartbeat.
fn is_candidate(row: &Row) -> bool {
    row.stable.total() >= MIN_STABLE
        && row.level == Level::Info
        && row.traffic == Traffic::None
        && !row.is_failure()
        && row.regular != Some(true)
        && row.reworded.is_none()
}

/// The e-process of one template, in episodes: one piece of work may say a
/// thing many times. The canary did `work` for each that stable did.
fn log_e(strata: &Strata, row: &Row, work: f64) -> f64 {
    let mut mixture = Mixture::default();
    if strata.complete {
        let (stable, canary) = (row.stable.total() as f64, row.canary.total() as f64);
        let dispersion = if strata.by_parts {
            let parts = strata.parts.1 as f64 * row.parts.0 as f64 / strata.parts.0.max(1) as f64;
            let steady = row.parts.0 as f64 >= MIN_STEADY * strata.parts.0 as f64;
            let of_a_part = if steady { EVENTS_OF_A_PART } else { 1.0 };
            (stable * work / (of_a_part * parts.max(1.0))).max(1.0)
        } else {
            ASSUMED
        };
        mixture.add(stable / dispersion, canary / dispersion, 1.0 / (1.0 + work));
        return mixture.log_e();
    }
    for (bucket, stratum) in &strata.buckets {
        let episodes = |cells: &table::ArmCells| {
            cells
                .cells
                .get(bucket)
                .map_or(0.0, |(_, episodes)| *episodes as f64)
        };
        let (stable, canary) = (episodes(&row.stable), episodes(&row.canary));
        if let Some(share) = share(strata, stratum) {
            mixture.add(stable, canary, 1.0 - share);
        }
    }
    mixture.log_e()
}

/// Requests say how much work there was. Where exposure is events, what
/// vanished is not among the shared ones, and shares stay what they are.
fn share(strata: &Strata, stratum: &crate::strata::Stratum) -> Option<f64> {
    match strata.unit {
        ExposureUnit::None => None,
        _ => strata.share(stratum),
    }
}
