//! What the operator sets, through arguments, variables and files; and what a
//! wrong one looks like to those who are served.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::fs;

use rollouts_plugin::host::{Launch, MetricPlugin};
use rollouts_plugin::{Measurement, Phase};

use crate::bench::{Asked, Bench, metric, run};

async fn start(launch: &Launch) -> (MetricPlugin, Result<(), String>) {
    let plugin = MetricPlugin::start(launch).await.unwrap();
    let loaded = plugin.init().await.unwrap();
    (plugin, loaded.map_err(|error| error.message().to_owned()))
}

/// The first answer for a metric, which is an end.
async fn ended(plugin: &MetricPlugin, block: &str) -> Measurement {
    let answer = plugin.run(&run(), &metric(block)).await.unwrap();
    assert!(answer.phase.is_completed(), "{answer:?}");
    answer
}

#[tokio::test]
async fn a_wrong_argument_is_served_as_an_error_and_never_ignored() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, "promotRatio = 2\n").unwrap();
    let policy = format!("--policy={}", policy.display());
    let table = [
        ("--max-analyses=hunter2", "argument `--max-analyses`"),
        ("--tokn=hunter2", "argument `--tokn`: there is none"),
        ("hunter2", "one of them is not an argument"),
        ("--help", "`--help` and `--version` are for people"),
        ("--gemini-url=hunter2", "`--gemini-url` cannot be used"),
        ("--ca-file=/nonexistent/hunter2", "`--ca-file` cannot be"),
        ("--policy=/nonexistent/hunter2", "`--policy` cannot be used"),
        (policy.as_str(), "did you mean `promoteRatio`?"),
        ("--agent-token-file=/hunter2", "`--agent-origin` must say"),
        ("--bundle-dir=/nonexistent/hunter2", "`--bundle-dir` cannot"),
        ("--secret=ops/hunter2/x", "`--secret` cannot be used"),
    ];
    for (argument, expected) in table {
        let (plugin, loaded) = start(&bench.launch().arg(argument)).await;
        let refused = loaded.unwrap_err();
        assert!(refused.contains(expected), "{argument}: {refused}");
        let answer = ended(&plugin, "{}").await;
        assert_eq!(answer.phase, Phase::Error, "{argument}");
        assert!(
            answer.message.contains(expected) && answer.message.contains("its operator"),
            "{argument}: {}",
            answer.message
        );
        let lines = plugin.output().lines().join("\n");
        for shown in [refused, format!("{answer:?}"), lines] {
            assert!(!shown.contains("hunter2"), "{argument}: {shown}");
        }
    }
    assert!(bench.stand_in.seen().is_empty(), "nothing was read for it");
    let (plugin, _) = start(&bench.launch().arg("--tokn=x")).await;
    let answer = ended(&plugin, r#"{"onError":"inconclusive"}"#).await;
    assert_eq!(answer.phase, Phase::Inconclusive);
}

#[tokio::test]
async fn a_variable_stands_for_an_argument() {
    let bench = Bench::new().await;
    let launch = bench.launch().env("CANARY_JUDGE_MAX_ANALYSES", "hunter2");
    let (plugin, loaded) = start(&launch).await;
    assert!(loaded.unwrap_err().contains("CANARY_JUDGE_MAX_ANALYSES"));
    assert_eq!(ended(&plugin, "{}").await.phase, Phase::Error);
    let launch = launch.arg("--max-analyses=2");
    assert_eq!(start(&launch).await.1, Ok(()), "the argument wins");
}

#[tokio::test]
async fn the_operators_policy_is_judged_by_and_a_template_starts_from_it() {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 600, 1_000);
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    // So little is let through that this traffic cannot show it.
    fs::write(&policy, "promoteMargin = 0.001\npromoteRatio = 1\n").unwrap();
    let launch = bench.launch().arg(format!("--policy={}", policy.display()));
    let asked = |launch: Launch| async move {
        let plugin = MetricPlugin::start(&launch).await.unwrap();
        plugin.init().await.unwrap().unwrap();
        Asked::new(plugin)
    };
    let strict = asked(launch.clone())
        .await
        .measure(&run(), &metric("{}"))
        .await;
    assert_eq!(strict.phase, Phase::Running, "{strict:?}");
    let block = r#"{"judgePolicy":{"promoteMargin":"0.1"}}"#;
    let tuned = asked(launch).await.measure(&run(), &metric(block)).await;
    assert_eq!(tuned.phase, Phase::Successful, "{tuned:?}");
}

#[tokio::test]
async fn no_credential_of_the_operator_is_shown() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let folder = tempfile::tempdir().unwrap();
    for name in ["google_api_key", "github_token", "agent", "prometheus"] {
        fs::write(folder.path().join(name), "hunter2").unwrap();
    }
    fs::create_dir(folder.path().join("openai_api_key")).unwrap();
    let file = |flag: &str, name: &str| format!("{flag}={}", folder.path().join(name).display());
    let launch = bench
        .launch()
        .env("LOG_LEVEL", "trace")
        .env("GOOGLE_API_KEY", "hunter2")
        .env("OPENAI_API_KEY", "hunter2")
        .env("GITHUB_TOKEN", "hunter2")
        // Nobody listens there.
        .env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        .arg("--gemini-url=http://127.0.0.1:9")
        .arg(file("--secrets-dir", ""))
        .arg("--agent-origin=https://agent.example")
        .arg(file("--agent-token-file", "agent"))
        .arg("--prometheus-origin=https://prometheus.example")
        .arg("--prometheus-user=hunter2")
        .arg(file("--prometheus-password-file", "prometheus"));
    let plugin = MetricPlugin::start(&launch).await.unwrap();
    plugin.init().await.unwrap().unwrap();
    let mut plugin = Asked::new(plugin);
    let answer = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(answer.phase, Phase::Failed, "{answer:?}");
    let described = plugin.plugin.metadata(&metric("{}")).await.unwrap();
    let lines = plugin.plugin.output().lines().join("\n");
    assert!(lines.contains("the operator's settings"), "{lines}");
    assert!(lines.contains("file `openai_api_key` in the folder of secrets is not used"));
    for shown in [lines, format!("{answer:?}"), format!("{described:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn no_data_ends_as_the_template_says() {
    let bench = Bench::new().await;
    for (block, phase) in [
        ("{}", Phase::Inconclusive),
        (r#"{"onNoData":"fail"}"#, Phase::Failed),
        (r#"{"onNoData":"error"}"#, Phase::Error),
        (r#"{"onInconclusive":"fail"}"#, Phase::Failed),
    ] {
        let mut plugin = bench.plugin().await;
        let answer = plugin.measure_late(&run(), &metric(block)).await;
        assert_eq!(answer.phase, phase, "{block}: {answer:?}");
        assert!(answer.message.contains("no verdict after"), "{answer:?}");
    }
}
