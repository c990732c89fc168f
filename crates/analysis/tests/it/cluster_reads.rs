//! What is read: all pods that are really the rollout's, all their logs.

use analysis::{Access, Cluster, Earlier};
use judge::judgement::Carried;
use kube_stand_in::objects;
use kube_stand_in::{Act, Fault, Log, LogOf, Resource, StandIn, World};
use serde_json::json;

use crate::scene::{
    NAMESPACE, NOW_MS, START_MS, canary, cluster, gather, healthy, left_out, log_of, log_queries,
    logs, request, stable, world,
};

#[tokio::test(start_paused = true)]
async fn all_pods_of_both_arms_since_the_canarys_start() {
    let stand_in = StandIn::new(world());
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(
        logs(&gathered),
        [
            "web-aaa-1/web",
            "web-aaa-2/web",
            "web-ccc-1/web",
            "web-ccc-2/web"
        ]
    );
    assert_eq!(left_out(&gathered), [""; 0]);
    assert_eq!(gathered.canary_start_ms, Some(START_MS));
    assert_eq!(gathered.evidence.window.start_ms, Some(START_MS));
    assert_eq!(gathered.evidence.window.end_ms, Some(NOW_MS));
    assert_eq!(gathered.last_step_end_ms, Some(NOW_MS + 120_000));
    for query in log_queries(&stand_in) {
        assert!(query.contains("timestamps=true"), "{query}");
        assert!(
            query.contains("sinceTime=2026-01-02T03%3A03%3A05Z"),
            "{query}"
        );
    }
    let lines = |arm: &judge::evidence::ArmEvidence| -> Vec<u64> {
        arm.logs.iter().map(|log| log.profile.lines).collect()
    };
    assert_eq!(lines(&gathered.evidence.canary), [100, 100]);
    assert_eq!(lines(&gathered.evidence.stable), [100, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_second_rollout_with_the_same_role_labels_changes_nothing() {
    let mut world_with_other = world();
    world_with_other.add_rollout(objects::rollout(NAMESPACE, "other", "aaa", "ccc"));
    for pod in [stable("other", "1"), canary("other", "1")] {
        world_with_other.add_pod(pod);
    }
    let errors = Log::lines(START_MS, 10, ["500 - blue"; 500]);
    world_with_other.set_log(log_of("other-ccc-1"), errors);
    world_with_other.add_event(objects::warning(
        NAMESPACE,
        "other-ccc-1",
        "BackOff",
        NOW_MS,
    ));
    let alone = gather(&StandIn::new(world()), &request()).await;
    let beside = StandIn::new(world_with_other);
    assert_eq!(gather(&beside, &request()).await, alone);
    beside.change(|world| {
        world.add_fault(Fault::on(Resource::Rollout, Act::Forbidden));
    });
    let without_rollout = gather(&beside, &request()).await;
    assert_eq!(
        without_rollout.evidence, alone.evidence,
        "also when the Rollout may not be read"
    );
    assert_eq!(without_rollout.last_step_end_ms, None);
}

#[tokio::test(start_paused = true)]
async fn another_namespace_changes_nothing() {
    let alone = gather(&StandIn::new(world()), &request()).await;
    let mut with_elsewhere = world();
    let mut elsewhere = canary("web", "9");
    elsewhere["metadata"]["namespace"] = json!("elsewhere");
    with_elsewhere.add_pod(elsewhere);
    let stand_in = StandIn::new(with_elsewhere);
    assert_eq!(gather(&stand_in, &request()).await, alone);
    for seen in stand_in.seen() {
        assert!(seen.uri.contains("/namespaces/shop/"), "{}", seen.uri);
    }
}

#[tokio::test(start_paused = true)]
async fn previous_logs_of_restarted_containers() {
    let mut world = world();
    world.change_pod(NAMESPACE, "web-ccc-1", |pod| {
        pod["status"]["containerStatuses"] = json!([objects::container(
            true,
            1,
            json!({"running": {}}),
            objects::terminated(1, NOW_MS - 30_000),
        )]);
    });
    world.set_log(log_of("web-ccc-1").before_restart(), healthy(7));
    world.change_pod(NAMESPACE, "web-ccc-2", |pod| {
        pod["status"]["containerStatuses"] = json!([objects::crash_loop(3, 1, NOW_MS - 5_000)]);
    });
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(
        logs(&gathered)[2..],
        ["web-ccc-1/web", "web-ccc-1/web (previous)", "web-ccc-2/web"]
    );
    assert_eq!(gathered.evidence.canary.logs[1].profile.lines, 7);
    let looping = &gathered.evidence.canary.pods[1].containers[0];
    assert_eq!(looping.waiting_reason, "CrashLoopBackOff");
    assert_eq!(looping.restarts, 3);
}

#[tokio::test(start_paused = true)]
async fn sidecars_are_not_read() {
    let mut world = world();
    world.change_pod(NAMESPACE, "web-ccc-1", |pod| {
        pod["spec"]["containers"] = json!([{"name": "web"}, {"name": "istio-proxy"}]);
        let mut sidecar = pod["status"]["containerStatuses"][0].clone();
        sidecar["name"] = json!("istio-proxy");
        let statuses = pod["status"]["containerStatuses"].as_array_mut();
        statuses.expect("statuses").push(sidecar);
    });
    let proxy = LogOf::current(NAMESPACE, "web-ccc-1", "istio-proxy");
    world.set_log(proxy, healthy(1_000));
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(logs(&gathered)[2..], ["web-ccc-1/web", "web-ccc-2/web"]);
}

#[tokio::test(start_paused = true)]
async fn events_of_the_arms_pods_since_the_start() {
    let mut world = world();
    for (pod, reason, last_ms) in [
        ("web-ccc-1", "BackOff", NOW_MS),
        ("web-ccc-1", "FailedMount", START_MS - 60_000),
        ("web-aaa-1", "Unhealthy", NOW_MS),
        ("cron-1", "BackOff", NOW_MS),
    ] {
        world.add_event(objects::warning(NAMESPACE, pod, reason, last_ms));
    }
    let gathered = gather(&StandIn::new(world), &request()).await;
    let reasons = |arm: &judge::evidence::ArmEvidence| -> Vec<String> {
        arm.events
            .iter()
            .map(|event| event.reason.clone())
            .collect()
    };
    assert_eq!(reasons(&gathered.evidence.canary), ["BackOff"]);
    assert_eq!(reasons(&gathered.evidence.stable), ["Unhealthy"]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_vanish_while_they_are_read_are_left_out() {
    let stand_in = StandIn::new(world());
    stand_in.change(|world| {
        let vanish = |world: &mut World| {
            world.remove_pod(NAMESPACE, "web-ccc-2");
        };
        let after_the_list = Act::Then(Box::new(vanish));
        world.add_fault(Fault::on(Resource::Pods, after_the_list).only("canary"));
    });
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(logs(&gathered)[2..], ["web-ccc-1/web"]);
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-2/web: it was not there any more"]
    );
    assert!(!gathered.canary.mostly_unread());
}

#[tokio::test(start_paused = true)]
async fn containers_that_have_not_started_are_left_out() {
    let mut world = world();
    world.change_pod(NAMESPACE, "web-ccc-2", |pod| {
        pod["status"]["containerStatuses"][0]["state"] =
            json!({"waiting": {"reason": "ImagePullBackOff"}});
    });
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-2/web: the container has not started"]
    );
    let waiting = &gathered.evidence.canary.pods[1].containers[0];
    assert_eq!(waiting.waiting_reason, "ImagePullBackOff");
}

#[tokio::test(start_paused = true)]
async fn what_the_kubelet_says_instead_of_a_log_is_no_log() {
    let stand_in = StandIn::new(world());
    stand_in.change(|world| {
        let gone = "unable to retrieve container logs for containerd://1".to_owned();
        world.add_fault(Fault::on(Resource::Log, Act::Says(gone)).only("web-ccc-1"));
    });
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(logs(&gathered)[2..], ["web-ccc-2/web"]);
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-1/web: it was not there any more"]
    );
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_page_by_page_to_their_end() {
    let mut world = world();
    for n in 0..250 {
        world.add_pod(stable("web", &format!("more-{n:03}")));
    }
    let stand_in = StandIn::new(world);
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(gathered.stable.pods, 252);
    assert_eq!(gathered.evidence.stable.pods.len(), 252);
    assert_eq!(gathered.evidence.stable.logs.len(), 20);
    assert_eq!(
        left_out(&gathered),
        ["logs of 232 of 252 pods: no more than 20 pods of an arm are read"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_expires_between_pages_starts_again() {
    let mut world = world();
    for n in 0..150 {
        world.add_pod(stable("web", &format!("more-{n:03}")));
    }
    let expired = Fault::on(Resource::Pods, Act::Status(410, None));
    world.add_fault(expired.only("continue=").times(1));
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(gathered.stable.pods, 152);
}

#[tokio::test(start_paused = true)]
async fn the_window_starts_where_earlier_looks_started() {
    let carried = Carried("whatever the judge wrote".into());
    let mut later = request();
    later.earlier = Earlier {
        carried: Some(carried.clone()),
        canary_start_ms: Some(START_MS - 30_000),
    };
    let gathered = gather(&StandIn::new(world()), &later).await;
    assert_eq!(gathered.canary_start_ms, Some(START_MS - 30_000));
    assert_eq!(gathered.evidence.carried, Some(carried));
    for impossible in [NOW_MS + 1, 0, i64::MIN, i64::MAX] {
        later.earlier.canary_start_ms = Some(impossible);
        let gathered = gather(&StandIn::new(world()), &later).await;
        assert_eq!(gathered.canary_start_ms, Some(START_MS), "{impossible}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_canary_pods_the_verdict_waits_and_says_what_was_sought() {
    let mut world = world();
    world.remove_pod(NAMESPACE, "web-ccc-1");
    world.remove_pod(NAMESPACE, "web-ccc-2");
    let look = analysis::analyse(
        (&cluster(&StandIn::new(world))).into(),
        &request(),
        &judge::Policy::default(),
    )
    .await
    .expect("it can be gathered");
    assert_eq!(look.decision(), judge::Decision::Inconclusive);
    assert_eq!(look.gathered.canary_start_ms, None);
    assert_eq!(
        look.verdict.message,
        "canary inconclusive: no canary pods: nothing matches \
         role=canary,rollouts-pod-template-hash=ccc of rollout web in namespace shop"
    );
}

#[tokio::test]
async fn over_a_socket_with_a_kubeconfig_and_its_token() {
    let mut world = world();
    world.require_token("hush");
    let stand_in = StandIn::new(world);
    let server = stand_in.serve().await.expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    std::fs::write(&path, server.kubeconfig(Some("hush"))).expect("a file");
    crate::scene::listen();
    let cluster = Cluster::new(Access::Kubeconfig(path));
    let gathered = cluster
        .gather(&request())
        .await
        .expect("it can be gathered");
    assert_eq!(logs(&gathered).len(), 4);
}
