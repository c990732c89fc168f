//! A small rollout in words: arms, pods, lines at times.

use judge::evidence::{ArmEvidence, ContainerState, LogProfile, PodState, Termination};
use judge::judgement::{Carried, Gate, GateKind};
use judge::{Evidence, Judgement, Policy, ProfileOptions, Profiler, Window};

/// When every canary of these tests starts, milliseconds since the epoch.
pub const START_MS: i64 = 1_795_316_645_000;

/// A random number generator that is the same everywhere (Marsaglia's
/// xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// True with the given chance.
    pub fn chance(&mut self, chance: f64) -> bool {
        ((self.next() >> 11) as f64 / (1_u64 << 53) as f64) < chance
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// One log: lines with their milliseconds after the canary's start.
pub struct Log {
    pub pod: &'static str,
    pub lines: Vec<(i64, String)>,
}

/// A log of `n` lines at a steady pace over `span_ms`.
pub fn steady(pod: &'static str, n: i64, span_ms: i64, line: impl Fn(i64) -> String) -> Log {
    // Not quite steady: traffic is not a heartbeat.
    let lines = (0..n)
        .map(|index| (index * span_ms / n + (index * 7919) % 97, line(index)))
        .collect();
    Log { pod, lines }
}

pub fn window(end_ms: i64) -> Window {
    Window::new(START_MS, START_MS + end_ms)
}

pub fn profile(log: &Log, window: Window) -> LogProfile {
    let mut profiler = Profiler::new(ProfileOptions {
        window,
        runtime_timestamps: true,
    });
    for (ms, line) in &log.lines {
        for piece in line.split('\n') {
            profiler.push(stamp(*ms).as_bytes());
            profiler.push(piece.as_bytes());
            profiler.push(b"\n");
        }
    }
    LogProfile {
        pod: log.pod.to_owned(),
        container: "app".to_owned(),
        previous: false,
        profile: profiler.finish(),
    }
}

/// The runtime's timestamp, `ms` after the start, and a space.
pub fn stamp(ms: i64) -> String {
    let since_midnight = (START_MS + ms).rem_euclid(86_400_000);
    let (h, m) = (since_midnight / 3_600_000, since_midnight / 60_000 % 60);
    format!(
        "2026-11-22T{h:02}:{m:02}:{:02}.{:03}000000Z ",
        since_midnight / 1000 % 60,
        since_midnight % 1000
    )
}

pub fn arm(logs: &[Log], window: Window) -> ArmEvidence {
    ArmEvidence {
        logs: logs.iter().map(|log| profile(log, window)).collect(),
        ..ArmEvidence::default()
    }
}

pub fn evidence(stable: &[Log], canary: &[Log], window: Window) -> Evidence {
    Evidence {
        window,
        stable: arm(stable, window),
        canary: arm(canary, window),
        ..Evidence::default()
    }
}

pub fn judge(stable: &[Log], canary: &[Log], end_ms: i64) -> Judgement {
    judge::judge(
        &evidence(stable, canary, window(end_ms)),
        &Policy::default(),
    )
}

pub fn judge_carrying(mut evidence: Evidence, carried: Carried) -> Judgement {
    evidence.carried = Some(carried);
    judge::judge(&evidence, &Policy::default())
}

/// Two arms read from files without a common time.
pub fn judge_files(stable: &str, canary: &str) -> Judgement {
    let arm = |text: &str| {
        let mut profiler = Profiler::new(ProfileOptions::default());
        profiler.push(text.as_bytes());
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
        stable: arm(stable),
        canary: arm(canary),
        ..Evidence::default()
    };
    judge::judge(&evidence, &Policy::default())
}

pub fn gate(judgement: &Judgement, kind: GateKind) -> &Gate {
    judgement
        .gates
        .iter()
        .find(|gate| gate.kind == kind)
        .expect("the gate is there")
}

pub fn pod(name: &str, container: ContainerState) -> PodState {
    PodState {
        name: name.to_owned(),
        phase: "Running".to_owned(),
        ready: true,
        ready_since_ms: Some(START_MS),
        created_ms: Some(START_MS),
        containers: vec![container],
        ..PodState::default()
    }
}

pub fn ended(reason: &str, exit_code: i32, at_ms: i64) -> ContainerState {
    let end = Termination {
        reason: reason.to_owned(),
        exit_code,
        signal: 0,
        finished_ms: Some(START_MS + at_ms),
    };
    ContainerState {
        name: "app".to_owned(),
        terminated: Some(end),
        ..ContainerState::default()
    }
}

/// Healthy logs of one pod an arm, enough to be promoted.
pub fn healthy() -> (Vec<Log>, Vec<Log>) {
    let line = |index: i64| format!("200 - blue ({index}ms)");
    (
        vec![steady("s-1", 1000, 60_000, line)],
        vec![steady("c-1", 500, 60_000, line)],
    )
}
