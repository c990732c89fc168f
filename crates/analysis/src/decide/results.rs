//! What models said, in the names of the contracts: for the metadata of a
//! measurement and the agent's answer.

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::votes::{Vote, Votes, confidence};
use crate::message::one_line;
use crate::opinion::{Answer, Opinion, Unasked, View};
use judge::Decision;

/// The longest rationale, in bytes.
const MAX_RATIONALE_BYTES: usize = 400;

/// One entry of `modelResults`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelResult {
    /// The model, as it was named.
    pub model_name: String,
    /// What it makes of the findings; empty when it said nothing.
    pub analysis: String,
    /// What it takes for the cause; may be empty.
    pub root_cause: String,
    /// What it would do about it; may be empty.
    pub remediation: String,
    /// Whether it would let the canary go on; false when it said nothing.
    pub promote: bool,
    /// How sure it says it is, in percent; 0 when it said nothing.
    pub confidence: u8,
    /// How long asking it took, milliseconds.
    pub execution_time_ms: u64,
    /// Why it said nothing; `None` when it did.
    pub error: Option<String>,
}

impl From<&Opinion> for ModelResult {
    fn from(opinion: &Opinion) -> Self {
        let empty = View {
            promote: false,
            confidence: 0,
            analysis: String::new(),
            root_cause: String::new(),
            remediation: String::new(),
            cited: Vec::new(),
        };
        let (view, error) = match &opinion.answer {
            Answer::View(view) => (view, None),
            Answer::Missing(missing) => (&empty, Some(missing.why.clone())),
        };
        Self {
            model_name: opinion.model.clone(),
            analysis: view.analysis.clone(),
            root_cause: view.root_cause.clone(),
            remediation: view.remediation.clone(),
            promote: view.promote,
            confidence: view.confidence.min(100),
            execution_time_ms: opinion.took_ms,
            error,
        }
    }
}

impl Verdict {
    /// One entry for each model that was to be asked, in order.
    #[must_use]
    pub fn model_results(&self) -> Vec<ModelResult> {
        self.explained.opinions.iter().map(Into::into).collect()
    }

    /// How the votes came out, in one line; also when no model was asked.
    #[must_use]
    pub fn voting_rationale(&self) -> String {
        const ALONE: &str = "no model was asked: the judge decided alone";
        let votes = Votes::new(&self.explained, &self.judgement);
        let missing: Vec<String> = votes
            .missing()
            .map(|(model, missing)| format!("{model}: {}", missing.why))
            .collect();
        let text = if votes.views().is_empty() {
            match votes.unasked() {
                Some(Unasked::Veto) => format!("{ALONE} (a veto waits for no model)"),
                Some(Unasked::Inconclusive) => {
                    format!("{ALONE} (models are asked when there is enough to judge)")
                }
                Some(Unasked::NotConfigured) if missing.is_empty() => ALONE.to_owned(),
                Some(Unasked::NotConfigured) => format!("{ALONE} ({})", missing.join("; ")),
                None if missing.is_empty() => ALONE.to_owned(),
                None => format!(
                    "no model answered: the judge decided alone ({})",
                    missing.join("; ")
                ),
            }
        } else {
            let said: Vec<String> = votes.views().iter().map(|vote| said(*vote)).collect();
            let mut text = format!(
                "{}: weight {} to promote, {} against; the judge says {}, the verdict is {}",
                said.join(", "),
                hundredths(votes.weight(true)),
                hundredths(votes.weight(false)),
                name(self.judgement.decision),
                name(self.decision),
            );
            if !missing.is_empty() {
                text.push_str("; no opinion of ");
                text.push_str(&missing.join("; "));
            }
            text
        };
        one_line(&text, MAX_RATIONALE_BYTES)
    }

    /// The surest opinion that is of the verdict's mind, else the surest of
    /// all: whose words explain the verdict best.
    #[must_use]
    pub fn leading_opinion(&self) -> Option<(&str, &View)> {
        let agrees = |view: &View| view.promote == (self.decision == Decision::Promote);
        let opinions = self.explained.opinions.iter();
        opinions
            .filter_map(|opinion| Some((opinion.model.as_str(), opinion.view()?)))
            .reduce(|a, b| {
                let rank = |view: &View| (agrees(view), confidence(view));
                if rank(b.1) > rank(a.1) { b } else { a }
            })
    }
}

/// `gemini-x promotes (85)`.
fn said(vote: Vote<'_>) -> String {
    let does = if vote.view.promote {
        "promotes"
    } else {
        "objects"
    };
    format!("{} {does} ({})", vote.model, confidence(vote.view))
}

/// `1.70`.
fn hundredths(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

fn name(decision: Decision) -> &'static str {
    match decision {
        Decision::Promote => "promote",
        Decision::Abort => "abort",
        Decision::Inconclusive => "inconclusive",
    }
}
