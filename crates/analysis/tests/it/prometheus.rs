//! Metrics from a scripted server: what is asked, what is made of an answer,
//! and that no failure is more than evidence left out.

use std::pin::pin;
use std::time::Duration;

use analysis::outbound::{Outbound, client};
use analysis::prometheus::{Access, Limits, PARALLEL_QUERIES, Prometheus, Queries, Samples};
use analysis::{Metrics, Sources};
use futures::future::select;
use judge::Decision;
use judge::evidence::{Window, Worse};
use kube_stand_in::{StandIn, World};
use serde_json::{Value, json};

use crate::scene::{Captured, START_MS, cluster, healthy, listen, log_of, request, world};
use crate::scripted::{Answer, Scripted};

/// Two minutes of a canary: samples at 30, 60, 90 and 120 s.
pub const END_MS: i64 = START_MS + 120_000;

pub fn window() -> Window {
    Window::new(START_MS, END_MS)
}

pub fn access() -> Access {
    Access::new(client(&Outbound::default()).expect("a client"))
}

pub fn queries(block: &Value) -> Queries {
    Queries::read(block, &mut Vec::new()).expect("queries")
}

/// One metric, asked for at `address`.
pub fn latency(address: &str) -> Queries {
    queries(&json!({"address": address, "pairs": [
        {"name": "p95 latency", "unit": "ms", "stable": "of_stable", "canary": "of_canary"}]}))
}

/// `what: why` of all that was left out of the canary's.
pub fn left_out(samples: &Samples) -> Vec<String> {
    let canary = samples.left_out.iter();
    canary
        .filter(|entry| entry.arm == judge::Arm::Canary)
        .map(|entry| format!("{}: {}", entry.what, entry.why))
        .collect()
}

fn matrix(result: &Value) -> String {
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}}).to_string()
}

/// One series with these values at 30, 60, … s.
fn series(values: &[&str]) -> String {
    let values: Vec<Value> = (1..)
        .zip(values)
        .map(|(n, value)| json!([(START_MS / 1_000) + 30 * n, value]))
        .collect();
    matrix(&json!([{"metric": {"job": "web"}, "values": values}]))
}

/// A canary whose logs promote it.
fn healthy_world() -> World {
    let mut world = world();
    for pod in ["web-aaa-1", "web-aaa-2", "web-ccc-1", "web-ccc-2"] {
        world.set_log(log_of(pod), healthy(1_000));
    }
    world
}

/// A look at that canary `now_ms`, with metrics.
pub async fn look(source: &Prometheus, queries: &Queries, now_ms: i64) -> analysis::Look {
    let cluster = cluster(&StandIn::new(healthy_world()));
    let mut request = request();
    request.now_ms = now_ms;
    let sources = Sources {
        cluster: &cluster,
        metrics: Some(Metrics { source, queries }),
    };
    analysis::analyse(sources, &request, &judge::Policy::default())
        .await
        .expect("metrics fail no look")
}

#[tokio::test]
async fn both_arms_are_asked_over_the_window() {
    let server = Scripted::start(|seen| {
        let of_canary = seen.parameters["query"] == "of_canary";
        Answer::json(
            200,
            &series(&[if of_canary { "3.5" } else { "1e2" }, "2", "-0", "7"]),
        )
    })
    .await;
    let address = format!("{}/prefix/", server.url());
    let samples = Prometheus::new(access())
        .gather(&latency(&address), window())
        .await;
    let [canary] = &samples.canary[..] else {
        panic!("{samples:?}")
    };
    assert_eq!(
        (canary.name.as_str(), canary.unit.as_str(), canary.worse),
        ("p95 latency", "ms", Worse::Higher)
    );
    let at = |n: i64| START_MS + n * 30_000;
    assert_eq!(
        canary.values,
        [(at(1), 3.5), (at(2), 2.0), (at(3), -0.0), (at(4), 7.0)]
    );
    assert_eq!(samples.stable[0].values[0], (at(1), 100.0));
    assert_eq!(samples.left_out, []);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(seen.method, "GET");
        assert_eq!(seen.path, "/prefix/api/v1/query_range");
        let parameter = |name: &str| seen.parameters[name].as_str();
        assert_eq!(parameter("start"), "1767323015.000");
        assert_eq!(parameter("end"), "1767323105.000");
        assert_eq!(parameter("step"), "30.000");
        assert_eq!(parameter("timeout"), "8000ms");
        assert!(!seen.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn a_long_query_is_sent_as_a_form() {
    let server = Scripted::always(Answer::json(200, &series(&["1"]))).await;
    let long = format!("up{{pod=~\"{}\"}}", "a|".repeat(1_500));
    let block = json!({"address": server.url(), "pairs": [
        {"name": "long", "stable": long, "canary": "up"}]});
    let samples = Prometheus::new(access())
        .gather(&queries(&block), window())
        .await;
    assert_eq!(samples.left_out, []);
    let mut seen = server.seen();
    seen.sort_by_key(|seen| seen.parameters["query"].len());
    let methods: Vec<&str> = seen.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods, ["GET", "POST"]);
    assert_eq!(seen[1].parameters["query"], long);
    assert_eq!(seen[1].path, "/api/v1/query_range");
}

fn error(status: u16, kind: &str) -> Answer {
    let body = json!({"status": "error", "errorType": kind, "error": "hunter2"});
    Answer::json(status, &body.to_string())
}

fn plain(status: u16) -> Answer {
    Answer::with(status, "Content-Type: text/html", b"<p>hunter2")
}

fn ok(body: &str) -> Answer {
    Answer::json(200, body)
}

const NOT_PROMETHEUS: &str = "the answer is not what Prometheus says";

/// What a server may answer instead of samples, and what is said of it.
fn failures() -> Vec<(Answer, &'static str)> {
    let two = json!([{"values": [[1, "1"]]}, {"values": [[1, "1"]]}]);
    let histograms = json!([{"values": [], "histograms": [[1, {}]]}]);
    let cut_off = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"st".to_vec();
    vec![
        (
            ok(&matrix(&json!([]))),
            "no data: the query gives no series",
        ),
        (ok(&series(&[])), "no data: the query gives NaN"),
        (
            ok(&series(&["NaN", "+Inf", "-Inf", "NaN"])),
            "no data: the query gives NaN",
        ),
        (
            ok(&matrix(&two)),
            "several series: aggregate them with sum() or avg()",
        ),
        (
            ok(&matrix(&histograms)),
            "take a number from them with histogram_quantile()",
        ),
        (
            error(400, "bad_data"),
            "refused the query (bad_data): try it",
        ),
        (
            error(422, "execution"),
            "could not run the query (execution): try it",
        ),
        (error(200, "internal"), "could not run the query (internal)"),
        (plain(401), "the server wants a credential (401)"),
        (plain(403), "the server wants a credential (403)"),
        (plain(400), "no Prometheus API at this address (400)"),
        (plain(404), "no Prometheus API at this address (404)"),
        (plain(405), "no Prometheus API at this address (405)"),
        (plain(429), "limits requests (429)"),
        (plain(500), "answered 500: is it overloaded"),
        (
            error(503, "timeout"),
            "answered 503 (timeout): is it overloaded",
        ),
        (error(503, "hunter2"), "answered 503: is it overloaded"),
        (
            Answer::with(302, "Location: /hunter2", b""),
            "the address redirects",
        ),
        (ok(&"x".repeat(300 << 10)), "larger than 256 KiB: aggregate"),
        (Answer::Bytes(cut_off), "the answer broke off"),
        (
            Answer::Bytes(b"hunter2\r\n\r\n".to_vec()),
            "the answer broke off",
        ),
        (Answer::Bytes(Vec::new()), "the answer broke off"),
        (plain(200), NOT_PROMETHEUS),
        (plain(204), NOT_PROMETHEUS),
    ]
}

/// Bodies of status 200 that no Prometheus sends.
fn garbage() -> Vec<String> {
    let values = |at: Value, value: Value| matrix(&json!([{"values": [[at, value]]}]));
    let now = json!(END_MS / 1_000);
    vec![
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"status":"success"}"#.to_owned(),
        r#"{"status":"hunter2"}"#.to_owned(),
        r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.to_owned(),
        r#"{"status":"success","data":{"resultType":"matrix","result":{}}}"#.to_owned(),
        values(now.clone(), json!("hunter2")),
        values(now.clone(), json!("")),
        values(now, json!(1)),
        values(json!("now"), json!("1")),
        // Times, and a number of samples, that nobody asked for.
        values(json!(0), json!("1")),
        values(json!(1e300), json!("1")),
        matrix(&json!([{"values": vec![json!([END_MS / 1_000, "1"]); 5]}])),
        "[".repeat(100_000),
    ]
}

#[tokio::test]
async fn every_failure_is_left_out_with_its_mend_and_none_shows_the_answer() {
    let garbage = garbage().into_iter();
    let garbage = garbage.map(|body| (ok(&body), NOT_PROMETHEUS));
    for (answer, expected) in failures().into_iter().chain(garbage) {
        let server = Scripted::always(answer.clone()).await;
        let samples = Prometheus::new(access())
            .gather(&latency(&server.url()), window())
            .await;
        assert!(samples.canary.is_empty() && samples.stable.is_empty());
        assert_eq!(samples.left_out.len(), 2, "one for each arm");
        let shown = left_out(&samples).join("; ");
        assert!(shown.starts_with("metric p95 latency: "), "{shown}");
        assert!(shown.contains(expected), "{answer:?}: {shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        let port = server.url().split_off("http://127.0.0.1:".len());
        assert!(!shown.contains(&port), "{shown}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_left_out() {
    let server = Scripted::always(Answer::Never).await;
    let address = server.url();
    drop(server);
    let samples = Prometheus::new(access())
        .gather(&latency(&address), window())
        .await;
    let shown = left_out(&samples).join("; ");
    // The port may still be taken for a moment by what is being dropped.
    assert!(
        shown.contains("cannot be reached: check the address") || shown.contains("broke off"),
        "{shown}"
    );
}

#[tokio::test]
async fn numbers_among_what_is_none_are_samples() {
    let server = Scripted::always(Answer::json(200, &series(&["NaN", "5", "+Inf"]))).await;
    let samples = Prometheus::new(access())
        .gather(&latency(&server.url()), window())
        .await;
    assert_eq!(samples.canary[0].values, [(START_MS + 60_000, 5.0)]);
    assert_eq!(samples.left_out, []);
}

#[tokio::test]
async fn samples_with_a_warning_are_used_and_said() {
    let mut body: Value = serde_json::from_str(&series(&["5"])).expect("JSON");
    body["warnings"] = json!(["hunter2 is partial"]);
    let server = Scripted::always(Answer::json(200, &body.to_string())).await;
    let samples = Prometheus::new(access())
        .gather(&latency(&server.url()), window())
        .await;
    assert_eq!(samples.canary[0].values.len(), 1);
    let shown = left_out(&samples).join("; ");
    assert!(shown.contains("they may be incomplete"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_holds_up_no_look() {
    let server = Scripted::always(Answer::Never).await;
    let with = |limits: Limits| Prometheus::new(Access { limits, ..access() });
    let hasty = with(Limits {
        query_time: Duration::from_millis(100),
        ..Limits::default()
    });
    let samples = hasty.gather(&latency(&server.url()), window()).await;
    let shown = left_out(&samples).join("; ");
    assert!(shown.contains("no answer within 0.1 s"), "{shown}");
    let all = with(Limits {
        all_time: Duration::from_millis(100),
        ..Limits::default()
    });
    let samples = all.gather(&latency(&server.url()), window()).await;
    let shown = left_out(&samples).join("; ");
    assert!(
        shown.contains("within the 0.1 s that all queries have"),
        "{shown}"
    );
}

#[tokio::test]
async fn queries_take_turns() {
    let pairs: Vec<Value> = (0..6)
        .map(|n| json!({"name": format!("m{n}"), "stable": "up", "canary": "up"}))
        .collect();
    // A server that never answers sees no more than there are turns.
    let seen = async |parallel: usize| {
        let server = Scripted::always(Answer::Never).await;
        let source = Prometheus::new(Access {
            limits: Limits {
                all_time: Duration::from_millis(300),
                parallel,
                ..Limits::default()
            },
            ..access()
        });
        let queries = queries(&json!({"address": server.url(), "pairs": pairs}));
        let (one, other) = (
            pin!(source.gather(&queries, window())),
            pin!(source.gather(&queries, window())),
        );
        // When one has given up, the other has its turns.
        let samples = select(one, other).await.factor_first().0;
        assert_eq!(samples.left_out.len(), 12);
        server.seen().len()
    };
    let two_each = seen(2).await;
    assert!((1..=4).contains(&two_each), "{two_each}");
    let process = seen(12).await;
    assert!((1..=PARALLEL_QUERIES).contains(&process), "{process}");
}

#[tokio::test]
async fn a_canary_that_is_not_there_or_too_young_is_not_asked_for() {
    let server = Scripted::always(Answer::Never).await;
    let source = Prometheus::new(access());
    let queries = latency(&server.url());
    let none = source.gather(&queries, Window::unaligned()).await;
    assert_eq!(none, Samples::default());
    let young = source
        .gather(&queries, Window::new(START_MS, START_MS + 29_999))
        .await;
    assert_eq!(
        left_out(&young),
        [
            "metric p95 latency: no sample yet: the canary is younger than the time between two \
             samples"
        ]
    );
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn no_failure_changes_the_verdict_and_each_is_in_the_report() {
    listen();
    let captured = Captured::default();
    let _guard = captured.install();
    let server = Scripted::always(Answer::json(500, "hunter2")).await;
    let source = Prometheus::new(access());
    let pairs = ["p95 latency", "backlog"]
        .map(|name| json!({"name": name, "stable": "of_stable", "canary": "of_canary"}));
    let queries = queries(&json!({"address": server.url(), "pairs": pairs}));
    let look = look(&source, &queries, END_MS).await;
    assert_eq!(
        look.decision(),
        Decision::Promote,
        "{}",
        look.verdict.message
    );
    assert_eq!(look.verdict.left_out.len(), 4);
    assert!(
        look.verdict.left_out.is_sorted(),
        "evidence is in canonical order"
    );
    let report = analysis::report::text(&look.verdict);
    for arm in ["canary", "stable"] {
        let line = format!("  {arm} metric p95 latency: Prometheus answered 500:");
        assert!(report.contains(&line), "{report}");
    }
    let lines = captured.lines();
    let warned: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("failed to fetch metrics"))
        .collect();
    let [warned] = &warned[..] else {
        panic!("once for a look: {lines:?}")
    };
    assert!(warned.contains("WARN") && warned.contains("answered 500"));
    assert!(!lines.join("\n").contains("hunter2"), "{lines:?}");
}

#[tokio::test]
async fn no_data_is_in_the_report_and_no_warning() {
    listen();
    let captured = Captured::default();
    let _guard = captured.install();
    let server = Scripted::always(Answer::json(200, &matrix(&json!([])))).await;
    let source = Prometheus::new(access());
    let look = look(&source, &latency(&server.url()), END_MS).await;
    assert_eq!(look.decision(), Decision::Promote);
    assert_eq!(look.verdict.left_out.len(), 2);
    let lines = captured.lines();
    assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:?}");
}
