//! The page's server: on loopback, for pages of its own only.
//!
//! Another page in the same browser must not be able to release, to kill or to
//! read anything: each request's `Host` is a loopback name with our port (a
//! rebound name is not), and an `Origin` is the same.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tower::ServiceExt as _;

use crate::arm::Both;
use crate::engine::Demo;
use crate::error::{DemoError, Refusal};
use crate::http::{Serving, serve};
use crate::state::{MAX_LATENCY_MS, Sliders};

mod page;

/// Longest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 16 << 10;

/// How long a body may take to arrive.
const BODY_LIMIT_MS: u64 = 10_000;

/// Connections at once: each page holds one for its events, and has a few for
/// the rest.
const MAX_CONNECTIONS: usize = 64;

/// The server, until it is dropped.
#[derive(Debug)]
pub struct PageServer {
    address: SocketAddr,
    _serving: Serving,
}

impl PageServer {
    /// Serves the page of a demo on a port of loopback; 0 is a free one.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub async fn start(demo: Arc<Demo>, port: u16) -> Result<Self, DemoError> {
        let failed = |source| DemoError::PagePort { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = router(demo, address.port());
        let serving = serve(listener, MAX_CONNECTIONS, move |request| {
            let router = router.clone();
            async move {
                let answer: Result<Response<Body>, Infallible> = router.oneshot(request).await;
                answer.unwrap_or_else(|never| match never {})
            }
        });
        Ok(Self {
            address,
            _serving: serving,
        })
    }

    /// Where the page is: `http://127.0.0.1:<port>/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn router(demo: Arc<Demo>, port: u16) -> Router {
    let mut router = Router::new();
    for file in page::FILES {
        router = router.route(file.path, get(move || async move { file.answer() }));
    }
    router
        .route("/events", get(events))
        .route("/api/state", get(state))
        .route("/api/release", post(release))
        .route("/api/sliders", post(sliders))
        .route("/api/plugin/kill", post(kill_plugin))
        .route("/api/model", post(model))
        .route("/api/rollback", post(roll_back))
        .fallback(async || said(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(from_fn_with_state(port, own_pages_only))
        .with_state(demo)
}

/// Lets requests of our own page through, and of programs on this machine that
/// name us as we are.
async fn own_pages_only(State(port): State<u16>, request: Request, next: Next) -> Response<Body> {
    if let Err(why) = check(request.headers(), port) {
        return said(StatusCode::FORBIDDEN, why);
    }
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    const ALWAYS: [(HeaderName, &str); 4] = [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn check(headers: &HeaderMap, port: u16) -> Result<(), &'static str> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if !text(HOST).is_some_and(|host| is_ours(host, port)) {
        return Err("this page is on loopback: open it as http://127.0.0.1 with its port");
    }
    match text(ORIGIN) {
        None => Ok(()),
        Some(origin) => match origin.strip_prefix("http://") {
            Some(host) if is_ours(host, port) => Ok(()),
            _ => Err("another page may not use this demo: use the demo's own page"),
        },
    }
}

/// Whether a host with its port is us.
fn is_ours(host: &str, port: u16) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        Some((name, given)) if !given.ends_with(']') => (name, given.parse().ok()),
        _ => (host, Some(80)),
    };
    let is_loopback = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    is_loopback && given == Some(port)
}

/// One line of plain text.
fn said(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut text = text.into();
    text.push('\n');
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn done(outcome: Result<(), Refusal>) -> Response<Body> {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => said(StatusCode::CONFLICT, refusal.to_string()),
    }
}

/// A body of JSON, within its limits.
async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Response<Body>> {
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES);
    let limit = Duration::from_millis(BODY_LIMIT_MS);
    let body = match tokio::time::timeout(limit, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("the body is cut off or longer than {MAX_BODY_BYTES} bytes");
            return Err(said(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Err(_) => {
            return Err(said(StatusCode::REQUEST_TIMEOUT, "the body takes too long"));
        }
    };
    serde_json::from_slice(&body).map_err(|error| {
        let text = format!("the body is not what docs/demo.md says: {error}");
        said(StatusCode::BAD_REQUEST, text)
    })
}

async fn state(State(demo): State<Arc<Demo>>) -> Response<Body> {
    match serde_json::to_string(&demo.state().await) {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "there is no state"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    scenario: String,
}

async fn release(State(demo): State<Arc<Demo>>, request: Request) -> Response<Body> {
    let asked: ReleaseBody = match body(request).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(scenario) = demo.scenario(&asked.scenario) else {
        let text = "there is no scenario of this name: `scenarios` of /api/state lists them";
        return said(StatusCode::BAD_REQUEST, text);
    };
    done(demo.release(scenario))
}

async fn sliders(State(demo): State<Arc<Demo>>, request: Request) -> Response<Body> {
    let sliders: Both<Sliders> = match body(request).await {
        Ok(sliders) => sliders,
        Err(answer) => return answer,
    };
    if ![sliders.stable, sliders.canary]
        .into_iter()
        .all(Sliders::are_possible)
    {
        let text = format!("error_percent must be 0 to 100, latency_ms 0 to {MAX_LATENCY_MS}");
        return said(StatusCode::BAD_REQUEST, text);
    }
    demo.set_sliders(sliders);
    done(Ok(()))
}

async fn kill_plugin(State(demo): State<Arc<Demo>>) -> Response<Body> {
    done(demo.kill_plugin())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelBody {
    up: bool,
}

async fn model(State(demo): State<Arc<Demo>>, request: Request) -> Response<Body> {
    match body::<ModelBody>(request).await {
        Ok(asked) => done(demo.set_model(asked.up).await),
        Err(answer) => answer,
    }
}

async fn roll_back(State(demo): State<Arc<Demo>>) -> Response<Body> {
    done(demo.ask_back())
}

/// Who watches: a page's events.
struct Watcher {
    states: watch::Receiver<Arc<str>>,
    squares: broadcast::Receiver<Arc<str>>,
}

impl Watcher {
    /// The next event, as it goes over the wire.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let (event, data) = tokio::select! {
                // The state before the squares: a page begins with it.
                biased;
                changed = self.states.changed() => {
                    changed.ok()?;
                    ("state", Arc::clone(&self.states.borrow_and_update()))
                }
                squares = self.squares.recv() => match squares {
                    Ok(squares) => ("squares", squares),
                    // A slow page misses some, and goes on with the newest.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return None,
                }
            };
            return Some(Bytes::from(format!("event: {event}\ndata: {data}\n\n")));
        }
    }
}

async fn events(State(demo): State<Arc<Demo>>) -> Response<Body> {
    let mut watcher = Watcher {
        states: demo.states(),
        squares: demo.squares(),
    };
    // The first state is told at once.
    watcher.states.mark_changed();
    // Events must not keep the demo from ending.
    drop(demo);
    let events = stream::unfold(watcher, |mut watcher| async {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream")];
    (headers, Body::from_stream(events)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pairs: &[(HeaderName, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        check(&headers, 4_000).is_ok()
    }

    #[test]
    fn only_loopback_names_with_our_port_are_us() {
        for host in [
            "127.0.0.1:4000",
            "localhost:4000",
            "LOCALHOST:4000",
            "[::1]:4000",
        ] {
            assert!(checked(&[(HOST, host)]), "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:4001",
            "evil.example:4000",
            "127.0.0.1.evil.example:4000",
            "localhost.evil.example:4000",
            "[::1]",
            "127.0.0.1:4000:4000",
        ] {
            assert!(!checked(&[(HOST, host)]), "{host}");
        }
        assert!(!checked(&[]));
    }

    #[test]
    fn an_origin_must_be_our_own() {
        let ours = (HOST, "127.0.0.1:4000");
        for origin in ["http://127.0.0.1:4000", "http://localhost:4000"] {
            assert!(checked(&[ours.clone(), (ORIGIN, origin)]), "{origin}");
        }
        for origin in [
            "null",
            "https://127.0.0.1:4000",
            "http://127.0.0.1:4001",
            "http://evil.example",
            "http://127.0.0.1:4000.evil.example",
        ] {
            assert!(!checked(&[ours.clone(), (ORIGIN, origin)]), "{origin}");
        }
    }
}
