//! Level 1: statistical gates, valid at every look.
//!
//! Each gate is an e-process of [`crate::eprocess`]: under "the canary is as
//! good as stable", what it counts falls on the canary with the canary's share
//! of the exposure of that bucket. It fires when its e-value reaches 1/α AND
//! the effect AND the count are large enough. By Ville's inequality a gate
//! whose canary is as good as stable fires with a chance of at most α over all
//! looks together (J. Ville, "Étude critique de la notion de collectif", 1939);
//! Σα over all gates is at most .02.

mod effect;
mod metric;
mod vanished;

use std::collections::{BTreeMap, BTreeSet};

use crate::carried::{CARRIED_GATES, State};
use crate::eprocess::{Mixture, log_mean};
use crate::evidence::{Evidence, Window};
use crate::judgement::{Carried, ExposureUnit, Gate, GateKind};
use crate::novel::{alone, novel_failures, row_hash};
use crate::policy::Policy;
use crate::stopped::work_stopped;
use crate::strata::{Measure, Strata, Stratum};
use crate::table::Row;

pub(crate) use metric::{Compared, Metrics};

/// The gates whose state is carried, in the order of their state.
const KINDS: [GateKind; CARRIED_GATES] = [
    GateKind::ErrorRate,
    GateKind::NewErrors,
    GateKind::ServerErrors,
    GateKind::Latency,
    GateKind::LatencyTail,
    GateKind::WarnRate,
    GateKind::Silence,
];

/// What the gates say, and what the next look needs to know.
pub(crate) struct Outcome {
    pub gates: Vec<Gate>,
    /// Indices of the rows that stable shows and the canary no longer.
    pub vanished: Vec<usize>,
    pub metrics: Metrics,
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

    let mut gates: Vec<Gate> = KINDS
        .iter()
        .zip(present.iter().zip(&continued))
        .map(|(kind, (present, continued))| {
            // The mean of two e-processes is one.
            let mut log_e =
                log_mean([(present.log_e(), 0.5), (continued.log_e(), 0.5)].into_iter());
            let alone = match kind {
                GateKind::NewErrors if strata.complete => alone(strata, rows),
                _ => None,
            };
            if let Some(alone) = alone {
                log_e = log_mean([(log_e, 0.5), (alone, 0.5)].into_iter());
            }
            effect::gate(*kind, log_e, strata, rows, policy)
        })
        .collect();
    if work_stopped(evidence, rows) {
        for gate in gates
            .iter_mut()
            .filter(|gate| gate.kind == GateKind::Silence)
        {
            gate.holds = !gate.fired;
        }
    }
    let (gate, vanished) = vanished::gate(strata, rows, policy);
    gates.push(gate);
    let metrics = Metrics::new(evidence, policy);
    gates.push(metrics.gate(policy));
    let carried = next_state(window, strata, rows, &before, settled, until).write();
    Outcome {
        gates,
        vanished,
        metrics,
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
        for (kind, mixture) in KINDS.iter().zip(&mut mixtures) {
            if let Some(counts) = counts(*kind, strata, *bucket, stratum, novel) {
                mixture.add(counts.against, counts.rest, counts.share);
            }
        }
    }
    mixtures
}

/// What a gate counts in a bucket.
struct Counted {
    /// What speaks against the canary.
    against: f64,
    /// The same of stable.
    rest: f64,
    /// The share of both that is expected to speak against the canary.
    share: f64,
}

fn counts(
    kind: GateKind,
    strata: &Strata,
    bucket: u32,
    stratum: &Stratum,
    novel: &Novel,
) -> Option<Counted> {
    let of = |measure| {
        (
            strata.independent(&stratum.canary, measure),
            strata.independent(&stratum.stable, measure),
        )
    };
    let (counts, share) = match kind {
        GateKind::Latency | GateKind::LatencyTail => {
            let (stable, canary) = (stratum.stable.timed as f64, stratum.canary.timed as f64);
            if stable == 0.0 || canary == 0.0 {
                return None;
            }
            let measure = if kind == GateKind::Latency {
                Measure::Slow
            } else {
                Measure::SlowTail
            };
            (of(measure), canary / (canary + stable))
        }
        GateKind::Silence => {
            // Where exposure is events, they are what would be missing.
            if strata.unit != ExposureUnit::Requests {
                return None;
            }
            let (canary, stable) = of(Measure::Said);
            ((stable, canary), 1.0 - strata.share(stratum)?)
        }
        _ => {
            let counts = match kind {
                GateKind::NewErrors => novel
                    .get(&bucket)
                    .map_or((0.0, 0.0), |(stable, canary)| (*canary, *stable)),
                GateKind::ServerErrors => of(Measure::ServerErrors),
                GateKind::WarnRate => of(Measure::Warnings),
                _ => of(Measure::Errors),
            };
            (counts, strata.share(stratum)?)
        }
    };
    Some(Counted {
        against: counts.0,
        rest: counts.1,
        share,
    })
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
