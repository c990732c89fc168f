//! The words that users search the controller's log for, each at its event and
//! its level.

use std::collections::BTreeSet;

use kube_stand_in::{Act, Fault, Resource};
use rollouts_plugin::host::MetricPlugin;

use crate::bench::{Asked, Bench, metric, run};

/// The levels of the lines whose message contains `word`.
fn levels(plugin: &MetricPlugin, word: &str) -> BTreeSet<String> {
    plugin
        .output()
        .lines()
        .iter()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["@message"].as_str().is_some_and(|m| m.contains(word)))
        .map(|line| line["@level"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn assert_said(plugin: &Asked, level: &str, word: &str) {
    let said = levels(&plugin.plugin, word);
    assert!(said.contains(level), "{level} {word:?}: {said:?}");
}

/// Waits for a last line, so that all before it have come.
async fn settled(plugin: &Asked, word: &str) {
    plugin.logs(|line| line.contains(word)).await;
}

#[tokio::test]
async fn every_line_is_hclog_of_our_module() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    plugin.measure(&run(), &metric("{}")).await;
    settled(&plugin, "AI metric analysis finished").await;
    let lines = plugin.plugin.output().lines();
    assert!(lines.len() >= 4);
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(&line).expect(&line);
        assert_eq!(line["@module"], "metric-ai");
        for key in ["@level", "@message", "@timestamp"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
}

#[tokio::test]
async fn an_analysis_is_said_at_info_from_load_to_end() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    plugin.measure(&run(), &metric("{}")).await;
    settled(&plugin, "Skipping GitHub").await;
    for word in [
        "Successfully loaded plugin: argoproj-labs/metric-ai",
        "AI metric analysis started",
        "AI metric analysis finished",
        "Skipping GitHub issue creation (githubUrl not configured)",
    ] {
        assert_said(&plugin, "info", word);
    }
}

#[tokio::test]
async fn at_debug_the_configuration_comes_before_the_reading() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    let block = metric(r#"{"model":"gemini-x","extraPrompt":"hunter2"}"#);
    plugin.measure(&run(), &block).await;
    settled(&plugin, "AI metric analysis finished").await;
    for word in ["configuration", "fetching logs"] {
        assert_said(&plugin, "debug", word);
    }
    let lines = plugin.plugin.output().lines();
    let at = |word: &str| lines.iter().position(|line| line.contains(word)).unwrap();
    let order = [
        "AI metric analysis started",
        "\"configuration\"",
        "fetching logs",
        "AI metric analysis finished",
    ];
    assert!(order.map(at).is_sorted(), "{lines:#?}");
    let configuration = &lines[at("\"configuration\"")];
    // Which keys are set, and no value of any.
    assert!(configuration.contains("extraPrompt"), "{configuration}");
    assert!(!lines.join("\n").contains("hunter2"), "{configuration}");
}

#[tokio::test]
async fn agent_mode_says_that_it_does_not_fall_back() {
    let bench = Bench::new().await;
    let plugin = bench.plugin().await;
    plugin
        .run(&run(), &metric(r#"{"analysisMode":"agent"}"#))
        .await;
    settled(&plugin, "AI metric analysis finished").await;
    assert_said(
        &plugin,
        "error",
        "agent mode requires agentUrl to be configured",
    );
    assert_said(&plugin, "error", "agentUrl is required");
    assert_said(&plugin, "warn", "not falling back to default mode");
}

#[tokio::test]
async fn unreadable_logs_are_said() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    bench.stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Log, Act::Forbidden));
    });
    let mut plugin = bench.plugin().await;
    plugin.measure(&run(), &metric("{}")).await;
    settled(&plugin, "AI metric analysis finished").await;
    assert_said(&plugin, "warn", "failed to fetch logs");
}

#[tokio::test]
async fn warnings_are_said_once() {
    let bench = Bench::new().await;
    let plugin = bench.plugin().await;
    let block = metric(r#"{"canarylabel":"role=canary"}"#);
    let first = plugin.run(&run(), &block).await;
    plugin.resume(&block, &first).await;
    plugin
        .plugin
        .terminate(&run(), &block, &first)
        .await
        .unwrap();
    settled(&plugin, "AI metric analysis finished").await;
    let lines = plugin.plugin.output().lines();
    let said = lines
        .iter()
        .filter(|line| line.contains("did you mean `canaryLabel`?"));
    assert_eq!(said.count(), 1);
}

#[tokio::test]
async fn a_bad_log_level_is_said_and_info_is_used() {
    let bench = Bench::new().await;
    let launch = bench.launch().env("LOG_LEVEL", "loud");
    let plugin = MetricPlugin::start(&launch).await.unwrap();
    plugin.init().await.unwrap().unwrap();
    let loaded = plugin
        .output()
        .find(|line| line.contains("Successfully loaded"));
    loaded.await.unwrap();
    assert_eq!(
        levels(&plugin, "Invalid log level 'loud'"),
        BTreeSet::from(["warn".to_owned()])
    );
}
