//! How good many verdicts are. Pure.

use std::fmt;

use analysis::message::one_line;
use judge::Decision;

/// Equal parts of 0 to 1 that verdicts are put into by their confidence, as is
/// usual for the expected calibration error (Naeini et al., "Obtaining Well
/// Calibrated Probabilities Using Bayesian Binning", 2015).
const BINS: usize = 10;

/// Wrong verdicts that are listed; the rest is counted.
const MAX_WRONG: usize = 50;

/// The longest reason beside a wrong verdict, in bytes.
const MAX_REASON_BYTES: usize = 120;

/// What a pair really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// As good as stable.
    Healthy,
    /// Faulty, and the log shows it: it must be aborted.
    Strong,
    /// Faulty, and the log hardly shows it: it must not be promoted.
    Weak,
    /// Faulty, and only the states of its pods show it.
    PodState,
    /// Faulty, and nothing shows it.
    Unseen,
}

impl Truth {
    const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Strong,
        Self::Weak,
        Self::PodState,
        Self::Unseen,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Strong => "strong",
            Self::Weak => "weak",
            Self::PodState => "pod state",
            Self::Unseen => "unseen",
        }
    }
}

/// What was said of a pair, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The pair.
    pub id: String,
    /// What was said.
    pub decision: Decision,
    /// Probability that it is right, as the judge sees it.
    pub confidence: f64,
    /// The reason in one line.
    pub message: String,
    /// What the pair is; `None` when nobody knows.
    pub truth: Option<Truth>,
}

impl Outcome {
    /// Whether a decision came true; `None` without a label or a decision.
    fn right(&self) -> Option<bool> {
        let healthy = self.truth? == Truth::Healthy;
        match self.decision {
            Decision::Promote => Some(healthy),
            Decision::Abort => Some(!healthy),
            Decision::Inconclusive => None,
        }
    }
}

/// All that is said of many outcomes.
#[derive(Debug, PartialEq)]
pub struct Table<'a> {
    rows: Vec<(&'static str, [usize; 3])>,
    wrong: Vec<&'a Outcome>,
    /// Of the decided: how many, Brier score, expected calibration error.
    calibration: Option<(usize, f64, f64)>,
}

impl<'a> Table<'a> {
    /// Counts.
    pub fn of(outcomes: &'a [Outcome]) -> Self {
        let row = |truth: Option<Truth>| {
            [Decision::Promote, Decision::Abort, Decision::Inconclusive].map(|decision| {
                outcomes
                    .iter()
                    .filter(|outcome| outcome.truth == truth && outcome.decision == decision)
                    .count()
            })
        };
        let rows = Truth::ALL
            .into_iter()
            .map(|truth| (truth.name(), row(Some(truth))))
            .chain([("no label", row(None))])
            .filter(|(_, counts)| counts.iter().sum::<usize>() > 0)
            .collect();
        Self {
            rows,
            wrong: outcomes
                .iter()
                .filter(|outcome| outcome.right() == Some(false))
                .collect(),
            calibration: calibration(outcomes),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most MAX_PAIRS of anything, and a bin is between 0 and BINS"
)]
fn calibration(outcomes: &[Outcome]) -> Option<(usize, f64, f64)> {
    let decided: Vec<(f64, f64)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.confidence, f64::from(u8::from(outcome.right()?)))))
        .collect();
    if decided.is_empty() {
        return None;
    }
    let n = decided.len() as f64;
    let mut brier = 0.0;
    let mut bins = [(0.0, 0.0); BINS];
    for (confidence, right) in &decided {
        brier += (confidence - right).powi(2) / n;
        let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += confidence / n;
        bins[bin].1 += right / n;
    }
    let error = bins.iter().map(|(said, came)| (said - came).abs()).sum();
    Some((decided.len(), brier, error))
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<10}{:>7}{:>10}{:>8}{:>14}",
            "", "pairs", "promote", "abort", "inconclusive"
        )?;
        for (name, counts) in &self.rows {
            let [promote, abort, inconclusive] = counts;
            let pairs: usize = counts.iter().sum();
            writeln!(
                out,
                "{name:<10}{pairs:>7}{promote:>10}{abort:>8}{inconclusive:>14}"
            )?;
        }
        if let Some((decided, brier, error)) = self.calibration {
            writeln!(
                out,
                "\nof {decided} decided: {} wrong, Brier score {brier:.4}, expected calibration error {error:.4}",
                self.wrong.len()
            )?;
        }
        if !self.wrong.is_empty() {
            writeln!(out, "\nWrong")?;
        }
        for outcome in self.wrong.iter().take(MAX_WRONG) {
            writeln!(
                out,
                "  {} ({}): {}",
                one_line(&outcome.id, MAX_REASON_BYTES),
                outcome.truth.map_or("no label", Truth::name),
                one_line(&outcome.message, MAX_REASON_BYTES)
            )?;
        }
        if self.wrong.len() > MAX_WRONG {
            writeln!(out, "  and {} more", self.wrong.len() - MAX_WRONG)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(decision: Decision, confidence: f64, truth: Option<Truth>) -> Outcome {
        Outcome {
            id: "a".to_owned(),
            decision,
            confidence,
            message: "why".to_owned(),
            truth,
        }
    }

    #[test]
    fn brier_and_calibration_are_of_the_decided_with_a_label() {
        let outcomes = [
            outcome(Decision::Abort, 0.9, Some(Truth::Strong)),
            outcome(Decision::Abort, 0.9, Some(Truth::Healthy)),
            outcome(Decision::Promote, 0.6, Some(Truth::Healthy)),
            outcome(Decision::Promote, 0.8, Some(Truth::Weak)),
            outcome(Decision::Abort, 0.9, None),
            outcome(Decision::Inconclusive, 0.5, Some(Truth::Strong)),
        ];
        let (decided, brier, error) = calibration(&outcomes).expect("some are decided");
        assert_eq!(decided, 4);
        // (.1² + .9² + .4² + .8²) / 4
        assert!((brier - 0.405).abs() < 1e-12, "{brier}");
        // Bins .6, .8 and .9: |.6 − 1| / 4 + |.8 − 0| / 4 + |1.8 − 1| / 4
        assert!((error - 0.5).abs() < 1e-12, "{error}");
        assert_eq!(Table::of(&outcomes).wrong.len(), 2);
    }

    #[test]
    fn a_confidence_of_one_is_in_the_last_bin() {
        let outcomes = [outcome(Decision::Abort, 1.0, Some(Truth::Strong))];
        assert_eq!(calibration(&outcomes), Some((1, 0.0, 0.0)));
    }

    #[test]
    fn nothing_decided_has_no_calibration() {
        let outcomes = [outcome(Decision::Inconclusive, 0.5, Some(Truth::Strong))];
        assert_eq!(calibration(&outcomes), None);
    }

    #[test]
    fn a_long_list_of_wrong_verdicts_is_cut() {
        let outcomes = vec![outcome(Decision::Abort, 0.9, Some(Truth::Healthy)); MAX_WRONG + 2];
        let text = Table::of(&outcomes).to_string();
        assert!(text.ends_with("  and 2 more\n"), "{text}");
        assert_eq!(text.matches("  a (healthy): why").count(), MAX_WRONG);
    }
}
