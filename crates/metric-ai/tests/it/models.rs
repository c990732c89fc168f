//! Models beside the judge: they explain and can object, and what they cannot
//! do is lift a veto, a gate, or what is not known yet.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::time::Duration;

use kube_stand_in::objects;
use model_stand_in::{Answer, Quota, RateLimit, Rule, Script, Server, StandIn};
use rollouts_plugin::host::Launch;
use rollouts_plugin::{Measurement, Phase};

use crate::bench::{Asked, Bench, NAMESPACE, metric, run};

/// The model that the template names, and the operator's key for it.
const BLOCK: &str = r#"{"model":"gemini-2.5-flash","extraPrompt":"watch the checkout"}"#;
const KEY: &str = "key-of-the-operator";

/// A call that does not come at all should fail and not hang.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How the canary does.
#[derive(Clone, Copy)]
enum Canary {
    Good,
    Bad,
    Crashes,
    Silent,
}

async fn bench(canary: Canary) -> Bench {
    let bench = Bench::new().await;
    match canary {
        Canary::Good => bench
            .serves("stable", 600, 1_000)
            .serves("canary", 600, 1_000),
        Canary::Bad => bench.serves("stable", 600, 1_000).serves("canary", 600, 3),
        Canary::Crashes | Canary::Silent => &bench,
    };
    if let Canary::Crashes = canary {
        for pod in bench.canary_pods() {
            let now_ms = bench.now_ms;
            bench.stand_in.change(|world| {
                world.change_pod(NAMESPACE, &pod, |pod| {
                    pod["status"]["containerStatuses"][0] = objects::crash_loop(4, 1, now_ms);
                    pod["status"]["conditions"][0]["status"] = "False".into();
                });
            });
        }
    }
    bench
}

fn launch(bench: &Bench, models: &Server) -> Launch {
    bench
        .launch()
        .arg(format!("--gemini-url={}", models.url()))
        .env("GOOGLE_API_KEY", KEY)
}

/// The answer about a canary, with models that follow a script, and how often
/// they were called.
async fn answered(canary: Canary, script: Script) -> (Measurement, usize) {
    let bench = bench(canary).await;
    let models = StandIn::serve(script).await.unwrap();
    let mut plugin = Asked::start(&launch(&bench, &models)).await;
    let answer = plugin.measure(&run(), &metric(BLOCK)).await;
    for call in models.calls() {
        assert_eq!(call.header("x-goog-api-key"), Some(KEY));
    }
    (answer, models.calls().len())
}

#[tokio::test]
async fn a_model_that_agrees_is_counted_and_shown() {
    let (answer, calls) = answered(Canary::Good, Script::always(Answer::Agree)).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    assert_eq!(calls, 1);
    let metadata = &answer.metadata;
    assert_eq!(metadata["modelCount"], "1");
    let results: serde_json::Value = serde_json::from_str(&metadata["modelResults"]).unwrap();
    assert_eq!(results[0]["modelName"], "gemini-2.5-flash");
    assert_eq!(results[0]["promote"], true);
    let cost: serde_json::Value = serde_json::from_str(&metadata["cost"]).unwrap();
    assert_eq!(cost["calls"], 1);
    assert!(cost["tokens"].as_u64() > Some(0), "{cost}");
    assert!(
        !metadata["analysis"].contains("No model was asked"),
        "{metadata:?}"
    );
}

#[tokio::test]
async fn a_model_that_objects_without_a_finding_pauses() {
    let (answer, calls) = answered(Canary::Good, Script::always(Answer::Disagree)).await;
    assert_eq!(answer.phase, Phase::Inconclusive, "{answer:?}");
    assert_eq!((calls, answer.value.as_str()), (1, "0"));
    assert!(
        answer.message.contains("gemini-2.5-flash objects"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn no_model_lifts_a_gate_or_what_is_not_known() {
    let (bad, calls) = answered(Canary::Bad, Script::always(Answer::Obey)).await;
    assert_eq!(bad.phase, Phase::Failed, "{bad:?}");
    assert!(
        bad.message.starts_with("canary aborted: +33"),
        "{}",
        bad.message
    );
    assert_eq!(calls, 1, "it explains");
    let (quiet, calls) = answered(Canary::Silent, Script::always(Answer::Obey)).await;
    assert_eq!((quiet.phase, calls), (Phase::Running, 0), "{quiet:?}");
}

#[tokio::test]
async fn a_veto_waits_for_no_model() {
    let (answer, calls) = answered(Canary::Crashes, Script::always(Answer::Obey)).await;
    assert_eq!((answer.phase, calls), (Phase::Failed, 0), "{answer:?}");
    assert!(
        answer.message.contains("CrashLoopBackOff"),
        "{}",
        answer.message
    );
    assert!(answer.metadata["votingRationale"].contains("veto"));
}

#[tokio::test]
async fn without_a_usable_model_the_judge_decides_and_says_so() {
    let table = [
        (Answer::Retired, "404"),
        (Answer::Status(403), "gave no opinion"),
        (Answer::Garbage, "gave no opinion"),
    ];
    for (fault, said) in table {
        let what = format!("{fault:?}");
        let (good, _) = answered(Canary::Good, Script::always(fault.clone())).await;
        assert_eq!(good.phase, Phase::Successful, "{what}: {good:?}");
        let message = &good.message;
        assert!(message.contains("gemini-2.5-flash"), "{what}: {message}");
        assert!(
            message.contains(said) || good.metadata["votingRationale"].contains(said),
            "{what}: {good:?}"
        );
        assert!(message.contains("extraPrompt was not used"), "{message}");
        let (bad, _) = answered(Canary::Bad, Script::always(fault)).await;
        assert_eq!(bad.phase, Phase::Failed, "{what}: {bad:?}");
    }
}

#[tokio::test]
async fn a_busy_model_is_asked_again_when_it_says() {
    let limit = RateLimit {
        quota: Quota::PerMinute,
        retry_delay_ms: Some(300),
        in_array: false,
    };
    let script = Script::new([
        Rule::new(Answer::RateLimit(limit)).times(1),
        Rule::new(Answer::Agree),
    ]);
    let (answer, calls) = answered(Canary::Good, script).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    assert_eq!(calls, 2);
    assert_eq!(answer.metadata["modelCount"], "1");
}

#[tokio::test]
async fn without_a_key_the_judge_decides_alone() {
    let bench = bench(Canary::Good).await;
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&run(), &metric(BLOCK)).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    let analysis = &answer.metadata["analysis"];
    assert!(analysis.contains("No model was asked"), "{analysis}");
    assert!(
        analysis.contains("`extraPrompt` was not used"),
        "{analysis}"
    );
}

#[tokio::test]
async fn a_restart_repeats_at_most_one_call() {
    let bench = bench(Canary::Good).await;
    let script = Script::new([Rule::new(Answer::Hang).times(1), Rule::new(Answer::Agree)]);
    let models = StandIn::serve(script).await.unwrap();
    let plugin = Asked::start(&launch(&bench, &models)).await;
    let first = plugin.run(&run(), &metric(BLOCK)).await;
    assert_eq!(first.phase, Phase::Running);
    tokio::time::timeout(CALL_LIMIT, models.wait_for_calls(1))
        .await
        .unwrap();
    plugin.plugin.kill().await.unwrap();
    let mut plugin = Asked::start(&launch(&bench, &models)).await;
    plugin.resume(&metric(BLOCK), &first).await;
    plugin.looked().await;
    let answer = plugin.resume(&metric(BLOCK), &first).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    let again = plugin.resume(&metric(BLOCK), &first).await;
    assert_eq!(again, answer, "asked twice it says the same");
    assert_eq!(models.calls().len(), 2);
}

#[tokio::test]
async fn a_rule_of_the_template_makes_a_promotion_wait() {
    let bench = bench(Canary::Good).await;
    let mut plugin = bench.plugin().await;
    let answer = plugin
        .measure(&run(), &metric(r#"{"minRequests":1000000}"#))
        .await;
    assert_eq!(answer.phase, Phase::Running, "{answer:?}");
    assert!(
        answer.message.contains("more requests"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn a_verdict_is_kept_where_the_operator_says() {
    let bench = bench(Canary::Bad).await;
    let folder = tempfile::tempdir().unwrap();
    let launch = bench
        .launch()
        .arg(format!("--bundle-dir={}", folder.path().display()));
    let mut plugin = Asked::start(&launch).await;
    let answer = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(answer.phase, Phase::Failed);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    let [Ok(file)] = &files[..] else {
        panic!("{files:?}")
    };
    let bundle = analysis::bundle::read(&file.path()).unwrap();
    let said = bundle.verdict.said().unwrap();
    assert_eq!(said.message, answer.message);
    assert_eq!(bundle.about.rollout, crate::bench::ROLLOUT);
    let replayed = analysis::bundle::replay(&bundle, analysis::bundle::With::default()).unwrap();
    assert!(replayed.is_same(), "{:?}", replayed.differences);
}
