//! A cluster with one rollout in the middle of its canary, and the plugin that
//! is asked about it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::fs;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube_stand_in::objects::{self, RolloutPod};
use kube_stand_in::{Line, Log, LogOf, Server, StandIn, World};
use rollouts_plugin::host::{Launch, MetricPlugin};
use rollouts_plugin::{AnalysisRun, Measurement, Metric, OwnerReference, Phase};
use tempfile::TempDir;

/// The binary under test.
pub const PLUGIN: &str = env!("CARGO_BIN_EXE_rollouts-plugin-metric-ai");

pub const NAMESPACE: &str = "shop";
pub const ROLLOUT: &str = "web";
pub const CANARY_HASH: &str = "5f6d";
const STABLE_HASH: &str = "77c9";

/// How long the canary has been there.
const CANARY_AGE_MS: i64 = 290_000;

/// Pods of each arm.
const PODS: [&str; 3] = ["1", "2", "3"];

/// How long a line of the log is waited for: a machine under load is slow, a
/// line that does not come at all should fail and not hang.
const LINE_LIMIT_MS: u64 = 60_000;

pub struct Bench {
    pub stand_in: StandIn,
    pub now_ms: i64,
    server: Server,
    folder: TempDir,
}

impl Bench {
    /// A rollout of three stable and three canary pods without a log line.
    pub async fn new() -> Self {
        let now_ms = Timestamp::now().as_millisecond();
        let mut world = World::default();
        world.add_rollout(objects::rollout(
            NAMESPACE,
            ROLLOUT,
            STABLE_HASH,
            CANARY_HASH,
        ));
        for suffix in PODS {
            world.add_pod(pod("stable", suffix, now_ms).json());
            world.add_pod(pod("canary", suffix, now_ms).json());
        }
        let stand_in = StandIn::new(world);
        let server = stand_in.serve().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kubeconfig"), server.kubeconfig(None)).unwrap();
        Self {
            stand_in,
            now_ms,
            server,
            folder,
        }
    }

    /// Each pod of an arm has answered so many requests, evenly since the
    /// canary came, every `error_each`-th of them with an error.
    pub fn serves(&self, arm: &'static str, requests: u64, error_each: u64) -> &Self {
        let start_ms = self.now_ms - CANARY_AGE_MS;
        for suffix in PODS {
            let log = Log::generated(requests, move |n| Line {
                time_ms: start_ms + CANARY_AGE_MS * n.cast_signed() / requests.cast_signed(),
                text: match n % error_each {
                    0 if n > 0 => format!("500 - {arm}"),
                    _ => format!("200 - {arm}"),
                },
            });
            let of = LogOf::current(NAMESPACE, &pod(arm, suffix, self.now_ms).name(), "web");
            self.stand_in.change(|world| {
                world.set_log(of, log);
            });
        }
        self
    }

    pub fn canary_pods(&self) -> Vec<String> {
        PODS.map(|suffix| pod("canary", suffix, self.now_ms).name())
            .to_vec()
    }

    pub fn launch(&self) -> Launch {
        Launch::new(PLUGIN)
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("LOG_LEVEL", "debug")
            .env("PLUGIN_UNIX_SOCKET_DIR", self.folder.path())
    }

    /// A plugin that has been loaded.
    pub async fn plugin(&self) -> Asked {
        Asked::start(&self.launch()).await
    }

    pub fn address(&self) -> String {
        self.server.url()
    }
}

fn pod(role: &'static str, suffix: &'static str, now_ms: i64) -> RolloutPod<'static> {
    let (hash, age_ms) = match role {
        "canary" => (CANARY_HASH, CANARY_AGE_MS),
        _ => (STABLE_HASH, 3_600_000),
    };
    RolloutPod {
        namespace: NAMESPACE,
        rollout: ROLLOUT,
        hash,
        suffix,
        role,
        start_ms: now_ms - age_ms,
    }
}

/// The AnalysisRun of a step.
pub fn run() -> AnalysisRun {
    let mut run = AnalysisRun::default();
    let meta = &mut run.metadata;
    meta.name = "web-5f6d-2".into();
    meta.namespace = NAMESPACE.into();
    meta.uid = "uid-of-run".into();
    meta.labels.insert("rollout-type".into(), "Step".into());
    meta.labels
        .insert("rollouts-pod-template-hash".into(), CANARY_HASH.into());
    meta.owner_references.push(OwnerReference {
        kind: "Rollout".into(),
        name: ROLLOUT.into(),
        ..OwnerReference::default()
    });
    run
}

/// A metric with this configuration block.
pub fn metric(block: &str) -> Metric {
    let mut metric = Metric {
        name: "canary-health".into(),
        ..Metric::default()
    };
    let name = "argoproj-labs/metric-ai".into();
    metric.provider.plugin.insert(name, block.into());
    metric
}

/// A measurement that began this long ago.
pub fn begun_ago(seconds: i64) -> Measurement {
    Measurement {
        phase: Phase::Running,
        started_at: Timestamp::now()
            .checked_sub(SignedDuration::from_secs(seconds))
            .ok(),
        ..Measurement::default()
    }
}

/// A plugin, and how many of its looks were waited for.
pub struct Asked {
    pub plugin: MetricPlugin,
    looks: usize,
}

impl Asked {
    pub async fn start(launch: &Launch) -> Self {
        let plugin = MetricPlugin::start(launch).await.unwrap();
        plugin.init().await.unwrap().unwrap();
        Self::new(plugin)
    }

    /// A plugin that has been loaded.
    pub fn new(plugin: MetricPlugin) -> Self {
        Self { plugin, looks: 0 }
    }

    pub async fn run(&self, run: &AnalysisRun, metric: &Metric) -> Measurement {
        let answer = self.plugin.run(run, metric).await.unwrap();
        assert!(answer.started_at.is_some());
        answer
    }

    pub async fn resume(&self, metric: &Metric, measurement: &Measurement) -> Measurement {
        self.plugin
            .resume(&run(), metric, measurement)
            .await
            .unwrap()
    }

    /// Waits until one more look has ended.
    pub async fn looked(&mut self) {
        self.looks += 1;
        let mut count = 0;
        self.logs(|line| {
            count += usize::from(line.contains("\"looked "));
            count == self.looks
        })
        .await;
    }

    /// Waits for a line of the log.
    pub async fn logs(&self, wanted: impl FnMut(&str) -> bool) -> String {
        let found = self.plugin.output().find(wanted);
        let found = tokio::time::timeout(Duration::from_millis(LINE_LIMIT_MS), found).await;
        match found {
            Ok(Some(line)) => line,
            missing => panic!(
                "{}:\n{}",
                match missing {
                    Ok(_) => "the plugin ended before it said so",
                    Err(_) => "the plugin did not say so",
                },
                self.plugin.output().lines().join("\n")
            ),
        }
    }

    /// A first call, the end of its look, and the answer.
    pub async fn measure(&mut self, run: &AnalysisRun, metric: &Metric) -> Measurement {
        let first = self.run(run, metric).await;
        assert_eq!(first.phase, Phase::Running, "{first:?}");
        assert!(first.resume_at > first.started_at);
        self.looked().await;
        self.plugin.resume(run, metric, &first).await.unwrap()
    }

    /// The answer for a measurement that has waited for its whole time.
    pub async fn measure_late(&mut self, run: &AnalysisRun, metric: &Metric) -> Measurement {
        let late = begun_ago(3_600);
        let first = self.plugin.resume(run, metric, &late).await.unwrap();
        assert_eq!(first.phase, Phase::Running, "{first:?}");
        self.looked().await;
        self.plugin.resume(run, metric, &first).await.unwrap()
    }
}
