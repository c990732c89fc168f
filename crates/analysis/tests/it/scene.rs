//! A rollout `web` in namespace `shop`, in the middle of its first step.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};

use analysis::{Access, Cluster, Earlier, Gathered, Limits, Request, Selector};
use kube::client::Body;
use kube_stand_in::objects::{self, RolloutPod};
use kube_stand_in::{Log, LogOf, StandIn, World};
use serde_json::Value;

/// 2026-01-02T03:04:05Z: a minute after the canary's start.
pub const NOW_MS: i64 = 1_767_323_045_000;

/// When the canary's pods were started.
pub const START_MS: i64 = NOW_MS - 60_000;

pub const NAMESPACE: &str = "shop";

pub fn stable(rollout: &str, suffix: &str) -> Value {
    pod(rollout, "aaa", "stable", suffix, START_MS - 3_600_000)
}

pub fn canary(rollout: &str, suffix: &str) -> Value {
    pod(rollout, "ccc", "canary", suffix, START_MS)
}

fn pod(rollout: &str, hash: &str, role: &str, suffix: &str, start_ms: i64) -> Value {
    RolloutPod {
        namespace: NAMESPACE,
        rollout,
        hash,
        suffix,
        role,
        start_ms,
    }
    .json()
}

/// A log of healthy requests, ten a second since the canary's start.
pub fn healthy(requests: u64) -> Log {
    Log::generated(requests, |index| kube_stand_in::Line {
        time_ms: START_MS + 100 * index.cast_signed(),
        text: "200 - blue".to_owned(),
    })
}

pub fn log_of(pod: &str) -> LogOf {
    LogOf::current(NAMESPACE, pod, "web")
}

/// Two stable pods and two canary pods, each with a log of 100 requests.
pub fn world() -> World {
    let mut world = World::default();
    world.add_rollout(objects::rollout(NAMESPACE, "web", "aaa", "ccc"));
    for suffix in ["1", "2"] {
        world
            .add_pod(stable("web", suffix))
            .set_log(log_of(&format!("web-aaa-{suffix}")), healthy(100))
            .add_pod(canary("web", suffix))
            .set_log(log_of(&format!("web-ccc-{suffix}")), healthy(100));
    }
    world
}

pub fn request() -> Request {
    Request {
        namespace: NAMESPACE.into(),
        rollout: "web".into(),
        canary_hash: Some("ccc".into()),
        stable: Selector::parse("role=stable").expect("a selector"),
        canary: Selector::parse("role=canary").expect("a selector"),
        earlier: Earlier::default(),
        limits: Limits::default(),
        now_ms: NOW_MS,
    }
}

/// Keeps every event of `tracing` awake for the test that captures them.
///
/// A place in the code that is first passed while nobody listens, just as
/// another thread begins to, may stay silent for the whole process. So somebody
/// always listens, from before the first cluster on.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("nobody else listens");
    });
}

/// The stand-in as a cluster, without a socket between.
pub fn cluster(stand_in: &StandIn) -> Cluster {
    listen();
    let stand_in = stand_in.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let answer = stand_in.answer(&request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    Cluster::new(Access::Client(kube::Client::new(service, "default")))
}

pub async fn gather(stand_in: &StandIn, request: &Request) -> Gathered {
    cluster(stand_in)
        .gather(request)
        .await
        .expect("it can be gathered")
}

/// `pod/container` of each log that was read, marked when it is a previous
/// one, of both arms.
pub fn logs(gathered: &Gathered) -> Vec<String> {
    let evidence = &gathered.evidence;
    let logs = evidence.stable.logs.iter().chain(&evidence.canary.logs);
    logs.map(|log| {
        let previous = if log.previous { " (previous)" } else { "" };
        format!("{}/{}{previous}", log.pod, log.container)
    })
    .collect()
}

/// `what: why` of all that was left out.
pub fn left_out(gathered: &Gathered) -> Vec<String> {
    let left_out = gathered.left_out().iter();
    left_out
        .map(|entry| format!("{}: {}", entry.what, entry.why))
        .collect()
}

/// The queries of all requests for logs.
pub fn log_queries(stand_in: &StandIn) -> Vec<String> {
    let seen = stand_in.seen().into_iter();
    seen.filter(|seen| seen.resource == kube_stand_in::Resource::Log)
        .map(|seen| seen.uri.split_once('?').expect("a query").1.to_owned())
        .collect()
}

/// What was logged on this thread.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Captures until the guard is dropped.
    pub fn install(&self) -> tracing::subscriber::DefaultGuard {
        let captured = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || captured.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn lines(&self) -> Vec<String> {
        let text = self.0.lock().expect("no panic");
        let text = String::from_utf8_lossy(&text);
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
