//! A plugin on Argo's Go SDK, loaded by our host.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollouts_plugin::host::{Launch, MetricPlugin};
use rollouts_plugin::{
    AnalysisRun, IntOrString, Measurement, Metric, MetricResult, ObjectMeta, OwnerReference, Phase,
};
use serde_json::{Value, json};

/// Calls made at once: more than a controller's 30 workers.
const CONCURRENT_CALLS: usize = 50;

async fn load() -> MetricPlugin {
    let launch = Launch::new(&super::go_peer().plugin);
    let plugin = MetricPlugin::start(&launch).await.unwrap();
    plugin.init().await.unwrap().unwrap();
    plugin
}

/// A metric with the Go plugin's configuration.
fn metric(configuration: &Value) -> Metric {
    let mut metric = Metric {
        name: "logs".to_owned(),
        interval: "10s".to_owned(),
        count: Some(IntOrString::Int(3)),
        inconclusive_limit: Some(IntOrString::String("2".to_owned())),
        ..Metric::default()
    };
    let block = configuration.to_string().into_bytes();
    let plugins = &mut metric.provider.plugin;
    plugins.insert("example/goplugin".to_owned(), block);
    metric
}

fn at(second: i64) -> Option<Timestamp> {
    Some(Timestamp::new(1_767_323_000 + second, 123_456_789).unwrap())
}

fn run() -> AnalysisRun {
    let labels = [
        ("rollout-type", "Step"),
        ("empty", ""),
        ("ümläut", "日本語"),
    ];
    let text = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    AnalysisRun {
        metadata: ObjectMeta {
            name: "rollouts-demo-1".to_owned(),
            namespace: "canary".to_owned(),
            uid: "1b4e28ba".to_owned(),
            generation: 7,
            creation_timestamp: at(0),
            labels: labels.map(text).into(),
            owner_references: vec![OwnerReference {
                kind: "Rollout".to_owned(),
                name: "rollouts-demo".to_owned(),
                controller: true,
                ..OwnerReference::default()
            }],
            ..ObjectMeta::default()
        },
        status: rollouts_plugin::AnalysisRunStatus {
            phase: Phase::Running,
            metric_results: vec![MetricResult {
                name: "logs".to_owned(),
                count: 2,
                error: -1,
                measurements: vec![measurement(), Measurement::default()],
                ..MetricResult::default()
            }],
            ..rollouts_plugin::AnalysisRunStatus::default()
        },
        ..AnalysisRun::default()
    }
}

fn measurement() -> Measurement {
    Measurement {
        phase: Phase::Running,
        message: "about 340 more requests".to_owned(),
        started_at: at(1),
        finished_at: at(2),
        value: "0.85".to_owned(),
        metadata: BTreeMap::from([("state".to_owned(), "v1:\u{0}\n".to_owned())]),
        resume_at: at(3),
    }
}

/// What the Go plugin says arrived.
fn arrived(measurement: &Measurement) -> Value {
    serde_json::from_str(&measurement.metadata["arrived"]).unwrap()
}

#[tokio::test]
async fn every_method_of_a_go_plugin_answers() {
    let plugin = load().await;
    let (run, metric) = (run(), metric(&json!({})));
    assert_eq!(plugin.provider_type().await.unwrap(), "GoPlugin");
    let metadata = plugin.metadata(&metric).await.unwrap();
    assert_eq!(metadata["metric"], "logs");

    let begun = plugin.run(&run, &metric).await.unwrap();
    assert_eq!(begun.phase, Phase::Running);
    let wait = begun.resume_at.unwrap() - begun.started_at.unwrap();
    assert_eq!(wait.total(jiff::Unit::Second).unwrap(), 1.0);

    let resumed = plugin.resume(&run, &metric, &begun).await.unwrap();
    assert_eq!(
        (resumed.phase, resumed.value.as_str()),
        (Phase::Successful, "1")
    );
    assert_eq!(resumed.started_at, begun.started_at);
    assert_eq!(resumed.resume_at, None);

    let ended = plugin
        .terminate(&run, &metric, &measurement())
        .await
        .unwrap();
    assert_eq!(ended.phase, Phase::Inconclusive);
    assert_eq!(ended.metadata, measurement().metadata);

    let collected = plugin.garbage_collect(&run, &metric, 0).await.unwrap();
    assert_eq!(collected, Ok(()));
    let refused = plugin.garbage_collect(&run, &metric, -5).await.unwrap();
    assert_eq!(refused.unwrap_err().message(), "limit -5 is negative");
    assert!(plugin.quit().await.unwrap().success());
}

#[tokio::test]
async fn what_our_host_sends_is_what_argos_types_hold() {
    let plugin = load().await;
    let metric = metric(&json!({"echo": true}));
    let resumed = plugin
        .resume(&run(), &metric, &measurement())
        .await
        .unwrap();
    let time = |second: i64| json!({"$time": at(second).unwrap().to_string(), "zone_s": null});
    let sent = json!({
        "Phase": "Running", "Message": "about 340 more requests", "Value": "0.85",
        "StartedAt": time(1), "FinishedAt": time(2), "ResumeAt": time(3),
        "Metadata": {"state": "v1:\u{0}\n"},
    });
    let block: String = r#"{"echo":true}"#.bytes().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        arrived(&resumed),
        json!({
            "AnalysisRun": {
                "TypeMeta": {},
                "ObjectMeta": {
                    "Name": "rollouts-demo-1", "Namespace": "canary", "UID": "1b4e28ba",
                    "Generation": 7, "CreationTimestamp": time(0),
                    "Labels": {"rollout-type": "Step", "empty": "", "ümläut": "日本語"},
                    "OwnerReferences": [
                        {"Kind": "Rollout", "Name": "rollouts-demo", "Controller": true},
                    ],
                },
                "Spec": {},
                "Status": {
                    "Phase": "Running", "RunSummary": {},
                    "MetricResults": [
                        {"Name": "logs", "Count": 2, "Error": -1, "Measurements": [sent, {}]},
                    ],
                },
            },
            "Metric": {
                "Name": "logs", "Interval": "10s", "Count": {"IntVal": 3},
                "InconclusiveLimit": {"Type": 1, "StrVal": "2"},
                "Provider": {"Plugin": {"example/goplugin": {"$bytes": block}}},
            },
            "Measurement": sent,
        })
    );
    plugin.quit().await.unwrap();
}

#[tokio::test]
async fn calls_side_by_side_each_get_their_own_answer() {
    let plugin = std::sync::Arc::new(load().await);
    let calls: Vec<_> = (0..CONCURRENT_CALLS)
        .map(|number| {
            let plugin = std::sync::Arc::clone(&plugin);
            tokio::spawn(async move {
                let error = format!("call {number}");
                let metric = metric(&json!({"error": error}));
                let measured = plugin.run(&run(), &metric).await.unwrap();
                assert_eq!((measured.phase, measured.message), (Phase::Error, error));
                plugin.ping().await.unwrap();
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_go_plugin_that_dies_in_a_call_is_an_error_and_its_log_says_why() {
    let mut plugin = load().await;
    let logged = plugin
        .output()
        .find(|line| line.contains("goplugin is ready"));
    let line: Value = serde_json::from_str(&logged.await.unwrap()).unwrap();
    assert_eq!(line["@module"], "goplugin");

    let metric = metric(&json!({"panic": true}));
    plugin.run(&run(), &metric).await.unwrap_err();
    assert!(!plugin.wait().await.unwrap().success());
    let last_words = plugin
        .output()
        .find(|line| line.contains("the metric asks for it"));
    assert!(last_words.await.is_some());
}
