//! Vetoes, gates and the promote rule → one judgement.

use crate::evidence::{ArmEvidence, Evidence};
use crate::judgement::{
    Decision, Exposure, ExposureUnit, Finding, Gate, IgnoredEvents, Judgement, Missing,
    MissingReason,
};
use crate::policy::{Ignore, Ignored, Policy};
use crate::promotion::{Promotion, promotion};
use crate::strata::{Measure, Strata};
use crate::table::Table;
use crate::{confidence, findings, gates, table, vetoes};

/// Newest complete buckets that the present rate is taken from.
const RATE_BUCKETS: u32 = 6;

pub(crate) fn judge(evidence: &Evidence, policy: &Policy) -> Judgement {
    let table = table::build(evidence, policy);
    let rows = &table.rows;
    let strata = Strata::new(evidence, &table, policy.latency_warmup_ms);
    let vetoes = vetoes::find(evidence, &strata, rows, policy);
    let outcome = gates::run(evidence, &strata, rows, policy);
    let promotion = promotion(&strata, outcome.earlier.as_ref(), policy);
    let findings = findings::find(evidence, &strata, rows, &outcome, policy);
    let exposure = exposure(evidence, &strata);

    let (decision, missing) = decide(
        evidence,
        &Parts {
            vetoes: &vetoes,
            gates: &outcome.gates,
            promotion: &promotion,
            exposure: &exposure,
        },
    );
    let confidence = confidence::confidence(decision, &vetoes, &outcome.gates, &exposure);
    Judgement {
        decision,
        confidence,
        exposure,
        vetoes,
        gates: outcome.gates,
        findings,
        ignored: ignored(evidence, &table, policy),
        missing,
        carried: outcome.carried,
    }
}

/// Every entry, also one that nothing matches: its author should know.
fn ignored(evidence: &Evidence, table: &Table, policy: &Policy) -> Vec<IgnoredEvents> {
    let entries = policy.ignore.iter().enumerate();
    entries
        .map(|(entry, ignore)| {
            let (stable_count, canary_count) = match ignore.what {
                Ignored::Template => lines(table, entry),
                Ignored::Event => (
                    warnings(&evidence.stable, ignore),
                    warnings(&evidence.canary, ignore),
                ),
            };
            IgnoredEvents {
                pattern: ignore.pattern.clone(),
                reason: ignore.reason.clone(),
                stable_count,
                canary_count,
            }
        })
        .collect()
}

/// Log events of both arms that an entry takes.
fn lines(table: &Table, entry: usize) -> (u64, u64) {
    let rows = table.ignored.iter().filter(|(_, of)| *of == entry);
    rows.fold((0, 0), |(stable, canary), (row, _)| {
        (stable + row.stable.total(), canary + row.canary.total())
    })
}

/// Kubernetes' warnings of an arm that an entry takes.
fn warnings(arm: &ArmEvidence, ignore: &Ignore) -> u64 {
    let events = arm.events.iter();
    events
        .filter(|event| event.kind == "Warning" && ignore.matches(&event.reason))
        .map(|event| u64::from(event.count.max(1)))
        .sum()
}

struct Parts<'a> {
    vetoes: &'a [Finding],
    gates: &'a [Gate],
    promotion: &'a Promotion,
    exposure: &'a Exposure,
}

fn decide(evidence: &Evidence, parts: &Parts<'_>) -> (Decision, Option<Missing>) {
    if !parts.vetoes.is_empty() || parts.gates.iter().any(|gate| gate.fired) {
        return (Decision::Abort, None);
    }
    let nothing = |reason| {
        (
            Decision::Inconclusive,
            Some(Missing {
                reason,
                exposure: None,
                seconds: None,
            }),
        )
    };
    if is_empty(&evidence.canary) {
        return nothing(MissingReason::NoCanary);
    }
    if is_empty(&evidence.stable) {
        return nothing(MissingReason::NoStable);
    }
    let held = parts.gates.iter().any(|gate| gate.holds);
    if parts.promotion.met && !held {
        return (Decision::Promote, None);
    }
    let reason = if parts.exposure.canary == 0 {
        MissingReason::NoCanaryExposure
    } else if parts.exposure.stable == 0 {
        MissingReason::NoStableExposure
    } else if held || parts.promotion.beyond {
        MissingReason::Suspicious
    } else {
        MissingReason::TooLittle
    };
    let more = match reason {
        MissingReason::Suspicious => until_fired(parts),
        _ => parts.promotion.missing.filter(|more| *more > 0),
    };
    let per_second = parts.exposure.canary_per_second;
    let seconds = more
        .filter(|_| per_second > 0.0)
        .map(|more| (more as f64 / per_second).ceil() as u64);
    (
        Decision::Inconclusive,
        Some(Missing {
            reason,
            exposure: more,
            seconds,
        }),
    )
}

/// About how much more exposure makes a gate fire, if things go on as they do:
/// log e grows in proportion. Of the gates that hold the canary back, where any
/// does, the one nearest to it: others will not become what is waited for.
fn until_fired(parts: &Parts<'_>) -> Option<u64> {
    let held = parts.gates.iter().any(|gate| gate.holds);
    let gate = parts
        .gates
        .iter()
        .filter(|gate| gate.holds || !held)
        .max_by(|a, b| a.log_e.total_cmp(&b.log_e))?;
    let growing = gate.log_e > 0.0 && gate.threshold > gate.log_e;
    growing
        .then(|| (parts.exposure.canary as f64 * (gate.threshold / gate.log_e - 1.0)).ceil() as u64)
}

fn is_empty(arm: &ArmEvidence) -> bool {
    arm.pods.is_empty() && arm.logs.is_empty()
}

fn exposure(evidence: &Evidence, strata: &Strata) -> Exposure {
    let (stable, canary) = strata.served();
    let errors = strata.all_errors();
    let server_errors = strata.errors(Measure::ServerErrors);
    // A failing request mostly shows as both: the larger count is the better
    // estimate of how many failed.
    let cap = |errors: u64, exposure: u64| {
        if strata.unit == ExposureUnit::Requests {
            errors.min(exposure)
        } else {
            errors
        }
    };
    Exposure {
        unit: strata.unit,
        stable,
        canary,
        stable_errors: cap(errors.0.max(server_errors.0), stable),
        canary_errors: cap(errors.1.max(server_errors.1), canary),
        canary_per_second: per_second(evidence, strata),
    }
}

/// The canary's exposure per second over the newest complete buckets.
fn per_second(evidence: &Evidence, strata: &Strata) -> f64 {
    let window = &evidence.window;
    if !window.is_aligned() {
        return 0.0;
    }
    let complete = window.complete_buckets();
    let from = complete.saturating_sub(RATE_BUCKETS);
    let served: u64 = strata
        .buckets
        .range(from..complete)
        .map(|(_, stratum)| stratum.canary.served(strata.unit))
        .sum();
    let seconds = f64::from(complete - from) * f64::from(window.bucket_ms) / 1000.0;
    if seconds > 0.0 {
        served as f64 / seconds
    } else {
        0.0
    }
}
