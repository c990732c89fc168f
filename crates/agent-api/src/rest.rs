//! The JSON of `POST /a2a/analyze`: what is asked and what is answered.

use serde::{Deserialize, Serialize};

use crate::reading;
use crate::verdict::Verdict;

/// Who asks, in requests of the plugin.
pub const USER_ID: &str = "argo-rollouts";

/// Longest text of an answer (analysis, root cause, remediation, rationale) in
/// bytes. All metadata of a measurement has 4 KiB; an issue shows more of it.
pub const MAX_TEXT_BYTES: usize = 16 << 10;
/// Longest link of an answer, in bytes.
pub const MAX_LINK_BYTES: usize = 2_048;
/// Longest name of a model, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest `state` in bytes: it travels in a measurement's metadata, which has
/// 4 KiB in all. A longer one is no state.
pub const MAX_STATE_BYTES: usize = 2_048;
/// Most models whose results are kept of an answer; whoever votes has three.
pub const MAX_MODEL_RESULTS: usize = 16;

/// What is asked of an agent. Written as the agents in use read it: what is
/// `None` or empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Who asks; the plugin says [`USER_ID`].
    #[serde(default)]
    pub user_id: String,
    /// What is to be done, in words.
    #[serde(default)]
    pub prompt: String,
    /// Under which name the agent remembers: `rollout:<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_id: Option<String>,
    /// The models to ask; empty: the agent's own choice.
    #[serde(
        default,
        deserialize_with = "reading::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub models_to_use: Vec<String>,
    /// What the question is about.
    #[serde(default, deserialize_with = "reading::or_default")]
    pub context: Context,
}

/// What a question is about. All of it is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Context {
    /// The namespace of the rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name of the rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_name: Option<String>,
    /// The label selector of stable's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_selector: Option<String>,
    /// The label selector of the canary's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_selector: Option<String>,
    /// What the user adds to the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_prompt: Option<String>,
    /// The repository to report a failed canary in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_url: Option<String>,
    /// The branch that a repair starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// One pod to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// Logs of stable, from clients that read them themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_logs: Option<String>,
    /// Logs of the canary, from clients that read them themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_logs: Option<String>,
    /// The `state` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What an agent answers. Written whole and in this order, with nulls.
///
/// Read tolerantly, since others write agents too ([`Response::read`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// What was found, in words.
    pub analysis: String,
    /// What it comes from.
    pub root_cause: String,
    /// What to do about it.
    pub remediation: String,
    /// A pull request that repairs it.
    pub pr_link: Option<String>,
    /// Whether the canary may go on. [`Response::verdict`] is what counts.
    pub promote: bool,
    /// How sure the agent is, in percent, 0 to 100.
    pub confidence: u8,
    /// What each model said.
    pub model_results: Vec<ModelResult>,
    /// How the models' votes came to the answer.
    pub voting_rationale: Option<String>,
    /// The verdict itself; agents of others do not say it.
    pub verdict: Option<Verdict>,
    /// What the agent wants back with the next question, as it is.
    pub state: Option<String>,
    /// An issue that reports it.
    pub issue_link: Option<String>,
}

/// What one model said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelResult {
    /// The model's name.
    pub model_name: String,
    /// What it found.
    pub analysis: String,
    /// What it comes from.
    pub root_cause: String,
    /// What to do about it.
    pub remediation: String,
    /// Whether it would promote.
    pub promote: bool,
    /// How sure it is, in percent, 0 to 100.
    pub confidence: u8,
    /// How long it took, in milliseconds.
    pub execution_time_ms: u64,
    /// Why it did not answer, if it did not.
    pub error: Option<String>,
}
