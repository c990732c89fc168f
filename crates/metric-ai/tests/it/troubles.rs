//! What cannot be judged is an error, and its message says what mends it.

use kube_stand_in::{Act, Fault, Resource};
use rollouts_plugin::{Measurement, Phase};

use crate::bench::{Bench, metric, run};

fn assert_error(answer: &Measurement, message: &str) {
    assert_eq!((answer.phase, answer.value.as_str()), (Phase::Error, ""));
    assert!(answer.message.contains(message), "{}", answer.message);
    assert!(answer.finished_at.is_some() && answer.resume_at.is_none());
}

#[tokio::test]
async fn a_missing_right_is_named() {
    for (resource, right) in [(Resource::Log, "pods/log"), (Resource::Pods, "list pods")] {
        let bench = Bench::new().await;
        bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
        bench.stand_in.change(|world| {
            world.add_fault(Fault::on(resource, Act::Forbidden));
        });
        let mut plugin = bench.plugin().await;
        let answer = plugin.measure(&run(), &metric("{}")).await;
        assert_error(&answer, right);
        assert_error(&answer, "in namespace shop");
    }
}

#[tokio::test]
async fn a_broken_configuration_is_an_error_at_once() {
    let bench = Bench::new().await;
    let plugin = bench.plugin().await;
    let table = [
        (r#"{"stableLabel":7}"#, "key `stableLabel`: text is needed"),
        (
            r#"{"canaryLabel":"a=b=c"}"#,
            "key `canaryLabel`: not a label selector",
        ),
        (
            r#"{"maxWait":"soon"}"#,
            "key `maxWait`: a time from 1s to 24h",
        ),
        (
            r#"{"successCondition":"result >"}"#,
            "`successCondition` in the plugin's block",
        ),
        (
            r#"{"analysisMode":"clever"}"#,
            "key `analysisMode`: must be",
        ),
        ("[]", "must be a map"),
    ];
    for (n, (block, message)) in table.iter().enumerate() {
        let mut run = run();
        run.metadata.uid = format!("run-{n}");
        let answer = plugin.run(&run, &metric(block)).await;
        assert_error(&answer, message);
    }
    assert!(bench.stand_in.seen().is_empty(), "nothing was read for it");
}

#[tokio::test]
async fn agent_mode_without_an_agent_is_refused_in_words_that_users_know() {
    let bench = Bench::new().await;
    let plugin = bench.plugin().await;
    let answer = plugin
        .run(&run(), &metric(r#"{"analysisMode":"agent"}"#))
        .await;
    assert_error(&answer, "agent mode requires agentUrl to be configured");
    assert_error(&answer, "agentUrl is required");
}

#[tokio::test]
async fn no_way_into_the_cluster_is_an_error_and_nothing_is_remembered_of_it() {
    let bench = Bench::new().await;
    let launch = bench.launch().env("KUBECONFIG", "/nonexistent/kubeconfig");
    let plugin = rollouts_plugin::host::MetricPlugin::start(&launch)
        .await
        .unwrap();
    plugin.init().await.unwrap().unwrap();
    let first = plugin.run(&run(), &metric("{}")).await.unwrap();
    let ended = plugin.output().find(|line| line.contains("looked in vain"));
    ended.await.unwrap();
    let answer = plugin.resume(&run(), &metric("{}"), &first).await.unwrap();
    assert_error(&answer, "failed to set up access to the cluster");
}

#[tokio::test]
async fn an_api_server_that_fails_is_an_error() {
    let bench = Bench::new().await;
    bench.stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Pods, Act::Status(500, None)));
    });
    let mut plugin = bench.plugin().await;
    let answer = plugin.measure(&run(), &metric("{}")).await;
    assert_error(&answer, "the API server answered 500");
}

#[tokio::test]
async fn no_secret_of_the_configuration_is_shown_anywhere() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    let block = r#"{"extraPrompt":"hunter2","model":"gemini-x","githubUrl":"https://hunter2@g/h",
        "baseBranch":"hunter2","colour":"hunter2","analysisMode":"default",
        "agentUrl":"http://u:hunter2@agent:8080","successCondition":"result > 0.5",
        "podName":"hunter2"}"#;
    let answer = plugin.measure(&run(), &metric(block)).await;
    assert_eq!(answer.phase, Phase::Failed);
    let described = plugin.plugin.metadata(&metric(block)).await.unwrap();
    assert_eq!(described["agentUrl"], "http://agent:8080");
    for broken in [
        r#"{"maxWait":"hunter2"}"#,
        r#"{"stableLabel":"hunter2 hunter2"}"#,
        r#"{"failureCondition":"hunter2"}"#,
        r#"{"analysisMode":"hunter2"}"#,
        "hunter2",
    ] {
        let mut run = run();
        run.metadata.uid = broken.into();
        let answer = plugin.run(&run, &metric(broken)).await;
        assert_eq!(answer.phase, Phase::Error);
        assert!(!format!("{answer:?}").contains("hunter2"), "{answer:?}");
    }
    let lines = plugin.plugin.output().lines().join("\n");
    for shown in [lines, format!("{answer:?}"), format!("{described:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
