//! The host side: start a plugin, connect, dispense, end it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_yamux::{Session, StreamHandle};
use tracing::debug;

pub use self::output::Output;
use crate::gob::Empty;
use crate::rpc::Client;
use crate::{Error, Handshake, session};

mod output;

/// How long a plugin may take from its start to its handshake: go-plugin's `StartTimeout`.
pub const START_TIMEOUT_MS: u64 = 60_000;

/// How long a plugin may take to end after it was told to quit; then it is killed
/// (`client.go, Client.Kill`).
pub const QUIT_TIMEOUT_MS: u64 = 2_000;

/// How long a plugin may take to answer what it answers at once: ping, dispense, quit.
pub const CONTROL_TIMEOUT_MS: u64 = 10_000;

/// Longest handshake line, in bytes: a socket path has at most 108, a certificate about 2,000.
const MAX_HANDSHAKE_BYTES: u64 = 8 << 10;

/// How to start a plugin.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The plugin's binary.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What its environment has beyond this process's.
    pub env: Vec<(OsString, OsString)>,
}

impl Launch {
    /// A plugin without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Adds a variable to the plugin's environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }
}

/// A running plugin. Dropping it kills the plugin.
pub struct Process {
    child: Child,
    control: Client,
    streams: tokio_yamux::Control,
    session: AbortHandle,
    output: Output,
}

impl Process {
    /// Starts a plugin and connects to it.
    ///
    /// # Errors
    /// The plugin cannot be started, or does not shake hands in time. Then it was killed, and the
    /// error has the newest lines of its stderr.
    pub async fn start(launch: &Launch, handshake: &Handshake) -> Result<Self, Error> {
        let started = |source| Error::Start {
            program: launch.program.display().to_string(),
            source,
        };
        let mut child = Command::new(&launch.program)
            .args(&launch.args)
            .envs(handshake.environment())
            .envs(launch.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(started)?;
        let output = Output::default();
        if let Some(stderr) = child.stderr.take() {
            output.collect(stderr);
        }
        let missing = || Error::Handshake {
            reason: "it has no stdout".into(),
        };
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let shaken = timeout(
            Duration::from_millis(START_TIMEOUT_MS),
            connect(stdout, handshake),
        );
        let connection = match shaken.await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(told(error, child, &output).await),
            Err(_) => {
                return Err(Error::Timeout {
                    operation: "starting the plugin",
                    timeout_ms: START_TIMEOUT_MS,
                });
            }
        };
        let mut session = Session::new_client(connection, session::config());
        let mut streams = session.control();
        let session = tokio::spawn(async move {
            // A plugin opens no streams; the session lives on being polled.
            while let Some(Ok(stream)) = session.next().await {
                drop(stream);
            }
        })
        .abort_handle();
        let control = Client::new(open(&mut streams).await?);
        // What a Go plugin prints after its handshake comes over these two.
        for _ in ["stdout", "stderr"] {
            output.collect(open(&mut streams).await?);
        }
        Ok(Self {
            child,
            control,
            streams,
            session,
            output,
        })
    }

    /// A client for the plugin called `name`, on a stream of its own
    /// (`rpc_client.go, RPCClient.Dispense`).
    ///
    /// # Errors
    /// There is no such plugin, or the connection broke.
    pub async fn dispense(&mut self, name: &str) -> Result<Client, Error> {
        let id: u32 = self.control("Dispenser.Dispense", name.to_owned()).await?;
        let mut stream = open(&mut self.streams).await?;
        let acknowledged = async {
            stream.write_u32_le(id).await?;
            stream.read_u32_le().await
        };
        let ack = in_time("dispensing", acknowledged).await?;
        match ack.map_err(Error::Connection)? {
            ack if ack == id => Ok(Client::new(stream)),
            _ => Err(Error::BadAck),
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// There is none.
    pub async fn ping(&self) -> Result<(), Error> {
        let Empty = self.control("Control.Ping", true).await?;
        Ok(())
    }

    async fn control<A, R>(&self, method: &'static str, argument: A) -> Result<R, Error>
    where
        A: crate::gob::Encode + Sync,
        R: crate::gob::Decode + Send + 'static,
    {
        in_time(method, self.control.call(method, &argument)).await?
    }

    /// The plugin's process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What the plugin has written to stderr.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Tells the plugin to end, and kills it if it does not in [`QUIT_TIMEOUT_MS`].
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn quit(mut self) -> Result<ExitStatus, Error> {
        if let Err(error) = self.control::<_, Empty>("Control.Quit", true).await {
            debug!(
                error = &error as &dyn std::error::Error,
                "the plugin did not answer quit"
            );
        }
        self.streams.close().await;
        let quit_timeout = Duration::from_millis(QUIT_TIMEOUT_MS);
        match timeout(quit_timeout, self.child.wait()).await {
            Ok(status) => status.map_err(Error::Wait),
            Err(_) => self.kill().await,
        }
    }

    /// Kills the plugin, with no chance to finish anything.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn kill(mut self) -> Result<ExitStatus, Error> {
        self.child.start_kill().map_err(Error::Wait)?;
        self.wait().await
    }

    /// Waits until the plugin ends by itself.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.child.wait().await.map_err(Error::Wait)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.session.abort();
    }
}

/// Reads the handshake line and connects to the socket that it names. Whatever else comes on
/// stdout is read and dropped, so that it cannot block the plugin.
async fn connect(stdout: ChildStdout, handshake: &Handshake) -> Result<UnixStream, Error> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    (&mut stdout)
        .take(MAX_HANDSHAKE_BYTES)
        .read_until(b'\n', &mut line)
        .await
        .map_err(Error::Connection)?;
    let socket = handshake.parse(&String::from_utf8_lossy(&line))?;
    tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
    UnixStream::connect(socket).await.map_err(Error::Connection)
}

/// Adds what the plugin said on stderr to a failed handshake: it says why, if anything does.
async fn told(error: Error, mut child: Child, output: &Output) -> Error {
    let Error::Handshake { mut reason } = error else {
        return error;
    };
    if let Err(error) = child.kill().await {
        debug!(
            error = &error as &dyn std::error::Error,
            "the plugin is gone already"
        );
    }
    output.ended().await;
    let lines = output.lines();
    if let Some(last) = lines.last() {
        reason = format!("{reason}; its last words: {last}");
    }
    Error::Handshake { reason }
}

async fn open(streams: &mut tokio_yamux::Control) -> Result<StreamHandle, Error> {
    streams.open_stream().await.map_err(|_| Error::Closed)
}

async fn in_time<T>(operation: &'static str, wait: impl Future<Output = T>) -> Result<T, Error> {
    timeout(Duration::from_millis(CONTROL_TIMEOUT_MS), wait)
        .await
        .map_err(|_| Error::Timeout {
            operation,
            timeout_ms: CONTROL_TIMEOUT_MS,
        })
}
