//! How much more stable's counts vary than independent ones would.
//!
//! Bursts break every count test: one cause that is logged ten times is not
//! ten errors. What bursts stable shows are measured, of stable alone (a sparse
//! canary has none to estimate), and both arms' counts are divided by it: by how
//! its pods differ within a bucket where there are several, else by how buckets
//! differ. Where stable shows too few to measure, episodes are counted instead.

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
/// Degrees of freedom from which the spread between pods is an estimate.
const MIN_FREEDOM: u32 = 8;
/// Errors of the canary from which its own dispersion is more than sparseness.
const MIN_OWN_ERRORS: u64 = 20;
/// Dispersion of slow requests and of what is said, where there are too few
/// buckets to see one: a cache that is cold or a neighbour that is noisy makes
/// several requests slow, and one piece of work says several things.
pub(crate) const ASSUMED: f64 = 4.0;

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

    /// Errors and 5xx by how they differ between stable's pods, where it has
    /// enough of them.
    pub(crate) fn between_pods(mut self, pods: &Pods) -> Self {
        for (measure, column) in [
            (Measure::Errors, ERRORS),
            (Measure::ServerErrors, SERVER_ERRORS),
        ] {
            if let Some(dispersion) = pods.dispersion(column) {
                self.0[measure as usize] = Some(dispersion);
            }
        }
        self
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

/// Columns of [`Pods`].
const REQUESTS: usize = 0;
const ERRORS: usize = 1;
const SERVER_ERRORS: usize = 2;

/// What each of stable's pods counts in each bucket: requests, errors, 5xx.
///
/// Within a bucket, errors fall on the pods by their requests; that one gets
/// more of them is what a burst in a single pod does, and the canary is one pod
/// more. What befalls all pods at once changes no share. A window of ten
/// buckets shows ten sums and no more, but with four pods thirty ways in which
/// they differ: the estimate varies far less.
#[derive(Debug, Default)]
pub(crate) struct Pods<'a>(BTreeMap<u32, BTreeMap<&'a str, [u64; 3]>>);

impl<'a> Pods<'a> {
    /// An arm's pods in the complete buckets.
    pub(crate) fn new(arm: &'a ArmEvidence, complete: u32) -> Self {
        let mut buckets: BTreeMap<u32, BTreeMap<&str, [u64; 3]>> = BTreeMap::new();
        for log in &arm.logs {
            let tallies = log.profile.tallies.iter();
            for tally in tallies.filter(|tally| tally.bucket < complete) {
                let pods = buckets.entry(tally.bucket).or_default();
                let own = pods.entry(&log.pod).or_default();
                own[REQUESTS] += tally.requests;
                own[ERRORS] += tally.errors;
                own[SERVER_ERRORS] += tally.server_errors;
            }
        }
        Self(buckets)
    }

    /// Pearson's χ² over its degrees of freedom, of the pods within buckets;
    /// `None` where they are too few to tell.
    fn dispersion(&self, column: usize) -> Option<f64> {
        let (mut sum, mut freedom, mut total) = (0.0, 0_u32, 0);
        for pods in self.0.values() {
            let exposed = |pod: &[u64; 3]| match pod[REQUESTS] {
                0 => 0,
                requests => requests.max(pod[column]),
            };
            let count: u64 = pods.values().map(|pod| pod[column]).sum();
            let exposure: u64 = pods.values().map(exposed).sum();
            let fails_unserved = |pod: &[u64; 3]| exposed(pod) == 0 && pod[column] > 0;
            if pods.values().any(fails_unserved) {
                // It fails without serving: its errors are not among requests.
                return None;
            }
            if count == 0 {
                continue;
            }
            total += count;
            for pod in pods.values().filter(|pod| exposed(pod) > 0) {
                let expected = count as f64 * exposed(pod) as f64 / exposure as f64;
                sum += (pod[column] as f64 - expected).powi(2) / expected;
                freedom += 1;
            }
            freedom -= 1;
        }
        let enough = total >= MIN_EPISODES && freedom >= MIN_FREEDOM;
        enough.then(|| (sum / f64::from(freedom)).max(1.0))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::LogProfile;
    use crate::profile::{Profile, Tally};

    /// Four pods of a hundred requests in each bucket.
    fn pods(buckets: u32, errors: impl Fn(u32, u32) -> u64) -> ArmEvidence {
        let log = |pod: u32| LogProfile {
            pod: format!("pod-{pod}"),
            container: String::new(),
            previous: false,
            profile: Profile {
                tallies: (0..buckets)
                    .map(|bucket| Tally {
                        bucket,
                        requests: 100,
                        errors: errors(bucket, pod),
                        ..Tally::default()
                    })
                    .collect(),
                ..Profile::default()
            },
        };
        ArmEvidence {
            logs: (0..4).map(log).collect(),
            ..ArmEvidence::default()
        }
    }

    fn of(arm: &ArmEvidence) -> Option<f64> {
        Pods::new(arm, 128).dispersion(ERRORS)
    }

    #[test]
    fn a_burst_in_one_pod_is_dispersion_and_one_in_all_pods_is_none() {
        let alone = pods(10, |bucket, pod| if pod == bucket % 4 { 20 } else { 0 });
        assert!(of(&alone).is_some_and(|dispersion| dispersion > 10.0));
        let all = pods(10, |bucket, _| if bucket == 4 { 80 } else { 1 });
        assert_eq!(of(&all), Some(1.0));
    }

    #[test]
    fn what_is_too_little_to_tell_gives_no_estimate() {
        assert_eq!(of(&pods(2, |_, _| 3)), None, "six degrees of freedom");
        assert_eq!(of(&pods(10, |_, _| 0)), None, "no error");
        let mut one = pods(10, |_, _| 3);
        one.logs.truncate(1);
        assert_eq!(of(&one), None, "a single pod");
        let mut idle = pods(10, |_, _| 3);
        for tally in &mut idle.logs[0].profile.tallies {
            tally.requests = 0;
        }
        assert_eq!(of(&idle), None, "a pod that fails without serving");
    }
}
