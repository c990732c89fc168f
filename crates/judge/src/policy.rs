//! The thresholds: every number that decides, in one place.

use serde::{Deserialize, Serialize};

/// The thresholds in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// Promote only when the canary's error share is shown to be at most
    /// `promote_ratio` × stable's + `promote_margin`.
    pub promote_ratio: f64,
    /// See [`Policy::promote_ratio`]; a share, where exposure is requests.
    pub promote_margin: f64,
    /// The same margin where exposure is events.
    pub promote_margin_events: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            promote_ratio: 2.0,
            promote_margin: 0.025,
            promote_margin_events: 0.05,
        }
    }
}
