//! What the page shows, as JSON. Names may be added, none taken away: the page
//! reads them.

use serde::{Deserialize, Serialize};

use crate::arm::Both;

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct State {
    /// Grows with each state.
    pub sequence: u64,
    /// Now, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// How far the rollout is.
    pub phase: Phase,
    /// What can be released.
    pub scenarios: Vec<ScenarioName>,
    /// The newest release; none before the first.
    pub release: Option<ReleaseState>,
    /// Both versions; no canary where none is tried.
    pub arms: Both<Option<ArmState>>,
    /// The measurements of the release, oldest first.
    pub measurements: Vec<MeasurementState>,
    /// What the newest measurement with findings has found.
    pub findings: Vec<FindingState>,
    /// What travels with each request.
    pub sliders: Both<Sliders>,
    /// The plugin's process; none while it does not run.
    pub plugin: PluginState,
    /// The model beside the judge.
    pub model: ModelState,
    /// Where the application answers through the proxy.
    pub proxy: String,
    /// Requests a second that are sent.
    pub rate: u32,
}

/// How far the rollout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing was released yet.
    #[default]
    Idle,
    /// A canary is being tried.
    Progressing,
    /// The newest canary serves now.
    Promoted,
    /// The newest canary was taken back.
    Aborted,
    /// There is no verdict: a person decides.
    Paused,
}

/// A scenario that can be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioName {
    /// Its name.
    pub name: String,
    /// What happens, in some words.
    pub title: String,
    /// The right verdict.
    pub expect: String,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseState {
    /// Which, the first being 1.
    pub number: u64,
    /// The scenario's name.
    pub scenario: String,
    /// The version before.
    pub from: String,
    /// The version that is released.
    pub version: String,
    /// The weights of its steps, in percent.
    pub steps: Vec<u8>,
    /// The step under way, the first being 0.
    pub step: usize,
    /// The canary's share now, in percent.
    pub weight: u8,
    /// When it began, milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// The message that decided.
    pub why: Option<String>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmState {
    /// Its name.
    pub version: String,
    /// Its colour.
    pub color: String,
    /// Requests that it answered.
    pub requests: u64,
    /// Of those, with 500 and above.
    pub errors: u64,
    /// Half of the newest answers took no longer, in milliseconds.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer, in milliseconds.
    pub p99_ms: f64,
    /// Its pods.
    pub pods: Vec<PodState>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PodState {
    /// Its name.
    pub name: String,
    /// Whether it takes requests.
    pub ready: bool,
    /// How often its container was started again.
    pub restarts: u32,
    /// What is wrong with it, in a word.
    pub reason: Option<String>,
}

/// A measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasurementState {
    /// The step that it is of, the first being 0.
    pub step: usize,
    /// The canary's weight in that step, in percent.
    pub weight: u8,
    /// When it began, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Argo's word for where it stands.
    pub phase: String,
    /// The measured value.
    pub value: String,
    /// Why.
    pub message: String,
    /// When the plugin wants to be asked again.
    pub waits_until_ms: Option<i64>,
    /// 0 to 1; none before a verdict.
    pub confidence: Option<f64>,
}

/// One thing that differs between the arms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FindingState {
    /// Its id.
    pub id: String,
    /// What kind of thing it is.
    pub class: String,
    /// What differs.
    pub what: String,
    /// How much of it stable shows.
    pub stable: String,
    /// How much the canary does.
    pub canary: String,
    /// A line of the log.
    pub sample: String,
}

/// How one version is made worse, by request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sliders {
    /// Requests that fail, in percent: 0 to 100.
    #[serde(default)]
    pub error_percent: u8,
    /// How long answers are held back, in milliseconds: 0 to 5,000.
    #[serde(default)]
    pub latency_ms: u16,
}

/// The longest that a slider holds answers back, in milliseconds.
pub const MAX_LATENCY_MS: u16 = 5_000;

impl Sliders {
    /// Whether both are in their range.
    #[must_use]
    pub fn are_possible(self) -> bool {
        self.error_percent <= 100 && self.latency_ms <= MAX_LATENCY_MS
    }
}

/// The plugin's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PluginState {
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// How often it was started.
    pub launches: u32,
}

/// The model beside the judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelState {
    /// `none`, `scripted` or `real`.
    pub kind: &'static str,
    /// Whether it can be reached.
    pub up: bool,
}
