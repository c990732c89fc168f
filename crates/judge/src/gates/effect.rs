//! How large the difference is that a gate tests: an e-value alone says that
//! something differs, not that it matters.

use crate::judgement::{ExposureUnit, Gate, GateKind};
use crate::novel::is_tested;
use crate::policy::Policy;
use crate::slow;
use crate::strata::{Measure, Strata};
use crate::table::Row;

/// Warnings, and events that the canary should have said, below which a rate
/// says nothing.
const MIN_COUNT: u64 = 10;
/// Requests of each arm below which lines for each request say nothing.
const MIN_SERVED: u64 = 30;

/// How many times worse warnings, durations and silence must be to hold a canary
/// back: with enough traffic a test finds differences that matter to nobody.
const HOLD_RATIO: f64 = 1.25;

/// Lines of stable for each request below which they are no sign of its traffic:
/// what processes say as they start and end, and jobs on timers, falls on more
/// requests in the busier version.
const MIN_TALK: f64 = 0.1;

/// Rates and counts of both arms, as (stable, canary).
struct Effect {
    rates: (f64, f64),
    counts: (u64, u64),
    /// The difference points against the canary.
    worse: bool,
    /// And is large enough to act on.
    large: bool,
}

/// Rates, counts and whether it fires.
pub(super) fn gate(
    kind: GateKind,
    log_e: f64,
    strata: &Strata,
    rows: &[Row],
    policy: &Policy,
) -> Gate {
    let effect = match kind {
        GateKind::Latency => duration(
            strata,
            strata.slow.median_ms,
            policy.latency_min_ratio,
            policy,
        ),
        GateKind::LatencyTail => duration(
            strata,
            strata.slow.tail_ms,
            policy.latency_tail_min_ratio,
            policy,
        ),
        GateKind::WarnRate => warnings(strata, policy),
        GateKind::Silence => silence(strata, rows, policy),
        GateKind::NewErrors => errors(new_failures(strata, rows), strata, policy),
        GateKind::ServerErrors => errors(strata.errors(Measure::ServerErrors), strata, policy),
        _ => errors(strata.errors(Measure::Errors), strata, policy),
    };
    let effect = Effect {
        large: effect.large && !strata.too_short,
        ..effect
    };
    finished(kind, log_e, effect, policy)
}

fn finished(kind: GateKind, log_e: f64, effect: Effect, policy: &Policy) -> Gate {
    let threshold = threshold(kind, policy);
    let fired = log_e >= threshold && effect.large;
    Gate {
        kind,
        log_e,
        threshold,
        stable_rate: effect.rates.0,
        canary_rate: effect.rates.1,
        stable_count: effect.counts.0,
        canary_count: effect.counts.1,
        fired,
        holds: !fired && log_e >= policy.hold_e_value.ln() && effect.worse,
    }
}

/// −ln α of a gate.
pub(super) fn threshold(kind: GateKind, policy: &Policy) -> f64 {
    let alpha = match kind {
        GateKind::ErrorRate | GateKind::NewErrors | GateKind::ServerErrors => policy.gate_alpha,
        _ => policy.other_gate_alpha,
    };
    -alpha.ln()
}

fn errors(counts: (u64, u64), strata: &Strata, policy: &Policy) -> Effect {
    let rates = rates(counts, strata.exposures());
    let enough = counts.1 >= policy.gate_min_count;
    Effect {
        rates,
        counts,
        worse: enough && rates.1 > rates.0,
        large: enough
            && rates.1 >= policy.gate_min_ratio * rates.0
            && rates.1 - rates.0 >= policy.gate_min_difference,
    }
}

fn warnings(strata: &Strata, policy: &Policy) -> Effect {
    let counts = strata.errors(Measure::Warnings);
    let rates = rates(counts, strata.exposures());
    let enough = counts.1 >= MIN_COUNT;
    Effect {
        rates,
        counts,
        worse: enough && rates.1 >= HOLD_RATIO * rates.0,
        large: enough
            && rates.1 >= policy.warn_min_ratio * rates.0
            && rates.1 - rates.0 >= policy.warn_min_difference,
    }
}

/// Quantiles of both arms in milliseconds.
fn duration(strata: &Strata, quantiles: (f64, f64), ratio: f64, policy: &Policy) -> Effect {
    let timed = strata.slow.timed;
    let enough = timed.0.min(timed.1) >= slow::MIN_TIMED;
    let (stable, canary) = quantiles;
    Effect {
        rates: quantiles,
        counts: timed,
        worse: enough && canary >= HOLD_RATIO * stable,
        large: enough
            && canary >= ratio * stable
            && canary - stable >= policy.latency_min_difference_ms,
    }
}

fn silence(strata: &Strata, rows: &[Row], policy: &Policy) -> Effect {
    let counts = strata.errors(Measure::Said);
    let rates = rates(counts, strata.exposures());
    let (stable_served, canary_served) = strata.served();
    let enough = counts.0 >= MIN_COUNT
        && stable_served.min(canary_served) >= MIN_SERVED
        && (rates.0 >= MIN_TALK || strata.unit != ExposureUnit::Requests);
    Effect {
        rates,
        counts,
        worse: enough && rates.1 * HOLD_RATIO <= rates.0,
        large: enough
            && rates.1 <= policy.silence_max_rest * rates.0
            && super::vanished::still_talks(rows),
    }
}

/// Failures of templates that stable never shows, in complete buckets.
fn new_failures(strata: &Strata, rows: &[Row]) -> (u64, u64) {
    let exposure = strata.exposures().1;
    let canary = rows
        .iter()
        .filter(|row| row.stable.is_empty() && is_tested(row, exposure, strata.complete))
        .flat_map(|row| &row.canary.cells)
        .filter(|(bucket, _)| strata.buckets.contains_key(bucket))
        .map(|(_, (count, _))| count)
        .sum();
    (0, canary)
}

fn rates(counts: (u64, u64), exposures: (f64, f64)) -> (f64, f64) {
    let rate = |count: u64, exposure: f64| {
        if exposure > 0.0 {
            count as f64 / exposure
        } else {
            0.0
        }
    };
    (rate(counts.0, exposures.0), rate(counts.1, exposures.1))
}
