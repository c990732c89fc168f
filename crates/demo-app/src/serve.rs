//! Serves the application until it is told to stop, then drains.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::{App, Version, router};
use crate::color::{Behaviour, Color};
use crate::leak;
use crate::lines::{Format, Level};
use crate::log::Log;
use crate::scenario::Scenario;

/// Connections at once; further ones wait in the kernel's backlog. Each may
/// hold one request back for up to 30 s, in some 20 KiB: all of them together
/// stay below 8 MiB resident.
const MAX_CONNECTIONS: usize = 256;
/// Longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long a connection may take to send the head of its next request, so
/// that idle and dawdling clients do not use up the connections.
const HEAD_LIMIT_MS: u64 = 30_000;
/// How long requests in flight may take to end once nothing new is accepted:
/// less than Kubernetes' usual 30 s, with the termination delay.
const DRAIN_LIMIT_MS: u64 = 20_000;
/// How long the answer to whoever asks for a crash may take to leave.
const CRASH_ANSWER_MS: u64 = 50;
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
    /// What goes wrong on purpose.
    pub scenario: Scenario,
    /// How log lines are written.
    pub format: Format,
    /// When to crash, counted from the start.
    pub crash_after: Option<Duration>,
    /// How long to go on accepting once told to stop.
    pub termination_delay: Duration,
    /// Whether to stop when standard input ends.
    pub end_with_stdin: bool,
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
    /// Standard input could not be watched.
    #[error("cannot start the thread that reads standard input")]
    Stdin(#[source] std::io::Error),
}

/// Serves until SIGTERM or SIGINT, or until it is time to crash.
///
/// # Errors
/// The address cannot be listened on, or signals cannot be caught.
pub async fn serve(config: ServeConfig, log: Log) -> Result<ExitCode, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let mut stdin = stdin_end(config.end_with_stdin)?;
    let mut stop = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = &mut stdin => {}
        }
    };
    let version = Version {
        color: config.color,
        own: config.own,
        format: config.format,
    };
    let app = Arc::new(App::new(version, config.scenario, log));
    app.say_start();
    if config.crash_after == Some(Duration::ZERO) {
        app.say_crash();
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
        let planned = async {
            match config.crash_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = planned => {}
            () = app.crash_asked() => {
                tokio::time::sleep(Duration::from_millis(CRASH_ANSWER_MS)).await;
            }
        }
    };
    let end = async {
        stop().await;
        app.start_draining();
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
        never = leak::run(&app) => match never {},
        () = crash => {
            app.say_crash();
            return Ok(ExitCode::FAILURE);
        }
        () = end => {}
    }
    drop(listener);
    drain(&app, connections).await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end of standard input; for ever where it is not watched.
fn stdin_end(watched: bool) -> Result<Pin<Box<dyn Future<Output = ()>>>, ServeError> {
    if !watched {
        return Ok(Box::pin(std::future::pending()));
    }
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            // An error ends it as well: nothing comes from there any more.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            drop(end);
        })
        .map_err(ServeError::Stdin)?;
    let mut ended = Some(ended);
    Ok(Box::pin(std::future::poll_fn(move |context| {
        let Some(waiting) = ended.as_mut() else {
            // It was told once; only a second signal cuts draining short.
            return Poll::Pending;
        };
        let poll = Pin::new(waiting).poll(context).map(|_| ());
        if poll.is_ready() {
            ended = None;
        }
        poll
    })))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::app::tests::Stage;

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
