//! The stand-in answers as an API server does: status, bodies, paging, logs.

use http::{Request, Response};
use http_body_util::BodyExt;
use kube_stand_in::body::AnswerBody;
use kube_stand_in::objects::{self, RolloutPod};
use kube_stand_in::{Act, Fault, Log, LogOf, MAX_SEEN, Resource, StandIn, World};
use serde_json::{Value, json};

const NOW_MS: i64 = 1_767_323_045_000; // 2026-01-02T03:04:05Z

fn pod(suffix: &str, role: &str) -> Value {
    RolloutPod {
        namespace: "shop",
        rollout: "web",
        hash: "aaa",
        suffix,
        role,
        start_ms: NOW_MS,
    }
    .json()
}

fn stand_in() -> StandIn {
    let mut world = World::default();
    for suffix in ["3", "1", "2"] {
        world.add_pod(pod(suffix, "canary"));
    }
    world.add_pod(pod("4", "stable"));
    world.add_rollout(objects::rollout("shop", "web", "aaa", "bbb"));
    world.set_log(
        LogOf::current("shop", "web-aaa-1", "web"),
        Log::lines(NOW_MS, 1_000, ["one", "two", "three"]),
    );
    StandIn::new(world)
}

async fn get(stand_in: &StandIn, uri: &str) -> Response<AnswerBody> {
    stand_in
        .answer(&Request::get(uri).body(()).expect("a request"))
        .await
}

async fn json(stand_in: &StandIn, uri: &str) -> (u16, Value) {
    let response = get(stand_in, uri).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body");
    (
        status,
        serde_json::from_slice(&body.to_bytes()).expect("JSON"),
    )
}

async fn text(stand_in: &StandIn, uri: &str) -> String {
    let body = get(stand_in, uri).await.into_body().collect().await;
    String::from_utf8(body.expect("a body").to_bytes().to_vec()).expect("text")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}

#[tokio::test]
async fn lists_by_label_in_order_and_page_by_page() {
    let stand_in = stand_in();
    let uri = "/api/v1/namespaces/shop/pods?labelSelector=role%3Dcanary&limit=2";
    let (status, first) = json(&stand_in, uri).await;
    assert_eq!(
        (status, names(&first)),
        (200, vec!["web-aaa-1", "web-aaa-2"])
    );
    let next = first["metadata"]["continue"]
        .as_str()
        .expect("another page");
    let (_, second) = json(&stand_in, &format!("{uri}&continue={next}")).await;
    assert_eq!(names(&second), ["web-aaa-3"]);
    assert_eq!(second["metadata"].get("continue"), None);
    let (_, elsewhere) = json(&stand_in, "/api/v1/namespaces/other/pods").await;
    assert!(names(&elsewhere).is_empty());
    let (status, _) = json(
        &stand_in,
        "/api/v1/namespaces/shop/pods?labelSelector=a%20b",
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn events_are_selected_by_field() {
    let stand_in = stand_in();
    stand_in.change(|world| {
        world.add_event(objects::warning("shop", "web-aaa-1", "BackOff", NOW_MS));
        let mut normal = objects::warning("shop", "web-aaa-1", "Pulled", NOW_MS);
        normal["type"] = json!("Normal");
        world.add_event(normal);
    });
    let uri =
        "/api/v1/namespaces/shop/events?fieldSelector=involvedObject.kind%3DPod%2Ctype%3DWarning";
    assert_eq!(names(&json(&stand_in, uri).await.1), ["web-aaa-1.BackOff"]);
}

#[tokio::test]
async fn logs_honour_what_is_asked_for() {
    let stand_in = stand_in();
    let log = "/api/v1/namespaces/shop/pods/web-aaa-1/log";
    for (query, expected) in [
        ("", "one\ntwo\nthree\n"),
        ("container=web&tailLines=1", "three\n"),
        ("sinceTime=2026-01-02T03%3A04%3A06Z", "two\nthree\n"),
        ("limitBytes=6", "one\ntw"),
        (
            "timestamps=true&tailLines=1",
            "2026-01-02T03:04:07.000000000Z three\n",
        ),
    ] {
        assert_eq!(
            text(&stand_in, &format!("{log}?{query}")).await,
            expected,
            "{query}"
        );
    }
    for (query, expected) in [
        (
            "container=db",
            "container db is not valid for pod web-aaa-1",
        ),
        (
            "previous=true",
            "previous terminated container \"web\" in pod \"web-aaa-1\" not found",
        ),
        ("limitBytes=0", "limitBytes: must be greater than 0"),
    ] {
        let (status, body) = json(&stand_in, &format!("{log}?{query}")).await;
        assert_eq!((status, &body["message"]), (400, &json!(expected)));
    }
    let (status, body) = json(&stand_in, "/api/v1/namespaces/shop/pods/gone/log").await;
    assert_eq!((status, &body["reason"]), (404, &json!("NotFound")));
}

#[tokio::test]
async fn a_crash_loops_current_log_is_its_last_runs() {
    let stand_in = stand_in();
    stand_in.change(|world| {
        world.change_pod("shop", "web-aaa-1", |pod| {
            pod["status"]["containerStatuses"] = json!([objects::crash_loop(3, 1, NOW_MS)]);
        });
        world.change_pod("shop", "web-aaa-2", |pod| {
            pod["status"]["containerStatuses"][0]["state"] =
                json!({"waiting": {"reason": "ImagePullBackOff"}});
        });
    });
    assert_eq!(
        text(&stand_in, "/api/v1/namespaces/shop/pods/web-aaa-1/log").await,
        "one\ntwo\nthree\n"
    );
    let (status, body) = json(&stand_in, "/api/v1/namespaces/shop/pods/web-aaa-2/log").await;
    assert_eq!(
        (status, &body["message"]),
        (
            400,
            &json!("container \"web\" in pod \"web-aaa-2\" is waiting to start: ImagePullBackOff")
        )
    );
}

#[tokio::test]
async fn faults_meet_what_they_name_as_often_as_they_say() {
    let stand_in = stand_in();
    let pods = "/api/v1/namespaces/shop/pods";
    stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Pods, Act::Status(429, Some(2))).times(1));
        world.add_fault(Fault::on(Resource::Log, Act::Forbidden).only("web-aaa-1"));
    });
    let busy = get(&stand_in, pods).await;
    assert_eq!(busy.status(), 429);
    assert_eq!(busy.headers()["retry-after"], "2");
    assert_eq!(get(&stand_in, pods).await.status(), 200);
    let (status, body) = json(&stand_in, &format!("{pods}/web-aaa-1/log")).await;
    assert_eq!(status, 403);
    assert_eq!(
        body["message"],
        "pods \"web-aaa-1\" is forbidden: User \
         \"system:serviceaccount:argo-rollouts:argo-rollouts\" cannot get resource \"pods/log\" \
         in API group \"\" in the namespace \"shop\""
    );
    assert_eq!(
        get(&stand_in, &format!("{pods}/web-aaa-2/log"))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn the_world_changes_after_an_answer() {
    let stand_in = stand_in();
    stand_in.change(|world| {
        let vanish = |world: &mut World| {
            world.remove_pod("shop", "web-aaa-1");
        };
        world.add_fault(Fault::on(Resource::Pods, Act::Then(Box::new(vanish))).times(1));
    });
    let pods = "/api/v1/namespaces/shop/pods?labelSelector=role%3Dcanary";
    assert_eq!(names(&json(&stand_in, pods).await.1).len(), 3);
    assert_eq!(names(&json(&stand_in, pods).await.1).len(), 2);
}

#[tokio::test]
async fn a_cut_body_is_an_error_after_its_bytes() {
    let stand_in = stand_in();
    stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Log, Act::CutAfter(5)));
    });
    let mut body = get(&stand_in, "/api/v1/namespaces/shop/pods/web-aaa-1/log")
        .await
        .into_body();
    let first = body.frame().await.expect("a piece").expect("no error yet");
    assert_eq!(first.into_data().expect("data"), "one\nt");
    assert!(body.frame().await.expect("an end").is_err());
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let stand_in = stand_in();
    stand_in.change(|world| {
        world.require_token("hush");
    });
    let pods = "/api/v1/namespaces/shop/pods";
    assert_eq!(get(&stand_in, pods).await.status(), 401);
    let with_token = Request::get(pods)
        .header("authorization", "Bearer hush")
        .body(());
    assert_eq!(
        stand_in
            .answer(&with_token.expect("a request"))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn it_remembers_requests_and_what_was_open_at_once() {
    let stand_in = stand_in();
    let log = "/api/v1/namespaces/shop/pods/web-aaa-1/log";
    let (first, second) = (get(&stand_in, log).await, get(&stand_in, log).await);
    assert_eq!(stand_in.open_now(Resource::Log), 2);
    drop((first, second));
    drop(get(&stand_in, log).await);
    assert_eq!(stand_in.open_now(Resource::Log), 0);
    assert_eq!(stand_in.most_at_once(Resource::Log), 2);
    let seen = stand_in.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(
        (seen[0].resource, seen[0].uri.as_str(), seen[0].status),
        (Resource::Log, log, 200)
    );
}

#[tokio::test]
async fn writing_is_refused() {
    let stand_in = stand_in();
    let delete = Request::delete("/api/v1/namespaces/shop/pods/web-aaa-1").body(());
    assert_eq!(
        stand_in.answer(&delete.expect("a request")).await.status(),
        405
    );
}

#[tokio::test]
async fn an_event_that_comes_again_is_counted_and_goes_with_its_pod() {
    let stand_in = stand_in();
    let uri = "/api/v1/namespaces/shop/events";
    for at_ms in [NOW_MS, NOW_MS + 5_000] {
        stand_in.change(|world| {
            world.set_event(objects::warning("shop", "web-aaa-1", "BackOff", at_ms));
        });
    }
    stand_in.change(|world| {
        world.set_event(objects::warning("shop", "web-aaa-2", "BackOff", NOW_MS));
    });
    let (_, list) = json(&stand_in, uri).await;
    assert_eq!(names(&list), ["web-aaa-1.BackOff", "web-aaa-2.BackOff"]);
    let first = &list["items"][0];
    assert_eq!(
        (&first["count"], &list["items"][1]["count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(first["firstTimestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(first["lastTimestamp"], "2026-01-02T03:04:10Z");
    stand_in.change(|world| {
        world.remove_events("shop", "web-aaa-1");
    });
    let (_, list) = json(&stand_in, uri).await;
    assert_eq!(names(&list), ["web-aaa-2.BackOff"]);
}

#[tokio::test]
async fn a_rollout_is_set_in_the_place_of_the_one_of_its_name() {
    let stand_in = stand_in();
    stand_in.change(|world| {
        world.set_rollout(objects::rollout("shop", "web", "bbb", "ccc"));
    });
    let uri = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts";
    let (_, list) = json(&stand_in, uri).await;
    assert_eq!(names(&list), ["web"]);
    assert_eq!(list["items"][0]["status"]["stableRS"], "bbb");
}

#[tokio::test]
async fn of_very_many_requests_the_newest_are_remembered() {
    let stand_in = stand_in();
    for number in 0..=MAX_SEEN {
        get(&stand_in, &format!("/healthz?{number}")).await;
    }
    let seen = stand_in.seen();
    assert_eq!(seen.len(), MAX_SEEN);
    assert_eq!(seen[0].uri, "/healthz?1");
}
