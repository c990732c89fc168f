//! How sure a decision is: the chance that it is right.
//!
//! Fitted by `bench calibrate` (logistic regression, five-fold
//! cross-validation) on simulated rollouts, healthy and faulty at random
//! exposure, and on labelled pairs of recorded logs; `docs/benchmarks.md` has
//! the command and what it prints. Run again it gives these constants again.

use crate::judgement::{Decision, Exposure, Finding, FindingClass, Gate};

/// Confidence is never above this on a small sample.
const SMALL_SAMPLE_CONFIDENCE: f64 = 0.8;
/// Exposure of either arm below which a sample is small.
const SMALL_SAMPLE: u64 = 200;
/// Errors of the canary below which a fired gate rests on a small sample.
const SMALL_ERRORS: u64 = 10;
/// Confidence of what a pod's state shows: the state is certain, that it is the
/// canary's fault nearly so.
const VETO_CONFIDENCE: f64 = 0.95;
/// Lowest confidence of any judgement: a promote at one half would fail the
/// condition `result > 0.50` that templates use.
const MIN_CONFIDENCE: f64 = 0.51;
/// Highest.
const MAX_CONFIDENCE: f64 = 0.99;

/// Log odds that a promote is right, by `bench calibrate` of 2026-11-22 (2,000
/// simulated rollouts, of which 744 were promoted and 49 of those wrongly, and
/// 79 pairs): before, Brier .0580 and expected calibration error .0204; after,
/// .0515 and .0094, cross-validated.
const PROMOTE: f64 = -5.4986;
/// For ln (1 + the smaller arm's exposure).
const PROMOTE_EXPOSURE: f64 = 1.2156;
/// For the strongest gate's log e-value less its threshold.
const PROMOTE_STRENGTH: f64 = -0.0799;
/// For ln (1 + what that gate counts of the canary).
const PROMOTE_COUNT: f64 = -1.2010;
/// The strength is taken within ± this, as it was when it was fitted.
const MAX_STRENGTH: f64 = 20.0;

pub(crate) fn confidence(
    decision: Decision,
    vetoes: &[Finding],
    gates: &[Gate],
    exposure: &Exposure,
) -> f64 {
    let confidence = match decision {
        Decision::Inconclusive => MIN_CONFIDENCE,
        Decision::Abort => abort(vetoes, gates),
        Decision::Promote => promote(gates, exposure),
    };
    confidence.clamp(MIN_CONFIDENCE, MAX_CONFIDENCE)
}

/// No abort among those that were fitted on was wrong, so there is nothing to
/// fit: odds of one to the root of the e-value, which is no posterior, and
/// models are wrong.
fn abort(vetoes: &[Finding], gates: &[Gate]) -> f64 {
    if vetoes
        .iter()
        .any(|veto| veto.class != FindingClass::NewError)
    {
        return VETO_CONFIDENCE;
    }
    // A new exception on its first occasions is a small sample.
    let least = if vetoes.is_empty() {
        MIN_CONFIDENCE
    } else {
        SMALL_SAMPLE_CONFIDENCE
    };
    gates
        .iter()
        .filter(|gate| gate.fired)
        .map(|gate| {
            let confidence = 1.0 - 1.0 / (1.0 + (gate.log_e / 2.0).exp());
            if gate.canary_count.max(gate.stable_count) < SMALL_ERRORS {
                confidence.min(SMALL_SAMPLE_CONFIDENCE)
            } else {
                confidence
            }
        })
        .fold(least, f64::max)
}

fn promote(gates: &[Gate], exposure: &Exposure) -> f64 {
    let smaller = exposure.canary.min(exposure.stable);
    let strongest = gates
        .iter()
        .max_by(|a, b| (a.log_e - a.threshold).total_cmp(&(b.log_e - b.threshold)));
    let strength = strongest.map_or(0.0, |gate| gate.log_e - gate.threshold);
    let count = strongest.map_or(0, |gate| gate.canary_count);
    let log_odds = PROMOTE
        + PROMOTE_EXPOSURE * (1.0 + smaller as f64).ln()
        + PROMOTE_STRENGTH * strength.clamp(-MAX_STRENGTH, MAX_STRENGTH)
        + PROMOTE_COUNT * (1.0 + count as f64).ln();
    let confidence = 1.0 / (1.0 + (-log_odds).exp());
    if smaller < SMALL_SAMPLE {
        confidence.min(SMALL_SAMPLE_CONFIDENCE)
    } else {
        confidence
    }
}
