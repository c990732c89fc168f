//! Counts, and what follows from them.

use statrs::distribution::{Beta, ContinuousCDF as _};

use super::truth::Truth;
use super::verdicts::{Cost, Given, Kind};

/// Verdicts with a known outcome from which a conclusion is drawn.
pub const MIN_KNOWN: u64 = 20;

/// What the precision of an abort is at least, at the lower end of its
/// interval: six of six reach it.
pub const MIN_PRECISION: f64 = 0.5;

/// Inconclusive verdicts, of all: each pauses a rollout until a person comes.
pub const MAX_INCONCLUSIVE: f64 = 0.3;

/// Errors, of all: five in a row abort a rollout.
pub const MAX_ERRORS: f64 = 0.05;

/// Half of what the interval leaves out at either end: it is one of 95 %.
const TAIL: f64 = 0.025;

/// Verdicts, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Verdicts, of all kinds.
    pub verdicts: u64,
    /// Promotions.
    pub promote: u64,
    /// Aborts.
    pub abort: u64,
    /// Neither was shown.
    pub inconclusive: u64,
    /// Nothing could be said.
    pub error: u64,
    /// Of them, in dry runs.
    pub dry_run: u64,
    /// Promotions of versions that were fit.
    pub right_promotes: u64,
    /// Promotions of versions that were not.
    pub missed: u64,
    /// Aborts of versions that were not fit.
    pub right_aborts: u64,
    /// Aborts of versions that were.
    pub false_aborts: u64,
    /// Aborts of which nothing is known but that they were carried out.
    pub carried_out: u64,
    /// Verdicts of which it is known how long they took, and the sum.
    pub timed: u64,
    /// Milliseconds.
    pub took_ms: u64,
    /// Verdicts that say what they cost, and the sum.
    pub priced: u64,
    /// What asking models cost.
    pub cost: Cost,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, given: &Given, truth: Truth) {
        self.verdicts += 1;
        self.dry_run += u64::from(given.dry_run);
        match given.kind {
            Kind::Promote => self.promote += 1,
            Kind::Abort => self.abort += 1,
            Kind::Inconclusive => self.inconclusive += 1,
            Kind::Error => self.error += 1,
        }
        match (given.kind, truth) {
            (Kind::Promote, Truth::Good) => self.right_promotes += 1,
            (Kind::Promote, Truth::Bad) => self.missed += 1,
            (Kind::Abort, Truth::Bad) => self.right_aborts += 1,
            (Kind::Abort, Truth::Good) => self.false_aborts += 1,
            (Kind::Abort, Truth::OwnDoing) => self.carried_out += 1,
            _ => {}
        }
        if let Some(took_ms) = given.took_ms {
            self.timed += 1;
            self.took_ms = self.took_ms.saturating_add(took_ms);
        }
        if let Some(cost) = given.cost {
            self.priced += 1;
            self.cost = self.cost.plus(cost);
        }
    }

    /// Promotions and aborts of which it is known whether they were right.
    pub fn known(&self) -> u64 {
        self.right_promotes + self.missed + self.known_aborts()
    }

    /// Those that were.
    pub fn right(&self) -> u64 {
        self.right_promotes + self.right_aborts
    }

    /// Aborts of which it is known whether they were right.
    pub fn known_aborts(&self) -> u64 {
        self.right_aborts + self.false_aborts
    }

    /// How often an abort was right; `None` without any of which that is known.
    pub fn precision(&self) -> Option<Precision> {
        let all = self.known_aborts();
        (all > 0).then(|| Precision::of(self.right_aborts, all))
    }

    /// Mean time to a verdict, in seconds.
    pub fn mean_seconds(&self) -> Option<f64> {
        (self.timed > 0).then(|| ratio(self.took_ms, self.timed) / 1e3)
    }

    /// Whether it has earned being enforced.
    pub fn earned(&self) -> Earned {
        let inconclusive = ratio(self.inconclusive, self.verdicts);
        let errors = ratio(self.error, self.verdicts);
        let enough = self.known() >= MIN_KNOWN;
        let precision = self.precision();
        let rules = [
            Rule {
                text: format!(
                    "at least {MIN_KNOWN} verdicts of which it is known whether they were right: {}",
                    self.known()
                ),
                held: if enough { Held::Yes } else { Held::NotYet },
            },
            Rule {
                text: format!("no abort of a version that was fit: {}", self.false_aborts),
                held: if self.false_aborts == 0 {
                    Held::Yes
                } else {
                    Held::No
                },
            },
            Rule {
                text: format!(
                    "of its aborts at least {} were right, surely: {}",
                    percent(MIN_PRECISION),
                    precision.map_or_else(
                        || "no abort with a known outcome".to_owned(),
                        |precision| format!(
                            "at least {} ({} of {})",
                            percent(precision.low),
                            self.right_aborts,
                            self.known_aborts()
                        )
                    )
                ),
                held: match precision {
                    Some(precision) if precision.low >= MIN_PRECISION => Held::Yes,
                    // It may still become so.
                    _ if self.false_aborts == 0 => Held::NotYet,
                    _ => Held::No,
                },
            },
            Rule {
                text: format!(
                    "at most {} inconclusive: {}",
                    percent(MAX_INCONCLUSIVE),
                    percent(inconclusive)
                ),
                held: share(inconclusive <= MAX_INCONCLUSIVE, self.verdicts),
            },
            Rule {
                text: format!(
                    "at most {} errors: {}",
                    percent(MAX_ERRORS),
                    percent(errors)
                ),
                held: share(errors <= MAX_ERRORS, self.verdicts),
            },
        ];
        let held = rules
            .iter()
            .map(|rule| rule.held)
            .max()
            .unwrap_or(Held::NotYet);
        Earned {
            held,
            rules: rules.into(),
        }
    }
}

/// A share of few verdicts says little either way.
fn share(within: bool, of: u64) -> Held {
    match (within, of >= MIN_KNOWN) {
        (true, _) => Held::Yes,
        (false, true) => Held::No,
        (false, false) => Held::NotYet,
    }
}

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// The share itself.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Precision {
    /// Of `all`, `some`, with Clopper and Pearson's interval: it errs on the
    /// side of width, also for few.
    pub fn of(some: u64, all: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts of verdicts are small")]
        let (k, n) = (some as f64, all as f64);
        let quantile =
            |a: f64, b: f64, at: f64| Beta::new(a, b).ok().map(|beta| beta.inverse_cdf(at));
        let low = if some == 0 {
            None
        } else {
            quantile(k, n - k + 1.0, TAIL)
        };
        let high = if some == all {
            None
        } else {
            quantile(k + 1.0, n - k, 1.0 - TAIL)
        };
        Self {
            estimate: ratio(some, all),
            low: low.unwrap_or(0.0),
            high: high.unwrap_or(1.0),
        }
    }
}

/// Whether a rule holds; the greatest of several is that of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// It does.
    Yes,
    /// Too little is known.
    NotYet,
    /// It does not.
    No,
}

/// One rule, in words with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What, and what it is.
    pub text: String,
    /// Whether it holds.
    pub held: Held,
}

/// Whether verdicts have earned being enforced.
#[derive(Clone, Debug, PartialEq)]
pub struct Earned {
    /// All rules together.
    pub held: Held,
    /// Each of them.
    pub rules: Vec<Rule>,
}

/// A share, 0 of none.
pub fn ratio(some: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    let ratio = some as f64 / all as f64;
    ratio
}

/// `7 %`, rounded.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_books() {
        // 0.025^(1/6), and R's binom.test(9, 10) and binom.test(0, 5).
        for (some, all, low, high) in [
            (6, 6, 0.540_741, 1.0),
            (9, 10, 0.554_984, 0.997_471),
            (0, 5, 0.0, 0.521_824),
        ] {
            let precision = Precision::of(some, all);
            assert!((precision.low - low).abs() < 1e-5, "{precision:?}");
            assert!((precision.high - high).abs() < 1e-5, "{precision:?}");
        }
    }

    fn fit() -> Tally {
        Tally {
            verdicts: 30,
            promote: 20,
            abort: 8,
            inconclusive: 2,
            right_promotes: 16,
            missed: 1,
            right_aborts: 6,
            carried_out: 2,
            ..Tally::default()
        }
    }

    #[test]
    fn every_rule_can_keep_it_from_being_enforced() {
        assert_eq!(fit().earned().held, Held::Yes);
        type Change = fn(&mut Tally);
        let cases: [(&str, Held, Change); 6] = [
            ("too few", Held::NotYet, |t| t.right_promotes = 12),
            ("a false abort", Held::No, |t| t.false_aborts = 1),
            ("five aborts", Held::NotYet, |t| t.right_aborts = 5),
            ("no abort", Held::NotYet, |t| t.right_aborts = 0),
            ("inconclusive", Held::No, |t| t.inconclusive = 10),
            ("errors", Held::No, |t| t.error = 2),
        ];
        for (what, held, change) in cases {
            let mut tally = fit();
            change(&mut tally);
            assert_eq!(tally.earned().held, held, "{what}");
        }
    }
}
