//! The cluster that is measured against: the stand-in of the Kubernetes API,
//! with rollouts whose canaries are good or bad and whose logs are large.
//!
//! It answers on a thread of its own, so that what is timed here does not wait
//! for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use jiff::Timestamp;
use kube_stand_in::log::{Line, Log};
use kube_stand_in::objects::{RolloutPod, rollout};
use kube_stand_in::{LogOf, StandIn, World};
use rollouts_plugin::host::Launch;
use rollouts_plugin::{AnalysisRun, Metric, ObjectMeta, OwnerReference};
use tokio::sync::oneshot;

/// Pods of each arm: ten for a measurement.
pub const PODS_PER_ARM: usize = 5;
/// How long the canary has been up; its logs are spread over that.
const CANARY_AGE_MS: i64 = 10 * 60 * 1_000;
/// How long the stable pods have been up.
const STABLE_AGE_MS: i64 = 24 * 60 * 60 * 1_000;
/// A log that is there, but takes no time.
pub const SMALL_LOG_BYTES: u64 = 64 << 10;
/// What the API server puts before each line: a time with nanoseconds.
const TIMESTAMP_BYTES: u64 = 31;
/// Lines whose length is averaged to know how many make up a log.
const SAMPLED_LINES: u64 = 1_000;

const ROLLOUT: &str = "shop";
const STABLE_HASH: &str = "5f7d8c9b4";
const CANARY_HASH: &str = "6dc8cc656";

/// How a canary does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// As the stable pods.
    Good,
    /// A fifth of its requests fail.
    Bad,
}

impl Health {
    /// How the canary of the numbered namespace does: by turns.
    pub fn of(namespace: usize) -> Self {
        if namespace.is_multiple_of(2) {
            Health::Good
        } else {
            Health::Bad
        }
    }
}

/// The stand-in, served until this is dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    bytes_read: Arc<AtomicU64>,
    _stop: oneshot::Sender<()>,
}

impl Cluster {
    /// A cluster of so many namespaces, each with one rollout whose ten pods
    /// have a log of `log_bytes` each.
    ///
    /// # Errors
    /// When it cannot be served.
    pub fn start(namespaces: usize, log_bytes: u64) -> Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut world = World::default();
        let now_ms = Timestamp::now().as_millisecond();
        for number in 0..namespaces {
            populate(&mut world, number, log_bytes, now_ms, &bytes_read);
        }
        let (stop, stopped) = oneshot::channel();
        let (serving, served) = mpsc::channel();
        thread::Builder::new()
            .name("stand-in".to_owned())
            .spawn(move || {
                // The other side hears of a failure by the closed channel.
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                else {
                    return;
                };
                runtime.block_on(async move {
                    let Ok(server) = StandIn::new(world).serve().await else {
                        return;
                    };
                    if serving.send(server.kubeconfig(None)).is_ok() {
                        // Ends when the sender is dropped, and that is an error.
                        let _dropped = stopped.await;
                    }
                });
            })?;
        let kubeconfig = served.recv().context("the stand-in cannot be served")?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig)?;
        Ok(Self {
            folder,
            bytes_read,
            _stop: stop,
        })
    }

    /// The file that a client of this cluster needs.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// How to start a plugin that reads this cluster.
    pub fn launch(&self, plugin: &Path) -> Launch {
        Launch::new(plugin).env("KUBECONFIG", self.kubeconfig())
    }

    /// Bytes of logs that were asked for and made, up to now.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

fn populate(
    world: &mut World,
    number: usize,
    log_bytes: u64,
    now_ms: i64,
    bytes_read: &Arc<AtomicU64>,
) {
    let namespace = namespace(number);
    world.add_rollout(rollout(&namespace, ROLLOUT, STABLE_HASH, CANARY_HASH));
    for pod in 0..2 * PODS_PER_ARM {
        let canary = pod < PODS_PER_ARM;
        let health = if canary {
            Health::of(number)
        } else {
            Health::Good
        };
        let suffix = format!("p{pod}");
        let pod = RolloutPod {
            namespace: &namespace,
            rollout: ROLLOUT,
            hash: if canary { CANARY_HASH } else { STABLE_HASH },
            suffix: &suffix,
            role: if canary { "canary" } else { "stable" },
            start_ms: now_ms - if canary { CANARY_AGE_MS } else { STABLE_AGE_MS },
        };
        world.add_pod(pod.json());
        let of = LogOf::current(&namespace, &pod.name(), "web");
        world.set_log(of, log(health, log_bytes, now_ms, Arc::clone(bytes_read)));
    }
}

/// A log of about so many bytes as the API server sends it, spread evenly over
/// the life of the canary.
fn log(health: Health, bytes: u64, now_ms: i64, bytes_read: Arc<AtomicU64>) -> Log {
    let length = |index| text(health, index).len() as u64 + TIMESTAMP_BYTES + 1;
    let sampled: u64 = (0..SAMPLED_LINES).map(length).sum();
    let count = bytes * SAMPLED_LINES / sampled + 1;
    let start_ms = now_ms - CANARY_AGE_MS;
    Log::generated(count, move |index| {
        let text = text(health, index);
        bytes_read.fetch_add(text.len() as u64 + TIMESTAMP_BYTES + 1, Ordering::Relaxed);
        let passed_ms =
            i64::try_from(u128::from(index) * CANARY_AGE_MS as u128 / u128::from(count));
        Line {
            time_ms: start_ms + passed_ms.unwrap_or(CANARY_AGE_MS),
            text,
        }
    })
}

/// One line of a service's log: mostly requests, some talk.
fn text(health: Health, index: u64) -> String {
    // Spread by a large odd number, so that nothing comes in a rhythm.
    let dice = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    // From other digits than the kind of line below, or the two would agree.
    let fate = dice / 100;
    let failed = match health {
        Health::Good => fate.is_multiple_of(2_000),
        Health::Bad => fate.is_multiple_of(5),
    };
    let order = dice % 90_000;
    match dice % 100 {
        0 => format!(
            "INFO  [pool-1-thread-{}] c.s.cache.OrderCache : refreshed {order} entries",
            dice % 8
        ),
        1 if failed => format!(
            "ERROR [http-{}] c.s.web.OrderResource : java.lang.NullPointerException: order {order} has no customer",
            dice % 8
        ),
        _ => {
            let status = if failed { 500 } else { 200 };
            let micros = dice % 40_000 + 900;
            format!(
                "10.1.{}.{} \"GET /api/orders/{order} HTTP/1.1\" {status} 512 {micros}us",
                dice % 4,
                dice % 250
            )
        }
    }
}

fn namespace(number: usize) -> String {
    format!("shop-{number}")
}

/// One measurement to be made: the arguments of its calls.
pub struct Analysis {
    /// The run, as the controller would send it.
    pub run: AnalysisRun,
    /// Its metric.
    pub metric: Metric,
}

impl Analysis {
    /// A measurement of the rollout in the numbered namespace; `number` tells
    /// it from others of the same rollout.
    pub fn new(namespace_number: usize, number: usize) -> Self {
        let labels = [
            ("rollout-type", "Step"),
            ("rollouts-pod-template-hash", CANARY_HASH),
        ];
        let text = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        let mut metric = Metric {
            name: "logs".to_owned(),
            ..Metric::default()
        };
        let plugins = &mut metric.provider.plugin;
        plugins.insert("argoproj-labs/metric-ai".to_owned(), b"{}".to_vec());
        let run = AnalysisRun {
            metadata: ObjectMeta {
                name: format!("{ROLLOUT}-{CANARY_HASH}-2-{number}"),
                namespace: namespace(namespace_number),
                uid: format!("00000000-0000-4000-8000-{namespace_number:04}{number:08}"),
                creation_timestamp: Some(Timestamp::now()),
                labels: labels.map(text).into(),
                owner_references: vec![OwnerReference {
                    api_version: "argoproj.io/v1alpha1".to_owned(),
                    kind: "Rollout".to_owned(),
                    name: ROLLOUT.to_owned(),
                    controller: true,
                    ..OwnerReference::default()
                }],
                ..ObjectMeta::default()
            },
            ..AnalysisRun::default()
        };
        Self { run, metric }
    }
}
