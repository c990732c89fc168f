//! The page's server, over loopback, by hand.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use demo::{Demo, MAX_BODY_BYTES, PageServer};
use serde_json::Value;

use crate::stage::started;

/// An answer that does not come at all should fail and not hang.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

struct Page {
    demo: Arc<Demo>,
    server: PageServer,
    _folder: tempfile::TempDir,
}

impl Page {
    async fn open() -> Self {
        let (demo, folder) = started().await;
        let demo = Arc::new(demo);
        let server = PageServer::start(Arc::clone(&demo), 0).await.unwrap();
        Self {
            demo,
            server,
            _folder: folder,
        }
    }

    fn address(&self) -> String {
        let url = self.server.url();
        url.trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned()
    }

    async fn ask(&self, head: &str, body: &str) -> (u16, String) {
        ask(self.address(), head, body).await
    }
}

/// The status and all of the answer to a request with these lines.
async fn ask(address: String, head: &str, body: &str) -> (u16, String) {
    let host = if head.contains("Host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
    let rest: String = rest.lines().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{first} HTTP/1.1\r\n{host}{rest}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
        // A body that is too long may be refused before it was sent.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_default(), answer)
    })
    .await
    .unwrap()
}

fn json(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_its_state_come_with_headers_that_keep_others_out() {
    let page = Page::open().await;
    let (status, answer) = page.ask("GET /", "").await;
    assert_eq!(status, 200);
    let answer = answer.to_lowercase();
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "content-type: text/html",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert!(answer.contains("<!doctype html>"));
    let (status, answer) = page.ask("GET /api/state", "").await;
    assert_eq!(status, 200);
    let state = json(&answer);
    assert_eq!(state["phase"], "idle");
    assert_eq!(state["release"], Value::Null);
    assert_eq!(state["arms"]["stable"]["pods"][0]["ready"], true);
    assert_eq!(state["arms"]["canary"], Value::Null);
    assert_eq!(state["scenarios"][1]["name"], "bad");
    assert_eq!(state["scenarios"][1]["expect"], "abort");
    assert_eq!(page.ask("GET /../Cargo.toml", "").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_pages_and_rebound_names_are_refused() {
    let page = Page::open().await;
    let body = r#"{"scenario":"good"}"#;
    for head in [
        "POST /api/release\nHost: evil.example",
        "POST /api/release\nOrigin: http://evil.example",
        "POST /api/release\nOrigin: null",
        "GET /api/state\nHost: evil.example",
        "GET /events\nOrigin: http://evil.example",
        "GET /\nHost: evil.example",
    ] {
        let (status, answer) = page.ask(head, body).await;
        assert_eq!(status, 403, "{head}: {answer}");
    }
    assert_eq!(page.demo.state().await.release, None);
    let own = format!("POST /api/release\nOrigin: http://{}", page.address());
    assert_eq!(page.ask(&own, body).await.0, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_is_done_or_refused_with_the_mend() {
    let page = Page::open().await;
    let too_long = format!("{{\"scenario\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES));
    let outcome = |scenario: &str| format!("{{\"scenario\":\"{scenario}\"}}");
    let table = [
        ("POST /api/release", too_long, 413, "longer than"),
        (
            "POST /api/release",
            outcome("worst"),
            400,
            "/api/state lists them",
        ),
        ("POST /api/release", "{".to_owned(), 400, "docs/demo.md"),
        (
            "POST /api/plugin/kill",
            String::new(),
            409,
            "next measurement",
        ),
        (
            "POST /api/model",
            "{\"up\":false}".to_owned(),
            409,
            "--model scripted",
        ),
        (
            "POST /api/rollback",
            String::new(),
            409,
            "release a version first",
        ),
        ("POST /api/release", outcome("good"), 204, ""),
        ("POST /api/release", outcome("good"), 409, "roll it back"),
        ("POST /api/rollback", String::new(), 204, ""),
        ("GET /api/release", String::new(), 405, ""),
    ];
    for (head, body, expected, says) in table {
        let (status, answer) = page.ask(head, &body).await;
        assert_eq!(status, expected, "{head} {body:.40}: {answer}");
        assert!(answer.contains(says), "{head}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_color_is_passed_on_to_pods() {
    let page = Page::open().await;
    let proxy = page.demo.state().await.proxy;
    let address = proxy.trim_start_matches("http://").to_owned();
    let (status, answer) = ask(address.clone(), "GET /color", "").await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("x-demo-arm: stable") && answer.ends_with("\"blue\""));
    for head in ["GET /api/status", "POST /api/scenario", "GET /"] {
        let (status, answer) = ask(address.clone(), head, "").await;
        assert_eq!(status, 404, "{head}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sliders_have_ranges() {
    let page = Page::open().await;
    let body = |error: u32, latency: u32| {
        format!(
            "{{\"stable\":{{}},\"canary\":{{\"error_percent\":{error},\"latency_ms\":{latency}}}}}"
        )
    };
    for (error, latency, expected) in [
        (100, 5_000, 204),
        (101, 0, 400),
        (0, 5_001, 400),
        (300, 0, 400),
        (0, 70_000, 400),
    ] {
        let (status, answer) = page.ask("POST /api/sliders", &body(error, latency)).await;
        assert_eq!(status, expected, "{error} {latency}: {answer}");
    }
    let sliders = page.demo.state().await.sliders;
    assert_eq!(
        (sliders.canary.error_percent, sliders.canary.latency_ms),
        (100, 5_000)
    );
    assert_eq!(sliders.stable.error_percent, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_begin_with_the_state_and_go_on_with_squares() {
    let page = Page::open().await;
    let address = page.address();
    let read = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut text = String::new();
        let mut piece = [0; 4_096];
        while !(text.contains("event: squares") && text.contains("event: state")) {
            let count = stream.read(&mut piece).unwrap();
            assert_ne!(count, 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
        text
    });
    let text = read.await.unwrap();
    assert!(
        text.to_lowercase()
            .contains("content-type: text/event-stream")
    );
    let first = text.find("event: ").unwrap();
    assert!(
        text[first..].starts_with("event: state\ndata: {\"sequence\":"),
        "{text}"
    );
    assert!(
        text.contains("event: squares\ndata: {\"squares\":[[\"stable\",200,"),
        "{text}"
    );
}
