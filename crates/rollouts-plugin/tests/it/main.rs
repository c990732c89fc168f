//! The integration tests of rollouts-plugin: our host runs our own example as a plugin.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use rollouts_plugin::host::{Launch, MetricPlugin};
use rollouts_plugin::{AnalysisRun, Error, Measurement, Metric, Phase};

/// `examples/freeze.rs`, which `cargo test` builds before it runs any test.
fn example() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/freeze");
    assert!(
        built.exists(),
        "{built:?} is missing: run `cargo build -p rollouts-plugin --examples`"
    );
    built
}

fn metric(block: &str) -> Metric {
    let mut metric = Metric::default();
    metric
        .provider
        .plugin
        .insert("example/freeze".into(), block.into());
    metric
}

async fn start(folder: &tempfile::TempDir) -> MetricPlugin {
    let launch = Launch::new(example()).env("PLUGIN_UNIX_SOCKET_DIR", folder.path());
    let plugin = MetricPlugin::start(&launch).await.unwrap();
    plugin.init().await.unwrap().unwrap();
    plugin
}

#[tokio::test]
async fn the_example_answers_every_method_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = start(&folder).await;
    let run = AnalysisRun::default();
    let frozen = metric(r#"{"until": "2999-01-01T00:00:00Z"}"#);

    let waiting = plugin.run(&run, &frozen).await.unwrap();
    assert_eq!(waiting.phase, Phase::Running);
    assert_eq!(waiting.message, "frozen until 2999-01-01T00:00:00Z");
    assert_eq!(
        waiting.resume_at,
        Some("2999-01-01T00:00:00Z".parse().unwrap())
    );
    assert!(waiting.started_at.is_some() && waiting.finished_at.is_none());

    let thawed = metric(r#"{"until": "1999-01-01T00:00:00Z"}"#);
    let done = plugin.resume(&run, &thawed, &waiting).await.unwrap();
    assert_eq!((done.phase, done.resume_at), (Phase::Successful, None));
    assert_eq!(done.started_at, waiting.started_at, "the same measurement");

    let ended = plugin.terminate(&run, &frozen, &waiting).await.unwrap();
    assert_eq!(ended.phase, Phase::Inconclusive);

    let wrong = plugin
        .run(&run, &metric(r#"{"until": "hunter2"}"#))
        .await
        .unwrap();
    assert_eq!(wrong.phase, Phase::Error);
    assert!(!wrong.message.contains("hunter2"));

    assert_eq!(
        plugin.garbage_collect(&run, &frozen, 10).await.unwrap(),
        Ok(())
    );
    assert_eq!(plugin.provider_type().await.unwrap(), "Freeze");
    let metadata = plugin.metadata(&frozen).await.unwrap();
    assert_eq!(metadata["until"], "2999-01-01T00:00:00Z");

    plugin.ping().await.unwrap();
    assert!(plugin.quit().await.unwrap().success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn calls_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = start(&folder).await;
    let calls = (0..50).map(|n: i64| {
        let plugin = &plugin;
        async move {
            let begun = Measurement {
                value: n.to_string(),
                ..Measurement::default()
            };
            let frozen = metric(r#"{"until": "2999-01-01T00:00:00Z"}"#);
            let got = plugin
                .resume(&AnalysisRun::default(), &frozen, &begun)
                .await;
            assert_eq!(got.unwrap().value, begun.value);
        }
    });
    futures::future::join_all(calls).await;
    assert!(plugin.quit().await.unwrap().success());
}

#[tokio::test]
async fn a_killed_plugin_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let killed = start(&folder).await.kill().await.unwrap();
    assert!(!killed.success());
    let plugin = start(&folder).await;
    plugin.ping().await.unwrap();
    plugin.quit().await.unwrap();
}

#[tokio::test]
async fn started_by_a_human_the_example_explains_itself() {
    let output = std::process::Command::new(example()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ARGO_ROLLOUTS_RPC_PLUGIN"), "{said}");
}

#[tokio::test]
async fn a_program_that_is_no_metric_plugin_is_refused() {
    let launch = Launch::new("/bin/sh").arg("-c").arg("echo 'usage: plugin'");
    let error = MetricPlugin::start(&launch).await.err().unwrap();
    assert!(matches!(error, Error::Handshake { .. }), "{error}");
}

#[test]
fn the_example_is_short_enough_to_be_read_whole() {
    let source = include_str!("../../examples/freeze.rs");
    let lines = source.lines().count();
    assert!(lines < 60, "{lines} lines");
}
