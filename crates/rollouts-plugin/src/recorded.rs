//! Exchanges recorded from Argo's Go code: read, and written again as Go has accepted it.
//!
//! Each recording is decoded to this crate's types, and these are encoded again. The bytes must be
//! those in `tests/accepted/`, of which Go says that they mean what the recording means, as far as
//! this crate's types go. After a change of the encoder run the tests with `ACCEPT=1` to write new
//! files, and have Go read them: `record verify requests|replies FILE` in `crates/e2e/go` prints
//! what they mean, in the words of the index.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

use go_plugin::gob::{Decode, Empty, Encode, Encoder, Interface, Registered};
use go_plugin::rpc::{Incoming, RequestHeader, ResponseHeader};
use jiff::Timestamp;

use crate::wire::{
    GarbageCollectArgs, GetMetadataArgs, RpcOutcome, RunArgs, TerminateAndResumeArgs,
};
use crate::{AnalysisRun, IntOrString, Measurement, Metric, Phase};

const SESSIONS: [&str; 12] = [
    "garbage-collect",
    "init",
    "init-failed",
    "metadata",
    "metadata-empty",
    "resume",
    "run-large",
    "run-small",
    "run-typical",
    "run-zero",
    "terminate",
    "whole",
];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// Reads a recorded stream and writes it again.
struct Rewriter {
    incoming: Incoming<std::io::Cursor<Vec<u8>>>,
    encoder: Encoder,
    written: Vec<u8>,
}

impl Rewriter {
    fn new(file: &str) -> Self {
        let recording = std::fs::read(folder("recorded").join(file)).unwrap();
        Self {
            incoming: Incoming::new(std::io::Cursor::new(recording)),
            encoder: Encoder::new(),
            written: Vec::new(),
        }
    }

    /// Passes one value on as a `T`; none at the end.
    async fn pass<T: Decode + Encode + Clone + Debug + PartialEq>(&mut self) -> Option<T> {
        let value: T = self.incoming.value().await.unwrap()?.decode().unwrap();
        let before = self.written.len();
        self.encoder.encode(&value, &mut self.written).unwrap();
        assert!(self.written.len() > before);
        Some(value)
    }

    async fn pass_args<T>(&mut self) -> T
    where
        T: Decode + Encode + Registered + Clone + Debug + PartialEq,
    {
        let Interface(args) = self.pass().await.expect("an argument");
        args.expect("not nil")
    }

    /// Compares what was written with what Go has accepted.
    fn check(&self, file: &str) {
        let accepted = folder("accepted").join(file);
        if std::env::var_os("ACCEPT").is_some() {
            std::fs::write(&accepted, &self.written).unwrap();
        }
        let want = std::fs::read(&accepted).unwrap();
        assert!(
            self.written == want,
            "{file} is encoded otherwise than Go has accepted it"
        );
    }
}

#[tokio::test]
async fn gos_requests_are_read_and_written_as_go_accepts_them() {
    for session in SESSIONS {
        let file = format!("{session}.requests.bin");
        let mut stream = Rewriter::new(&file);
        while let Some(RequestHeader { method, seq }) = stream.pass().await {
            match method.as_str() {
                "Plugin.InitPlugin" | "Plugin.Type" => {
                    let nil: Option<Interface<Empty>> = stream.pass().await;
                    assert_eq!(nil, Some(Interface(None)));
                }
                // "whole" calls once with what is not Run's, which has to be refused.
                "Plugin.Run" if seq == 8 => {
                    drop(stream.pass_args::<GetMetadataArgs>().await);
                }
                "Plugin.Run" => drop(stream.pass_args::<RunArgs>().await),
                "Plugin.Resume" | "Plugin.Terminate" => {
                    drop(stream.pass_args::<TerminateAndResumeArgs>().await);
                }
                "Plugin.GarbageCollect" => drop(stream.pass_args::<GarbageCollectArgs>().await),
                "Plugin.GetMetadata" => drop(stream.pass_args::<GetMetadataArgs>().await),
                other => panic!("{session} calls {other}"),
            }
        }
        stream.check(&file);
    }
}

#[tokio::test]
async fn gos_replies_are_read_and_written_as_go_accepts_them() {
    for session in SESSIONS {
        let file = format!("{session}.replies.bin");
        let mut stream = Rewriter::new(&file);
        while let Some(ResponseHeader { method, error, .. }) = stream.pass().await {
            if !error.is_empty() {
                // Go shows the whole argument here, configuration and all; ours does not.
                assert!(error.starts_with("invalid args"), "{error}");
                assert_eq!(stream.pass::<Empty>().await, Some(Empty));
                continue;
            }
            match method.as_str() {
                "Plugin.InitPlugin" | "Plugin.GarbageCollect" => {
                    assert!(stream.pass::<RpcOutcome>().await.is_some());
                }
                "Plugin.Type" => {
                    assert_eq!(stream.pass::<String>().await.as_deref(), Some("MetricAI"));
                }
                "Plugin.Run" | "Plugin.Resume" | "Plugin.Terminate" => {
                    assert!(stream.pass::<Measurement>().await.is_some());
                }
                "Plugin.GetMetadata" => {
                    assert!(stream.pass::<BTreeMap<String, String>>().await.is_some());
                }
                other => panic!("{session} answers {other}"),
            }
        }
        stream.check(&file);
    }
}

/// The first argument of a session.
async fn first<T>(session: &str) -> T
where
    T: Decode + Encode + Registered + Clone + Debug + PartialEq,
{
    let mut stream = Rewriter::new(&format!("{session}.requests.bin"));
    let header: Option<RequestHeader> = stream.pass().await;
    assert!(header.is_some());
    stream.pass_args().await
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn a_typical_run_has_every_field_in_its_place() {
    let RunArgs { run, metric } = first("run-typical").await;
    let meta = &run.metadata;
    assert_eq!(meta.name, "rollouts-demo-6dc8cc656d-2-1");
    assert_eq!(meta.namespace, "canary");
    assert_eq!(meta.uid, "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
    assert_eq!(meta.generation, 7);
    assert_eq!(
        meta.creation_timestamp,
        time("2026-01-02T03:04:00.123456789Z")
    );
    assert_eq!(meta.deletion_timestamp, None);
    assert_eq!(meta.labels["rollout-type"], "Step");
    assert_eq!(meta.annotations["rollout.argoproj.io/revision"], "2");
    let [owner] = meta.owner_references.as_slice() else {
        panic!("{meta:?}");
    };
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("Rollout", "rollouts-demo")
    );
    assert!(owner.controller && owner.uid.starts_with("6fa459ea"));

    let args: Vec<_> = run
        .spec
        .args
        .iter()
        .map(|a| (a.name.as_str(), a.value.as_deref()))
        .collect();
    assert_eq!(
        args,
        [
            ("service-name", Some("rollouts-demo-canary")),
            ("empty", None),
            ("token", None),
            ("from-field", None),
        ]
    );
    assert_eq!(run.spec.dry_run[0].metric_name, "latency-*");
    assert!(!run.spec.terminate);
    assert_eq!(run.spec.metrics, std::slice::from_ref(&metric));
    check_metric(&metric);

    assert_eq!(run.status.phase, Phase::Running);
    assert_eq!(
        run.status.started_at,
        time("2026-01-02T03:04:01.123456789Z")
    );
    let result = run.metric_result("canary-logs").unwrap();
    assert_eq!((result.count, result.successful, result.error), (1, 1, 0));
    assert_eq!(result.metadata["provider"], "MetricAI");
    let [done, running] = result.measurements.as_slice() else {
        panic!("{result:?}");
    };
    assert_eq!(
        (done.phase, done.value.as_str()),
        (Phase::Successful, "0.85")
    );
    // Recorded in zones of two hours and of odd seconds: the instants are what counts.
    assert_eq!(done.finished_at, time("2026-01-02T03:04:15.123456789Z"));
    assert_eq!(done.resume_at, time("2026-01-02T03:04:12.123456789Z"));
    assert_eq!(done.metadata["analysis"], "two lines\nof “text”");
    assert_eq!((running.phase, running.finished_at), (Phase::Running, None));
}

fn check_metric(metric: &Metric) {
    assert_eq!(
        (metric.interval.as_str(), metric.initial_delay.as_str()),
        ("10s", "1m30s")
    );
    assert_eq!(metric.success_condition, "result > 0.50");
    assert_eq!(metric.failure_condition, "result <= 0.50");
    assert_eq!(metric.count, Some(IntOrString::Int(3)));
    assert_eq!(metric.failure_limit, Some(IntOrString::Int(0)));
    assert_eq!(
        metric.inconclusive_limit,
        Some(IntOrString::String("2".into()))
    );
    assert_eq!(metric.consecutive_error_limit, Some(IntOrString::Int(-1)));
    assert_eq!(metric.consecutive_success_limit, Some(IntOrString::Int(0)));
    let json = &metric.provider.plugin["argoproj-labs/metric-ai"];
    let config: serde_json::Value = serde_json::from_slice(json).unwrap();
    assert_eq!(config["stableLabel"], "role=stable");
}

#[tokio::test]
async fn a_run_of_zeros_is_the_default() {
    let RunArgs { run, metric } = first("run-zero").await;
    assert_eq!(run, AnalysisRun::default());
    assert_eq!(metric, Metric::default());
}

#[tokio::test]
async fn what_resume_gets_is_what_run_returned() {
    let args: TerminateAndResumeArgs = first("resume").await;
    assert_eq!(args.measurement.phase, Phase::Running);
    assert_eq!(args.measurement.metadata["state"], "v1:0123456789abcdef");
    assert_eq!(
        args.measurement.resume_at,
        time("2026-01-02T03:04:20.123456789Z")
    );
}

/// A phase that Argo does not have yet must not pass for one that it has.
#[tokio::test]
async fn an_unknown_phase_is_an_error_of_the_call() {
    #[derive(Default)]
    struct Newer {
        phase: String,
    }
    go_plugin::gob_struct!(Newer as "Measurement" { phase: "Phase" });

    let mut stream = Vec::new();
    let newer = Newer {
        phase: "Paused".into(),
    };
    Encoder::new().encode(&newer, &mut stream).unwrap();
    let mut incoming = Incoming::new(stream.as_slice());
    let value = incoming.value().await.unwrap().unwrap();
    let outcome = value.decode::<Measurement>();
    assert_eq!(
        outcome,
        Err(go_plugin::gob::Error::Invalid {
            want: "analysis phase"
        })
    );
}
