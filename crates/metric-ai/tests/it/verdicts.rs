//! What a look finds becomes a phase, a value, a message and metadata.

use kube_stand_in::objects;
use rollouts_plugin::Phase;

use crate::bench::{Bench, NAMESPACE, metric, run};

#[tokio::test]
async fn a_good_canary_is_successful() {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 600, 1_000);
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    let value: f64 = answer.value.parse().unwrap();
    assert!((0.51..=0.99).contains(&value), "{value}");
    assert!(
        answer.message.starts_with("canary promoted: 0/"),
        "{}",
        answer.message
    );
    assert!(answer.finished_at >= answer.started_at);
    assert_eq!(answer.resume_at, None);
    let json: serde_json::Value = serde_json::from_str(&answer.metadata["analysisJSON"]).unwrap();
    assert_eq!(json["promote"], true);
    assert_eq!(
        json["confidence"].to_string(),
        answer.metadata["confidence"]
    );
    assert!(answer.metadata["analysis"].contains("No model was asked"));
}

#[tokio::test]
async fn a_bad_canary_is_failed_with_its_numbers() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!((answer.phase, answer.value.as_str()), (Phase::Failed, "0"));
    let message = &answer.message;
    assert!(message.starts_with("canary aborted: +33"), "{message}");
    assert!(message.contains("3/3 pods"), "{message}");
    let json: serde_json::Value = serde_json::from_str(&answer.metadata["analysisJSON"]).unwrap();
    assert_eq!(json["promote"], false);
    assert!(json["rootCause"].is_string(), "{json}");
}

#[tokio::test]
async fn a_crash_loop_is_failed_without_any_traffic() {
    let bench = Bench::new().await;
    for pod in bench.canary_pods() {
        let now_ms = bench.now_ms;
        bench.stand_in.change(|world| {
            world.change_pod(NAMESPACE, &pod, |pod| {
                pod["status"]["containerStatuses"][0] = objects::crash_loop(4, 1, now_ms);
                pod["status"]["conditions"][0]["status"] = "False".into();
            });
        });
    }
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(answer.phase, Phase::Failed, "{answer:?}");
    assert!(
        answer.message.contains("CrashLoopBackOff"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn no_traffic_is_running_and_then_inconclusive() {
    let bench = Bench::new().await;
    let mut plugin = bench.plugin().await;
    let waiting = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(waiting.phase, Phase::Running, "{waiting:?}");
    assert!(waiting.resume_at > waiting.started_at && !waiting.message.is_empty());
    // Asked again before its time it says the same, and looks no second time.
    let again = plugin.resume(&metric("{}"), &waiting).await;
    assert_eq!(
        (again.resume_at, again.message),
        (waiting.resume_at, waiting.message)
    );

    let mut plugin = bench.plugin().await;
    let answer = plugin.measure_late(&run(), &metric("{}")).await;
    assert_eq!(
        (answer.phase, answer.value.as_str()),
        (Phase::Inconclusive, "0")
    );
    assert!(
        answer.message.starts_with("no verdict after 360"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn too_little_traffic_says_how_much_is_missing() {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 20, 1_000);
    let mut plugin = bench.plugin().await;
    let waiting = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(waiting.phase, Phase::Running, "{waiting:?}");
    let message = &waiting.message;
    assert!(
        message.contains("about ") && message.contains("more requests"),
        "{message}"
    );
    assert!(waiting.metadata["state"].contains("carried"), "{waiting:?}");
}

#[tokio::test]
async fn no_canary_pod_is_running_and_then_inconclusive() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000);
    for pod in bench.canary_pods() {
        bench.stand_in.change(|world| {
            world.remove_pod(NAMESPACE, &pod);
        });
    }
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure_late(&run(), &metric("{}")).await;
    assert_eq!(answer.phase, Phase::Inconclusive);
    assert!(
        answer.message.contains("no canary pods: nothing matches"),
        "{}",
        answer.message
    );
    assert!(answer.message.contains("role=canary"), "{}", answer.message);
}

#[tokio::test]
async fn a_background_run_answers_before_the_last_step_ends() {
    let bench = Bench::new().await;
    let mut background = run();
    let labels = &mut background.metadata.labels;
    labels.insert("rollout-type".into(), "Background".into());
    let mut plugin = bench.plugin().await;
    // Two pauses of 60 s lie ahead.
    let waiting = plugin.measure(&background, &metric("{}")).await;
    assert_eq!(waiting.phase, Phase::Running, "{waiting:?}");
    // No step lies ahead: one look, and the answer that pauses the rollout.
    bench.stand_in.change(|world| {
        world.change_rollout(NAMESPACE, "web", |rollout| {
            rollout["status"]["currentStepIndex"] = 4.into();
        });
    });
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&background, &metric("{}")).await;
    assert_eq!(answer.phase, Phase::Inconclusive, "{answer:?}");
    assert!(
        answer.message.contains("last step is about to end"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn conditions_of_the_metric_worsen_a_promote() {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 600, 1_000);
    let mut plugin = bench.plugin().await;
    let mut strict = metric("{}");
    strict.success_condition = "result > 0.999".into();
    let answer = plugin.measure(&run(), &strict).await;
    assert_eq!((answer.phase, answer.value.as_str()), (Phase::Failed, "0"));
    assert!(
        answer.message.contains("`successCondition` does not allow"),
        "{}",
        answer.message
    );
}
