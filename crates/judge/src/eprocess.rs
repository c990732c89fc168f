//! Evidence that may be looked at as often as one likes.
//!
//! Argo asks again and again; a plain test that is peeked at twenty times
//! gives many times its stated false alarms. What is used here is valid at
//! every look and at any stopping time (Ville's inequality):
//!
//! - [`Mixture`]: under equal rates, each error falls on the canary with the
//!   canary's share of the exposure in that bucket. The likelihood ratio
//!   against a larger share, mixed over how much larger, is an e-process:
//!   Robbins' method of mixtures (H. Robbins, "Statistical methods related to
//!   the law of the iterated logarithm", Ann. Math. Stat. 41, 1970) for counts
//!   of two arms, as in M. Lindon and A. Malek, "Anytime-Valid Inference for
//!   Multinomial Count Data", NeurIPS 2022. The mixing variable is shared by
//!   all buckets, so that what one bucket teaches about the effect counts in
//!   the next; for each value of it the buckets' ratios multiply.
//! - [`upper_bound`], [`lower_bound`]: the Beta-mixture confidence sequence of
//!   a share (the same method for one arm; see also S. Howard et al.,
//!   "Time-uniform, nonparametric, nonasymptotic confidence sequences",
//!   Ann. Stat. 49, 2021).

/// Nodes of the mixture over the effect.
pub(crate) const NODES: usize = 12;

/// Abscissae and weights of the 12-point Gauss–Legendre rule on (0, 1)
/// (Abramowitz and Stegun, table 25.4, moved from (−1, 1)). A discrete mixture
/// is an e-process whatever its nodes are; these make it equal the uniform one
/// for small counts.
const RULE: [(f64, f64); NODES] = [
    (0.009_219_682_876_640_4, 0.023_587_668_193_255_9),
    (0.047_941_371_814_762_6, 0.053_469_662_997_659_2),
    (0.115_048_662_902_847_7, 0.080_039_164_271_673_1),
    (0.206_341_022_856_691_3, 0.101_583_713_361_533),
    (0.316_084_250_500_909_9, 0.116_746_268_269_177_4),
    (0.437_383_295_744_265_5, 0.124_573_522_906_701_4),
    (0.562_616_704_255_734_5, 0.124_573_522_906_701_4),
    (0.683_915_749_499_090_1, 0.116_746_268_269_177_4),
    (0.793_658_977_143_308_7, 0.101_583_713_361_533),
    (0.884_951_337_097_152_3, 0.080_039_164_271_673_1),
    (0.952_058_628_185_237_4, 0.053_469_662_997_659_2),
    (0.990_780_317_123_359_6, 0.023_587_668_193_255_9),
];

/// Shares outside this range are pulled to its edge: a bucket in which one arm
/// had nearly no exposure must not decide on its own.
const SHARE_EDGE: f64 = 0.005;

/// The e-process of "errors fall on the canary by its share of the exposure"
/// against "more of them do".
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixture {
    /// Logarithm of the likelihood ratio at each node.
    pub log_ratio: [f64; NODES],
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            log_ratio: [0.0; NODES],
        }
    }
}

impl Mixture {
    /// Takes a bucket in: errors of the canary and of stable, and the canary's
    /// share of the exposure. Errors may be fractions, where bursts are
    /// divided by their dispersion.
    pub(crate) fn add(&mut self, canary: f64, stable: f64, share: f64) {
        if !(canary >= 0.0 && stable >= 0.0 && share > 0.0 && share < 1.0) {
            return;
        }
        let share = share.clamp(SHARE_EDGE, 1.0 - SHARE_EDGE);
        for (log_ratio, (node, _)) in self.log_ratio.iter_mut().zip(RULE) {
            // The canary's share of the errors under this alternative.
            let theta = share + node * (1.0 - share);
            *log_ratio +=
                canary * (theta / share).ln() + stable * ((1.0 - theta) / (1.0 - share)).ln();
        }
    }

    /// Natural logarithm of the e-value so far.
    pub(crate) fn log_e(&self) -> f64 {
        log_mean(
            self.log_ratio
                .iter()
                .zip(RULE)
                .map(|(log_ratio, (_, weight))| (*log_ratio, weight)),
        )
    }
}

/// ln Σ weight · exp(log).
pub(crate) fn log_mean(terms: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let most = terms
        .clone()
        .map(|(log, _)| log)
        .fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return f64::NEG_INFINITY;
    }
    most + terms
        .map(|(log, weight)| weight * (log - most).exp())
        .sum::<f64>()
        .ln()
}

/// Steps of the bisection that finds a bound: 2⁻⁴⁰ is far below any share that
/// matters.
const BISECTIONS: usize = 40;

/// Upper end of the confidence sequence of a share, after `hits` among `n`, at
/// level `alpha`. 1 when nothing was seen.
pub(crate) fn upper_bound(hits: f64, n: f64, alpha: f64) -> f64 {
    if n <= 0.0 {
        return 1.0;
    }
    let hits = hits.clamp(0.0, n);
    let mut low = hits / n;
    let mut high = 1.0;
    // The e-value against a share rises from the estimate upwards.
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if log_e_against(hits, n, middle) >= -alpha.ln() {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Lower end of the same. 0 when nothing was seen.
pub(crate) fn lower_bound(hits: f64, n: f64, alpha: f64) -> f64 {
    1.0 - upper_bound(n.max(0.0) - hits.clamp(0.0, n.max(0.0)), n, alpha)
}

/// Logarithm of the uniform Beta mixture's e-value against the share `p`:
/// B(hits + 1, n − hits + 1) / (p^hits (1 − p)^(n − hits)).
fn log_e_against(hits: f64, n: f64, p: f64) -> f64 {
    let misses = n - hits;
    let log_beta = ln_gamma(hits + 1.0) + ln_gamma(misses + 1.0) - ln_gamma(n + 2.0);
    let term = |count: f64, share: f64| {
        if count > 0.0 {
            count * share.max(f64::MIN_POSITIVE).ln()
        } else {
            0.0
        }
    };
    log_beta - term(hits, p) - term(misses, 1.0 - p)
}

/// ln Γ(x) for x ≥ 1, by Stirling's series after shifting x above 10; the
/// error is below 10⁻¹².
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let mut x = x.max(1.0);
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square)
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_until_fired(share: f64) -> u32 {
        let mut mixture = Mixture::default();
        for n in 1..100 {
            mixture.add(1.0, 0.0, share);
            if mixture.log_e() >= -(0.006_f64.ln()) {
                return n;
            }
        }
        100
    }

    #[test]
    fn without_an_error_in_stable_it_takes_what_the_design_says() {
        assert_eq!(errors_until_fired(0.5), 10);
        assert_eq!(errors_until_fired(0.3), 6);
        assert_eq!(errors_until_fired(0.1), 3);
    }

    const DOCS: &str = include_str!("../../../docs/how-the-judge-decides.md");

    #[test]
    fn the_docs_have_the_errors_that_fire_a_gate() {
        for share in [0.5, 0.3, 0.1, 0.05] {
            let mut row = format!("| {:.0} % |", share * 100.0);
            for stable in [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0] {
                let fires = (0..1000).find(|canary| {
                    let mut mixture = Mixture::default();
                    mixture.add(f64::from(*canary), stable, share);
                    mixture.log_e() >= -(0.006_f64.ln())
                });
                row += &format!(" {} |", fires.unwrap());
            }
            assert!(DOCS.contains(&row), "{row}");
        }
    }

    #[test]
    fn the_docs_have_the_exposure_that_promotes() {
        let thousands = |n: u32| {
            if n < 1000 {
                n.to_string()
            } else {
                format!("{},{:03}", n / 1000, n % 1000)
            }
        };
        for (what, margin) in [
            ("requests, 2.5 points", 0.025),
            ("events, 5 points", 0.05),
            ("requests, `promoteMargin = 0.01`", 0.01),
        ] {
            let mut row = format!("| {what} |");
            for hits in [0, 1, 2, 3, 5, 10, 20] {
                let meets = |n: u32| upper_bound(f64::from(hits), f64::from(n), 0.045) <= margin;
                // Rises with n: the first that meets it.
                let n = (1.max(hits)..10_000).find(|n| meets(*n)).unwrap();
                row += &format!(" {} |", thousands(n));
            }
            assert!(DOCS.contains(&row), "{row}");
        }
    }

    #[test]
    fn the_rule_is_a_distribution() {
        assert!((RULE.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((RULE.iter().map(|(node, weight)| node * weight).sum::<f64>() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_e_value_is_one_on_average_under_equal_rates() {
        // Exactly: over all ways that 6 errors can fall, at three shares.
        for share in [0.1_f64, 0.3, 0.5] {
            let mut mean = 0.0;
            for canary in 0..=6_u32 {
                let ways = [1.0, 6.0, 15.0, 20.0, 15.0, 6.0, 1.0][canary as usize];
                let chance = ways
                    * share.powi(canary.cast_signed())
                    * (1.0 - share).powi(6 - canary.cast_signed());
                let mut mixture = Mixture::default();
                mixture.add(f64::from(canary), f64::from(6 - canary), share);
                mean += chance * mixture.log_e().exp();
            }
            assert!((mean - 1.0).abs() < 1e-9, "{share}: {mean}");
        }
    }

    /// Runs of 20 looks with equal error rates; how many fire at any of them.
    fn false_alarms(shares: &[f64], errors_per_look: u32, threshold: f64, seed: u64) -> u32 {
        let mut state = seed | 1;
        let mut uniform = || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut fired = 0;
        for _ in 0..2_000 {
            let mut mixture = Mixture::default();
            let mut ever = false;
            for look in 0..20 {
                let share = shares[look % shares.len()];
                let canary = (0..errors_per_look).filter(|_| uniform() < share).count() as f64;
                mixture.add(canary, f64::from(errors_per_look) - canary, share);
                ever |= mixture.log_e() >= threshold;
            }
            fired += u32::from(ever);
        }
        fired
    }

    #[test]
    fn twenty_looks_give_no_more_false_alarms_than_one_is_allowed() {
        for (shares, errors) in [
            (&[0.5][..], 4),
            (&[0.1], 10),
            (&[0.3, 0.4, 0.6, 0.8, 0.9], 6),
            (&[0.05, 0.5], 2),
        ] {
            let strict = false_alarms(shares, errors, -(0.006_f64.ln()), 7);
            // α = .006 allows 12 of 2,000 on average.
            assert!(strict <= 22, "{strict} of 2000 at {shares:?}");
            let loose = false_alarms(shares, errors, -(0.05_f64.ln()), 8);
            assert!(loose <= 125, "{loose} of 2000 at {shares:?}");
        }
    }

    #[test]
    fn bounds_need_the_exposure_that_the_design_says() {
        let needed = |margin: f64| {
            (1..5000)
                .find(|n| upper_bound(0.0, f64::from(*n), 0.05) <= margin)
                .unwrap()
        };
        assert!((340..=360).contains(&needed(0.025)), "{}", needed(0.025));
        assert!((150..=170).contains(&needed(0.05)), "{}", needed(0.05));
        assert!((950..=1050).contains(&needed(0.01)), "{}", needed(0.01));
        assert!((upper_bound(0.0, 0.0, 0.05) - 1.0).abs() < 1e-12);
        assert!(lower_bound(0.0, 100.0, 0.05) < 1e-9);
        assert!(lower_bound(50.0, 100.0, 0.05) > 0.3 && upper_bound(50.0, 100.0, 0.05) < 0.7);
    }

    #[test]
    fn ln_gamma_matches_factorials() {
        for (x, factorial) in [(1.0, 1.0_f64), (2.0, 1.0), (5.0, 24.0), (11.0, 3_628_800.0)] {
            assert!((ln_gamma(x) - factorial.ln()).abs() < 1e-10, "{x}");
        }
    }

    #[test]
    fn nonsense_changes_nothing() {
        let mut mixture = Mixture::default();
        mixture.add(f64::NAN, 1.0, 0.5);
        mixture.add(1.0, -1.0, 0.5);
        mixture.add(1.0, 0.0, 0.0);
        mixture.add(1.0, 0.0, f64::NAN);
        assert_eq!(mixture, Mixture::default());
    }
}
