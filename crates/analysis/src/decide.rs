//! Judgement → verdict. Pure: the one place where a verdict is made.
//!
//! It can only make a judgement more careful: an abort stays an abort, and a
//! promote becomes inconclusive when what was read does not speak for the
//! whole canary.

use std::time::Duration;

use judge::evidence::LeftOut;
use judge::{Decision, Judgement};
use serde::{Deserialize, Serialize};

use crate::message;
use crate::opinion::{Explained, Unasked};
use crate::request::Gathered;

/// Our conclusion, with its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Go on, go back, or not known yet.
    pub decision: Decision,
    /// How sure we are of the decision, in percent, 51 to 99.
    pub confidence: u8,
    /// The reason in one line of at most [`message::MAX_MESSAGE_BYTES`] bytes:
    /// redacted, no control characters.
    pub message: String,
    /// What an inconclusive verdict waits for; `None` otherwise.
    pub waiting: Option<Waiting>,
    /// What the judge said.
    pub judgement: Judgement,
    /// What models said of it, or why none was asked.
    pub explained: Explained,
    /// What could not be read, or not to its end.
    pub left_out: Vec<LeftOut>,
}

/// What an inconclusive verdict waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// In one line: `needs about 340 more requests, 2 min at 3/s`.
    pub text: String,
    /// When another look may know more; `None` when that cannot be said.
    pub retry_after: Option<Duration>,
}

/// What a promotion needs beside the judge's word, and how much a model may do.
/// All of it can only make a verdict more careful, save
/// [`model_may_settle`](Self::model_may_settle), which is the operator's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Least confidence of a promotion, in percent, 0 to 99.
    pub min_confidence: u8,
    /// Least exposure of the canary for a promotion, in requests (or events).
    pub min_requests: u64,
    /// Whether models may settle a judgement that is inconclusive for want of
    /// exposure. Never one of a canary that shows nothing, or more errors.
    pub model_may_settle: bool,
}

/// The least and the greatest confidence, in percent: a promote at 50 would
/// fail the condition `result > 0.50` that templates in use have.
const CONFIDENCE_RANGE: (f64, f64) = (51.0, 99.0);

/// The verdict where no model is configured.
#[must_use]
pub fn alone(judgement: Judgement, gathered: &Gathered) -> Verdict {
    let explained = Explained::not_asked(Unasked::NotConfigured);
    decide(judgement, gathered, explained, &Rules::default())
}

/// Makes the verdict.
#[must_use]
pub fn decide(
    judgement: Judgement,
    gathered: &Gathered,
    explained: Explained,
    _rules: &Rules,
) -> Verdict {
    // What was gathered may not carry a promotion, whatever the judge made of
    // it and of what earlier looks saw.
    let objection = match judgement.decision {
        Decision::Promote => message::unheard(gathered),
        Decision::Abort | Decision::Inconclusive => None,
    };
    let decision = match objection {
        Some(_) => Decision::Inconclusive,
        None => judgement.decision,
    };
    let waiting = (decision == Decision::Inconclusive).then(|| Waiting {
        text: objection.unwrap_or_else(|| message::waiting(&judgement, gathered)),
        retry_after: judgement
            .missing
            .as_ref()
            .and_then(|missing| missing.seconds)
            .map(Duration::from_secs),
    });
    let message = match &waiting {
        Some(waiting) => message::inconclusive(&waiting.text),
        None => message::reason(&judgement, gathered),
    };
    Verdict {
        decision,
        confidence: percent(judgement.confidence),
        message,
        waiting,
        left_out: gathered.left_out().to_vec(),
        judgement,
        explained,
    }
}

fn percent(confidence: f64) -> u8 {
    let (least, greatest) = CONFIDENCE_RANGE;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 51 and 99; what is no number is 51"
    )]
    let percent = (confidence * 100.0 + 1e-9).floor().max(least).min(greatest) as u8;
    percent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Coverage;
    use judge::Evidence;

    fn gathered(pods: usize, logs_wanted: usize, logs_read: usize) -> Gathered {
        let coverage = Coverage {
            sought: "role=x".into(),
            pods,
            logs_wanted,
            logs_read,
        };
        Gathered {
            evidence: Evidence::default(),
            stable: coverage.clone(),
            canary: coverage,
            canary_start_ms: None,
            last_step_end_ms: None,
        }
    }

    fn judgement(decision: Decision) -> Judgement {
        Judgement {
            decision,
            ..judge::judge(&Evidence::default(), &judge::Policy::default())
        }
    }

    #[test]
    fn a_promotion_needs_pods_and_most_of_the_logs() {
        for (what, gathered, expected) in [
            ("all read", gathered(3, 3, 3), Decision::Promote),
            ("most read", gathered(4, 4, 2), Decision::Promote),
            ("no pod is there", gathered(0, 0, 0), Decision::Inconclusive),
            ("few read", gathered(3, 3, 1), Decision::Inconclusive),
            ("no log is there", gathered(3, 0, 0), Decision::Inconclusive),
        ] {
            let verdict = alone(judgement(Decision::Promote), &gathered);
            assert_eq!(verdict.decision, expected, "{what}");
            assert_eq!(
                verdict.waiting.is_some(),
                expected == Decision::Inconclusive
            );
            assert_eq!(
                verdict.message.contains("nothing matches role=x"),
                gathered.canary.pods == 0,
                "{}",
                verdict.message
            );
        }
        let mut stable_unread = gathered(3, 3, 3);
        stable_unread.stable.logs_read = 0;
        assert_eq!(
            alone(judgement(Decision::Promote), &stable_unread).decision,
            Decision::Inconclusive
        );
    }

    #[test]
    fn an_abort_stays_an_abort() {
        let verdict = alone(judgement(Decision::Abort), &gathered(0, 3, 0));
        assert_eq!(verdict.decision, Decision::Abort);
        assert_eq!(verdict.waiting, None);
    }

    #[test]
    fn confidence_is_whole_percent_and_never_certainty() {
        for (confidence, expected) in [
            (0.0, 51),
            (0.51, 51),
            (0.857, 85),
            (0.29, 51),
            (1.0, 99),
            (f64::NAN, 51),
            (0.58, 58),
        ] {
            assert_eq!(percent(confidence), expected, "{confidence}");
        }
    }
}
