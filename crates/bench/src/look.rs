//! One look at simulated or recorded logs, as the product takes it.

use judge::evidence::{ArmEvidence, ContainerState, LogProfile, PodState, Termination};
use judge::judgement::{Carried, ExposureUnit};
use judge::{Evidence, Judgement, Policy, ProfileOptions, Profiler, Window};

use crate::simulate::{PodLog, START_MS, Simulated, rfc3339};

/// Requests of a canary without any error from which it can be promoted.
const ENOUGH_REQUESTS: u64 = 350;
/// The same where events are counted.
const ENOUGH_EVENTS: u64 = 160;
/// Time between a rollout's last event and the last look, so that the newest
/// bucket is complete.
const SETTLED_MS: i64 = 1_500;
/// How often a crashed pod was restarted by the time that it is looked at.
const RESTARTS: u32 = 3;

/// A pod's log as the API server sends it, with where each event ends.
struct Rendered {
    pod: PodLog,
    bytes: Vec<u8>,
    /// Time of each event and the byte behind it.
    ends: Vec<(i64, usize)>,
}

impl Rendered {
    fn new(mut pod: PodLog) -> Self {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(pod.events.len());
        for (ms, text) in std::mem::take(&mut pod.events) {
            let stamp = rfc3339(ms);
            for line in text.split('\n') {
                bytes.extend_from_slice(stamp.as_bytes());
                bytes.push(b' ');
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
            }
            ends.push((ms, bytes.len()));
        }
        Self { pod, bytes, ends }
    }

    /// What has been written by then; nothing of a pod that is gone.
    fn until(&self, ms: i64) -> &[u8] {
        if self.pod.gone_ms.is_some_and(|gone| gone <= ms) {
            return &[];
        }
        let count = self.ends.partition_point(|(at, _)| *at <= ms);
        let end = count.checked_sub(1).map_or(0, |last| self.ends[last].1);
        &self.bytes[..end]
    }

    fn state(&self, ms: i64) -> PodState {
        let crashed_ms = self.pod.crashed_ms.filter(|at| *at <= ms);
        let ready_ms = self.pod.from_ms + 4_000;
        let ready = crashed_ms.is_none() && ms >= ready_ms;
        let container = ContainerState {
            name: "app".to_owned(),
            ready,
            restarts: crashed_ms.map_or(0, |_| RESTARTS),
            waiting_reason: crashed_ms.map_or_else(String::new, |_| "CrashLoopBackOff".to_owned()),
            terminated: crashed_ms.map(|at| Termination {
                reason: "Error".to_owned(),
                exit_code: 101,
                signal: 0,
                finished_ms: Some(START_MS + at),
            }),
            ..ContainerState::default()
        };
        PodState {
            name: self.pod.name.clone(),
            phase: "Running".to_owned(),
            ready,
            ready_since_ms: ready.then_some(START_MS + ready_ms),
            created_ms: Some(START_MS + self.pod.from_ms),
            containers: vec![container],
            ..PodState::default()
        }
    }
}

/// A rollout that can be looked at again and again.
pub struct Watched {
    pods: Vec<Rendered>,
    span_ms: i64,
    /// Whether pods' states are part of the evidence.
    pub with_states: bool,
}

impl Watched {
    /// Makes a simulated rollout ready to be looked at.
    #[must_use]
    pub fn new(simulated: Simulated) -> Self {
        Self {
            pods: simulated.pods.into_iter().map(Rendered::new).collect(),
            span_ms: simulated.span_ms,
            with_states: true,
        }
    }

    /// What is known so many milliseconds after the canary's start.
    #[must_use]
    pub fn evidence(&self, ms: i64, carried: Option<Carried>) -> Evidence {
        let window = Window::new(START_MS, START_MS + ms);
        Evidence {
            window,
            stable: self.arm(false, ms, window),
            canary: self.arm(true, ms, window),
            carried,
            left_out: Vec::new(),
        }
    }

    fn arm(&self, canary: bool, ms: i64, window: Window) -> ArmEvidence {
        let mut arm = ArmEvidence::default();
        for rendered in &self.pods {
            let pod = &rendered.pod;
            let there = pod.canary == canary
                && pod.from_ms <= ms
                && pod.gone_ms.is_none_or(|gone| gone > ms);
            if !there {
                continue;
            }
            let mut profiler = Profiler::new(ProfileOptions {
                window,
                runtime_timestamps: true,
            });
            profiler.push(rendered.until(ms));
            arm.logs.push(LogProfile {
                pod: pod.name.clone(),
                container: "app".to_owned(),
                previous: false,
                profile: profiler.finish(),
            });
            if self.with_states {
                arm.pods.push(rendered.state(ms));
            }
        }
        arm
    }

    /// Judges it at so many evenly spaced looks, each knowing what the one
    /// before carried, until `stop` says that it has seen enough.
    pub fn looks(
        &self,
        looks: u32,
        policy: &Policy,
        mut stop: impl FnMut(u32, &Judgement) -> bool,
    ) {
        let mut carried = None;
        for look in 1..=looks {
            let ms = self.span_ms * i64::from(look) / i64::from(looks) + SETTLED_MS;
            let judgement = judge::judge(&self.evidence(ms, carried.take()), policy);
            if stop(look, &judgement) {
                return;
            }
            carried = Some(judgement.carried);
        }
    }
}

/// Two logs without a common time, as `canary-judge analyze` judges them.
#[must_use]
pub fn judge_files(stable: &[u8], canary: &[u8], policy: &Policy) -> Judgement {
    let arm = |bytes: &[u8]| {
        let mut profiler = Profiler::new(ProfileOptions::default());
        profiler.push(bytes);
        let log = LogProfile {
            pod: "file".to_owned(),
            container: String::new(),
            previous: false,
            profile: profiler.finish(),
        };
        ArmEvidence {
            logs: vec![log],
            ..ArmEvidence::default()
        }
    };
    let evidence = Evidence {
        window: Window::unaligned(),
        stable: arm(stable),
        canary: arm(canary),
        ..Evidence::default()
    };
    judge::judge(&evidence, policy)
}

/// Whether both arms were exposed enough for an error-free canary to be
/// promoted.
#[must_use]
pub fn enough(judgement: &Judgement) -> bool {
    let exposure = &judgement.exposure;
    let least = match exposure.unit {
        ExposureUnit::Requests => ENOUGH_REQUESTS,
        ExposureUnit::Events => ENOUGH_EVENTS,
        ExposureUnit::None => return false,
    };
    exposure.canary.min(exposure.stable) >= least
}

/// What made the judge decide, in one line.
#[must_use]
pub fn why(judgement: &Judgement) -> String {
    let mut parts: Vec<String> = judgement
        .vetoes
        .iter()
        .map(|veto| format!("veto {}", veto.title))
        .collect();
    parts.extend(
        judgement
            .gates
            .iter()
            .filter(|gate| gate.fired)
            .map(|gate| {
                format!(
                    "{:?} ln e {:.1}, canary {} at {:.4}, stable {} at {:.4}",
                    gate.kind,
                    gate.log_e,
                    gate.canary_count,
                    gate.canary_rate,
                    gate.stable_count,
                    gate.stable_rate
                )
            }),
    );
    parts.extend(
        judgement
            .gates
            .iter()
            .filter(|gate| gate.holds)
            .map(|gate| format!("{:?} holds", gate.kind)),
    );
    if let Some(missing) = &judgement.missing {
        parts.push(format!("{:?}", missing.reason));
    }
    parts.extend(judgement.findings.first().map(|finding| {
        format!(
            "[{:?} {}: {} against {}]",
            finding.class, finding.title, finding.canary_count, finding.stable_count
        )
    }));
    let exposure = &judgement.exposure;
    parts.push(format!(
        "{:?} {} against {}",
        exposure.unit, exposure.canary, exposure.stable
    ));
    parts.join("; ")
}
