//! What goes over the wire: our question as either API wants it, and its
//! answer as data. Pure; [`super::call`] sends it.

mod gemini;
mod openai;
pub(super) mod refusal;

use serde_json::Value;

use super::config::{Provider, Target};
use super::prices::Tokens;
use super::prompt::Prompt;

/// Tokens that an answer may have, thoughts included: our answers take 400,
/// what models think before them takes thousands.
pub(super) const MAX_OUTPUT_TOKENS: u64 = 8_192;

/// Bytes of an answer that are sent back to its model for repair: what is
/// longer is no answer, and its model does without.
const MAX_ECHO_BYTES: usize = 32 << 10;

/// One question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) prompt: &'a Prompt,
    /// What was wrong with the answer before.
    pub(super) repair: Option<&'a Repair>,
}

/// An answer that could not be used.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    /// What the model said, as it came: thought signatures must come back
    /// unchanged, so it is not taken apart. `None`: empty, a call of a tool, or
    /// too long to be sent back.
    said: Option<Value>,
    /// What was wrong, in words for the model.
    complaint: String,
}

impl Repair {
    pub(super) fn new(said: Value, problem: &str) -> Self {
        let is_short = said.to_string().len() <= MAX_ECHO_BYTES;
        let usable = said.is_object() && is_short;
        Self {
            said: usable.then_some(said),
            complaint: include_str!("../prompts/repair.txt").replace("{problem}", problem),
        }
    }
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) text: String,
    /// The model's turn as it came.
    pub(super) said: Value,
    /// What it cost; `None` when the answer does not say.
    pub(super) tokens: Option<Tokens>,
    pub(super) end: End,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The model was done.
    Done,
    /// It ran out of tokens.
    CutOff,
    /// It called a tool, though there is none.
    CalledTool,
    /// The provider would not answer, for this reason.
    Blocked(String),
}

/// The request's body.
pub(super) fn body(target: &Target, question: Question<'_>) -> Value {
    match target.provider {
        Provider::Gemini => gemini::body(question),
        Provider::OpenAi => openai::body(target, question),
    }
}

/// A 200's body as a reply; `None` if it is none.
pub(super) fn reply(provider: Provider, body: &[u8]) -> Option<Reply> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match provider {
        Provider::Gemini => gemini::reply(&body),
        Provider::OpenAi => openai::reply(&body),
    }
}

/// A word of the provider's (`SAFETY`, `content_filter`) as it may be shown:
/// what does not look like one is not.
fn word(text: &str) -> String {
    let is_word = !text.is_empty()
        && text.len() <= 40
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_word {
        text.to_owned()
    } else {
        "no reason that can be shown".to_owned()
    }
}
