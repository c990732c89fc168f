//! The application: what it answers, and what it says meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use jiff::Timestamp;

use crate::color::{Behaviour, Color, parse_sliders};
use crate::lines::{self, Level};
use crate::log::Log;

/// Longest body of a request, in bytes: some hundred sliders.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_LIMIT_MS: u64 = 10_000;

/// What all requests share.
#[derive(Debug)]
pub struct App {
    color: Color,
    own: Behaviour,
    log: Log,
    /// Set when told to stop: not ready any more, answers close their
    /// connection.
    draining: AtomicBool,
}

impl App {
    /// A version that answers with this colour and behaves so by itself.
    pub fn new(color: Color, own: Behaviour, log: Log) -> Self {
        Self {
            color,
            own,
            log,
            draining: AtomicBool::new(false),
        }
    }

    /// From now on it is not ready, and lets go of its connections.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Says that it starts.
    pub fn say_start(&self) {
        let color = self.color.as_str();
        self.say(Level::Info, &format!("starting version {color}"));
    }

    /// Its last words when it crashes.
    pub fn say_crash(&self) {
        self.log.write(lines::crash(now(), &self.color));
    }

    /// Writes a line of the application itself.
    pub fn say(&self, level: Level, text: &str) {
        self.log.write(lines::application(now(), level, text));
    }
}

/// The time, read here and nowhere else.
fn now() -> Timestamp {
    Timestamp::now()
}

/// Answers all of its requests.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/color", post(color).get(color))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .layer(axum::middleware::map_response_with_state(
            Arc::clone(&app),
            close_when_draining,
        ))
        .with_state(app)
}

async fn page() -> Response<Body> {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (headers, include_str!("../page/index.html")).into_response()
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// A client that keeps its connection would keep coming back to a pod that is
/// about to go.
async fn close_when_draining(
    State(app): State<Arc<App>>,
    mut response: Response<Body>,
) -> Response<Body> {
    if app.draining.load(Ordering::Relaxed) {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Answers with the colour, late or with 500 where the version or the
/// request's sliders say so.
async fn color(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES);
    let body = match tokio::time::timeout(Duration::from_millis(BODY_LIMIT_MS), body).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("the body is cut off or longer than {MAX_BODY_BYTES} bytes\n");
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(_) => {
            return (StatusCode::REQUEST_TIMEOUT, "the body takes too long\n").into_response();
        }
    };
    let sliders = match parse_sliders(&body) {
        Ok(sliders) => sliders,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let behaviour = app.own.with_sliders(&app.color, &sliders);
    if !behaviour.delay.is_zero() {
        tokio::time::sleep(behaviour.delay).await;
    }
    let status = if behaviour.fails(fastrand::f64()) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    };
    let trace = fastrand::u128(1..);
    if let Some(text) = lines::beside(now(), status.as_u16(), trace, fastrand::f64()) {
        app.log.write(text);
    }
    app.log
        .write(lines::access(status.as_u16(), &app.color, behaviour.delay));
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    // A colour is a word of harmless characters: this is its JSON.
    let json = format!("\"{}\"", app.color.as_str());
    (status, headers, json).into_response()
}

#[cfg(test)]
pub mod tests {
    use std::convert::Infallible;
    use std::io::Write;
    use std::sync::Mutex;

    use axum::http::Method;
    use tower::ServiceExt as _;

    use super::*;
    use crate::log::{self, LogThread};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A version and what it has said.
    pub struct Stage {
        pub app: Arc<App>,
        thread: LogThread,
        written: Written,
    }

    impl Stage {
        pub fn new(own: Behaviour) -> Self {
            let written = Written::default();
            let (log, thread) = log::start(written.clone()).unwrap();
            let app = Arc::new(App::new("blue".parse().unwrap(), own, log));
            Self {
                app,
                thread,
                written,
            }
        }

        async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, Response<()>, String) {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .body(Body::from(body.to_owned()))
                .unwrap();
            let response = router(Arc::clone(&self.app))
                .oneshot(request)
                .await
                .unwrap();
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            (parts.status.as_u16(), Response::from_parts(parts, ()), text)
        }

        /// The lines of requests, without what stands around them.
        fn access_lines(self) -> Vec<String> {
            drop(self.app);
            self.thread.finish(Duration::from_secs(60));
            let written = self.written.0.lock().unwrap().clone();
            String::from_utf8(written)
                .unwrap()
                .lines()
                .filter(|line| line.contains(" - "))
                .map(str::to_owned)
                .collect()
        }
    }

    #[tokio::test]
    async fn color_answers_its_own_colour_as_json() {
        let stage = Stage::new(Behaviour::default());
        for method in [Method::GET, Method::POST] {
            let (status, response, text) = stage.ask(method, "/color", "").await;
            assert_eq!((status, text.as_str()), (200, "\"blue\""));
            assert_eq!(
                response.headers()["content-type"],
                "text/plain; charset=utf-8"
            );
        }
        assert_eq!(stage.access_lines(), ["200 - blue", "200 - blue"]);
    }

    #[tokio::test(start_paused = true)]
    async fn sliders_travel_with_the_request() {
        let stage = Stage::new(Behaviour::default());
        let body =
            r#"[{"color":"red","return500":0},{"color":"blue","return500":100,"delayLength":1}]"#;
        let (status, _, text) = stage.ask(Method::POST, "/color", body).await;
        assert_eq!((status, text.as_str()), (500, "\"blue\""));
        assert_eq!(stage.access_lines(), ["500 - blue (1.000000s)"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_versions_own_behaviour_counts_without_sliders() {
        let stage = Stage::new(Behaviour {
            error_percent: 100.0,
            delay: Duration::from_millis(250),
        });
        assert_eq!(stage.ask(Method::GET, "/color", "").await.0, 500);
        assert_eq!(stage.access_lines(), ["500 - blue (0.250000s)"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_has_a_limit() {
        let stage = Stage::new(Behaviour::default());
        let before = tokio::time::Instant::now();
        let body = r#"[{"color":"blue","delayLength":86400}]"#;
        assert_eq!(stage.ask(Method::POST, "/color", body).await.0, 200);
        assert!(before.elapsed() < Duration::from_secs(31));
    }

    #[tokio::test]
    async fn a_body_has_a_limit() {
        let stage = Stage::new(Behaviour::default());
        let fits = format!("[]{}", " ".repeat(MAX_BODY_BYTES - 2));
        assert_eq!(stage.ask(Method::POST, "/color", &fits).await.0, 200);
        let (status, _, text) = stage.ask(Method::POST, "/color", &format!("{fits} ")).await;
        assert_eq!(status, 413, "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_time_limit() {
        let stage = Stage::new(Behaviour::default());
        let never = http_body_util::channel::Channel::<axum::body::Bytes, Infallible>::new(1);
        let request = Request::post("/color").body(Body::new(never.1)).unwrap();
        let before = tokio::time::Instant::now();
        let response = router(Arc::clone(&stage.app))
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 408);
        assert!(before.elapsed() < Duration::from_millis(2 * BODY_LIMIT_MS));
        drop(never.0);
    }

    #[tokio::test]
    async fn a_body_that_makes_no_sense_is_refused_and_does_not_fail_the_version() {
        let stage = Stage::new(Behaviour::default());
        let (status, _, text) = stage.ask(Method::POST, "/color", "{").await;
        assert_eq!(status, 400);
        assert!(text.contains("return500"), "{text}");
        assert!(stage.access_lines().is_empty());
    }

    #[tokio::test]
    async fn a_draining_version_is_alive_but_not_ready_and_lets_go() {
        let stage = Stage::new(Behaviour::default());
        assert_eq!(stage.ask(Method::GET, "/readyz", "").await.0, 200);
        let (_, kept, _) = stage.ask(Method::GET, "/color", "").await;
        assert_eq!(kept.headers().get("connection"), None);
        stage.app.start_draining();
        assert_eq!(stage.ask(Method::GET, "/readyz", "").await.0, 503);
        assert_eq!(stage.ask(Method::GET, "/healthz", "").await.0, 200);
        let (status, closed, _) = stage.ask(Method::GET, "/color", "").await;
        assert_eq!(status, 200);
        assert_eq!(closed.headers()["connection"], "close");
    }

    #[tokio::test]
    async fn the_page_and_nothing_else() {
        let stage = Stage::new(Behaviour::default());
        let (status, response, text) = stage.ask(Method::GET, "/", "").await;
        assert_eq!(status, 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        assert!(text.starts_with("<!doctype html>"));
        assert_eq!(stage.ask(Method::GET, "/other", "").await.0, 404);
        assert_eq!(stage.ask(Method::DELETE, "/color", "").await.0, 405);
    }

    #[tokio::test]
    async fn the_errors_injected_are_the_errors_answered() {
        let stage = Stage::new(Behaviour {
            error_percent: 40.0,
            delay: Duration::ZERO,
        });
        let mut failed = 0;
        for _ in 0..2_000 {
            failed += u32::from(stage.ask(Method::GET, "/color", "").await.0 == 500);
        }
        // Seven standard deviations: one false alarm in 400 thousand million.
        assert!((650..950).contains(&failed), "{failed}");
    }
}
