//! The promote rule, what is missing for it, and how sure the judge is.
//!
//! Promotion needs evidence of absence: confidence sequences, valid at every
//! look, must put the canary's error share at or below stable's times a ratio
//! plus a margin. Without an error in either arm that takes about 350 requests
//! for 2.5 points.

use crate::carried::State;
use crate::eprocess::{lower_bound, upper_bound};
use crate::judgement::ExposureUnit;
use crate::policy::Policy;
use crate::strata::{Counts, Measure, Strata};

/// Part of the promote rule's α that is spent on stable's share; the rest is
/// the canary's.
const STABLE_PART: f64 = 0.1;
/// What the canary's share may be at most, however badly stable fails: beyond
/// it nothing works, and nothing is to be promoted.
const MAX_ALLOWED: f64 = 0.9;
/// Exposure that is not asked for: a look further ahead than this is none.
const MAX_MISSING: u64 = 1_000_000;

/// One measure's shares in both arms.
#[derive(Clone, Copy, Debug)]
struct Shares {
    /// Errors of the canary.
    hits: f64,
    /// Exposure of the canary.
    n: f64,
    /// Stable's share, each bucket weighted by the canary's exposure in it.
    stable: f64,
    stable_n: f64,
}

/// Whether the rule is met, and how clearly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promotion {
    pub met: bool,
    /// The canary's share is itself above what stable's allows.
    pub beyond: bool,
    /// About how much more exposure of the canary would meet the rule.
    pub missing: Option<u64>,
}

pub(crate) fn promotion(strata: &Strata, earlier: Option<&State>, policy: &Policy) -> Promotion {
    let margin = if strata.unit == ExposureUnit::Events {
        policy.promote_margin_events
    } else {
        policy.promote_margin
    };
    let mut promotion = Promotion {
        met: true,
        beyond: false,
        missing: Some(0),
    };
    for measure in [Measure::Errors, Measure::ServerErrors] {
        let shares = shares(strata, measure, earlier);
        let allowed = allowed(shares, policy, margin);
        let upper = upper_bound(
            shares.hits,
            shares.n,
            policy.promote_alpha * (1.0 - STABLE_PART),
        );
        promotion.met &=
            shares.stable_n > 0.0 && upper <= allowed && is_enough(shares.n, policy, margin);
        promotion.beyond |= shares.n > 0.0
            && shares.hits / shares.n > policy.promote_ratio * shares.stable + margin;
        let more = missing(shares, policy, margin);
        promotion.missing = promotion.missing.zip(more).map(|(a, b)| a.max(b));
    }
    promotion
}

/// Whether an error-free canary would be promoted on so much exposure. However
/// badly stable fails, less shows nothing.
fn is_enough(n: f64, policy: &Policy, margin: f64) -> bool {
    n > 0.0 && upper_bound(0.0, n, policy.promote_alpha * (1.0 - STABLE_PART)) <= margin
}

/// What the canary's share may be.
fn allowed(shares: Shares, policy: &Policy, margin: f64) -> f64 {
    let stable = lower_bound(
        shares.stable * shares.stable_n,
        shares.stable_n,
        policy.promote_alpha * STABLE_PART,
    );
    (policy.promote_ratio * stable + margin).min(MAX_ALLOWED)
}

/// What speaks against an arm here: an error as a process starts as well, for
/// it is no gate's false alarm that counts but what is promoted.
fn count_of(counts: &Counts, measure: Measure) -> u64 {
    let at_start = match measure {
        Measure::Errors => counts.start_errors,
        _ => 0,
    };
    counts.of(measure).count + at_start
}

fn shares(strata: &Strata, measure: Measure, earlier: Option<&State>) -> Shares {
    let mut shares = Shares {
        hits: 0.0,
        n: 0.0,
        stable: 0.0,
        stable_n: 0.0,
    };
    for stratum in strata.buckets.values() {
        let (stable_n, canary_n) = (
            stratum.stable.served(strata.unit),
            stratum.canary.served(strata.unit),
        );
        let count = |errors: u64, served: u64| match strata.unit {
            // One request may log several errors.
            ExposureUnit::Requests => errors.min(served),
            _ => errors,
        };
        let n = |errors: u64, served: u64| match strata.unit {
            ExposureUnit::Events => served + errors,
            _ => served,
        };
        let canary = count_of(&stratum.canary, measure);
        // Errors count wherever they are, exposure only beside stable's.
        shares.hits += count(canary, canary_n.max(canary)) as f64;
        if stable_n == 0 || canary_n == 0 {
            continue;
        }
        let stable = count_of(&stratum.stable, measure);
        let (stable_n, canary_n) = (n(stable, stable_n) as f64, n(canary, canary_n) as f64);
        shares.n += canary_n;
        shares.stable_n += stable_n;
        shares.stable += canary_n
            * count(
                stable,
                stratum
                    .stable
                    .served(strata.unit)
                    .max(u64::from(strata.unit == ExposureUnit::Events) * stable),
            ) as f64
            / stable_n;
    }
    if shares.n > 0.0 {
        shares.stable = (shares.stable / shares.n).min(1.0);
    }
    // Logs that are gone took their errors along: the share that earlier looks
    // saw counts if it was higher. Their exposure is not believed.
    if let Some(state) = earlier.filter(|state| state.canary[0] > 0) {
        let errors = state.canary[1 + measure as usize] as f64;
        shares.hits = shares
            .hits
            .max((errors / state.canary[0] as f64).min(1.0) * shares.n);
    }
    shares.hits = shares.hits.min(shares.n);
    shares
}

/// How much more exposure meets the rule if both shares stay as they are.
fn missing(shares: Shares, policy: &Policy, margin: f64) -> Option<u64> {
    let share = if shares.n > 0.0 {
        shares.hits / shares.n
    } else {
        0.0
    };
    let meets = |n: f64| {
        let grown = if shares.n > 0.0 { n / shares.n } else { 1.0 };
        let then = Shares {
            hits: share * n,
            n,
            stable: shares.stable,
            stable_n: (shares.stable_n * grown).max(1.0),
        };
        upper_bound(
            then.hits,
            then.n,
            policy.promote_alpha * (1.0 - STABLE_PART),
        ) <= allowed(then, policy, margin)
            && is_enough(n, policy, margin)
    };
    if meets(shares.n) {
        return Some(0);
    }
    let mut high = shares.n.max(16.0);
    while !meets(high) {
        high *= 2.0;
        if high > MAX_MISSING as f64 {
            return None;
        }
    }
    let mut low = shares.n;
    while high - low > (high / 100.0).max(1.0) {
        let middle = f64::midpoint(low, high);
        if meets(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some((high - shares.n).ceil() as u64)
}
