//! Writes the golden corpus of bundles: `cargo run -p cli --example bundles`.
//!
//! Each is a small rollout of our own making, judged as the plugin judges one,
//! and written with its verdict. `tests/it/replay.rs` decides them all again.
//! Run this only where a change of the judge is meant to change verdicts, and
//! look at what it changes in the test's snapshot.

#![expect(clippy::unwrap_used, reason = "a tool for us: it fails by panicking")]

use std::path::{Path, PathBuf};

use analysis::Rules;
use analysis::bundle::{self, About, Bundle, Terms};
use analysis::decide::decide;
use analysis::opinion::{Answer, Explained, Missing, MissingKind, Opinion, Unasked, View};
use analysis::request::{Coverage, Gathered};
use judge::evidence::{
    ArmEvidence, ClusterEvent, ContainerState, LeftOut, LogProfile, MetricSamples, PodState,
    Termination, Worse,
};
use judge::judgement::Carried;
use judge::policy::{Ignore, Ignored};
use judge::{Arm, Evidence, Judgement, Policy, ProfileOptions, Profiler, Window};

/// 2026-11-22T03:00:00Z: when every canary here starts.
const START_MS: i64 = 1_795_316_400_000;

/// How long each is watched.
const SPAN_MS: i64 = 120_000;

/// How one version behaves.
#[derive(Clone, Copy)]
struct Version {
    /// Requests per second.
    per_second: u64,
    /// Of a thousand requests: how many fail with 500.
    failing: u64,
    /// Of a thousand requests: how many throw what stable never throws.
    throwing: u64,
    /// Of a thousand requests: how many log an error and are answered all the
    /// same.
    complaining: u64,
    /// Of a thousand requests: how many warn.
    warning: u64,
    /// Milliseconds that a request takes, about.
    takes_ms: u64,
    /// Of the four steps of a request, how many it writes down.
    steps: usize,
}

const HEALTHY: Version = Version {
    per_second: 8,
    failing: 2,
    throwing: 0,
    complaining: 0,
    warning: 10,
    takes_ms: 30,
    steps: 4,
};

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn stamp(ms: i64) -> String {
    format!("{:.9}", jiff::Timestamp::from_millisecond(ms).unwrap())
}

/// The log of one pod, from `from_ms` to `to_ms` after the canary's start.
fn log(pod: &str, version: Version, (from_ms, to_ms): (i64, i64)) -> LogProfile {
    let seed = pod.bytes().fold(7_u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let mut numbers = Numbers(seed);
    let mut profiler = Profiler::new(ProfileOptions {
        window: Window::new(START_MS, START_MS + SPAN_MS),
        runtime_timestamps: true,
    });
    let mut say = |ms: i64, text: &str| {
        for line in text.lines() {
            profiler.push(format!("{} {line}\n", stamp(START_MS + ms)).as_bytes());
        }
    };
    let gap_ms = 1_000 / i64::try_from(version.per_second).unwrap();
    let mut ms = from_ms;
    while ms < to_ms {
        request(version, ms, &mut numbers, &mut say);
        ms += gap_ms;
    }
    LogProfile {
        pod: pod.to_owned(),
        container: "app".to_owned(),
        previous: false,
        profile: profiler.finish(),
    }
}

fn request(version: Version, ms: i64, numbers: &mut Numbers, say: &mut impl FnMut(i64, &str)) {
    let path = ["catalog", "basket", "orders"][numbers.below(3) as usize];
    let item = numbers.below(9_000) + 1_000;
    let throws = numbers.below(1_000) < version.throwing;
    let fails = throws || numbers.below(1_000) < version.failing;
    let takes_ms = version.takes_ms / 2 + numbers.below(version.takes_ms);
    let steps = [
        format!("INFO session of user {item} loaded"),
        format!("INFO audit entry {item} written"),
        format!("INFO price of item {item} worked out"),
        format!("INFO shelf {item} looked up"),
    ];
    for step in &steps[..version.steps] {
        say(ms, step);
    }
    if numbers.below(1_000) < version.warning {
        say(ms, "WARN pool of connections is nearly used up");
    }
    if numbers.below(1_000) < version.complaining {
        say(
            ms,
            &format!("ERROR cache of prices is cold for item {item}"),
        );
    }
    if throws {
        say(
            ms,
            "ERROR order could not be placed\n\
             java.lang.IllegalStateException: basket is empty\n\
             \tat shop.orders.OrderService.place(OrderService.java:71)\n\
             \tat shop.orders.OrderResource.post(OrderResource.java:33)",
        );
    } else if fails {
        say(
            ms,
            &format!("ERROR upstream inventory did not answer for {item}"),
        );
    }
    let status = if fails { 500 } else { 200 };
    say(
        ms,
        &format!(
            "10.1.0.{} \"GET /{path}/{item} HTTP/1.1\" {status} 512 rt=0.{takes_ms:03}",
            numbers.below(200)
        ),
    );
}

fn pod(name: &str) -> PodState {
    PodState {
        name: name.to_owned(),
        phase: "Running".to_owned(),
        ready: true,
        ready_since_ms: Some(START_MS + 4_000),
        created_ms: Some(START_MS),
        containers: vec![ContainerState {
            name: "app".to_owned(),
            ready: true,
            ..ContainerState::default()
        }],
        ..PodState::default()
    }
}

fn arm(name: &str, pods: usize, version: Version, span: (i64, i64)) -> ArmEvidence {
    let names: Vec<String> = (1..=pods).map(|n| format!("web-{name}-{n}")).collect();
    ArmEvidence {
        logs: names.iter().map(|name| log(name, version, span)).collect(),
        pods: names.iter().map(|name| pod(name)).collect(),
        ..ArmEvidence::default()
    }
}

/// A rollout with four pods of stable and two of the canary.
fn rollout(canary: Version) -> Gathered {
    let span = (0, SPAN_MS);
    of(Evidence {
        window: Window::new(START_MS, START_MS + SPAN_MS),
        stable: arm("stable", 4, HEALTHY, span),
        canary: arm("canary", 2, canary, span),
        ..Evidence::default()
    })
}

fn of(evidence: Evidence) -> Gathered {
    let coverage = |arm: &ArmEvidence, role: &str| Coverage {
        sought: format!("pods with role={role} of rollout web in namespace shop"),
        pods: arm.pods.len(),
        logs_wanted: arm.pods.len(),
        logs_read: arm.logs.len(),
    };
    Gathered {
        stable: coverage(&evidence.stable, "stable"),
        canary: coverage(&evidence.canary, "canary"),
        evidence,
        canary_start_ms: Some(START_MS),
        last_step_end_ms: Some(START_MS + 2 * SPAN_MS),
    }
}

fn metric(mean: f64) -> Vec<MetricSamples> {
    let mut numbers = Numbers(mean.to_bits());
    let values = (0..60_u32)
        .map(|n| {
            let jitter = 1.0 + f64::from(u32::try_from(numbers.below(200)).unwrap()) / 1_000.0;
            (START_MS + i64::from(n) * 2_000, mean * jitter)
        })
        .collect();
    vec![MetricSamples {
        name: "p95 of checkout".to_owned(),
        unit: "ms".to_owned(),
        worse: Worse::Higher,
        values,
    }]
}

/// Name, what was gathered, and the policy.
type Case = (&'static str, Gathered, Policy);

fn gates() -> Vec<Case> {
    let case = |name, canary| (name, rollout(canary), Policy::default());
    let mut metrics = rollout(HEALTHY);
    metrics.evidence.stable.metrics = metric(80.0);
    metrics.evidence.canary.metrics = metric(190.0);
    vec![
        case("promote-healthy", HEALTHY),
        case(
            "abort-more-errors",
            Version {
                failing: 90,
                ..HEALTHY
            },
        ),
        case(
            "abort-new-exception",
            Version {
                throwing: 60,
                ..HEALTHY
            },
        ),
        case(
            "abort-latency",
            Version {
                takes_ms: 140,
                ..HEALTHY
            },
        ),
        case(
            "abort-warnings",
            Version {
                warning: 220,
                ..HEALTHY
            },
        ),
        case(
            "abort-vanished-lines",
            Version {
                steps: 1,
                ..HEALTHY
            },
        ),
        case(
            "inconclusive-says-nothing",
            Version {
                steps: 0,
                ..HEALTHY
            },
        ),
        ("abort-metric", metrics, Policy::default()),
    ]
}

fn states() -> Vec<Case> {
    let mut killed = rollout(HEALTHY);
    let state = &mut killed.evidence.canary.pods[0];
    state.ready = false;
    state.containers[0] = ContainerState {
        name: "app".to_owned(),
        restarts: 4,
        waiting_reason: "CrashLoopBackOff".to_owned(),
        terminated: Some(Termination {
            reason: "OOMKilled".to_owned(),
            exit_code: 137,
            signal: 9,
            finished_ms: Some(START_MS + 60_000),
        }),
        ..ContainerState::default()
    };
    killed.evidence.canary.events.push(ClusterEvent {
        pod: "web-canary-1".to_owned(),
        kind: "Warning".to_owned(),
        reason: "BackOff".to_owned(),
        message: "Back-off restarting failed container app".to_owned(),
        count: 7,
        last_ms: Some(START_MS + 90_000),
    });
    let mut unread = rollout(HEALTHY);
    let gone = unread.evidence.canary.logs.split_off(0);
    unread.canary.logs_read = 0;
    unread.evidence.left_out = gone
        .into_iter()
        .map(|log| LeftOut {
            arm: Arm::Canary,
            what: log.pod,
            why: "no answer from the API server within 15 s".to_owned(),
        })
        .collect();
    let default = Policy::default;
    vec![
        ("veto-oom-killed", killed, default()),
        ("inconclusive-logs-unread", unread, default()),
        ("inconclusive-no-pods", of(Evidence::default()), default()),
    ]
}

fn traffic() -> Vec<Case> {
    let few = Evidence {
        window: Window::new(START_MS, START_MS + SPAN_MS),
        stable: arm("stable", 4, HEALTHY, (0, SPAN_MS)),
        canary: arm("canary", 1, HEALTHY, (0, 12_000)),
        ..Evidence::default()
    };
    let suspicious = rollout(Version {
        failing: 6,
        ..HEALTHY
    });
    vec![
        ("inconclusive-little-traffic", of(few), Policy::default()),
        ("inconclusive-suspicious", suspicious, Policy::default()),
    ]
}

/// Thresholds and entries of an operator; and a second look, at which the
/// first one's errors are known from what it carried alone.
fn operated() -> Vec<Case> {
    let complaining = Version {
        complaining: 60,
        ..HEALTHY
    };
    let ignore = |pattern: &str| Ignore {
        what: Ignored::Template,
        pattern: pattern.to_owned(),
        reason: "OPS-1234: harmless, mended next week".to_owned(),
    };
    let ignoring = Policy {
        ignore: vec![ignore("*cache of prices is cold*")],
        ..Policy::default()
    };
    let strict = Policy {
        promote_margin: 0.002,
        promote_ratio: 1.2,
        ..Policy::default()
    };
    let failing = Version {
        failing: 90,
        ..HEALTHY
    };
    let first = judge::judge(&rollout(failing).evidence, &Policy::default()).carried;
    let mut second = rollout(HEALTHY);
    second.evidence.window = Window::new(START_MS, START_MS + SPAN_MS);
    // Logs rotated: what is left is the last half minute.
    second.evidence.canary = arm("canary", 2, HEALTHY, (90_000, SPAN_MS));
    second.evidence.carried = Some(Carried(first.0));
    vec![
        (
            "abort-new-error-not-ignored",
            rollout(complaining),
            Policy::default(),
        ),
        ("policy-ignores-an-error", rollout(complaining), ignoring),
        ("policy-stricter", rollout(HEALTHY), strict),
        ("carried-from-an-earlier-look", second, Policy::default()),
    ]
}

/// What a model says. It cites the judge's first finding where it is told of
/// the judgement.
fn model(name: &str, promote: bool, citing: Option<&Judgement>) -> Opinion {
    let cited = citing.map(|judgement| judgement.findings[0].id.clone());
    Opinion {
        model: name.to_owned(),
        took_ms: 2_400,
        answer: Answer::View(View {
            promote,
            confidence: 80,
            analysis: "The probe fails as the caches are filled.".to_owned(),
            root_cause: "caches are filled while it serves".to_owned(),
            remediation: String::new(),
            cited: cited.into_iter().collect(),
        }),
    }
}

/// Models beside the judge: one case each of who outvotes whom.
fn spoken_of(folder: &Path) {
    // Enough to cite, and nothing to abort for.
    let mut probed = rollout(HEALTHY);
    probed.evidence.canary.events.push(ClusterEvent {
        pod: "web-canary-1".to_owned(),
        kind: "Warning".to_owned(),
        reason: "Unhealthy".to_owned(),
        message: "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned(),
        count: 3,
        last_ms: Some(START_MS + 30_000),
    });
    let silent = || Opinion {
        model: "gone".to_owned(),
        took_ms: 90,
        answer: Answer::Missing(Missing {
            kind: MissingKind::Retired,
            why: "the provider no longer has it".to_owned(),
        }),
    };
    let failing = rollout(Version {
        failing: 90,
        ..HEALTHY
    });
    type Opinions = fn(&Judgement) -> Vec<Opinion>;
    let cases: [(&str, &Gathered, Opinions); 5] = [
        ("models-agree", &probed, |_| {
            vec![model("a", true, None), model("b", true, None)]
        }),
        ("models-object-with-a-finding", &probed, |of| {
            vec![
                model("a", false, Some(of)),
                model("b", true, None),
                model("c", false, Some(of)),
            ]
        }),
        ("models-object-without-one", &probed, |_| {
            vec![model("a", false, None)]
        }),
        ("models-are-tied", &probed, |of| {
            vec![model("a", false, Some(of)), model("b", true, None)]
        }),
        ("models-would-promote-what-a-gate-aborts", &failing, |_| {
            vec![model("a", true, None)]
        }),
    ];
    for (name, gathered, opinions) in cases {
        let judgement = judge::judge(&gathered.evidence, &Policy::default());
        let explained = Explained {
            opinions: opinions(&judgement).into_iter().chain([silent()]).collect(),
            ..Explained::default()
        };
        write_with(
            folder,
            (name, gathered.clone(), Policy::default()),
            explained,
        );
    }
}

fn write(folder: &Path, case: Case) {
    write_with(folder, case, Explained::not_asked(Unasked::NotConfigured));
}

fn write_with(folder: &Path, (name, gathered, policy): Case, explained: Explained) {
    let rules = Rules::default();
    let judgement = judge::judge(&gathered.evidence, &policy);
    let verdict = decide(judgement, &gathered, explained, &rules);
    let about = About {
        namespace: "shop".to_owned(),
        rollout: "web".to_owned(),
        run: format!("web-{name}"),
        metric: "ai-analysis".to_owned(),
        measurement: format!("{name}/ai-analysis/1"),
    };
    let terms = Terms {
        policy: &policy,
        rules: &rules,
    };
    let bundle = Bundle::of(about, START_MS + SPAN_MS, &gathered, terms, &verdict).unwrap();
    bundle::save(&folder.join(format!("{name}.json.gz")), &bundle).unwrap();
}

fn main() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
    let all = [gates(), states(), traffic(), operated()];
    for case in all.into_iter().flatten() {
        write(&folder, case);
    }
    spoken_of(&folder);
}
