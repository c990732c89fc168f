//! Which requests are slow: those beyond the pooled median and the pooled 95th
//! percentile of their bucket.
//!
//! Both arms' durations of a bucket are ranked together, so what is slow
//! follows the time of day and the load. If the canary is as fast as stable,
//! each slow request falls on it with its share of the requests; that holds
//! for every threshold that is chosen without looking at whose a duration is.
//! (Mood's median test, bucket by bucket: A. M. Mood, "Introduction to the
//! Theory of Statistics", 1950, section 16.5.)

use std::collections::BTreeMap;

use crate::evidence::Evidence;
use crate::latency::{self, Durations};
use crate::strata::{ARMS, Measure, Stratum};

/// Requests with a duration that each arm must have in all, to be compared.
pub(crate) const MIN_TIMED: u64 = 50;
/// What share of a bucket's requests is slow, at the median and at the tail.
const MEDIAN_SHARE: f64 = 0.5;
const TAIL_SHARE: f64 = 0.05;

/// Quantiles of both arms, in milliseconds; 0 where nothing was timed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Slow {
    pub timed: (u64, u64),
    /// Of stable and of the canary.
    pub median_ms: (f64, f64),
    pub tail_ms: (f64, f64),
}

/// Counts slow requests into the buckets, and gives both arms' quantiles.
pub(crate) fn add(
    evidence: &Evidence,
    warmup_ms: i64,
    complete: u32,
    all: &mut BTreeMap<u32, Stratum>,
) -> Slow {
    let from = first_bucket(evidence, warmup_ms);
    let bins: Vec<BTreeMap<u32, Bins>> = ARMS
        .iter()
        .map(|(arm, _)| {
            let mut buckets: BTreeMap<u32, Bins> = BTreeMap::new();
            for durations in arm(evidence)
                .logs
                .iter()
                .flat_map(|log| &log.profile.durations)
            {
                if (from..complete).contains(&durations.bucket) {
                    buckets.entry(durations.bucket).or_default().add(durations);
                }
            }
            buckets
        })
        .collect();
    let (stable, canary) = (&bins[0], &bins[1]);
    let mut sums = [Bins::default(), Bins::default()];
    for (bucket, of_canary) in canary {
        let Some(of_stable) = stable.get(bucket) else {
            continue;
        };
        let stratum = all.entry(*bucket).or_default();
        let mut pooled = of_stable.clone();
        pooled.join(of_canary);
        for (measure, share) in [
            (Measure::Slow, MEDIAN_SHARE),
            (Measure::SlowTail, TAIL_SHARE),
        ] {
            let above = pooled.threshold(share);
            stratum.stable.count_slow(measure, of_stable.above(above));
            stratum.canary.count_slow(measure, of_canary.above(above));
        }
        stratum.stable.timed = of_stable.total();
        stratum.canary.timed = of_canary.total();
        sums[0].join(of_stable);
        sums[1].join(of_canary);
    }
    let quantile = |share: f64| (sums[0].quantile_ms(share), sums[1].quantile_ms(share));
    Slow {
        timed: (sums[0].total(), sums[1].total()),
        median_ms: quantile(MEDIAN_SHARE),
        tail_ms: quantile(TAIL_SHARE),
    }
}

/// Caches are cold and code is being compiled in the canary's first seconds.
fn first_bucket(evidence: &Evidence, warmup_ms: i64) -> u32 {
    if evidence.window.is_aligned() {
        let warm_ms = evidence
            .window
            .start_ms
            .map(|start_ms| start_ms.saturating_add(warmup_ms.max(0)));
        evidence.window.bucket_of(warm_ms).unwrap_or_default()
    } else {
        0
    }
}

/// Requests by bin.
#[derive(Clone, Debug, Default)]
struct Bins(BTreeMap<u8, u64>);

impl Bins {
    fn add(&mut self, durations: &Durations) {
        for (bin, count) in &durations.bins {
            *self.0.entry(*bin).or_default() += u64::from(*count);
        }
    }

    fn join(&mut self, other: &Self) {
        for (bin, count) in &other.0 {
            *self.0.entry(*bin).or_default() += count;
        }
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    fn above(&self, bin: u8) -> u64 {
        self.0
            .range(bin..)
            .filter(|(own, _)| **own > bin)
            .map(|(_, count)| count)
            .sum()
    }

    /// The bin above which about this share lies: the nearest that there is.
    fn threshold(&self, share: f64) -> u8 {
        let wanted = share * self.total() as f64;
        let mut best = (f64::INFINITY, u8::MAX);
        let mut above = self.total();
        for (bin, count) in &self.0 {
            above -= count;
            let miss = (above as f64 - wanted).abs();
            if miss < best.0 && above > 0 {
                best = (miss, *bin);
            }
        }
        best.1
    }

    /// The duration that this share of the requests exceeds.
    fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = share * self.total() as f64;
        let mut above = self.total();
        for (bin, count) in &self.0 {
            above -= count;
            if above as f64 <= wanted {
                return latency::middle_us(*bin) / 1_000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_split_where_they_can() {
        let bins = Bins((0..10).map(|bin| (bin, 10)).collect());
        assert_eq!(bins.above(bins.threshold(0.5)), 50);
        assert_eq!(
            bins.above(bins.threshold(0.05)),
            10,
            "as near as bins allow"
        );
        let one = Bins([(7, 100)].into());
        assert_eq!(one.above(one.threshold(0.5)), 0, "all alike: none is slow");
        assert_eq!(Bins::default().above(Bins::default().threshold(0.5)), 0);
    }
}
