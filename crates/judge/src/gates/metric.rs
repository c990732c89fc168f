//! Metric samples of both arms, as one more family of gates.
//!
//! Samples are compared bucket by bucket: if the canary is as good as stable,
//! its median of a bucket is the worse one half of the time. The e-process of
//! that coin is the same mixture that the other gates use, with a share of one
//! half (a sign test that may be looked at at any time). Without a common
//! window, samples above the pooled median are counted instead. Metrics share
//! the gate's stake in equal parts.

use std::collections::BTreeMap;

use crate::eprocess::{Mixture, log_mean};
use crate::evidence::{Evidence, MetricSamples, Window, Worse};
use crate::judgement::{Gate, GateKind};
use crate::policy::Policy;

/// Metrics that are looked at, the first by name.
const MAX_METRICS: usize = 32;
/// Samples of each arm below which a median says nothing.
const MIN_SAMPLES: usize = 5;

/// What the metrics say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    pub compared: Vec<Compared>,
}

/// One metric of both arms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compared {
    pub name: String,
    pub unit: String,
    /// Medians of stable and of the canary.
    pub medians: (f64, f64),
    /// Samples of stable and of the canary.
    pub samples: (usize, usize),
    pub log_e: f64,
    /// Worse by enough to act on.
    pub large: bool,
    worse: bool,
}

impl Metrics {
    pub(super) fn new(evidence: &Evidence, policy: &Policy) -> Self {
        let stable = by_name(&evidence.stable.metrics);
        let canary = by_name(&evidence.canary.metrics);
        let compared = stable
            .iter()
            .filter_map(|(name, stable)| {
                let canary = canary.get(name)?;
                compare(&evidence.window, stable, canary, policy)
            })
            .take(MAX_METRICS)
            .collect();
        Self { compared }
    }

    pub(super) fn gate(&self, policy: &Policy) -> Gate {
        let place = 1.0 / MAX_METRICS as f64;
        let empty = 1.0 - place * self.compared.len() as f64;
        let log_e = log_mean(
            self.compared
                .iter()
                .map(|metric| (metric.log_e, place))
                .chain(std::iter::once((0.0, empty.max(0.0)))),
        );
        let threshold = super::effect::threshold(GateKind::Metric, policy);
        let worst = self.worst();
        let fired = log_e >= threshold && worst.is_some_and(|metric| metric.large);
        Gate {
            kind: GateKind::Metric,
            log_e,
            threshold,
            stable_rate: worst.map_or(0.0, |metric| metric.medians.0),
            canary_rate: worst.map_or(0.0, |metric| metric.medians.1),
            stable_count: worst.map_or(0, |metric| metric.samples.0 as u64),
            canary_count: worst.map_or(0, |metric| metric.samples.1 as u64),
            fired,
            holds: !fired
                && log_e >= policy.hold_e_value.ln()
                && worst.is_some_and(|metric| metric.worse),
        }
    }

    /// The metric with the strongest evidence.
    fn worst(&self) -> Option<&Compared> {
        self.compared
            .iter()
            .max_by(|a, b| a.log_e.total_cmp(&b.log_e).then(b.name.cmp(&a.name)))
    }
}

/// Samples by name, several series of one name together.
fn by_name(metrics: &[MetricSamples]) -> BTreeMap<&str, MetricSamples> {
    let mut all: BTreeMap<&str, MetricSamples> = BTreeMap::new();
    for metric in metrics {
        let own = all.entry(&metric.name).or_insert_with(|| MetricSamples {
            values: Vec::new(),
            ..metric.clone()
        });
        own.values
            .extend(metric.values.iter().filter(|(_, value)| value.is_finite()));
    }
    for metric in all.values_mut() {
        metric
            .values
            .sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    all
}

fn compare(
    window: &Window,
    stable: &MetricSamples,
    canary: &MetricSamples,
    policy: &Policy,
) -> Option<Compared> {
    let medians = (median(&stable.values)?, median(&canary.values)?);
    let enough = stable.values.len().min(canary.values.len()) >= MIN_SAMPLES;
    let worse_than = |a: f64, b: f64| match stable.worse {
        Worse::Higher => a > b,
        Worse::Lower => a < b,
    };
    let (low, high) = match stable.worse {
        Worse::Higher => medians,
        Worse::Lower => (medians.1, medians.0),
    };
    let worse = enough && worse_than(medians.1, medians.0);
    let mut mixture = Mixture::default();
    if window.is_aligned() {
        signs(window, stable, canary, worse_than, &mut mixture);
    } else {
        ranks(stable, canary, worse_than, &mut mixture);
    }
    Some(Compared {
        name: stable.name.clone(),
        unit: stable.unit.clone(),
        medians,
        samples: (stable.values.len(), canary.values.len()),
        log_e: mixture.log_e(),
        large: worse && (low <= 0.0 && high > 0.0 || high >= policy.metric_min_ratio * low),
        worse,
    })
}

/// One coin for each bucket in which both have samples.
fn signs(
    window: &Window,
    stable: &MetricSamples,
    canary: &MetricSamples,
    worse_than: impl Fn(f64, f64) -> bool,
    mixture: &mut Mixture,
) {
    let complete = window.complete_buckets();
    let buckets = |samples: &MetricSamples| {
        let mut buckets: BTreeMap<u32, Vec<(i64, f64)>> = BTreeMap::new();
        for sample in &samples.values {
            if let Some(bucket) = window.bucket_of(Some(sample.0)).filter(|b| *b < complete) {
                buckets.entry(bucket).or_default().push(*sample);
            }
        }
        buckets
    };
    let (stable, canary) = (buckets(stable), buckets(canary));
    for (bucket, of_canary) in &canary {
        let pair = stable
            .get(bucket)
            .and_then(|of_stable| median(of_stable))
            .zip(median(of_canary));
        let Some((of_stable, of_canary)) = pair else {
            continue;
        };
        if worse_than(of_canary, of_stable) {
            mixture.add(1.0, 0.0, 0.5);
        } else if worse_than(of_stable, of_canary) {
            mixture.add(0.0, 1.0, 0.5);
        }
    }
}

/// Samples that are worse than the pooled median, by arm.
fn ranks(
    stable: &MetricSamples,
    canary: &MetricSamples,
    worse_than: impl Fn(f64, f64) -> bool,
    mixture: &mut Mixture,
) {
    let mut pooled = stable.values.clone();
    pooled.extend(&canary.values);
    let Some(middle) = median(&pooled) else {
        return;
    };
    let beyond = |samples: &MetricSamples| {
        samples
            .values
            .iter()
            .filter(|(_, value)| worse_than(*value, middle))
            .count() as f64
    };
    let (n_stable, n_canary) = (stable.values.len() as f64, canary.values.len() as f64);
    mixture.add(
        beyond(canary),
        beyond(stable),
        n_canary / (n_canary + n_stable),
    );
}

fn median(samples: &[(i64, f64)]) -> Option<f64> {
    let mut values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
