//! What models say of a judgement, and what asking them cost.
//!
//! An opinion explains, and may make a verdict more careful;
//! [`decide`](mod@crate::decide) is where it meets the statistics. What does
//! not come (a model that is down, retired, over its quota or talks nonsense)
//! is a missing opinion, never an error of the analysis.

use serde::{Deserialize, Serialize};

/// What one model made of one judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opinion {
    /// The model, as the template or the operator names it.
    pub model: String,
    /// From the first request to the last answer, milliseconds.
    pub took_ms: u64,
    /// What it says, or why it says nothing.
    pub answer: Answer,
}

impl Opinion {
    /// What the model says; `None` when it says nothing that can be used.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        match &self.answer {
            Answer::View(view) => Some(view),
            Answer::Missing(_) => None,
        }
    }
}

/// A view, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The model's view.
    View(View),
    /// The model said nothing that can be used.
    Missing(Missing),
}

/// A model's view: validated, redacted, every text bounded, without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Whether it would let the canary go on.
    pub promote: bool,
    /// How sure it says it is, in percent, 0 to 100.
    pub confidence: u8,
    /// What it makes of the findings.
    pub analysis: String,
    /// What it takes for the cause; may be empty.
    pub root_cause: String,
    /// What it would do about it; may be empty.
    pub remediation: String,
    /// Ids of findings that it cites and that exist, in order, each once.
    pub cited: Vec<String>,
}

/// Why a model said nothing that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// The kind of trouble.
    pub kind: MissingKind,
    /// In words for people, one line, without anything secret; names the mend.
    pub why: String,
}

/// Kinds of trouble with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingKind {
    /// There is no key for its provider, or no provider for its name.
    NotConfigured,
    /// It could not be reached, or the connection broke.
    Unreachable,
    /// It did not answer within the deadline.
    TimedOut,
    /// Its rate limit did not let us through within the deadline.
    RateLimited,
    /// Its quota is used up: asking again does not help today.
    QuotaSpent,
    /// The provider no longer has it (404).
    Retired,
    /// The provider refused the key (401, 403).
    KeyRefused,
    /// The provider refused to answer (safety, recitation).
    Blocked,
    /// The provider refused the request (another 4xx) or failed (5xx).
    ProviderError,
    /// Its answer could not be read, also not after one repair.
    Unreadable,
    /// The analysis' budget was used up.
    BudgetSpent,
}

/// What was asked of models, and what they said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// One for each model that was to be asked, in the order in which they are
    /// named. Where no provider is set up for any of them, each says so here.
    pub opinions: Vec<Opinion>,
    /// Why no model was asked; `None` when one was.
    pub unasked: Option<Unasked>,
    /// What asking cost; zero when it came from the cache.
    pub spent: Spent,
    /// Whether the user gave an extra prompt and no model answered to it.
    #[serde(default)]
    pub unread_prompt: bool,
}

impl Explained {
    /// No model was asked.
    #[must_use]
    pub fn not_asked(why: Unasked) -> Self {
        Self {
            unasked: Some(why),
            ..Self::default()
        }
    }
}

/// Why no model was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unasked {
    /// No model is configured: neither a key nor an endpoint is there.
    NotConfigured,
    /// A veto waits for no model.
    Veto,
    /// An inconclusive judgement is the judge's alone, unless the operator lets
    /// models settle it at the last look. So is a promote that something else
    /// holds back: too few logs, `minRequests`, `minConfidence`.
    Inconclusive,
}

/// What asking models cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spent {
    /// Requests that were sent, repetitions and repairs included.
    pub calls: u32,
    /// Tokens, of prompts and answers.
    pub tokens: u64,
    /// Time, milliseconds.
    pub took_ms: u64,
    /// Money, millionths of a US dollar; 0 where no price is known.
    pub micro_usd: u64,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            took_ms: self.took_ms.saturating_add(other.took_ms),
            micro_usd: self.micro_usd.saturating_add(other.micro_usd),
        }
    }
}
