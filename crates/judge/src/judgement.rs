//! What the judge concludes: the judge's only output.

use serde::{Deserialize, Serialize};

/// Go on, go back, or not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The canary is as good as stable, shown by enough exposure.
    Promote,
    /// The canary is worse than stable.
    Abort,
    /// Neither is shown.
    Inconclusive,
}

/// The judge's conclusion, with everything needed to explain it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The conclusion.
    pub decision: Decision,
    /// Probability that the decision is right, in [.51, .99].
    pub confidence: f64,
    /// How much each arm was exposed to.
    pub exposure: Exposure,
    /// States that abort without statistics, worst first.
    pub vetoes: Vec<Finding>,
    /// Every statistical gate, fired or not, in fixed order.
    pub gates: Vec<Gate>,
    /// What differs, worst first.
    pub findings: Vec<Finding>,
    /// What the policy leaves out, and how often it came: an entry each, also
    /// where nothing matches it.
    pub ignored: Vec<IgnoredEvents>,
    /// What an inconclusive judgement waits for; `None` otherwise.
    pub missing: Option<Missing>,
    /// To be handed to the next look at the same canary.
    pub carried: Carried,
}

/// How much each arm was exposed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// What was counted.
    pub unit: ExposureUnit,
    /// Requests (or events) of stable.
    pub stable: u64,
    /// Requests (or events) of the canary.
    pub canary: u64,
    /// Stable's errors among them.
    pub stable_errors: u64,
    /// The canary's errors among them.
    pub canary_errors: u64,
    /// The canary's exposure per second, newest buckets; 0 when unknown.
    pub canary_per_second: f64,
}

/// What exposure is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExposureUnit {
    /// Requests that the logs show, probes and scrapes not counted.
    Requests,
    /// Events of templates that both arms share.
    Events,
    /// There was nothing to count.
    #[default]
    None,
}

/// Which statistical gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// Share of events at ERROR and above.
    ErrorRate,
    /// Errors of templates that stable never shows.
    NewErrors,
    /// Share of responses with a 5xx status.
    ServerErrors,
    /// Request durations, at the median; rates are milliseconds.
    Latency,
    /// Request durations, at the 95th percentile; rates are milliseconds.
    LatencyTail,
    /// Events at WARN, of templates that both arms show.
    WarnRate,
    /// Templates that stable shows and the canary does not.
    Vanished,
    /// The canary says much less than its exposure explains.
    Silence,
    /// A metric from a metrics source; rates are medians in its unit.
    Metric,
}

/// One statistical gate: it fires when its e-value reaches 1/α AND the effect
/// AND the count are large enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Which one.
    pub kind: GateKind,
    /// Natural logarithm of the e-value, over all buckets and looks so far.
    pub log_e: f64,
    /// What `log_e` must reach: −ln α.
    pub threshold: f64,
    /// Stable's rate, per unit of exposure.
    pub stable_rate: f64,
    /// The canary's rate, per unit of exposure.
    pub canary_rate: f64,
    /// Stable's count.
    pub stable_count: u64,
    /// The canary's count.
    pub canary_count: u64,
    /// Whether it fired.
    pub fired: bool,
    /// Whether it keeps the canary from being promoted though it has not
    /// fired: there is a difference, too weak or too small to abort for.
    pub holds: bool,
}

/// What kind of thing a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingClass {
    /// A pod or container state (`OOMKilled`, `CrashLoopBackOff`, …).
    PodState,
    /// A crash signature in the log.
    Crash,
    /// An error that stable never shows.
    NewError,
    /// An error that both show, the canary more often.
    MoreErrors,
    /// Responses with a 5xx status.
    ServerErrors,
    /// Warnings, new or more often.
    Warning,
    /// Slower.
    Latency,
    /// Said by stable, not by the canary.
    Vanished,
    /// A metric that differs.
    Metric,
    /// A warning event of Kubernetes that stable's pods do not have.
    Event,
    /// New, and no sign of failure.
    New,
}

/// One thing that differs between the arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id: the same difference has the same id at every look.
    pub id: String,
    /// What kind of thing it is.
    pub class: FindingClass,
    /// A few words for the one-line message (`NullPointerException
    /// UserResource:39`, `OOMKilled`), redacted.
    pub title: String,
    /// The template, or the state in full, redacted.
    pub text: String,
    /// One sample line, redacted; empty when there is none.
    pub sample: String,
    /// How often in stable.
    pub stable_count: u64,
    /// How often in the canary.
    pub canary_count: u64,
    /// Per unit of exposure in stable.
    pub stable_rate: f64,
    /// Per unit of exposure in the canary.
    pub canary_rate: f64,
    /// Canary rate over stable rate with its 95 % interval; `None` where a
    /// ratio says nothing (a state).
    pub ratio: Option<Ratio>,
    /// Whether it holds against all differences that were looked at together:
    /// at most 5 % of the confirmed ones are expected to be chance.
    pub confirmed: bool,
    /// First seen in the canary, milliseconds since the epoch.
    pub first_ms: Option<i64>,
    /// Last seen in the canary, milliseconds since the epoch.
    pub last_ms: Option<i64>,
    /// In how many of the canary's pods.
    pub canary_pods: u32,
    /// How many pods the canary has.
    pub canary_pods_total: u32,
}

/// Log events, or Kubernetes' events, that the policy leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredEvents {
    /// The entry's pattern.
    pub pattern: String,
    /// Why, as the entry says.
    pub reason: String,
    /// How often in stable.
    pub stable_count: u64,
    /// How often in the canary.
    pub canary_count: u64,
}

/// A ratio of rates with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Estimate.
    pub estimate: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// What an inconclusive judgement waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// Why it is inconclusive.
    pub reason: MissingReason,
    /// About how much more exposure of the canary would decide; `None` when
    /// that cannot be said.
    pub exposure: Option<u64>,
    /// About how long that takes at the present rate, in seconds.
    pub seconds: Option<u64>,
}

/// Why a judgement is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingReason {
    /// No canary pod and no canary log.
    NoCanary,
    /// No stable pod and no stable log.
    NoStable,
    /// The canary has said nothing that can be counted.
    NoCanaryExposure,
    /// Stable has said nothing that can be counted.
    NoStableExposure,
    /// Too little exposure to show that the canary is as good.
    TooLittle,
    /// More errors than stable, not enough to be sure.
    Suspicious,
}

/// What one look hands to the next: at most 1 KiB of text that only the judge
/// reads. It travels in a measurement's metadata, so it is not trusted when it
/// comes back: text that cannot be read counts as no earlier look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Carried(pub String);
