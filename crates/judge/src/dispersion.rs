//! How much more stable's counts vary than independent ones would.
//!
//! Bursts break every count test: one cause that is logged ten times is not
//! ten errors. What bursts stable shows are measured, of stable alone (a sparse
//! canary has none to estimate), and both arms' counts are divided by it; where
//! stable shows too few to measure, episodes are counted instead.

use std::collections::BTreeMap;

use crate::judgement::ExposureUnit;
use crate::strata::{Counts, Errors, MEASURES, Measure, Stratum};

/// Episodes of stable from which its dispersion can be estimated; below, the
/// episodes themselves are counted.
const MIN_EPISODES: u64 = 5;
/// Buckets of stable from which the spread between them is an estimate.
const MIN_BUCKETS: u32 = 6;
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
