//! Serves the application until it is told to stop, then drains.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::color::{Behaviour, Color, parse_sliders};
use crate::lines::{self, Level};
use crate::log::Log;

/// Connections at once; further ones wait in the kernel's backlog. Each may
/// hold one request back for up to 30 s, in some 20 KiB: all of them together
/// stay below 8 MiB resident.
const MAX_CONNECTIONS: usize = 256;
/// Longest body of a request, in bytes: some hundred sliders.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long a connection may take to send the head of its next request, so
/// that idle and dawdling clients do not use up the connections.
const HEAD_LIMIT_MS: u64 = 30_000;
/// How long a body may take to arrive.
const BODY_LIMIT_MS: u64 = 10_000;
/// How long requests in flight may take to end once nothing new is accepted:
/// less than Kubernetes' usual 30 s, with the termination delay.
const DRAIN_LIMIT_MS: u64 = 20_000;
/// Pause after a failed accept (too many open files), so that it does not
/// spin.
const ACCEPT_RETRY_MS: u64 = 50;

/// How the application is served.
#[derive(Debug)]
pub struct ServeConfig {
    /// Address and port; port 0 takes a free one.
    pub listen_addr: SocketAddr,
    /// What `/color` answers.
    pub color: Color,
    /// What this version does without sliders.
    pub own: Behaviour,
    /// When to crash, counted from the start.
    pub crash_after: Option<Duration>,
    /// How long to go on accepting once told to stop.
    pub termination_delay: Duration,
}

/// Why the application could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be listened on.
    #[error("cannot listen on {0} (is another process using the port?)")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// SIGTERM could not be caught.
    #[error("cannot catch signals")]
    Signals(#[source] std::io::Error),
}

/// What all requests share.
#[derive(Debug)]
struct App {
    color: Color,
    own: Behaviour,
    log: Log,
    /// Set when told to stop: not ready any more, answers close their
    /// connection.
    draining: AtomicBool,
}

impl App {
    fn say(&self, level: Level, text: &str) {
        self.log.write(lines::application(now(), level, text));
    }
}

/// The time, read here and nowhere else.
fn now() -> Timestamp {
    Timestamp::now()
}

/// Serves until SIGTERM or SIGINT, or until it is time to crash.
///
/// # Errors
/// The address cannot be listened on, or signals cannot be caught.
pub async fn serve(config: ServeConfig, log: Log) -> Result<ExitCode, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let mut stop = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let app = Arc::new(App {
        color: config.color,
        own: config.own,
        log,
        draining: AtomicBool::new(false),
    });
    app.say(
        Level::Info,
        &format!("starting version {}", app.color.as_str()),
    );
    if config.crash_after == Some(Duration::ZERO) {
        app.log.write(lines::crash(now(), &app.color));
        return Ok(ExitCode::FAILURE);
    }
    let listener = listen(config.listen_addr).await?;
    let address = listener
        .local_addr()
        .map_err(|error| ServeError::Listen(config.listen_addr, error))?;
    app.say(Level::Info, &format!("Started server on {address}"));

    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accepting = accept(&listener, &app, &connections, places);
    let crash = async {
        match config.crash_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let end = async {
        stop().await;
        app.draining.store(true, Ordering::Relaxed);
        let delay = config.termination_delay;
        app.say(
            Level::Info,
            &format!("told to stop: not ready any more, accepting for another {delay:?}"),
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop() => {}
        }
    };
    tokio::select! {
        never = accepting => match never {},
        () = crash => {
            app.log.write(lines::crash(now(), &app.color));
            return Ok(ExitCode::FAILURE);
        }
        () = end => {}
    }
    drop(listener);
    drain(&app, connections).await;
    Ok(ExitCode::SUCCESS)
}

/// Listens on the address; on all of IPv4 where the kernel has no IPv6.
async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = match TcpListener::bind(address).await {
        // Those have the same cause on IPv4.
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::AddrInUse | ErrorKind::PermissionDenied
            ) && address.is_ipv6()
                && address.ip().is_unspecified() =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        listener => listener,
    };
    listener.map_err(|error| ServeError::Listen(address, error))
}

/// Accepts connections for ever, no more at once than there are places.
async fn accept(
    listener: &TcpListener,
    app: &Arc<App>,
    connections: &GracefulShutdown,
    places: Arc<Semaphore>,
) -> Infallible {
    let router = router(Arc::clone(app));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            // The semaphore is never closed.
            std::future::pending::<()>().await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, _)) => spawn(stream, place, router.clone(), connections),
            // The client may be gone already; or files have run out, and will
            // be back when a connection ends.
            Err(_) => tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await,
        }
    }
}

fn spawn(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    router: Router,
    connections: &GracefulShutdown,
) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_LIMIT_MS))
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // How a client ends its connection is the client's business; what it
        // asked was logged when it was answered.
        let _ = connection.await;
        drop(place);
    });
}

/// Lets requests in flight end, within the limit.
async fn drain(app: &App, connections: GracefulShutdown) {
    let limit = Duration::from_millis(DRAIN_LIMIT_MS);
    match tokio::time::timeout(limit, connections.shutdown()).await {
        Ok(()) => app.say(Level::Info, "Server stopped"),
        Err(_) => app.say(
            Level::Warn,
            &format!("Server stopped with requests still in flight after {limit:?}"),
        ),
    }
}

fn router(app: Arc<App>) -> Router {
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
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use axum::http::Method;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

    struct Stage {
        app: Arc<App>,
        thread: LogThread,
        written: Written,
    }

    impl Stage {
        fn new(own: Behaviour) -> Self {
            let written = Written::default();
            let (log, thread) = log::start(written.clone()).unwrap();
            let app = Arc::new(App {
                color: "blue".parse().unwrap(),
                own,
                log,
                draining: AtomicBool::new(false),
            });
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
        stage.app.draining.store(true, Ordering::Relaxed);
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

    /// Starts to accept on a free port; the stage keeps the log alive.
    async fn started(places: usize) -> (SocketAddr, Stage) {
        let stage = Stage::new(Behaviour::default());
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Arc::clone(&stage.app);
        let places = Arc::new(Semaphore::new(places));
        tokio::spawn(
            async move { accept(&listener, &app, &GracefulShutdown::new(), places).await },
        );
        (address, stage)
    }

    const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";

    async fn answered(stream: &mut TcpStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn connections_are_limited() {
        let (address, _stage) = started(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(ASK).await.unwrap();
        // The second has been waiting for as long as ten answers take.
        for _ in 0..10 {
            first.write_all(ASK).await.unwrap();
            answered(&mut first).await;
        }
        let early = second.try_read(&mut [0]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        drop(first);
        let limit = Duration::from_secs(60);
        let freed = tokio::time::timeout(limit, answered(&mut second)).await;
        assert!(freed.is_ok(), "the first one's place was not given back");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_and_dawdling_connections_are_closed() {
        let (address, _stage) = started(8).await;
        for sent in [&b""[..], b"GET /healthz HTT", ASK] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent).await.unwrap();
            let mut rest = Vec::new();
            let limit = Duration::from_millis(2 * HEAD_LIMIT_MS);
            let closed = tokio::time::timeout(limit, stream.read_to_end(&mut rest)).await;
            assert!(closed.is_ok(), "still open after {sent:?}");
        }
    }

    #[tokio::test]
    async fn a_head_has_a_limit() {
        let (address, _stage) = started(1).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let long = "x".repeat(2 * MAX_HEAD_BYTES);
        let request =
            format!("GET /healthz HTTP/1.1\r\nHost: h\r\nX: {long}\r\nConnection: close\r\n\r\n");
        // It may hang up before it has read all of it, and even before its
        // answer has arrived.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn draining_has_a_limit() {
        let stage = Stage::new(Behaviour {
            error_percent: 0.0,
            delay: Duration::from_millis(10 * DRAIN_LIMIT_MS),
        });
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        stream
            .write_all(b"GET /color HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let connections = GracefulShutdown::new();
        let (accepted, _) = listener.accept().await.unwrap();
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        spawn(
            accepted,
            place,
            router(Arc::clone(&stage.app)),
            &connections,
        );
        // The request is in once its version holds the answer back.
        tokio::time::sleep(Duration::from_millis(DRAIN_LIMIT_MS)).await;
        let before = tokio::time::Instant::now();
        drain(&stage.app, connections).await;
        assert!(before.elapsed() < Duration::from_millis(2 * DRAIN_LIMIT_MS));
    }
}
