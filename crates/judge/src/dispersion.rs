//! How much more stable's counts vary than independent ones would.
//!
//! Bursts break every count test: one cause that is logged ten times is not
//! ten errors. What bursts stable shows are measured, of stable alone (a sparse
//! canary has none to estimate), and both arms' counts are divided by it; where
//! stable shows too few to measure, episodes are counted instead.

use std::collections::BTreeMap;

use crate::course::Course;
use crate::evidence::ArmEvidence;
use crate::judgement::ExposureUnit;
use crate::strata::{Counts, Errors, MEASURES, Measure, Stratum};

/// Episodes of stable from which its dispersion can be estimated; below, the
/// episodes themselves are counted.
const MIN_EPISODES: u64 = 5;
/// Buckets of stable from which the spread between them is an estimate.
const MIN_BUCKETS: u32 = 6;
/// Errors of the canary from which its own dispersion is more than sparseness.
const MIN_OWN_ERRORS: u64 = 20;
/// Dispersion of slow requests and of what is said, where there are too few
/// buckets to see one: a cache that is cold or a neighbour that is noisy makes
/// several requests slow, and one piece of work says several things.
const ASSUMED: f64 = 4.0;

const ALL: [Measure; MEASURES] = [
    Measure::Errors,
    Measure::ServerErrors,
    Measure::Warnings,
    Measure::Slow,
    Measure::SlowTail,
    Measure::Said,
];

/// Stable's dispersion of each measure; `None` where episodes are counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dispersion([Option<f64>; MEASURES]);

impl Dispersion {
    pub(crate) fn new(buckets: &BTreeMap<u32, Stratum>, unit: ExposureUnit) -> Self {
        Self(ALL.map(|measure| estimate(buckets, unit, measure)))
    }

    /// Of logs without a common time: the parts of a log take the place of
    /// buckets. Where the canary fails often it shows bursts of its own, and
    /// the larger dispersion counts.
    pub(crate) fn of_parts(stable: &ArmEvidence, canary: &ArmEvidence) -> Self {
        let mut all = [None; MEASURES];
        all[Measure::Errors as usize] = between_parts(stable, MIN_EPISODES).map(|dispersion| {
            let own = between_parts(canary, MIN_EPISODES)
                .filter(|_| total_errors(canary) >= MIN_OWN_ERRORS);
            own.map_or(dispersion, |own| own.max(dispersion))
        });
        for measure in [Measure::Slow, Measure::SlowTail, Measure::Said] {
            all[measure as usize] = Some(ASSUMED);
        }
        Self(all)
    }

    /// Counts of an arm as so many independent ones.
    pub(crate) fn independent(&self, counts: &Counts, measure: Measure) -> f64 {
        let of = counts.of(measure);
        match self.0[measure as usize] {
            Some(dispersion) => of.count as f64 / dispersion,
            None => of.episodes as f64,
        }
    }
}

/// Over enough buckets it is Pearson's χ² over its degrees of freedom, as in
/// quasi-Poisson models (P. McCullagh and J. Nelder, "Generalized Linear
/// Models", 2nd ed., section 6.2); over fewer the size of the episode that the
/// average event is in.
fn estimate(buckets: &BTreeMap<u32, Stratum>, unit: ExposureUnit, measure: Measure) -> Option<f64> {
    let mut total = Errors::default();
    let (mut exposure, mut exposed_buckets) = (0.0, 0_u32);
    for stratum in buckets.values() {
        let errors = stratum.stable.of(measure);
        total.add(errors.count, errors.episodes, errors.squares);
        let exposed = exposed(&stratum.stable, unit, measure);
        exposure += exposed;
        exposed_buckets += u32::from(exposed > 0.0);
    }
    let enough = exposed_buckets >= MIN_BUCKETS && total.count > 0 && exposure > 0.0;
    if matches!(measure, Measure::Slow | Measure::SlowTail | Measure::Said) {
        return Some(if enough {
            pearson(
                buckets,
                unit,
                measure,
                total.count as f64 / exposure,
                exposed_buckets,
            )
        } else {
            ASSUMED
        });
    }
    if total.episodes < MIN_EPISODES || exposure <= 0.0 {
        return None;
    }
    if !enough {
        return Some((total.squares as f64 / total.count as f64).max(1.0));
    }
    let rate = total.count as f64 / exposure;
    Some(pearson(buckets, unit, measure, rate, exposed_buckets))
}

fn total_errors(arm: &ArmEvidence) -> u64 {
    let logs = arm.logs.iter().map(|log| &log.profile.course);
    logs.flat_map(Course::errors_by_part).sum()
}

/// Pearson's χ² over its degrees of freedom of the errors of each part of an
/// arm's logs; `None` where they are too few to tell.
fn between_parts(arm: &ArmEvidence, least: u64) -> Option<f64> {
    let parts: Vec<u64> = arm
        .logs
        .iter()
        .flat_map(|log| log.profile.course.errors_by_part())
        .collect();
    let with_errors = parts.iter().filter(|errors| **errors > 0).count() as u64;
    if parts.len() < MIN_BUCKETS as usize || with_errors < least {
        return None;
    }
    let mean = parts.iter().sum::<u64>() as f64 / parts.len() as f64;
    let sum: f64 = parts
        .iter()
        .map(|errors| (*errors as f64 - mean).powi(2) / mean)
        .sum();
    Some((sum / (parts.len() - 1) as f64).max(1.0))
}

fn pearson(
    buckets: &BTreeMap<u32, Stratum>,
    unit: ExposureUnit,
    measure: Measure,
    rate: f64,
    exposed_buckets: u32,
) -> f64 {
    let mut sum = 0.0;
    for stratum in buckets.values() {
        let expected = rate * exposed(&stratum.stable, unit, measure);
        if expected > 0.0 {
            sum += (stratum.stable.of(measure).count as f64 - expected).powi(2) / expected;
        }
    }
    (sum / f64::from(exposed_buckets.max(2) - 1)).max(1.0)
}

/// What a bucket's counts are among, before anything is known of bursts.
fn exposed(counts: &Counts, unit: ExposureUnit, measure: Measure) -> f64 {
    match measure {
        Measure::Slow | Measure::SlowTail => counts.timed as f64,
        _ => counts.served(unit).max(counts.of(measure).count) as f64,
    }
}
