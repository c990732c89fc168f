//! `check URL`: is the address reachable from where the controller runs?
//!
//! The controller's image has no shell and no curl, so the plugin tells: each
//! step (DNS, connection, TLS, HTTP status) with its outcome and its time. The
//! way is the one that requests take: through the environment's proxy if it
//! names one, trusting the authorities of `SSL_CERT_FILE`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use analysis::message::one_line;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Intercept;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use crate::args::CheckConfig;
use crate::proxies::Way;
use crate::words::chain;

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Longest head of an answer that is read for its status line.
const MAX_STATUS_BYTES: usize = 512;

/// Longest head of a proxy's answer, which is read to its end: what comes after
/// it is the server's.
const MAX_PROXY_HEAD_BYTES: usize = 8 << 10;

/// Longest text of a cause.
const MAX_CAUSE_BYTES: usize = 300;

/// Why an address is not reachable: the step that failed.
#[derive(Debug, thiserror::Error)]
enum ReachError {
    #[error("not an http:// or https:// address, as in http://kubernetes-agent:8080")]
    Address,
    #[error("the step took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    #[error("the name has no address")]
    NoAddress,
    #[error(transparent)]
    Io(io::Error),
    #[error(transparent)]
    Tls(rustls::Error),
    #[error("no certificate authority is known here: set SSL_CERT_FILE")]
    NoAuthorities,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("the server answers, with an error of its own")]
    ServerError,
    #[error("only http:// and https:// proxies are known here")]
    ProxyScheme,
    #[error(
        "the proxy wants to know who asks: put user and password into the proxy's address, as in \
         http://user:password@proxy:3128"
    )]
    ProxyAuthentication,
    #[error("the proxy does not let it through (status {0})")]
    ProxyRefuses(u16),
}

/// A connection, through whatever it goes.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Where to go.
struct Target {
    uri: Uri,
    is_https: bool,
    host: String,
    port: u16,
    path: String,
}

/// The address without user, password and query, which may be credentials;
/// `None` if it is no http(s) address.
pub fn without_credentials(url: &str) -> Option<String> {
    let target = Target::read(url).ok()?;
    let uri: Uri = url.parse().ok()?;
    let scheme = if target.is_https { "https" } else { "http" };
    let port = uri
        .port_u16()
        .map_or(String::new(), |port| format!(":{port}"));
    let path = match uri.path() {
        "/" => "",
        path => path,
    };
    Some(format!("{scheme}://{}{port}{path}", uri.host()?))
}

impl Target {
    fn read(url: &str) -> Result<Self, ReachError> {
        Self::of(url.parse().map_err(|_| ReachError::Address)?)
    }

    fn of(uri: Uri) -> Result<Self, ReachError> {
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ReachError::Address),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(ReachError::Address)?;
        Ok(Self {
            is_https,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            uri,
        })
    }

    /// `host:port`, as headers have it.
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why the steps ended before the last.
enum Stop {
    /// A step failed.
    Failed(ReachError),
    /// What was found cannot be written.
    Unwritable(io::Error),
}

impl From<ReachError> for Stop {
    fn from(error: ReachError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unwritable(error)
    }
}

/// Checks the address, writing each step to `out`. Returns whether it is
/// reachable.
///
/// # Errors
/// If `out` cannot be written to.
pub async fn check(config: &CheckConfig, out: &mut impl Write) -> io::Result<bool> {
    match steps(config, out).await {
        Ok(()) => {
            writeln!(out, "reachable")?;
            Ok(true)
        }
        Err(Stop::Failed(error)) => {
            writeln!(
                out,
                "         {}",
                one_line(&chain(&error), MAX_CAUSE_BYTES)
            )?;
            writeln!(out, "not reachable")?;
            Ok(false)
        }
        Err(Stop::Unwritable(error)) => Err(error),
    }
}

async fn steps(config: &CheckConfig, out: &mut impl Write) -> Result<(), Stop> {
    let target = Target::read(&config.url)?;
    let way = config.proxies.way(&target.uri);
    match &way {
        Way::Direct => {}
        Way::Excepted => writeln!(out, "proxy    none: NO_PROXY excepts this address")?,
        // Its address comes without user and password.
        Way::Through(proxy) => writeln!(out, "proxy    {}", origin(proxy.uri()))?,
    }
    let mut steps = Steps {
        out,
        limit: config.step_limit,
        begun: Instant::now(),
    };
    match &way {
        Way::Through(proxy) => steps.through(proxy, &target).await,
        Way::Direct | Way::Excepted => {
            let stream = steps.open(&target).await?;
            steps.ask_server(&target, stream).await
        }
    }
}

/// `http://proxy:3128`.
fn origin(uri: &Uri) -> String {
    let host = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{host}", uri.scheme_str().unwrap_or_default())
}

/// Takes each step within the limit, and writes its outcome and its time.
struct Steps<'o, W> {
    out: &'o mut W,
    limit: Duration,
    begun: Instant,
}

impl<W: Write> Steps<'_, W> {
    fn say<T>(
        &mut self,
        name: &str,
        result: Result<T, ReachError>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<T, Stop> {
        let ms = self.begun.elapsed().as_millis();
        self.begun = Instant::now();
        let shown = result.as_ref().map_or_else(|_| "failed".to_owned(), show);
        writeln!(self.out, "{name:8} {shown} ({ms} ms)")?;
        Ok(result?)
    }

    /// Through a proxy: a tunnel for https, else the proxy itself is asked.
    async fn through(&mut self, proxy: &Intercept, target: &Target) -> Result<(), Stop> {
        let at = Target::of(proxy.uri().clone()).map_err(|_| ReachError::ProxyScheme)?;
        let opened = self.open(&at).await?;
        let stream: Box<dyn Stream> = if at.is_https {
            Box::new(self.secure(&at, opened).await?)
        } else {
            Box::new(opened)
        };
        let credentials = proxy.basic_auth();
        if target.is_https {
            let tunnel = within(self.limit, connect_through(target, stream, credentials)).await;
            let tunnel = self.say("CONNECT", tunnel, |_| "the proxy lets it through".into())?;
            return self.ask_server(target, tunnel).await;
        }
        let request = get(target, &absolute(target), credentials);
        match self.ask(&request, stream).await? {
            407 => Err(ReachError::ProxyAuthentication.into()),
            status => serves(status),
        }
    }

    /// A connection to where `at` is: its name, then its first address that
    /// takes one.
    async fn open(&mut self, at: &Target) -> Result<TcpStream, Stop> {
        let resolved = within(self.limit, resolve(at)).await;
        let addresses = self.say("DNS", resolved, |found| join(found))?;
        let connected = connect(&addresses, self.limit).await;
        let (stream, _) = self.say("connect", connected, |(_, address)| address.to_string())?;
        Ok(stream)
    }

    /// The steps that the server itself answers.
    async fn ask_server(&mut self, target: &Target, stream: impl Stream) -> Result<(), Stop> {
        let request = get(target, &target.path, None);
        let status = if target.is_https {
            let secured = self.secure(target, stream).await?;
            self.ask(&request, secured).await?
        } else {
            self.ask(&request, stream).await?
        };
        serves(status)
    }

    async fn secure<S: Stream>(&mut self, at: &Target, stream: S) -> Result<TlsStream<S>, Stop> {
        let secured = within(self.limit, secure(at, stream)).await;
        self.say("TLS", secured, |stream| {
            let version = stream.get_ref().1.protocol_version();
            format!(
                "{}, certificate trusted",
                version.map_or("done", |v| v.as_str().unwrap_or("done"))
            )
        })
    }

    async fn ask(&mut self, request: &[u8], stream: impl Stream) -> Result<u16, Stop> {
        let status = within(self.limit, ask(request, stream)).await;
        self.say("HTTP", status, u16::to_string)
    }
}

fn serves(status: u16) -> Result<(), Stop> {
    match status {
        500.. => Err(ReachError::ServerError.into()),
        _ => Ok(()),
    }
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, ReachError>>,
) -> Result<T, ReachError> {
    timeout(limit, step)
        .await
        .unwrap_or(Err(ReachError::TooLong(limit)))
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, ReachError> {
    let found = tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(ReachError::Io)?;
    let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    if addresses.is_empty() {
        return Err(ReachError::NoAddress);
    }
    Ok(addresses)
}

fn join(addresses: &[SocketAddr]) -> String {
    let shown: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
    shown.join(", ")
}

/// The first address that takes a connection; else the last one's error.
async fn connect(
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), ReachError> {
    let mut last = ReachError::NoAddress;
    for address in addresses {
        let stream = async { TcpStream::connect(address).await.map_err(ReachError::Io) };
        match within(limit, stream).await {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn secure<S: Stream>(target: &Target, stream: S) -> Result<TlsStream<S>, ReachError> {
    // Reads SSL_CERT_FILE and SSL_CERT_DIR, else the system's authorities.
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(ReachError::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ReachError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(target.host.clone()).map_err(|_| ReachError::Address)?;
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(ReachError::Io)
}

/// The head of a request for `what`: a path, or a whole address for a proxy.
fn get(target: &Target, what: &str, proxy_credentials: Option<&HeaderValue>) -> Vec<u8> {
    let mut head = format!(
        "GET {what} HTTP/1.1\r\nHost: {}\r\nUser-Agent: rollouts-plugin-metric-ai/{}\r\n\
         Accept: */*\r\nConnection: close\r\n",
        target.authority(),
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes();
    end_head(&mut head, proxy_credentials);
    head
}

/// The address without user and password, as a proxy is asked for it.
fn absolute(target: &Target) -> String {
    format!("http://{}{}", target.authority(), target.path)
}

fn end_head(head: &mut Vec<u8>, proxy_credentials: Option<&HeaderValue>) {
    if let Some(credentials) = proxy_credentials {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(credentials.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}

/// Asks the proxy for a tunnel to the target.
async fn connect_through<S: Stream>(
    target: &Target,
    mut stream: S,
    credentials: Option<&HeaderValue>,
) -> Result<S, ReachError> {
    let authority = target.authority();
    let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    end_head(&mut head, credentials);
    stream.write_all(&head).await.map_err(ReachError::Io)?;
    let mut answer = Vec::new();
    // A byte at a time: the first byte after the head is not ours to read.
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < MAX_PROXY_HEAD_BYTES {
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(ReachError::Io(error)),
        }
    }
    match status(&answer).ok_or(ReachError::NotHttp)? {
        200..=299 if answer.ends_with(b"\r\n\r\n") => Ok(stream),
        200..=299 => Err(ReachError::NotHttp),
        407 => Err(ReachError::ProxyAuthentication),
        refused => Err(ReachError::ProxyRefuses(refused)),
    }
}

/// Asks, and reads no further than the status.
async fn ask(request: &[u8], mut stream: impl Stream) -> Result<u16, ReachError> {
    stream.write_all(request).await.map_err(ReachError::Io)?;
    let mut head = Vec::with_capacity(MAX_STATUS_BYTES);
    while head.len() < MAX_STATUS_BYTES && !head.contains(&b'\n') {
        let mut piece = [0; MAX_STATUS_BYTES];
        let read = stream.read(&mut piece).await.map_err(ReachError::Io)?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(&piece[..read]);
    }
    status(&head).ok_or(ReachError::NotHttp)
}

/// The status of `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    let code = rest.split_ascii_whitespace().nth(1)?;
    code.parse().ok().filter(|code| (100..600).contains(code))
}

#[cfg(test)]
mod tests;
