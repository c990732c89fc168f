//! The application: what it answers, and what it says meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::api;
use crate::color::{Behaviour, Color, parse_sliders, slider_of};
use crate::lines::{self, Answered, Dice, Event, Level};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::page;
use crate::scenario::{Plan, Scenario, Scope};

/// Longest body of a request, in bytes: some hundred sliders.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_LIMIT_MS: u64 = 10_000;

/// What a version is.
#[derive(Clone, Debug)]
pub struct Version {
    /// What `/color` answers: the version's whole name.
    pub color: Color,
    /// What it does without sliders.
    pub own: Behaviour,
    /// How its log is written.
    pub format: lines::Format,
}

/// What all requests share.
#[derive(Debug)]
pub struct App {
    /// What answers here.
    pub version: Version,
    log: Log,
    /// When it started.
    pub started: (Instant, Timestamp),
    /// Set when told to stop: not ready any more, answers close their
    /// connection.
    draining: AtomicBool,
    /// What goes wrong, and since when.
    scenario: Mutex<(Scenario, Instant)>,
    /// Answers so far.
    metrics: Mutex<Metrics>,
    /// Orders booked so far.
    booked: AtomicU64,
    /// Told when a crash was asked for.
    crash: Notify,
}

impl App {
    /// A version that starts now, in this scenario.
    pub fn new(version: Version, scenario: Scenario, log: Log) -> Self {
        Self {
            version,
            log,
            started: (Instant::now(), now()),
            draining: AtomicBool::new(false),
            scenario: Mutex::new((scenario, Instant::now())),
            metrics: Mutex::default(),
            booked: AtomicU64::new(0),
            crash: Notify::new(),
        }
    }

    /// From now on it is not ready, and lets go of its connections.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether it may be sent requests.
    pub fn is_ready(&self) -> bool {
        let (scenario, since) = self.scenario();
        !self.is_draining() && scenario.ready_after(since.elapsed())
    }

    /// What goes wrong, and since when.
    pub fn scenario(&self) -> (Scenario, Instant) {
        *self.scenario.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this goes wrong.
    pub fn enter(&self, scenario: Scenario) {
        *self.scenario.lock().unwrap_or_else(PoisonError::into_inner) = (scenario, Instant::now());
        if scenario == Scenario::Crash {
            self.crash.notify_one();
        }
    }

    /// Waits until a crash is asked for.
    pub async fn crash_asked(&self) {
        self.crash.notified().await;
    }

    /// Looks at the answers so far.
    pub fn metrics<T>(&self, look: impl FnOnce(&mut Metrics) -> T) -> T {
        look(&mut self.metrics.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says that it starts.
    pub fn say_start(&self) {
        let color = self.version.color.as_str();
        self.say(Level::Info, &format!("starting version {color}"));
    }

    /// Its last words when it crashes.
    pub fn say_crash(&self) {
        let Version { color, format, .. } = &self.version;
        self.log.add(|out| lines::crash(now(), color, *format, out));
    }

    /// Writes a line of the application itself.
    pub fn say(&self, level: Level, message: &str) {
        self.say_as("", level, message);
    }

    /// Writes a line of one of its parts.
    pub fn say_as(&self, logger: &str, level: Level, message: &str) {
        let event = Event {
            at: now(),
            level,
            trace: None,
            logger,
            message,
            exception: None,
        };
        self.log.add(|out| event.write(self.version.format, out));
    }

    /// What becomes of a request with this body.
    ///
    /// # Errors
    /// The body makes no sense; the text says why.
    fn plan(&self, body: &[u8]) -> Result<Plan, String> {
        let sliders = parse_sliders(body).map_err(|error| error.to_string())?;
        let slider = slider_of(&self.version.color, &sliders);
        let (current, since) = self.scenario();
        let scenario = slider.and_then(|slider| slider.scenario());
        let own = self.version.own.with_slider(slider);
        let mut plan = scenario
            .unwrap_or(current)
            .plan(own, u64::try_from(now().as_millisecond()).unwrap_or(0));
        if current.scope() == Scope::Process {
            plan.behaviour.delay += current.warming(since.elapsed());
        }
        Ok(plan)
    }

    /// Answers with the colour, late or with 500 where the plan says so.
    async fn answer(&self, plan: Plan, began: Instant) -> Response<Body> {
        let behaviour = plan.behaviour;
        if !behaviour.delay.is_zero() {
            tokio::time::sleep(behaviour.delay).await;
        }
        let status = if behaviour.fails(fastrand::f64()) {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        let works = status == StatusCode::OK && !plan.work_is_lost;
        let dice = Dice {
            beside: fastrand::f64(),
            hostile: fastrand::f64() / plan.hostile_share,
        };
        let answered = Answered {
            at: now(),
            trace: fastrand::u128(1..),
            status: status.as_u16(),
            color: &self.version.color,
            delay: behaviour.delay,
            took: began.elapsed(),
            trouble: plan.trouble,
            booked: works.then(|| 1 + self.booked.fetch_add(1, Ordering::Relaxed)),
        };
        self.log
            .add(|out| answered.write(self.version.format, dice, out));
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        // A colour is a word of harmless characters: this is its JSON.
        let json = format!("\"{}\"", self.version.color.as_str());
        (status, headers, json).into_response()
    }
}

/// The time, read here and nowhere else.
fn now() -> Timestamp {
    Timestamp::now()
}

/// Answers all of its requests.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/color", post(color).get(color))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .merge(page::router())
        .merge(api::router())
        .layer(axum::middleware::map_response_with_state(
            Arc::clone(&app),
            close_when_draining,
        ))
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.is_ready() {
        (StatusCode::OK, "ok\n")
    } else if app.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

/// A client that keeps its connection would keep coming back to a pod that is
/// about to go.
async fn close_when_draining(
    State(app): State<Arc<App>>,
    mut response: Response<Body>,
) -> Response<Body> {
    if app.is_draining() {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body, within limits of length and time.
///
/// # Errors
/// It is longer or takes longer; the answer says so.
pub async fn body(request: Request, most_bytes: usize) -> Result<Bytes, Response<Body>> {
    let body = axum::body::to_bytes(request.into_body(), most_bytes);
    match tokio::time::timeout(Duration::from_millis(BODY_LIMIT_MS), body).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let text = format!("the body is cut off or longer than {most_bytes} bytes\n");
            Err((StatusCode::PAYLOAD_TOO_LARGE, text).into_response())
        }
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body takes too long\n").into_response()),
    }
}

async fn color(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let began = Instant::now();
    let response = match body(request, MAX_BODY_BYTES).await {
        Ok(body) => match app.plan(&body) {
            Ok(plan) => app.answer(plan, began).await,
            Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        },
        Err(response) => response,
    };
    let status = response.status().as_u16();
    app.metrics(|metrics| metrics.count(status, began.elapsed()));
    response
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
            let version = Version {
                color: "blue".parse().unwrap(),
                own,
                format: lines::Format::Plain,
            };
            let app = Arc::new(App::new(version, Scenario::None, log));
            Self {
                app,
                thread,
                written,
            }
        }

        pub async fn ask(
            &self,
            method: Method,
            path: &str,
            body: &str,
        ) -> (u16, Response<()>, String) {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::CONTENT_TYPE, "application/json")
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
            self.lines_with(" - ")
        }

        /// The lines with this text.
        pub fn lines_with(self, text: &str) -> Vec<String> {
            drop(self.app);
            self.thread.finish(Duration::from_secs(60));
            let written = self.written.0.lock().unwrap().clone();
            String::from_utf8(written)
                .unwrap()
                .lines()
                .filter(|line| line.contains(text))
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
        let before = Instant::now();
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
        let never = http_body_util::channel::Channel::<Bytes, Infallible>::new(1);
        let request = Request::post("/color").body(Body::new(never.1)).unwrap();
        let before = Instant::now();
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
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/base.css", "text/css; charset=utf-8"),
            ("/style.css", "text/css; charset=utf-8"),
            ("/field.js", "text/javascript; charset=utf-8"),
            ("/page.js", "text/javascript; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
        ] {
            let (status, response, text) = stage.ask(Method::GET, path, "").await;
            assert_eq!((status, text.is_empty()), (200, false), "{path}");
            assert_eq!(response.headers()["content-type"], kind);
            let policy = response.headers()["content-security-policy"].to_str();
            assert!(policy.unwrap().starts_with("default-src 'none'; "));
        }
        assert_eq!(stage.ask(Method::GET, "/other", "").await.0, 404);
        assert_eq!(stage.ask(Method::DELETE, "/color", "").await.0, 405);
    }

    #[tokio::test]
    async fn work_is_said_except_where_it_is_lost_in_silence() {
        for (body, booked) in [("[]", 2), (SILENT, 0)] {
            let stage = Stage::new(Behaviour::default());
            for _ in 0..2 {
                let (status, _, text) = stage.ask(Method::POST, "/color", body).await;
                assert_eq!((status, text.as_str()), (200, "\"blue\""));
            }
            assert_eq!(stage.lines_with(" booked").len(), booked, "{body}");
        }
    }

    const SILENT: &str = r#"[{"color":"blue","scenario":"silent-failure"}]"#;

    #[tokio::test(start_paused = true)]
    async fn a_request_s_scenario_goes_before_the_version_s() {
        let stage = Stage::new(Behaviour::default());
        stage.app.enter(Scenario::LatencyX3);
        stage.ask(Method::GET, "/color", "").await;
        stage.ask(Method::POST, "/color", SILENT).await;
        assert_eq!(
            stage.access_lines(),
            ["200 - blue (0.060000s)", "200 - blue"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_start_is_not_ready_and_then_slow() {
        let stage = Stage::new(Behaviour::default());
        stage.app.enter(Scenario::SlowStart);
        let (status, _, text) = stage.ask(Method::GET, "/readyz", "").await;
        assert_eq!((status, text.as_str()), (503, "starting\n"));
        assert_eq!(stage.ask(Method::GET, "/healthz", "").await.0, 200);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(stage.ask(Method::GET, "/readyz", "").await.0, 200);
        stage.ask(Method::GET, "/color", "").await;
        tokio::time::advance(Duration::from_secs(30)).await;
        stage.ask(Method::GET, "/color", "").await;
        let lines = stage.access_lines();
        assert!(
            lines[0].contains("(0.5") || lines[0].contains("(0.49"),
            "{lines:?}"
        );
        assert_eq!(lines[1], "200 - blue");
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
