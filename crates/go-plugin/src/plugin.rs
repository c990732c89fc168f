//! The plugin side: listen, announce, serve the one host, end with it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_yamux::{Session, StreamHandle};
use tracing::{debug, warn};

use self::socket::Socket;
use crate::Error;
use crate::gob::{Empty, Value};
use crate::handshake::Invitation;
use crate::rpc::{self, Call, Capacity, Refusal, Service};
use crate::session;

mod socket;

/// How long a plugin waits for its host to connect: go-plugin's `StartTimeout`. A host that was
/// killed in between never does.
pub const CONNECT_TIMEOUT_MS: u64 = 60_000;

/// How long a host may take to name the stream it opened (`mux_broker.go`).
pub const BROKER_TIMEOUT_MS: u64 = 5_000;

/// How long a plugin goes on after it was told to quit, for the reply to leave and the host to hang
/// up. The host kills it after 2 s.
pub const QUIT_GRACE_MS: u64 = 1_000;

/// Most dispensed plugins whose stream was not opened yet. A host dispenses once.
pub const MAX_DISPENSED: usize = 16;

/// Why serving ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The host said so (`Control.Quit`).
    Quit,
    /// The connection ended: the host is gone.
    HostGone,
}

/// Listens as the host asked, announces it on stdout, and serves `plugins` by the names they are
/// dispensed under, until the host quits or goes away. Afterwards the process should end.
///
/// Interrupts are ignored from here on, as go-plugin does: they reach the host as well, which ends
/// its plugins when it has finished.
///
/// # Errors
/// The plugin cannot listen, no host connects, or the connection breaks.
pub async fn serve(
    invitation: &Invitation,
    plugins: Vec<(&'static str, Arc<dyn Service>)>,
) -> Result<Ended, Error> {
    let _interrupts = signal(SignalKind::interrupt()).map_err(Error::Connection)?;
    let socket = Socket::bind(&invitation.socket_dir)?;
    announce(&invitation.line(socket.path())).map_err(Error::Announce)?;
    let connection = the_host(socket).await?;
    serve_connection(connection, plugins).await
}

/// Waits for the one host of this process. Nobody else can connect afterwards, and nothing is left
/// on disk however the process ends.
async fn the_host(socket: Socket) -> Result<UnixStream, Error> {
    timeout(Duration::from_millis(CONNECT_TIMEOUT_MS), socket.accept())
        .await
        .map_err(|_| Error::NoHost {
            timeout_ms: CONNECT_TIMEOUT_MS,
        })?
        .map_err(Error::Connection)
}

/// The only write to stdout in a plugin's life.
fn announce(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// Serves a host on a connection (`rpc_server.go, RPCServer.ServeConn`).
///
/// # Errors
/// The connection breaks otherwise than by ending.
pub async fn serve_connection<IO: AsyncRead + AsyncWrite + Unpin>(
    connection: IO,
    plugins: Vec<(&'static str, Arc<dyn Service>)>,
) -> Result<Ended, Error> {
    let host = Arc::new(Host {
        plugins,
        capacity: Capacity::default(),
        dispensed: Mutex::default(),
        quit: Notify::new(),
    });
    let mut session = Session::new_server(connection, session::config());
    let mut opened = 0_u64;
    let mut quit_by: Option<Instant> = None;
    loop {
        tokio::select! {
            stream = session.next() => match stream {
                Some(Ok(stream)) => {
                    opened += 1;
                    tokio::spawn(serve_stream(stream, opened, Arc::clone(&host)));
                }
                None => return Ok(ended(quit_by)),
                Some(Err(error)) if quit_by.is_some() || is_gone(&error) => {
                    debug!(error = &error as &dyn std::error::Error, "the host hung up");
                    return Ok(ended(quit_by));
                }
                Some(Err(error)) => return Err(Error::Connection(error)),
            },
            () = host.quit.notified(), if quit_by.is_none() => {
                quit_by = Some(Instant::now() + Duration::from_millis(QUIT_GRACE_MS));
            }
            () = sleep_until(quit_by.unwrap_or_else(Instant::now)), if quit_by.is_some() => {
                return Ok(Ended::Quit);
            }
        }
    }
}

fn ended(quit_by: Option<Instant>) -> Ended {
    match quit_by {
        Some(_) => Ended::Quit,
        None => Ended::HostGone,
    }
}

/// Whether the error is how a killed host looks from here.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::TimedOut
    )
}

/// The one host of this process, and what it has asked for.
struct Host {
    plugins: Vec<(&'static str, Arc<dyn Service>)>,
    capacity: Capacity,
    dispensed: Mutex<Dispensed>,
    quit: Notify,
}

/// Plugins that were dispensed and wait for their stream (`mux_broker.go, MuxBroker`).
#[derive(Default)]
struct Dispensed {
    last_id: u32,
    waiting: HashMap<u32, (Arc<dyn Service>, Instant)>,
}

impl Host {
    fn dispense(&self, name: &str) -> Result<u32, String> {
        let (_, service) = self
            .plugins
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("unknown plugin type: {name}"))?;
        let now = Instant::now();
        let mut dispensed = self.lock();
        dispensed.waiting.retain(|_, (_, until)| *until > now);
        if dispensed.waiting.len() >= MAX_DISPENSED {
            return Err("too many plugins are dispensed and not connected".into());
        }
        dispensed.last_id = dispensed.last_id.wrapping_add(1);
        let id = dispensed.last_id;
        let until = now + Duration::from_millis(BROKER_TIMEOUT_MS);
        dispensed.waiting.insert(id, (Arc::clone(service), until));
        Ok(id)
    }

    fn claim(&self, id: u32) -> Option<Arc<dyn Service>> {
        let (service, until) = self.lock().waiting.remove(&id)?;
        (until > Instant::now()).then_some(service)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Dispensed> {
        // Whole between any two statements, so a panic elsewhere does not spoil it.
        self.dispensed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the `number`-th stream that the host opened: control, stdout, stderr, then the broker's.
/// yamux has acknowledged it already.
async fn serve_stream(stream: StreamHandle, number: u64, host: Arc<Host>) {
    let id = stream.id();
    let outcome = match number {
        1 => {
            let services: [(_, Arc<dyn Service>); 2] = [
                ("Control", Arc::new(Control(Arc::clone(&host)))),
                ("Dispenser", Arc::new(Dispenser(Arc::clone(&host)))),
            ];
            rpc::serve(stream, &services, &host.capacity).await
        }
        2 | 3 => drain(stream).await,
        _ => serve_brokered(stream, &host).await,
    };
    if let Err(error) = outcome {
        warn!(
            stream = id,
            error = &error as &dyn std::error::Error,
            "a stream failed"
        );
    }
}

/// Go copies the plugin's stdout and stderr to these two streams. This side says everything on the
/// process's own stderr, so it only keeps them open, and reads what no host sends: one stream that
/// is not read stops the whole session.
async fn drain(mut stream: StreamHandle) -> Result<(), Error> {
    tokio::io::copy(&mut stream, &mut tokio::io::sink())
        .await
        .map_err(Error::Connection)?;
    stream.shutdown().await.map_err(Error::Connection)
}

/// A stream for something that was dispensed: the host names it by number, this side repeats the
/// number (`mux_broker.go, MuxBroker.Accept`).
async fn serve_brokered(mut stream: StreamHandle, host: &Host) -> Result<(), Error> {
    let named = timeout(
        Duration::from_millis(BROKER_TIMEOUT_MS),
        stream.read_u32_le(),
    );
    let id = named
        .await
        .map_err(|_| Error::Timeout {
            operation: "naming a stream",
            timeout_ms: BROKER_TIMEOUT_MS,
        })?
        .map_err(Error::Connection)?;
    let Some(service) = host.claim(id) else {
        warn!(id, "the host opened a stream for what was not dispensed");
        return stream.shutdown().await.map_err(Error::Connection);
    };
    stream.write_u32_le(id).await.map_err(Error::Connection)?;
    rpc::serve(stream, &[("Plugin", service)], &host.capacity).await
}

/// `rpc_server.go, controlServer`.
struct Control(Arc<Host>);

impl Service for Control {
    fn call(self: Arc<Self>, method: &str, argument: &Value<'_>) -> Result<Call, Refusal> {
        // The argument means nothing, but it has to be one.
        let _null: bool = argument.decode().map_err(Refusal::BadArgument)?;
        match method {
            "Ping" => Ok(Call::new(0, async { Ok(Empty) })),
            "Quit" => Ok(Call::new(0, async move {
                // The loop that hears this goes on long enough for the reply to leave.
                self.0.quit.notify_one();
                Ok(Empty)
            })),
            _ => Err(Refusal::NoMethod),
        }
    }
}

/// `rpc_server.go, dispenseServer`.
struct Dispenser(Arc<Host>);

impl Service for Dispenser {
    fn call(self: Arc<Self>, method: &str, argument: &Value<'_>) -> Result<Call, Refusal> {
        if method != "Dispense" {
            return Err(Refusal::NoMethod);
        }
        let (name, cost) = argument
            .decode_with_cost::<String>()
            .map_err(Refusal::BadArgument)?;
        Ok(Call::new(cost, async move { self.0.dispense(&name) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_never_connects_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::bind(folder.path()).unwrap();
        let begun = Instant::now();
        let outcome = the_host(socket).await;
        assert!(matches!(outcome, Err(Error::NoHost { .. })), "{outcome:?}");
        assert_eq!(begun.elapsed(), Duration::from_millis(CONNECT_TIMEOUT_MS));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
