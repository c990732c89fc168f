//! What is known about the two arms: the judge's only input.

use serde::{Deserialize, Serialize};

use crate::profile::Profile;

/// The two groups of pods that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// The version that serves now.
    Stable,
    /// The version being tried.
    Canary,
}

/// Everything the judge may look at.
///
/// Evidence is redacted already: profiles redact as they are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The time that both arms were read over.
    pub window: Window,
    /// The version that serves now.
    pub stable: ArmEvidence,
    /// The version being tried.
    pub canary: ArmEvidence,
    /// What earlier looks at the same canary counted, from the newest of them.
    /// `None` at the first look.
    pub carried: Option<crate::judgement::Carried>,
    /// What could not be read or was cut short, in canonical order.
    pub left_out: Vec<LeftOut>,
}

/// The time that both arms were read over, cut into buckets of equal width.
///
/// Each bucket is a stratum of its own: traffic weights may differ from bucket
/// to bucket, and comparing only within a bucket keeps them from mixing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Start of the canary, milliseconds since the Unix epoch. `None` when the
    /// two arms were not read over the same time (two files of different
    /// days): then all of each arm is one bucket.
    pub start_ms: Option<i64>,
    /// When the evidence was read, milliseconds since the Unix epoch; the
    /// bucket that holds it is cut short and does not count yet.
    pub end_ms: Option<i64>,
    /// Width of a bucket in milliseconds, at least 1; 0 means one bucket.
    pub bucket_ms: u32,
}

/// Narrowest bucket: a canary step may last no longer than 20 s.
const MIN_BUCKET_MS: u32 = 5_000;

/// Buckets of a window at most: a profile holds a count for each, and each
/// profile must stay small.
pub const MAX_BUCKETS: u32 = 128;

/// How long after its end a bucket is taken as complete: runtimes write lines
/// a moment after they were said, and nodes' clocks differ.
const SETTLE_MS: i64 = 1_000;

impl Window {
    /// The window from the canary's start to now, both in milliseconds since
    /// the Unix epoch.
    ///
    /// Its buckets are 5 s wide, or the least doubling of it that needs at most
    /// [`MAX_BUCKETS`]: the width depends on the span alone, and wider buckets
    /// are made of whole narrower ones.
    #[must_use]
    pub fn new(start_ms: i64, end_ms: i64) -> Self {
        let span_ms = end_ms.saturating_sub(start_ms).max(0);
        let mut bucket_ms = MIN_BUCKET_MS;
        while span_ms / i64::from(bucket_ms) >= i64::from(MAX_BUCKETS) && bucket_ms < u32::MAX / 2 {
            bucket_ms *= 2;
        }
        Self {
            start_ms: Some(start_ms),
            end_ms: Some(end_ms),
            bucket_ms,
        }
    }

    /// The window of two arms that were not read over the same time (files):
    /// one bucket, which always counts.
    #[must_use]
    pub fn unaligned() -> Self {
        Self::default()
    }

    /// Whether both arms were read over the same time.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        self.start_ms.is_some() && self.bucket_ms > 0
    }

    /// The bucket of a time; `None` before the window. A line without a time
    /// counts in the first bucket.
    #[must_use]
    pub fn bucket_of(&self, ms: Option<i64>) -> Option<u32> {
        let Some(start_ms) = self.start_ms.filter(|_| self.bucket_ms > 0) else {
            return Some(0);
        };
        let since_ms = ms.unwrap_or(start_ms).saturating_sub(start_ms);
        if since_ms < 0 {
            return None;
        }
        // What a wrong clock writes into the far future is in no bucket that
        // will ever be complete; one index for all of it keeps tables small.
        let bucket = since_ms / i64::from(self.bucket_ms);
        Some(
            u32::try_from(bucket)
                .unwrap_or(u32::MAX)
                .min(2 * MAX_BUCKETS),
        )
    }

    /// How many buckets, from the first on, are complete.
    #[must_use]
    pub fn complete_buckets(&self) -> u32 {
        let Some(start_ms) = self.start_ms.filter(|_| self.bucket_ms > 0) else {
            return 1;
        };
        let Some(end_ms) = self.end_ms else {
            return 2 * MAX_BUCKETS;
        };
        let settled_ms = end_ms
            .saturating_sub(SETTLE_MS)
            .saturating_sub(start_ms)
            .max(0);
        u32::try_from(settled_ms / i64::from(self.bucket_ms))
            .unwrap_or(u32::MAX)
            .min(2 * MAX_BUCKETS)
    }
}

/// One arm's evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmEvidence {
    /// One profile for each log that was read.
    pub logs: Vec<LogProfile>,
    /// The state of each pod.
    pub pods: Vec<PodState>,
    /// Kubernetes events about these pods.
    pub events: Vec<ClusterEvent>,
    /// Samples of metrics, when a metrics source is configured.
    pub metrics: Vec<MetricSamples>,
}

/// The profile of one log, with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogProfile {
    /// Pod name, or the file's name.
    pub pod: String,
    /// Container name; empty for a file.
    pub container: String,
    /// Whether this is the log of the container before its last restart.
    pub previous: bool,
    /// What the log says.
    pub profile: Profile,
}

/// The state of one pod, as the API server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodState {
    /// Pod name.
    pub name: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Why the pod is in that phase (`Evicted`, …); empty when not given.
    pub reason: String,
    /// Whether the pod's `Ready` condition is true.
    pub ready: bool,
    /// Since when the `Ready` condition holds, milliseconds since the epoch.
    pub ready_since_ms: Option<i64>,
    /// Whether the pod is being deleted: its end is then no failure.
    pub terminating: bool,
    /// When the pod was created, milliseconds since the epoch.
    pub created_ms: Option<i64>,
    /// Its containers, init containers included.
    pub containers: Vec<ContainerState>,
}

/// The state of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    /// Container name.
    pub name: String,
    /// Whether this is an init container.
    pub init: bool,
    /// How often it was restarted.
    pub restarts: u32,
    /// Whether it passes its readiness probe.
    pub ready: bool,
    /// Reason while waiting: `CrashLoopBackOff`, `ImagePullBackOff`, …; empty
    /// when not waiting.
    pub waiting_reason: String,
    /// How it ended, now or (after a restart) the last time.
    pub terminated: Option<Termination>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// `OOMKilled`, `Error`, `Completed`, …
    pub reason: String,
    /// Exit code.
    pub exit_code: i32,
    /// Signal that ended it; 0 when none is known.
    pub signal: i32,
    /// When it ended, milliseconds since the epoch.
    pub finished_ms: Option<i64>,
}

/// One Kubernetes event about a pod, redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEvent {
    /// Name of the pod it is about.
    pub pod: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// `BackOff`, `Unhealthy`, `FailedScheduling`, …
    pub reason: String,
    /// Its message, redacted.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
    /// When it was last seen, milliseconds since the epoch.
    pub last_ms: Option<i64>,
}

/// Samples of one metric of one arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricSamples {
    /// What the metric is called in messages.
    pub name: String,
    /// Its unit (`ms`, `ratio`, …); empty when it has none.
    pub unit: String,
    /// Which way it gets worse.
    #[serde(default)]
    pub worse: Worse,
    /// The samples: milliseconds since the epoch, value. Never NaN: a sample
    /// that is not a number is no sample.
    pub values: Vec<(i64, f64)>,
}

/// Which way a metric gets worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Worse {
    /// Latency, errors, memory.
    #[default]
    Higher,
    /// Throughput, hit rates, success rates.
    Lower,
}

/// Something that was not read, or not read to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which arm it belongs to.
    pub arm: Arm,
    /// The pod, the container or the file.
    pub what: String,
    /// Why, in words for people.
    pub why: String,
}
