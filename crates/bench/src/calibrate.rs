//! Calibrated confidence: how often a verdict like this one is right.
//!
//! Simulated rollouts of every kind, healthy and faulty in equal parts, each
//! judged once after a random time, and labelled pairs where a folder of them
//! is given. One logistic model for verdicts that abort, one for those that
//! promote; what is printed is to be pasted into the judge.

use std::path::Path;

use anyhow::Result;
use judge::{Decision, Judgement, Policy};

use crate::logistic::Model;
use crate::look::{Watched, judge_files};
use crate::many;
use crate::pairs::{self, Label, brier, calibration_error};
use crate::random::Random;
use crate::simulate::{Kind, Rollout, Share, Version};
use crate::splits::rollout;
use crate::table::Table;

/// Parts of the cross-validation.
const FOLDS: usize = 5;
/// What a verdict is described by.
const FEATURES: usize = 4;
/// Names of the features, in order.
const NAMES: [&str; FEATURES] = [
    "ln of the smaller exposure",
    "strongest gate, ln e less its threshold",
    "ln (1 + its count of the canary)",
    "vetoed",
];
/// How far a gate may count: beyond ± this, more of it says no more.
const MAX_STRENGTH: f64 = 20.0;

/// A decided case.
#[derive(Clone, Copy, Debug)]
struct Case {
    decision: Decision,
    features: [f64; FEATURES],
    stated: f64,
    right: bool,
}

/// Describes a verdict by what it rests on.
fn features(judgement: &Judgement) -> [f64; FEATURES] {
    let exposure = &judgement.exposure;
    let strongest = judgement
        .gates
        .iter()
        .filter(|gate| gate.fired || judgement.decision != Decision::Abort)
        .max_by(|a, b| (a.log_e - a.threshold).total_cmp(&(b.log_e - b.threshold)));
    let strength = strongest.map_or(0.0, |gate| gate.log_e - gate.threshold);
    [
        (1.0 + exposure.canary.min(exposure.stable) as f64).ln(),
        strength.clamp(-MAX_STRENGTH, MAX_STRENGTH),
        strongest.map_or(0.0, |gate| (1.0 + gate.canary_count as f64).ln()),
        f64::from(u8::from(!judgement.vetoes.is_empty())),
    ]
}

/// Makes and judges the labelled set, fits, and gives what to print.
///
/// # Errors
/// When a pair cannot be read.
pub fn run(shared: Option<&Path>, cases: u64, policy: &Policy) -> Result<String> {
    let seeds: Vec<u64> = (0..cases).collect();
    let judged = many::map("rollouts to calibrate on", &seeds, |seed| {
        one(*seed, policy)
    });
    let mut decided: Vec<Case> = judged
        .iter()
        .filter_map(|(judgement, faulty)| case(judgement, *faulty))
        .collect();
    let simulated = decided.len();
    if let Some(shared) = shared {
        for pair in pairs::find(&shared.join("pairs"))? {
            let (stable, canary) = (pairs::read(&pair.stable)?, pairs::read(&pair.canary)?);
            let judgement = judge_files(&stable, &canary, policy);
            decided.extend(case(&judgement, pair.label != Label::Healthy));
        }
    }
    let pairs = decided.len() - simulated;
    let mut text = format!(
        "{cases} simulated rollouts, {simulated} of them decided; {pairs} decided pairs\n\n"
    );
    let head = [
        "verdicts",
        "n",
        "wrong",
        "Brier now",
        "ECE now",
        "Brier fitted",
        "ECE fitted",
    ];
    let mut table = Table::new("Confidence, five-fold cross-validation", &head);
    let mut constants = String::new();
    for decision in [Decision::Abort, Decision::Promote] {
        let of: Vec<Case> = decided
            .iter()
            .filter(|case| case.decision == decision)
            .copied()
            .collect();
        let now: Vec<_> = of.iter().map(|case| (case.stated, case.right)).collect();
        let fitted = cross_validated(&of);
        table.row([
            format!("{decision:?}").to_lowercase(),
            of.len().to_string(),
            of.iter().filter(|case| !case.right).count().to_string(),
            format!("{:.4}", brier(&now)),
            format!("{:.4}", calibration_error(&now)),
            format!("{:.4}", brier(&fitted)),
            format!("{:.4}", calibration_error(&fitted)),
        ]);
        constants.push_str(&paste(decision, &Model::fit(&training(&of))));
    }
    text.push_str(&table.to_string());
    text.push('\n');
    text.push_str(&constants);
    Ok(text)
}

fn case(judgement: &Judgement, faulty: bool) -> Option<Case> {
    (judgement.decision != Decision::Inconclusive).then(|| Case {
        decision: judgement.decision,
        features: features(judgement),
        stated: judgement.confidence,
        right: (judgement.decision == Decision::Abort) == faulty,
    })
}

/// The cases, and one right and one wrong average case (Laplace's rule of
/// succession): where none is wrong, that none ever will be is not known.
fn training(cases: &[Case]) -> Vec<([f64; FEATURES], bool)> {
    let n = cases.len().max(1) as f64;
    let mean: [f64; FEATURES] =
        std::array::from_fn(|place| cases.iter().map(|case| case.features[place]).sum::<f64>() / n);
    let known = cases.iter().map(|case| (case.features, case.right));
    known.chain([(mean, true), (mean, false)]).collect()
}

/// Chances of being right, each by a model that has not seen its case.
fn cross_validated(cases: &[Case]) -> Vec<(f64, bool)> {
    let mut predicted = Vec::new();
    for fold in 0..FOLDS {
        let part = |inside: bool| -> Vec<Case> {
            let of = cases.iter().enumerate();
            of.filter(|(place, _)| (place % FOLDS == fold) == inside)
                .map(|(_, case)| *case)
                .collect()
        };
        let model = Model::fit(&training(&part(false)));
        predicted.extend(part(true).iter().map(|case| {
            let chance = model.chance(&case.features).clamp(0.51, 0.99);
            (chance, case.right)
        }));
    }
    predicted
}

fn paste(decision: Decision, model: &Model<FEATURES>) -> String {
    let mut text = format!("{decision:?}: intercept {:.4}\n", model.intercept);
    for (name, slope) in NAMES.iter().zip(model.slopes) {
        text.push_str(&format!("    {slope:+.4}  {name}\n"));
    }
    text
}

/// One rollout, judged once after a random time; whether it is faulty.
fn one(seed: u64, policy: &Policy) -> (Judgement, bool) {
    let mut random = Random::named("calibration", seed);
    let kind = *random.pick(&Kind::ALL);
    let share = *random.pick(&[0.05, 0.1, 0.3, 0.5]);
    let mut rollout = rollout(kind, Share::Fixed(share), 50_000 + seed);
    let faulty = random.chance(0.5);
    if faulty {
        spoil(&mut rollout, &mut random);
    } else {
        let changes = Version::healthy_changes();
        let (name, version) = random.pick(&changes);
        if *name != Version::STARTING_WITH_ERRORS {
            rollout.canary = version.clone();
        }
    }
    let looks = 10;
    let at = 1 + random.below(looks.into()) as u32;
    let mut last = None;
    Watched::new(rollout.simulate()).looks(looks, policy, |look, judgement| {
        let done = look == at || judgement.decision == Decision::Abort;
        if done {
            last = Some(judgement.clone());
        }
        done
    });
    let judgement = last.unwrap_or_else(|| judge_files(&[], &[], policy));
    (judgement, faulty)
}

/// Gives the canary a fault of random size, which is there before the first
/// look: what has not happened yet is no fault of the judge.
fn spoil(rollout: &mut Rollout, random: &mut Random) {
    let busy_web = matches!(
        rollout.kind,
        Kind::Web | Kind::Json | Kind::Chatty | Kind::Tides
    );
    let canary = &mut rollout.canary;
    match random.below(if busy_web { 8 } else { 6 }) {
        0 | 1 => {
            let base = *random.pick(&[0.005, 0.01, 0.02, 0.05]);
            rollout.stable.errors = Some(base);
            canary.errors = Some((base * random.pick(&[3.0, 5.0, 10.0])).min(1.0));
        }
        2 | 3 => canary.new_exceptions = *random.pick(&[0.02, 0.05, 0.1, 0.3]),
        4 => canary.panics_after_ms = Some(random.between(1_000.0, 10_000.0) as i64),
        5 => canary.silent_after_ms = Some(random.between(5_000.0, 10_000.0) as i64),
        6 => canary.slower = *random.pick(&[2.0, 3.0, 5.0]),
        _ => canary.tail = *random.pick(&[0.1, 0.2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_reproducible_and_of_both_labels() {
        let policy = Policy::default();
        let judged: Vec<_> = (0..6).map(|seed| one(seed, &policy)).collect();
        assert!(judged.iter().any(|(_, faulty)| *faulty));
        assert!(judged.iter().any(|(_, faulty)| !*faulty));
        assert_eq!(one(3, &policy), judged[3]);
    }
}
