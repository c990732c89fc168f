//! What a look is asked for, and what it has gathered.

use judge::Evidence;
use judge::evidence::LeftOut;
use judge::judgement::Carried;
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::selector::Selector;

/// One look at one canary.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The AnalysisRun's namespace: the only one that is read.
    pub namespace: String,
    /// The Rollout's name.
    pub rollout: String,
    /// The canary's `rollouts-pod-template-hash`, from the AnalysisRun's label;
    /// `None` when the run has none: then the Rollout's own current hash.
    pub canary_hash: Option<String>,
    /// Which pods are stable's, by label.
    pub stable: Selector,
    /// Which pods are the canary's, by label.
    pub canary: Selector,
    /// What earlier looks at the same canary found.
    pub earlier: Earlier,
    /// How much may be read.
    pub limits: Limits,
    /// Now, milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What earlier looks at the same canary found. It comes back from a
/// measurement's metadata, so it is not trusted: a start that lies in the
/// future or too far back is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// The judge's state.
    pub carried: Option<Carried>,
    /// Where the window started, milliseconds since the Unix epoch.
    pub canary_start_ms: Option<i64>,
}

/// What was gathered: the judge's input, and how much of what was sought it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gathered {
    /// The judge's input.
    pub evidence: Evidence,
    /// How much of stable was read.
    pub stable: Coverage,
    /// How much of the canary was read.
    pub canary: Coverage,
    /// Where the window starts, milliseconds since the Unix epoch; `None`
    /// without a canary pod, and for files.
    pub canary_start_ms: Option<i64>,
    /// The earliest end of the Rollout's last step, milliseconds since the
    /// Unix epoch; `None` when that cannot be said, and for files.
    pub last_step_end_ms: Option<i64>,
}

impl Gathered {
    /// What could not be read, or not to its end.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.evidence.left_out
    }
}

/// How much of one arm was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// What was sought, in words for people: `pods with role=canary of rollout
    /// web, hash 5f6d…, in namespace shop`.
    pub sought: String,
    /// Pods (or files) that matched.
    pub pods: usize,
    /// Logs that should have been read.
    pub logs_wanted: usize,
    /// Logs of which something was read, if only that they are empty.
    pub logs_read: usize,
}

impl Coverage {
    /// Whether no log was read, or fewer than half of the wanted ones: then
    /// what was read does not speak for the arm.
    #[must_use]
    pub fn mostly_unread(&self) -> bool {
        self.logs_read == 0 || self.logs_read * 2 < self.logs_wanted
    }
}
