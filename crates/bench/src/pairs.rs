//! Labelled pairs of logs: `FOLDER/<id>/{stable.log,canary.log,label.json}`,
//! and how well they are judged.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use judge::{Decision, Policy};
use serde::Deserialize;

use crate::look::{enough, judge_files, why};
use crate::many;
use crate::table::{Table, share};

/// Bins of stated confidence.
const BINS: usize = 10;

/// What a pair is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// To be promoted, or inconclusive.
    Healthy,
    /// A fault that the log shows: to be aborted.
    Strong,
    /// A fault that the log hardly shows: not to be promoted.
    Weak,
}

/// One pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Name of its folder.
    pub id: String,
    /// Log of the stable version.
    pub stable: PathBuf,
    /// Log of the canary.
    pub canary: PathBuf,
    /// What it is.
    pub label: Label,
}

#[derive(Deserialize)]
struct Known {
    promote: bool,
    evidence_in_log: Option<String>,
}

/// All pairs of a folder, by name.
///
/// # Errors
/// When the folder or a label cannot be read.
pub fn find(folder: &Path) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let label = path.join("label.json");
        if !label.exists() {
            continue;
        }
        let known: Known = serde_json::from_slice(&read(&label)?)
            .with_context(|| format!("{} is no label", label.display()))?;
        let strong = known.evidence_in_log.as_deref() != Some("weak");
        pairs.push(Pair {
            id: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            stable: path.join("stable.log"),
            canary: path.join("canary.log"),
            label: match (known.promote, strong) {
                (true, _) => Label::Healthy,
                (false, true) => Label::Strong,
                (false, false) => Label::Weak,
            },
        });
    }
    pairs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(pairs)
}

/// The bytes of a file.
///
/// # Errors
/// When it cannot be read; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// One pair, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The pair.
    pub pair: Pair,
    /// What the judge decided.
    pub decision: Decision,
    /// Its stated probability of being right.
    pub confidence: f64,
    /// Whether both arms had enough exposure for a promotion.
    pub enough: bool,
    /// What made it decide.
    pub why: String,
}

/// How well all pairs were judged.
#[derive(Clone, Debug)]
pub struct Score {
    /// Every pair.
    pub judged: Vec<Judged>,
    /// Mean squared error of the stated probability that a pair is faulty,
    /// over the decided ones.
    pub brier: f64,
    /// Expected calibration error over the decided ones, ten bins.
    pub calibration_error: f64,
}

impl Score {
    /// How many pairs of a label were decided so.
    #[must_use]
    pub fn count(&self, label: Label, decision: Decision) -> usize {
        let of = |judged: &&Judged| judged.pair.label == label && judged.decision == decision;
        self.judged.iter().filter(of).count()
    }

    /// How many pairs have a label.
    #[must_use]
    pub fn of(&self, label: Label) -> usize {
        self.judged
            .iter()
            .filter(|judged| judged.pair.label == label)
            .count()
    }

    /// Healthy pairs with enough exposure, and how many of them were promoted.
    #[must_use]
    pub fn promoted_of_enough(&self) -> (usize, usize) {
        let healthy = self
            .judged
            .iter()
            .filter(|judged| judged.pair.label == Label::Healthy && judged.enough);
        healthy.fold((0, 0), |(n, promoted), judged| {
            (
                n + 1,
                promoted + usize::from(judged.decision == Decision::Promote),
            )
        })
    }
}

/// Judges every pair of a folder as `canary-judge analyze` would.
///
/// # Errors
/// When a pair cannot be read.
pub fn judge_all(folder: &Path, policy: &Policy) -> Result<Score> {
    let pairs = find(folder)?;
    let judged = many::map("pairs", &pairs, |pair| -> Result<Judged> {
        let judgement = judge_files(&read(&pair.stable)?, &read(&pair.canary)?, policy);
        Ok(Judged {
            pair: pair.clone(),
            decision: judgement.decision,
            confidence: judgement.confidence,
            enough: enough(&judgement),
            why: why(&judgement),
        })
    });
    let judged = judged.into_iter().collect::<Result<Vec<_>>>()?;
    let decided: Vec<(f64, bool)> = judged
        .iter()
        .filter(|judged| judged.decision != Decision::Inconclusive)
        .map(|judged| {
            let faulty = judged.pair.label != Label::Healthy;
            (
                judged.confidence,
                (judged.decision == Decision::Abort) == faulty,
            )
        })
        .collect();
    Ok(Score {
        judged,
        brier: brier(&decided),
        calibration_error: calibration_error(&decided),
    })
}

/// Brier score of stated probabilities of being right, and whether each was.
#[must_use]
pub fn brier(decided: &[(f64, bool)]) -> f64 {
    let errors = decided
        .iter()
        .map(|(confidence, right)| (confidence - f64::from(u8::from(*right))).powi(2));
    errors.sum::<f64>() / decided.len().max(1) as f64
}

/// Expected calibration error over ten bins of equal width (M. Naeini et al.,
/// "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
/// 2015).
#[must_use]
pub fn calibration_error(decided: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for (confidence, right) in decided {
        let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += confidence;
        bins[bin].1 += f64::from(u8::from(*right));
    }
    let gaps = bins.iter().map(|(stated, right)| (stated - right).abs());
    gaps.sum::<f64>() / decided.len().max(1) as f64
}

/// The confusion table, and what is wrong, a line each.
#[must_use]
pub fn table(score: &Score) -> (Table, Vec<String>) {
    let title = format!(
        "Labelled pairs: Brier {:.4}, expected calibration error {:.4} of the decided",
        score.brier, score.calibration_error
    );
    let mut table = Table::new(&title, &["pairs", "n", "promote", "abort", "inconclusive"]);
    for (name, label) in [
        ("healthy", Label::Healthy),
        ("faulty, the log shows it", Label::Strong),
        ("faulty, the log hardly shows it", Label::Weak),
    ] {
        let count = |decision| score.count(label, decision).to_string();
        table.row([
            name.to_owned(),
            score.of(label).to_string(),
            count(Decision::Promote),
            count(Decision::Abort),
            count(Decision::Inconclusive),
        ]);
    }
    let (n, promoted) = score.promoted_of_enough();
    table.row([
        "healthy with enough exposure".to_owned(),
        n.to_string(),
        format!("{promoted} ({})", share(promoted, n)),
    ]);
    let wrong = score.judged.iter().filter(|judged| {
        matches!(
            (judged.pair.label, judged.decision),
            (Label::Healthy, Decision::Abort)
                | (Label::Strong, Decision::Promote | Decision::Inconclusive)
                | (Label::Weak, Decision::Promote)
        ) || judged.pair.label == Label::Healthy
            && judged.enough
            && judged.decision != Decision::Promote
    });
    let notes = wrong.map(|judged| {
        let id = &judged.pair.id;
        format!(
            "{id}: {:?} at {:.2}: {}",
            judged.decision, judged.confidence, judged.why
        )
    });
    (table, notes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brier_and_calibration_of_a_case_by_hand() {
        let decided = [(0.9, true), (0.9, true), (0.9, false), (0.6, true)];
        assert!((brier(&decided) - (0.01 + 0.01 + 0.81 + 0.16) / 4.0).abs() < 1e-9);
        // One bin states .9 and is right in 2 of 3, one states .6 and is right.
        let expected = 0.75 * (0.9 - 2.0 / 3.0) + 0.25 * 0.4;
        assert!((calibration_error(&decided) - expected).abs() < 1e-9);
        assert!(brier(&[]).abs() < 1e-9, "nothing decided, nothing wrong");
    }

    #[test]
    fn pairs_are_judged_and_counted_by_label() {
        let folder = tempfile::tempdir().unwrap();
        let good = "GET /shop HTTP/1.1 200\n".repeat(600);
        let bad = "GET /shop HTTP/1.1 500\n".repeat(600);
        for (id, canary, label) in [
            ("good", &good, r#"{"promote":true}"#),
            (
                "bad",
                &bad,
                r#"{"promote":false,"evidence_in_log":"strong"}"#,
            ),
        ] {
            let pair = folder.path().join(id);
            fs::create_dir_all(&pair).unwrap();
            fs::write(pair.join("stable.log"), &good).unwrap();
            fs::write(pair.join("canary.log"), canary).unwrap();
            fs::write(pair.join("label.json"), label).unwrap();
        }
        let score = judge_all(folder.path(), &Policy::default()).unwrap();
        assert_eq!(score.count(Label::Healthy, Decision::Promote), 1);
        assert_eq!(score.count(Label::Strong, Decision::Abort), 1);
        assert_eq!(score.promoted_of_enough(), (1, 1));
        assert!(table(&score).1.is_empty(), "nothing is wrong");
    }
}
