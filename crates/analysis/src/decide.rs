//! Judgement and opinions → verdict. Pure: the one place where votes and
//! statistics meet.
//!
//! It can only make a judgement more careful. An abort stays an abort, whatever
//! models say. A promote becomes inconclusive when what was read does not speak
//! for the whole canary, when the rules ask for more, or when models object
//! without evidence; with evidence, it becomes an abort. The one exception is
//! the operator's: with [`Rules::model_may_settle`], models may settle what is
//! inconclusive for want of exposure alone. `docs/models.md` has the table of
//! all combinations, which the tests hold this module to.

mod results;
pub(crate) mod votes;

use std::time::Duration;

use judge::evidence::LeftOut;
use judge::judgement::MissingReason;
use judge::{Decision, Judgement};
use serde::{Deserialize, Serialize};

pub use self::results::ModelResult;
use self::votes::{Side, Votes};
use crate::message;
use crate::opinion::{Explained, Unasked};
use crate::request::Gathered;

#[cfg(test)]
mod tests;

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
    /// What an inconclusive verdict waits for; `None` otherwise, and where
    /// waiting changes nothing: models object, and the verdict is final.
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
    /// exposure. Never one of a canary that shows nothing; one that shows more
    /// errors than stable they may abort, not promote.
    pub model_may_settle: bool,
}

/// The least and the greatest confidence, in percent: a promote at 50 would
/// fail the condition `result > 0.50` that templates in use have.
const CONFIDENCE_RANGE: (f64, f64) = (51.0, 99.0);

/// How sure each model must be to promote what the judge leaves open, in
/// percent: what the judge would need for it is on the small side of evidence.
const SETTLE_CONFIDENCE: u8 = 80;

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
    rules: &Rules,
) -> Verdict {
    let votes = Votes::new(&explained, &judgement);
    let outcome = match judgement.decision {
        Decision::Abort => Outcome {
            decision: Decision::Abort,
            confidence: percent(judgement.confidence),
            message: message::abort(&judgement, &votes),
            waiting: None,
        },
        Decision::Promote => promotion(&judgement, gathered, &votes, rules),
        Decision::Inconclusive => settled(&judgement, gathered, &votes, rules)
            .unwrap_or_else(|| waiting(&judgement, inconclusive(&judgement, gathered))),
    };
    Verdict {
        decision: outcome.decision,
        confidence: outcome.confidence,
        message: outcome.message,
        waiting: outcome.waiting,
        left_out: gathered.left_out().to_vec(),
        judgement,
        explained,
    }
}

struct Outcome {
    decision: Decision,
    confidence: u8,
    message: String,
    waiting: Option<Waiting>,
}

/// What becomes of the judge's promote.
fn promotion(
    judgement: &Judgement,
    gathered: &Gathered,
    votes: &Votes<'_>,
    rules: &Rules,
) -> Outcome {
    if let Some(held) = held_back(judgement, gathered, rules) {
        return waiting(judgement, held);
    }
    let judges = percent(judgement.confidence);
    // A model can doubt a promotion, not make it surer than the evidence.
    let confidence = votes.mean().map_or(judges, |mean| judges.min(mean));
    match votes.side() {
        Some(Side::Against) => match votes.evidence() {
            Some(objection) => Outcome {
                decision: Decision::Abort,
                confidence: votes.mean().unwrap_or(judges),
                message: message::objected(judgement, votes, objection),
                waiting: None,
            },
            None => at_odds(judgement, message::unfounded(judgement, votes)),
        },
        Some(Side::Tie) => at_odds(judgement, message::tied(judgement, votes)),
        // Not to wait: asked again until the budget is used up, models would be
        // missing in the end, and the judge would promote alone.
        Some(Side::Promote) if confidence < rules.min_confidence => {
            at_odds(judgement, message::doubted(judgement, confidence))
        }
        Some(Side::Promote) | None => Outcome {
            decision: Decision::Promote,
            confidence,
            message: message::promote(judgement, gathered, votes),
            waiting: None,
        },
    }
}

/// Inconclusive for good: more traffic does not settle what models disagree on.
fn at_odds(judgement: &Judgement, message: String) -> Outcome {
    Outcome {
        decision: Decision::Inconclusive,
        confidence: percent(judgement.confidence),
        message,
        waiting: None,
    }
}

fn waiting(judgement: &Judgement, waiting: Waiting) -> Outcome {
    Outcome {
        decision: Decision::Inconclusive,
        confidence: percent(judgement.confidence),
        message: message::inconclusive(&waiting.text),
        waiting: Some(waiting),
    }
}

/// What holds a promote back whatever models say, if anything: what was
/// gathered does not carry it, or the rules ask for more.
pub(crate) fn held_back(
    judgement: &Judgement,
    gathered: &Gathered,
    rules: &Rules,
) -> Option<Waiting> {
    let (text, seconds) = if let Some(unheard) = message::unheard(gathered) {
        (
            unheard,
            judgement
                .missing
                .as_ref()
                .and_then(|missing| missing.seconds),
        )
    } else if judgement.exposure.canary < rules.min_requests {
        message::more_requests(&judgement.exposure, rules.min_requests)
    } else if percent(judgement.confidence) < rules.min_confidence {
        let sure = percent(judgement.confidence);
        (message::surer(&judgement.exposure, sure), None)
    } else {
        return None;
    };
    Some(Waiting {
        text,
        retry_after: seconds.map(Duration::from_secs),
    })
}

fn inconclusive(judgement: &Judgement, gathered: &Gathered) -> Waiting {
    Waiting {
        text: message::waiting(judgement, gathered),
        retry_after: judgement
            .missing
            .as_ref()
            .and_then(|missing| missing.seconds)
            .map(Duration::from_secs),
    }
}

/// Whether models may say anything about an inconclusive judgement: both arms
/// were heard and show traffic, and the judge misses exposure alone.
pub(crate) fn may_be_settled(judgement: &Judgement, gathered: &Gathered, rules: &Rules) -> bool {
    let reason = judgement.missing.as_ref().map(|missing| missing.reason);
    rules.model_may_settle
        && judgement.decision == Decision::Inconclusive
        && judgement.vetoes.is_empty()
        && judgement.gates.iter().all(|gate| !gate.fired)
        && matches!(
            reason,
            Some(MissingReason::TooLittle | MissingReason::Suspicious)
        )
        && judgement.exposure.canary > 0
        && judgement.exposure.stable > 0
        && message::unheard(gathered).is_none()
}

/// What models make of an inconclusive judgement, where they may and do.
///
/// An abort takes a majority that cites a finding, as it does against a
/// promote. A promote takes more than a majority, since no statistics stand
/// behind it: every model answers, all promote, each is at least
/// [`SETTLE_CONFIDENCE`] sure, nothing holds the canary back, and the rules are
/// met.
fn settled(
    judgement: &Judgement,
    gathered: &Gathered,
    votes: &Votes<'_>,
    rules: &Rules,
) -> Option<Outcome> {
    if !may_be_settled(judgement, gathered, rules) {
        return None;
    }
    let mean = votes.mean()?;
    match votes.side()? {
        Side::Against => Some(Outcome {
            decision: Decision::Abort,
            confidence: mean,
            message: message::objected(judgement, votes, votes.evidence()?),
            waiting: None,
        }),
        Side::Promote => {
            let reason = judgement.missing.as_ref().map(|missing| missing.reason);
            let is_free = reason == Some(MissingReason::TooLittle)
                && judgement.gates.iter().all(|gate| !gate.holds);
            let confidence = percent(judgement.confidence).min(mean);
            let may = is_free
                && votes.all_promote(SETTLE_CONFIDENCE)
                && held_back(judgement, gathered, rules).is_none()
                && confidence >= rules.min_confidence;
            may.then(|| Outcome {
                decision: Decision::Promote,
                confidence,
                message: message::settled(judgement, votes),
                waiting: None,
            })
        }
        Side::Tie => None,
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
