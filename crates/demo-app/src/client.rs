//! One request over a connection of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::color::Color;

/// Longest answer that is read, in bytes: a colour in quotes is a few.
const MAX_ANSWER_BYTES: usize = 1_024;
/// How long a name's addresses (as many as fit into an answer of DNS) are good
/// for: pods come and go behind a name.
const RESOLVE_EVERY_MS: u64 = 10_000;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address, without the brackets of IPv6.
    host: String,
    port: u16,
    /// What the `Host` header says.
    authority: String,
    /// Path and query.
    path: String,
}

impl Target {
    /// Reads `http://host[:port][/path]`; `/color` is added when there is no
    /// path.
    ///
    /// # Errors
    /// The text is not such an address.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let uri: Uri = typed
            .parse()
            .map_err(|error| format!("`{typed}` is not a URL: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("`{typed}` does not start with http://"));
        }
        let Some(authority) = uri
            .authority()
            .filter(|found| !found.as_str().contains('@'))
        else {
            return Err(format!("`{typed}` names no host, or a user"));
        };
        // What the parser takes for no port includes 99999.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            rest => rest
                .and_then(|rest| rest.strip_prefix(':')?.parse().ok())
                .ok_or_else(|| format!("`{typed}` has a port that is none"))?,
        };
        let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            "/" => "/color",
            path => path,
        };
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.to_string(),
            path: path.to_owned(),
        })
    }

    /// The address in full.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }
}

/// What one answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The colour in the body, where there is one.
    pub color: Option<Color>,
}

/// Why a request was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unanswered {
    /// The name has no address.
    Unresolved,
    /// Nothing listens there, or it is out of reach.
    Unconnected,
    /// The connection broke before the answer's end.
    Broken,
    /// It took too long.
    TooLate,
}

impl Unanswered {
    /// In words for the summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "name not resolved",
            Self::Unconnected => "not connected",
            Self::Broken => "connection broken",
            Self::TooLate => "too late",
        }
    }
}

/// Sends requests to one target.
#[derive(Debug)]
pub struct Client {
    target: Target,
    body: Bytes,
    addresses: tokio::sync::Mutex<Option<(Instant, Vec<SocketAddr>)>>,
    turn: AtomicUsize,
}

impl Client {
    /// A client that sends `body` with each request.
    pub fn new(target: Target, body: Vec<u8>) -> Self {
        Self {
            target,
            body: body.into(),
            addresses: tokio::sync::Mutex::new(None),
            turn: AtomicUsize::new(0),
        }
    }

    /// Sends one request and reads its answer, within `limit`.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn ask(&self, limit: Duration) -> Result<Answer, Unanswered> {
        tokio::time::timeout(limit, self.ask_in_peace())
            .await
            .unwrap_or(Err(Unanswered::TooLate))
    }

    async fn ask_in_peace(&self) -> Result<Answer, Unanswered> {
        let address = self.address().await?;
        let stream = match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(_) => {
                // Perhaps the name has moved on.
                *self.addresses.lock().await = None;
                return Err(Unanswered::Unconnected);
            }
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Unanswered::Broken)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.target.path)
            .header(header::HOST, &self.target.authority)
            .header(
                header::USER_AGENT,
                concat!("rollouts-demo/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::CONTENT_TYPE, "application/json")
            // The server closes first, so that the port is ours again at once.
            .header(header::CONNECTION, "close")
            .body(Full::new(self.body.clone()))
            .map_err(|_| Unanswered::Broken)?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes);
            Ok::<_, hyper::Error>((status, body))
        };
        // Polled side by side in this task: when it is dropped, so is the
        // connection.
        let (answer, _) = tokio::join!(exchange, connection);
        let (status, body) = answer.map_err(|_| Unanswered::Broken)?;
        Ok(Answer {
            status,
            color: body.ok().and_then(|body| color_of(&body)),
        })
    }

    /// The next address of the name, in turn.
    async fn address(&self) -> Result<SocketAddr, Unanswered> {
        let mut known = self.addresses.lock().await;
        let fresh = |at: &Instant| at.elapsed() < Duration::from_millis(RESOLVE_EVERY_MS);
        if !matches!(&*known, Some((at, _)) if fresh(at)) {
            let host = (self.target.host.as_str(), self.target.port);
            let found: Vec<SocketAddr> = tokio::net::lookup_host(host)
                .await
                .map_err(|_| Unanswered::Unresolved)?
                .collect();
            *known = Some((Instant::now(), found));
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        known
            .as_ref()
            .and_then(|(_, found)| found.get(turn % found.len().max(1)).copied())
            .ok_or(Unanswered::Unresolved)
    }
}

/// The colour in an answer's body.
fn color_of(body: &[u8]) -> Option<Color> {
    let text: String = serde_json::from_slice(body).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn urls_are_read_as_people_type_them() {
        for (typed, host, port, path) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, "/color"),
            ("http://demo.canary/", "demo.canary", 80, "/color"),
            ("http://[::1]:81/color?x=1", "::1", 81, "/color?x=1"),
        ] {
            let target = Target::parse(typed).unwrap();
            assert_eq!(
                (target.host.as_str(), target.port, target.path.as_str()),
                (host, port, path)
            );
        }
        for typed in [
            "",
            "demo:8080",
            "https://demo",
            "http://",
            "http://a:b@demo",
            "http://demo:99999",
            "/color",
        ] {
            assert!(Target::parse(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_colour_comes_from_a_json_string_only() {
        assert_eq!(color_of(b"\"blue\""), Some("blue".parse().unwrap()));
        for body in [
            &b"blue"[..],
            b"\"bl\\u0007ue\"",
            b"[\"blue\"]",
            b"",
            b"\xff",
        ] {
            assert_eq!(color_of(body), None, "{body:?}");
        }
    }

    /// A server that answers one request with this body.
    async fn asked(body: String) -> Result<Answer, Unanswered> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n[]") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            // The client may hang up on a long body.
            let _ = stream.write_all((head + &body).as_bytes()).await;
        });
        let client = Client::new(Target::parse(&url).unwrap(), b"[]".to_vec());
        let answer = client.ask(Duration::from_secs(60)).await;
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_to_a_limit() {
        let padded = |bytes: usize| format!("{:<bytes$}", "\"blue\"");
        let blue: Option<Color> = "blue".parse().ok();
        let fits = asked(padded(MAX_ANSWER_BYTES)).await.unwrap();
        assert_eq!((fits.status, fits.color), (200, blue));
        let longer = asked(padded(MAX_ANSWER_BYTES + 1)).await.unwrap();
        assert_eq!((longer.status, longer.color), (200, None));
    }
}
