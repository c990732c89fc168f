//! `check URL`: is the address reachable from where the controller runs?
//!
//! The controller's image has no shell and no curl, so the plugin tells: each
//! step (DNS, connection, TLS, HTTP status) with its outcome and its time.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use analysis::message::one_line;
use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::args::CheckConfig;
use crate::words::chain;

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Longest head of an answer that is read for its status line.
const MAX_STATUS_BYTES: usize = 512;

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
}

/// Where to go.
struct Target {
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
        let uri: Uri = url.parse().map_err(|_| ReachError::Address)?;
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
        })
    }
}

/// Checks the address, writing each step to `out`. Returns whether it is
/// reachable.
///
/// # Errors
/// If `out` cannot be written to.
pub async fn check(config: &CheckConfig, out: &mut impl Write) -> io::Result<bool> {
    if config.has_proxy {
        writeln!(
            out,
            "note     a proxy is configured; this check goes past it"
        )?;
    }
    let reached = steps(config, out).await?;
    match &reached {
        Ok(()) => writeln!(out, "reachable")?,
        Err(error) => {
            writeln!(out, "         {}", one_line(&chain(error), MAX_CAUSE_BYTES))?;
            writeln!(out, "not reachable")?;
        }
    }
    Ok(reached.is_ok())
}

/// The steps in order; the outer error is `out`'s.
async fn steps(config: &CheckConfig, out: &mut impl Write) -> io::Result<Result<(), ReachError>> {
    let target = match Target::read(&config.url) {
        Ok(target) => target,
        Err(error) => return Ok(Err(error)),
    };
    let limit = config.step_limit;
    let mut step = Step {
        out,
        begun: Instant::now(),
    };

    let resolved = within(limit, resolve(&target)).await;
    let addresses = match step.say("DNS", &resolved, |found| join(found))? {
        Some(addresses) => addresses.clone(),
        None => return Ok(resolved.map(drop)),
    };
    let connected = connect(&addresses, limit).await;
    step.say("connect", &connected, |(_, address)| address.to_string())?;
    let stream = match connected {
        Ok((stream, _)) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let status = if target.is_https {
        let secured = within(limit, secure(&target, stream)).await;
        step.say("TLS", &secured, |stream| {
            let version = stream.get_ref().1.protocol_version();
            format!(
                "{}, certificate trusted",
                version.map_or("done", |v| v.as_str().unwrap_or("done"))
            )
        })?;
        match secured {
            Ok(stream) => within(limit, ask(&target, stream)).await,
            Err(error) => return Ok(Err(error)),
        }
    } else {
        within(limit, ask(&target, stream)).await
    };
    step.say("HTTP", &status, u16::to_string)?;
    Ok(match status {
        Ok(500..) => Err(ReachError::ServerError),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    })
}

/// Writes the outcome and the time of each step.
struct Step<'o, W> {
    out: &'o mut W,
    begun: Instant,
}

impl<W: Write> Step<'_, W> {
    fn say<'r, T>(
        &mut self,
        name: &str,
        result: &'r Result<T, ReachError>,
        show: impl FnOnce(&T) -> String,
    ) -> io::Result<Option<&'r T>> {
        let ms = self.begun.elapsed().as_millis();
        self.begun = Instant::now();
        let shown = result.as_ref().map_or_else(|_| "failed".to_owned(), show);
        writeln!(self.out, "{name:8} {shown} ({ms} ms)")?;
        Ok(result.as_ref().ok())
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

async fn secure(
    target: &Target,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ReachError> {
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

/// Asks for the path and reads no further than the status.
async fn ask(
    target: &Target,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<u16, ReachError> {
    let host = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: rollouts-plugin-metric-ai/{}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n",
        target.path,
        target.port,
        env!("CARGO_PKG_VERSION"),
    );
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(ReachError::Io)?;
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
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        let table = [
            ("http://agent:8080", Some("http://agent:8080")),
            ("https://u:p@agent/a2a?key=x", Some("https://agent/a2a")),
            ("http://[::1]:80/", Some("http://[::1]:80")),
            ("agent:8080", None),
            ("ftp://agent", None),
            ("not an address", None),
            ("", None),
        ];
        for (url, shown) in table {
            assert_eq!(without_credentials(url).as_deref(), shown, "{url}");
        }
    }

    #[test]
    fn a_status_line_is_read_and_nothing_else_is_taken_for_one() {
        let table = [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\n", Some(503)),
            ("HTTP/2 200\r\n", None),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("SSH-2.0-OpenSSH\r\n", None),
            ("", None),
        ];
        for (head, expected) in table {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }

    /// Answers one connection with these bytes.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = stream.read(&mut [0; 1_024]).await.unwrap();
            assert!(asked > 0);
            stream.write_all(answer).await.unwrap();
        });
        address
    }

    async fn checked(url: String) -> (bool, String) {
        let config = CheckConfig {
            url,
            step_limit: Duration::from_secs(5),
            has_proxy: false,
        };
        let mut out = Vec::new();
        let reachable = check(&config, &mut out).await.unwrap();
        (reachable, String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn each_step_is_said() {
        let address = server(b"HTTP/1.1 404 Not Found\r\n\r\n").await;
        let (reachable, said) = checked(format!("http://{address}/health")).await;
        assert!(reachable, "{said}");
        let steps: Vec<&str> = said.lines().map(|l| l.split(' ').next().unwrap()).collect();
        assert_eq!(steps, ["DNS", "connect", "HTTP", "reachable"]);
        assert!(said.contains("HTTP     404 ("), "{said}");
    }

    #[tokio::test]
    async fn what_does_not_serve_is_not_reachable() {
        for (answer, why) in [
            (
                &b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..],
                "an error of its own",
            ),
            (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
            (b"", "not HTTP"),
        ] {
            let address = server(answer).await;
            let (reachable, said) = checked(format!("http://{address}")).await;
            assert!(!reachable && said.contains(why), "{said}");
        }
        let address = server(b"plain text").await;
        let (reachable, said) = checked(format!("https://{address}")).await;
        assert!(!reachable && said.contains("TLS      failed"), "{said}");
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let (reachable, said) = checked(format!("http://{address}")).await;
        assert!(!reachable && said.contains("connect  failed"), "{said}");
        let (reachable, said) = checked("agent:8080".into()).await;
        assert!(!reachable && said.contains("not an http"), "{said}");
    }

    #[tokio::test]
    async fn a_step_that_hangs_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = CheckConfig {
            url: format!("http://{}", listener.local_addr().unwrap()),
            step_limit: Duration::from_millis(20),
            has_proxy: true,
        };
        let mut out = Vec::new();
        assert!(!check(&config, &mut out).await.unwrap());
        let said = String::from_utf8(out).unwrap();
        assert!(
            said.starts_with("note") && said.contains("took longer"),
            "{said}"
        );
    }
}
