//! Level 1: statistical gates, valid at every look.
//!
//! Three gates: ERROR rate, new ERROR mass, 5xx share. Each is the e-process of
//! [`crate::eprocess`]; it fires when its e-value reaches 1/α AND the effect
//! AND the count are large enough. By Ville's inequality a gate whose canary
//! is as good as stable fires with a chance of at most α over all looks
//! together (J. Ville, "Étude critique de la notion de collectif", 1939).

use std::collections::{BTreeMap, BTreeSet};

use crate::carried::{CARRIED_GATES, State};
use crate::eprocess::{Mixture, log_mean};
use crate::evidence::{Evidence, Window};
use crate::judgement::{Carried, ExposureUnit, Gate, GateKind};
use crate::policy::Policy;
use crate::strata::{Measure, Strata, novel_failures, row_hash};
use crate::table::Row;

/// The gates, in the order of their state.
const KINDS: [GateKind; CARRIED_GATES] = [
    GateKind::ErrorRate,
    GateKind::NewErrors,
    GateKind::ServerErrors,
];

/// What the gates say, and what the next look needs to know.
pub(crate) struct Outcome {
    pub gates: Vec<Gate>,
    pub carried: Carried,
    /// What earlier looks counted, if it can be read.
    pub earlier: Option<State>,
}

/// Novel failures of stable and the canary in each bucket.
type Novel = BTreeMap<u32, (f64, f64)>;

pub(crate) fn run(evidence: &Evidence, strata: &Strata, rows: &[Row], policy: &Policy) -> Outcome {
    let window = &evidence.window;
    let earlier = evidence
        .carried
        .as_ref()
        .and_then(|carried| State::read(carried, window))
        .filter(|state| state.unit == strata.unit);

    // The present logs alone, from the first bucket on.
    let novel = novel_failures(strata, rows, &BTreeSet::new());
    let present = mixtures(
        strata,
        &novel,
        0,
        u32::MAX,
        std::array::from_fn(|_| Mixture::default()),
    );

    // What earlier looks counted, continued where they stopped.
    let before = earlier.clone().unwrap_or_default();
    let novel = novel_failures(strata, rows, &before.known);
    let from = buckets_until(window, before.settled_ms);
    let until = settled_buckets(window).max(from);
    let settled = mixtures(strata, &novel, from, until, before.mixtures.clone());
    let continued = mixtures(strata, &novel, until, u32::MAX, settled.clone());

    let gates = KINDS
        .iter()
        .zip(present.iter().zip(&continued))
        .map(|(kind, (present, continued))| {
            // The mean of two e-processes is one.
            let log_e = log_mean([(present.log_e(), 0.5), (continued.log_e(), 0.5)].into_iter());
            gate(*kind, log_e, strata, rows, policy)
        })
        .collect();
    let carried = next_state(window, strata, rows, &before, settled, until).write();
    Outcome {
        gates,
        carried,
        earlier,
    }
}

/// Continues each gate's e-process over the buckets `from..until`.
fn mixtures(
    strata: &Strata,
    novel: &Novel,
    from: u32,
    until: u32,
    mut mixtures: [Mixture; CARRIED_GATES],
) -> [Mixture; CARRIED_GATES] {
    for (bucket, stratum) in strata.buckets.range(from..until.max(from)) {
        let Some(share) = strata.share(stratum) else {
            continue;
        };
        for (kind, mixture) in KINDS.iter().zip(&mut mixtures) {
            let (canary, stable) = match kind {
                GateKind::NewErrors => novel
                    .get(bucket)
                    .map_or((0.0, 0.0), |(stable, canary)| (*canary, *stable)),
                GateKind::ServerErrors => (
                    strata.independent(&stratum.canary, Measure::ServerErrors),
                    strata.independent(&stratum.stable, Measure::ServerErrors),
                ),
                _ => (
                    strata.independent(&stratum.canary, Measure::Errors),
                    strata.independent(&stratum.stable, Measure::Errors),
                ),
            };
            mixture.add(canary, stable, share);
        }
    }
    mixtures
}

/// Rates, counts and whether it fires.
fn gate(kind: GateKind, log_e: f64, strata: &Strata, rows: &[Row], policy: &Policy) -> Gate {
    let (stable_exposure, canary_exposure) = strata
        .buckets
        .values()
        .filter(|stratum| strata.share(stratum).is_some())
        .fold((0.0, 0.0), |(stable, canary), stratum| {
            (
                stable + strata.exposure(&stratum.stable),
                canary + strata.exposure(&stratum.canary),
            )
        });
    let (stable_count, canary_count) = match kind {
        GateKind::NewErrors => new_failures(strata, rows),
        GateKind::ServerErrors => strata.errors(Measure::ServerErrors),
        _ => strata.errors(Measure::Errors),
    };
    let stable_rate = share_of(stable_count, stable_exposure);
    let canary_rate = share_of(canary_count, canary_exposure);
    let threshold = -policy.gate_alpha.ln();
    let large = canary_rate >= policy.gate_min_ratio * stable_rate
        && canary_rate - stable_rate >= policy.gate_min_difference;
    let fired = log_e >= threshold && large && canary_count >= policy.gate_min_count;
    Gate {
        kind,
        log_e,
        threshold,
        stable_rate,
        canary_rate,
        stable_count,
        canary_count,
        fired,
    }
}

/// Failures of templates that stable never shows, in complete buckets.
fn new_failures(strata: &Strata, rows: &[Row]) -> (u64, u64) {
    let canary = rows
        .iter()
        .filter(|row| row.is_failure() && row.stable.cells.is_empty())
        .flat_map(|row| &row.canary.cells)
        .filter(|(bucket, _)| strata.buckets.contains_key(bucket))
        .map(|(_, (count, _))| count)
        .sum();
    (0, canary)
}

fn share_of(count: u64, exposure: f64) -> f64 {
    if exposure > 0.0 {
        count as f64 / exposure
    } else {
        0.0
    }
}

/// Events for each unit of exposure; 0 without exposure.
pub(crate) fn rate(count: u64, exposure: u64) -> f64 {
    if exposure == 0 {
        0.0
    } else {
        count as f64 / exposure as f64
    }
}

/// Complete buckets that end at or before `settled_ms` after the start.
fn buckets_until(window: &Window, settled_ms: i64) -> u32 {
    if window.bucket_ms == 0 {
        return 0;
    }
    // A wider bucket that is settled in part counts as settled: its second
    // part is lost, its first must not be counted twice.
    let buckets = settled_ms
        .max(0)
        .saturating_add(i64::from(window.bucket_ms) - 1)
        / i64::from(window.bucket_ms);
    u32::try_from(buckets).unwrap_or(u32::MAX)
}

/// Buckets that go into the carried state: an even number, so that they are
/// whole buckets also when the width doubles.
fn settled_buckets(window: &Window) -> u32 {
    if window.is_aligned() {
        window.complete_buckets() / 2 * 2
    } else {
        0
    }
}

fn next_state(
    window: &Window,
    strata: &Strata,
    rows: &[Row],
    before: &State,
    mixtures: [Mixture; CARRIED_GATES],
    until: u32,
) -> State {
    let mut known = before.known.clone();
    known.extend(
        rows.iter()
            .filter(|row| row.is_failure() && row.stable.cells.range(..until).next().is_some())
            .map(row_hash),
    );
    let mut canary = before.canary;
    for (_, stratum) in strata
        .buckets
        .range(buckets_until(window, before.settled_ms)..until)
    {
        canary[0] += stratum.canary.served(strata.unit);
        canary[1] += stratum.canary.of(Measure::Errors).count;
        canary[2] += stratum.canary.of(Measure::ServerErrors).count;
    }
    let unit = if window.is_aligned() {
        strata.unit
    } else {
        ExposureUnit::None
    };
    State {
        start_ms: window.start_ms.unwrap_or_default(),
        settled_ms: before
            .settled_ms
            .max(i64::from(until) * i64::from(window.bucket_ms)),
        unit,
        canary,
        mixtures,
        known,
    }
}
