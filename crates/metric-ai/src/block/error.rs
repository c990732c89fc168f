//! Why a block cannot be used.

use analysis::policy_file::PolicyError;
use analysis::prometheus::QueriesError;

use super::{BLOCK, MAX_BLOCK_BYTES, MAX_KEYS};
use crate::condition::ConditionError;

/// Why a block cannot be used. Each text names the key and the mend, and shows
/// no value: arguments arrive resolved, secrets in clear.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The metric has no block of ours.
    #[error(
        "the metric has no configuration for this plugin: put it under \
         `provider.plugin[\"{BLOCK}\"]`"
    )]
    Missing,
    /// The block is larger than any real one.
    #[error("the plugin's block is larger than {MAX_BLOCK_BYTES} bytes or {MAX_KEYS} keys")]
    TooLarge,
    /// The block is not a map.
    #[error("the plugin's block must be a map of keys to values")]
    NotAMap,
    /// A value of the wrong type.
    #[error("key `{key}`: {needed} is needed, not {found}")]
    Type {
        /// The key.
        key: String,
        /// What is needed, as a type.
        needed: &'static str,
        /// What was found, as a type.
        found: &'static str,
    },
    /// A value of the right type that is none of those that there are.
    #[error("key `{key}`: {needed}")]
    Value {
        /// The key.
        key: String,
        /// What is needed.
        needed: &'static str,
    },
    /// A number out of its range.
    #[error("key `{key}`: {} from {least} to {greatest} is needed", if *.whole { "a whole number" } else { "a number" })]
    Range {
        /// The key.
        key: String,
        /// Whether only whole numbers will do.
        whole: bool,
        /// The least.
        least: u64,
        /// The greatest.
        greatest: u64,
    },
    /// An ending that would turn a failure into a success.
    #[error(
        "key `{key}`: success is no value here, as nothing but a promote verdict is one; write \
         `error`, `inconclusive` or `fail`"
    )]
    NoSuccess {
        /// The key.
        key: &'static str,
    },
    /// Agent mode without an agent.
    #[error(
        "agent mode requires agentUrl to be configured (agentUrl is required with `analysisMode: \
         agent`; set it, or set `analysisMode: default`)"
    )]
    AgentWithoutUrl,
    /// Not a selector that Kubernetes reads.
    #[error("key `{key}`: not a label selector; write it as in `role=canary`")]
    Selector {
        /// The key.
        key: &'static str,
    },
    /// A judge's policy with mistakes.
    #[error(transparent)]
    JudgePolicy(#[from] PolicyError),
    /// Metrics that cannot be asked for.
    #[error(transparent)]
    Metrics(#[from] QueriesError),
    /// A condition that cannot be evaluated.
    #[error(transparent)]
    Condition(#[from] ConditionError),
}
