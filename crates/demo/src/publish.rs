//! Tells whoever watches how it goes: the whole state when something changed,
//! and the newest requests.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::arm::{Arm, Both};
use crate::engine::Inner;
use crate::state::{ArmState, ScenarioName, State};
use crate::tally::{ArmTally, Square};

/// Shortest time between two states, and between two batches of squares.
const PERIOD_MS: u64 = 100;

/// A state is told this often although nothing but counts has changed, in
/// periods.
const QUIET_PERIODS: u32 = 3;

/// Batches of squares that a slow watcher may be behind; further ones are lost
/// to it.
const MAX_BEHIND: usize = 32;

/// What is told.
#[derive(Debug)]
pub(crate) struct News {
    states: watch::Sender<Arc<str>>,
    squares: broadcast::Sender<Arc<str>>,
    first_answer: watch::Sender<bool>,
    soon: Notify,
}

impl Default for News {
    fn default() -> Self {
        Self {
            states: watch::Sender::new(Arc::from("{}")),
            squares: broadcast::Sender::new(MAX_BEHIND),
            first_answer: watch::Sender::new(false),
            soon: Notify::new(),
        }
    }
}

impl News {
    pub(crate) fn states(&self) -> watch::Receiver<Arc<str>> {
        self.states.subscribe()
    }

    pub(crate) fn squares(&self) -> broadcast::Receiver<Arc<str>> {
        self.squares.subscribe()
    }

    pub(crate) fn first_answer(&self) -> watch::Receiver<bool> {
        self.first_answer.subscribe()
    }

    /// Something has changed that should be told with the next period.
    pub(crate) fn soon(&self) {
        self.soon.notify_one();
    }
}

/// Tells for ever.
pub(crate) async fn publish(inner: Arc<Inner>) {
    let mut sequence = 0;
    let mut quiet = 0;
    let mut pods = inner.cluster.node().changes();
    let mut tick = interval(Duration::from_millis(PERIOD_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let squares = inner.tally.take_squares();
        if !squares.is_empty() {
            inner.news.first_answer.send_replace(true);
            // Nobody may be watching.
            let _ = inner.news.squares.send(json_of(&squares).into());
        }
        quiet += 1;
        let changed = pods.has_changed().unwrap_or(false)
            || futures::FutureExt::now_or_never(inner.news.soon.notified()).is_some();
        if !changed && quiet < QUIET_PERIODS {
            continue;
        }
        pods.mark_unchanged();
        quiet = 0;
        sequence += 1;
        let state = State {
            sequence,
            ..state(&inner).await
        };
        match serde_json::to_string(&state) {
            Ok(json) => {
                inner.news.states.send_replace(json.into());
            }
            Err(error) => tracing::error!(%error, "the state cannot be written as JSON"),
        }
    }
}

/// All there is to know now.
pub(crate) async fn state(inner: &Inner) -> State {
    let tallies = inner.tally.arms();
    let model = inner.model.lock().await.state();
    let pods = Both {
        stable: inner.cluster.states(Arm::Stable),
        canary: inner.cluster.states(Arm::Canary),
    };
    let board = inner.board();
    let arm = |version: &crate::cluster::Version, tally: &ArmTally, pods| {
        let [p50_ms, p99_ms] = tally.percentiles_ms([0.5, 0.99]);
        ArmState {
            version: version.name.clone(),
            color: version.color().to_owned(),
            requests: tally.requests,
            errors: tally.errors,
            p50_ms,
            p99_ms,
            pods,
        }
    };
    let scenarios = inner.scenarios.iter().map(|scenario| ScenarioName {
        name: scenario.name.clone(),
        title: scenario.title.as_str().to_owned(),
        expect: scenario.expect.as_str().to_owned(),
    });
    State {
        sequence: 0,
        now_ms: inner.now_ms(),
        phase: board.phase,
        scenarios: scenarios.collect(),
        release: board.release.clone(),
        arms: Both {
            stable: Some(arm(&board.stable, &tallies.stable, pods.stable)),
            canary: board
                .canary
                .as_ref()
                .map(|version| arm(version, &tallies.canary, pods.canary)),
        },
        measurements: board.measurements.clone(),
        findings: board.findings.clone(),
        sliders: board.sliders,
        plugin: inner.plugin.state(),
        model,
        proxy: format!("http://{}", inner.proxy.address()),
        rate: board.rate,
    }
}

/// `{"squares":[["canary",500,12.3], …]}`.
fn json_of(squares: &[Square]) -> String {
    let mut json = String::from("{\"squares\":[");
    for (index, square) in squares.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = write!(
            json,
            "{comma}[\"{}\",{},{:.1}]",
            square.arm.as_str(),
            square.status,
            f64::from(square.took_us) / 1_000.0
        );
    }
    json.push_str("]}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_short_json() {
        let square = |arm, status, took_us| Square {
            arm,
            status,
            took_us,
        };
        let json = json_of(&[
            square(Arm::Canary, 500, 12_345),
            square(Arm::Stable, 200, 900),
        ]);
        assert_eq!(
            json,
            r#"{"squares":[["canary",500,12.3],["stable",200,0.9]]}"#
        );
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }
}
