//! Agent mode: the agent looks, the plugin passes on what it says, and never
//! looks itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use agent_stand_in::{AgentStandIn, Answer, Script, Server};
use rollouts_plugin::{Measurement, Phase};

use crate::bench::{Asked, Bench, metric, run};

/// What the operator's token is.
const TOKEN: &str = "token-of-the-operator";

fn block(agent: &str) -> String {
    format!(
        r#"{{"analysisMode":"agent","agentUrl":"{agent}/a2a/analyze","model":"m",
            "extraPrompt":"watch\nlatency","githubUrl":"https://github.com/a/b"}}"#
    )
}

async fn agent(script: Script) -> Server {
    AgentStandIn::serve(script).await.unwrap()
}

async fn answered(script: Script) -> (Measurement, Server, Asked) {
    let bench = Bench::new().await;
    let agent = agent(script).await;
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&run(), &metric(&block(&agent.url()))).await;
    assert!(
        bench.stand_in.seen().is_empty(),
        "the plugin does not look itself"
    );
    (answer, agent, plugin)
}

#[tokio::test]
async fn an_agents_verdict_becomes_a_phase_and_a_value() {
    let (good, agent, _) = answered(Script::always(Answer::Good)).await;
    assert_eq!(
        (good.phase, good.value.as_str()),
        (Phase::Successful, "0.80"),
        "{good:?}"
    );
    assert!(good.message.contains("by the agent"), "{}", good.message);
    let asked = agent.calls();
    let asked = asked.iter().find(|call| call.is_analysis()).unwrap();
    let body = &asked.body;
    assert_eq!(body["userId"], "argo-rollouts");
    assert_eq!(body["memoryId"], "rollout:shop/web");
    assert_eq!(body["modelsToUse"][0], "m");
    let context = &body["context"];
    assert_eq!(context["namespace"], "shop");
    assert_eq!(context["rolloutName"], "web");
    assert_eq!(context["stableSelector"], "role=stable");
    assert_eq!(context["extraPrompt"], "watch\nlatency");
    assert_eq!(context["repoUrl"], "https://github.com/a/b");
    assert_eq!(context["baseBranch"], "main");

    let (bad, ..) = answered(Script::always(Answer::Bad)).await;
    assert_eq!((bad.phase, bad.value.as_str()), (Phase::Failed, "0"));
    assert!(
        bad.message.starts_with("canary aborted by the agent"),
        "{}",
        bad.message
    );
    let json: serde_json::Value = serde_json::from_str(&bad.metadata["analysisJSON"]).unwrap();
    assert!(json["prLink"].is_string(), "{json}");
    assert!(json["rootCause"].is_string(), "{json}");
}

#[tokio::test]
async fn what_an_agent_wants_back_comes_back() {
    let (waits, agent, plugin) = answered(Script::always(Answer::Inconclusive)).await;
    assert_eq!(waits.phase, Phase::Running, "{waits:?}");
    assert!(waits.message.contains("the agent"), "{}", waits.message);
    // Another process takes it over.
    plugin.plugin.kill().await.unwrap();
    let bench = Bench::new().await;
    let mut plugin = bench.plugin().await;
    let block = metric(&block(&agent.url()));
    plugin.resume(&block, &waits).await;
    plugin.looked().await;
    let calls = agent.calls();
    let last = calls.iter().rfind(|call| call.is_analysis()).unwrap();
    assert!(last.body["context"]["state"].is_string(), "{}", last.body);
}

#[tokio::test]
async fn a_background_run_knows_when_the_steps_end_before_it_asks() {
    let bench = Bench::new().await;
    let agent = agent(Script::always(Answer::Good)).await;
    let block = metric(&block(&agent.url()));
    let mut background = run();
    let labels = &mut background.metadata.labels;
    labels.insert("rollout-type".into(), "Background".into());
    let mut plugin = bench.plugin().await;
    let before = plugin.measure(&background, &block).await;
    assert_eq!(before.phase, Phase::Running, "{before:?}");
    assert!(agent.calls().is_empty(), "nobody was asked yet");
    // Two pauses of 60 s lie ahead: more than what it waits unknowing.
    let state: serde_json::Value = serde_json::from_str(&before.metadata["state"]).unwrap();
    let end_ms = state["last_step_end_ms"].as_i64().unwrap();
    assert!(end_ms > bench.now_ms + 100_000, "{state}");
    // Another process goes on from there.
    let mut plugin = bench.plugin().await;
    let asking = plugin
        .plugin
        .resume(&background, &block, &before)
        .await
        .unwrap();
    assert_eq!(asking.phase, Phase::Running, "{asking:?}");
    plugin.looked().await;
    let answer = plugin
        .plugin
        .resume(&background, &block, &asking)
        .await
        .unwrap();
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
}

#[tokio::test]
async fn an_agent_that_is_down_as_the_steps_end_pauses() {
    let bench = Bench::new().await;
    // No step lies ahead.
    bench.stand_in.change(|world| {
        world.change_rollout("shop", "web", |rollout| {
            rollout["status"]["currentStepIndex"] = 4.into();
        });
    });
    let agent = agent(Script::always(Answer::Failure)).await;
    let block = metric(&block(&agent.url()));
    let mut background = run();
    let labels = &mut background.metadata.labels;
    labels.insert("rollout-type".into(), "Background".into());
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&background, &block).await;
    assert_eq!(answer.phase, Phase::Inconclusive, "{answer:?}");
    // So it does when it has been asked.
    let mut asked = crate::bench::begun_ago(1);
    asked.metadata = answer.metadata.clone();
    let mut other = background.clone();
    other.metadata.uid = "other".into();
    let asking = plugin.plugin.resume(&other, &block, &asked).await.unwrap();
    assert_eq!(asking.phase, Phase::Running, "{asking:?}");
    plugin.looked().await;
    let answer = plugin.plugin.resume(&other, &block, &asking).await.unwrap();
    assert_eq!(answer.phase, Phase::Inconclusive, "{answer:?}");
    assert!(
        answer.message.starts_with("no attempt is left"),
        "{}",
        answer.message
    );
    assert!(
        answer
            .message
            .contains("Failed to analyze with kubernetes-agent"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn an_agent_that_is_not_well_is_an_error_and_no_verdict() {
    let table = [
        (
            Script::always(Answer::Failure),
            "Failed to analyze with kubernetes-agent",
        ),
        (
            Script::always(Answer::status(401, "")),
            "authentication failed",
        ),
        (
            Script::always(Answer::body("nonsense")),
            "Failed to analyze with kubernetes-agent",
        ),
        (
            Script::always(Answer::Good).health("/a2a/health", Answer::status(503, "")),
            "Kubernetes Agent health check failed: agent health check failed",
        ),
    ];
    for (script, words) in table {
        let (answer, _, plugin) = answered(script).await;
        assert_eq!(answer.phase, Phase::Error, "{answer:?}");
        assert!(answer.message.contains(words), "{}", answer.message);
        let lines = plugin.plugin.output().lines().join("\n");
        assert!(
            lines.contains("not falling back to default mode"),
            "{lines}"
        );
    }
}

#[tokio::test]
async fn a_token_goes_to_the_operators_agents_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let ours = agent(Script::always(Answer::Good).require_bearer(TOKEN)).await;
    let strange = agent(Script::always(Answer::Good)).await;
    let bench = Bench::new().await;
    let launch = bench
        .launch()
        .arg(format!("--agent-origin={}", ours.url()))
        .arg(format!("--agent-token-file={}", token.display()));
    let mut plugin = Asked::start(&launch).await;
    let good = plugin.measure(&run(), &metric(&block(&ours.url()))).await;
    assert_eq!(good.phase, Phase::Successful, "{good:?}");
    let mut other = run();
    other.metadata.uid = "other".into();
    let good = plugin
        .measure(&other, &metric(&block(&strange.url())))
        .await;
    assert_eq!(good.phase, Phase::Successful, "{good:?}");
    assert!(!strange.calls().is_empty());
    for call in strange.calls() {
        assert_eq!(call.header("authorization"), None, "{call:?}");
    }
    let lines = plugin.plugin.output().lines().join("\n");
    assert!(!lines.contains(TOKEN) && !format!("{good:?}").contains(TOKEN));
}
