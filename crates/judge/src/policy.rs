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
    /// Chance, over all looks, of promoting a canary whose error share is
    /// beyond that.
    pub promote_alpha: f64,
    /// Chance, over all looks, that one gate fires on a canary that is as good
    /// as stable. There are up to three gates now and Σα is to stay ≤ 0.02.
    pub gate_alpha: f64,
    /// A gate with an e-value from here on, though it has not fired, keeps a
    /// canary from being promoted.
    pub hold_e_value: f64,
    /// A gate needs the canary's rate to be at least this many times stable's.
    pub gate_min_ratio: f64,
    /// A gate needs the canary's rate to be at least this much above stable's,
    /// as a share of the exposure.
    pub gate_min_difference: f64,
    /// A gate needs at least this many events of the canary.
    pub gate_min_count: u64,
    /// Age from which a pod that was never ready counts as broken, in
    /// milliseconds: image pulls, start-up and a cold JVM take their time.
    pub ready_within_ms: i64,
    /// Restarts that a canary pod must have at least, and more than any pod of
    /// stable, to be vetoed for them.
    pub min_restarts: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            promote_ratio: 2.0,
            promote_margin: 0.025,
            promote_margin_events: 0.05,
            promote_alpha: 0.05,
            gate_alpha: 0.006,
            hold_e_value: 20.0,
            gate_min_ratio: 1.5,
            gate_min_difference: 0.002,
            gate_min_count: 3,
            ready_within_ms: 120_000,
            min_restarts: 1,
        }
    }
}
