//! Every limit, with a test that fails without it.

use std::sync::Arc;
use std::time::Duration;

use analysis::GatherError;
use analysis::limits::{
    MAX_EVENTS_PER_ARM, MAX_LEFT_OUT, MAX_WINDOW_MS, PARALLEL_LOGS, PARALLEL_OBJECTS,
};
use kube_stand_in::objects;
use kube_stand_in::{Act, Fault, Line, Log, Resource, StandIn};
use tokio::time::Instant;

use crate::scene::{
    NOW_MS, START_MS, canary, cluster, gather, healthy, left_out, log_of, log_queries, logs,
    request, stable, world,
};

/// Numbered lines, ten a second: with the time before it, each has 41 bytes.
fn numbered(count: u64) -> Log {
    Log::generated(count, |index| Line {
        time_ms: START_MS + 100 * index.cast_signed(),
        text: format!("GET /{index:04}"),
    })
}

#[tokio::test(start_paused = true)]
async fn of_a_log_that_is_too_large_the_newest_lines_count() {
    let mut world = world();
    world.set_log(log_of("web-ccc-1"), numbered(1_000));
    let stand_in = StandIn::new(world);
    let mut request = request();
    request.limits.log_bytes = 8_000;
    let gathered = gather(&stand_in, &request).await;
    let profile = &gathered.evidence.canary.logs[0].profile;
    assert!(profile.bytes <= 8_000, "{}", profile.bytes);
    assert!(
        profile.lines >= 100,
        "most of what may be read is read: {}",
        profile.lines
    );
    assert_eq!(
        left_out(&gathered),
        [format!(
            "web-ccc-1/web: only its newest {} lines were read",
            profile.lines
        )]
    );
    let asked: Vec<_> = log_queries(&stand_in)
        .into_iter()
        .filter(|query| query.contains("limitBytes=8000"))
        .filter(|query| !query.contains("tailLines=250000"))
        .collect();
    assert_eq!(
        asked.len(),
        1,
        "once more, from nearer to the end: {asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_more_than_was_asked_for_is_cut() {
    // It heeds neither the bytes nor the lines that it is asked for.
    let mut world = world();
    let endless = Act::Says("x".repeat(100_000));
    world.add_fault(Fault::on(Resource::Log, endless).only("web-ccc-1"));
    let mut request = request();
    request.limits.log_bytes = 8_000;
    let gathered = gather(&StandIn::new(world), &request).await;
    assert_eq!(gathered.evidence.canary.logs[0].profile.bytes, 8_000);
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-1/web: its newest lines were not read"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_stays_too_large_is_not_asked_for_again_and_again() {
    // Short lines, and an end of two that are larger than all that may be read.
    let mut world = world();
    let swelling = Log::generated(1_000, |index| Line {
        time_ms: START_MS,
        text: "x".repeat(if index < 998 { 10 } else { 100_000 }),
    });
    world.set_log(log_of("web-ccc-1"), swelling);
    let stand_in = StandIn::new(world);
    let mut request = request();
    request.limits.log_bytes = 8_000;
    let gathered = gather(&stand_in, &request).await;
    assert_eq!(log_queries(&stand_in).len(), 3 + 1 + 4);
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-1/web: its newest lines were not read"]
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_log_with_too_many_lines_the_newest_count() {
    let mut request = request();
    request.limits.log_lines = 30;
    let gathered = gather(&StandIn::new(world()), &request).await;
    assert_eq!(gathered.evidence.canary.logs[0].profile.lines, 30);
    assert_eq!(
        left_out(&gathered)[0],
        "web-aaa-1/web: only its newest 30 lines were read"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_pods_than_the_limit_are_read() {
    let mut world = world();
    for n in 0..10 {
        world.add_pod(canary("web", &format!("x{n}")));
    }
    let stand_in = StandIn::new(world);
    let mut request = request();
    request.limits.pods_per_arm = 3;
    let gathered = gather(&stand_in, &request).await;
    assert_eq!(log_queries(&stand_in).len(), 2 + 3);
    assert_eq!(
        gathered.evidence.canary.pods.len(),
        12,
        "their states all count"
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_comes_costs_its_own_time_only() {
    for act in [Act::Hang, Act::HangAfter(0)] {
        let mut world = world();
        world.add_fault(Fault::on(Resource::Log, act).only("web-ccc-1"));
        let stand_in = StandIn::new(world);
        let begun = Instant::now();
        let gathered = gather(&stand_in, &request()).await;
        assert_eq!(begun.elapsed(), request().limits.log_time);
        assert_eq!(logs(&gathered)[2..], ["web-ccc-2/web"]);
        assert_eq!(
            left_out(&gathered),
            ["web-ccc-1/web: no answer within 15 s"]
        );
        assert_eq!(stand_in.open_now(Resource::Log), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_stops_half_way_is_read_so_far() {
    let mut world = world();
    world.add_fault(Fault::on(Resource::Log, Act::HangAfter(410)).only("web-ccc-1"));
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(gathered.evidence.canary.logs[0].profile.bytes, 410);
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-1/web: it was too slow to be read to its end"]
    );
}

#[tokio::test(start_paused = true)]
async fn slow_logs_end_with_the_look() {
    let mut world = world();
    for n in 0..18 {
        world.add_pod(canary("web", &format!("x{n:02}")));
    }
    world.add_fault(Fault::on(Resource::Log, Act::Hang).only("web-ccc"));
    let stand_in = StandIn::new(world);
    let mut request = request();
    request.limits.parallel_logs = 2;
    let begun = Instant::now();
    let gathered = gather(&stand_in, &request).await;
    assert_eq!(begun.elapsed(), request.limits.look_time);
    assert_eq!(gathered.stable.logs_read, 2);
    assert_eq!(gathered.canary.logs_read, 0);
    assert_eq!(left_out(&gathered).len(), 20);
    assert_eq!(
        left_out(&gathered)[19],
        "web-ccc-x17/web: it was not read in time"
    );
    assert_eq!(stand_in.open_now(Resource::Log), 0, "nothing stays behind");
}

#[tokio::test(start_paused = true)]
async fn lists_that_never_come_end_in_an_error() {
    let mut world = world();
    world.add_fault(Fault::on(Resource::Pods, Act::Hang));
    let begun = Instant::now();
    let error = cluster(&StandIn::new(world)).gather(&request()).await;
    assert_eq!(begun.elapsed(), request().limits.request_time);
    let error = error.expect_err("no answer");
    assert!(
        matches!(error, GatherError::TimedOut { limit_s: 10, .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn events_that_never_come_are_left_out() {
    let mut world = world();
    world.add_fault(Fault::on(Resource::Events, Act::Hang));
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(logs(&gathered).len(), 4);
    assert_eq!(
        left_out(&gathered),
        ["Kubernetes events: failed to list events: no answer from the API server within 10 s"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_refused() {
    let mut world = world();
    world.change_pod("shop", "web-ccc-1", |pod| {
        pod["metadata"]["annotations"]["big"] = "x".repeat(9 << 20).into();
    });
    let error = cluster(&StandIn::new(world)).gather(&request()).await;
    let error = error.expect_err("too large");
    assert!(
        matches!(error, GatherError::TooLarge { limit_mib: 8, .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_look_reads_only_so_many_logs_at_once() {
    let mut world = world();
    for n in 0..18 {
        let suffix = format!("x{n:02}");
        world.add_pod(canary("web", &suffix));
        world.set_log(log_of(&format!("web-ccc-{suffix}")), healthy(10_000));
    }
    let stand_in = StandIn::new(world);
    let mut request = request();
    request.limits.parallel_logs = 3;
    gather(&stand_in, &request).await;
    assert_eq!(stand_in.most_at_once(Resource::Log), 3);
}

#[tokio::test(start_paused = true)]
async fn all_looks_of_a_process_read_only_so_many_logs_at_once() {
    let mut world = world();
    for n in 0..18 {
        world.add_pod(stable("web", &format!("x{n:02}")));
    }
    world.add_fault(Fault::on(
        Resource::Log,
        Act::Slow(Duration::from_millis(10)),
    ));
    let stand_in = StandIn::new(world);
    let cluster = cluster(&stand_in);
    let request = Arc::new(request());
    let looks: Vec<_> = (0..10)
        .map(|_| {
            let (cluster, request) = (cluster.clone(), Arc::clone(&request));
            tokio::spawn(async move { cluster.gather(&request).await })
        })
        .collect();
    for look in looks {
        look.await.expect("no panic").expect("it can be gathered");
    }
    assert_eq!(stand_in.most_at_once(Resource::Log), PARALLEL_LOGS);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_dropped_leaves_nothing_open() {
    let mut world = world();
    world.add_fault(Fault::on(Resource::Log, Act::Hang));
    let stand_in = StandIn::new(world);
    let cluster = cluster(&stand_in);
    let look = tokio::spawn(async move { cluster.gather(&request()).await.map(drop) });
    while stand_in.open_now(Resource::Log) < 4 {
        tokio::task::yield_now().await;
    }
    look.abort();
    assert!(look.await.expect_err("aborted").is_cancelled());
    while stand_in.open_now(Resource::Log) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_left_out_is_a_list_that_ends() {
    let mut world = world();
    let mut containers = Vec::new();
    let mut statuses = Vec::new();
    for n in 0..MAX_LEFT_OUT + 50 {
        let name = format!("c{n:03}");
        containers.push(serde_json::json!({"name": name}));
        statuses.push(serde_json::json!({"name": name, "state": {"waiting": {}}}));
    }
    world.change_pod("shop", "web-ccc-1", |pod| {
        pod["spec"]["containers"] = containers.into();
        pod["status"]["containerStatuses"] = statuses.into();
    });
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(left_out(&gathered).len(), MAX_LEFT_OUT + 1);
    assert_eq!(
        left_out(&gathered)[MAX_LEFT_OUT],
        "50 more: not listed here"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_of_pods_ends() {
    let mut world = world();
    for n in 0..1_100 {
        world.add_pod(stable("web", &format!("more-{n:04}")));
    }
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(gathered.stable.pods, 1_000);
    assert!(left_out(&gathered).contains(&"pods: there are more pods than are listed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_arms_events_end() {
    let mut world = world();
    for n in 0..MAX_EVENTS_PER_ARM + 50 {
        let mut event = objects::warning("shop", "web-ccc-1", "BackOff", NOW_MS);
        event["metadata"]["name"] = format!("event-{n:03}").into();
        world.add_event(event);
    }
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(gathered.evidence.canary.events.len(), MAX_EVENTS_PER_ARM);
}

#[tokio::test(start_paused = true)]
async fn all_looks_of_a_process_ask_only_so_many_things_at_once() {
    let mut world = world();
    let slow = Duration::from_millis(10);
    world.add_fault(Fault::on(Resource::Pods, Act::Slow(slow)));
    let stand_in = StandIn::new(world);
    let cluster = cluster(&stand_in);
    let looks: Vec<_> = (0..10)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.gather(&request()).await })
        })
        .collect();
    for look in looks {
        look.await.expect("no panic").expect("it can be gathered");
    }
    let most = stand_in.most_at_once(Resource::Pods);
    assert!((2..=PARALLEL_OBJECTS).contains(&most), "{most}");
}

#[tokio::test(start_paused = true)]
async fn an_old_canary_is_judged_by_its_last_days() {
    let mut world = world();
    world.change_pod("shop", "web-ccc-1", |pod| {
        pod["status"]["startTime"] = "2020-01-01T00:00:00Z".into();
    });
    let gathered = gather(&StandIn::new(world), &request()).await;
    assert_eq!(gathered.canary_start_ms, Some(NOW_MS - MAX_WINDOW_MS));
}
