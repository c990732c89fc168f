//! A server on loopback that answers as a script says, byte for byte, and
//! remembers what it was sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What a request gets.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These bytes, head included; then the connection ends.
    Bytes(Vec<u8>),
    /// Nothing, and the connection stays open.
    Never,
}

impl Answer {
    pub fn json(status: u16, body: &str) -> Self {
        Self::with(status, "Content-Type: application/json", body.as_bytes())
    }

    pub fn with(status: u16, header: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\n{header}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        Self::Bytes([head.as_bytes(), body].concat())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// By name in small letters.
    pub headers: BTreeMap<String, String>,
    /// Of the query, or of the form.
    pub parameters: BTreeMap<String, String>,
}

pub struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, script) = (Arc::clone(&seen), Arc::new(script));
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                connections.spawn(async move {
                    // A client that goes away is what some tests are about.
                    let _ = serve(stream, &kept, &*script).await;
                });
            }
        });
        Self {
            address,
            seen,
            accepting,
        }
    }

    /// Gives every request the same answer.
    pub async fn always(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}

impl Drop for Scripted {
    /// Ends it with all its connections.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<Seen>>,
    script: &(impl Fn(&Seen) -> Answer + ?Sized),
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let seen = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(seen) = parse(&bytes) {
            break seen;
        }
    };
    let answer = script(&seen);
    kept.lock().expect("no panic").push(seen);
    match answer {
        Answer::Bytes(bytes) => stream.write_all(&bytes).await,
        Answer::Never => std::future::pending().await,
    }
}

/// The request, once all of it is there.
fn parse(bytes: &[u8]) -> Option<Seen> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or("0", String::as_str);
    if body.len() < length.parse().ok()? {
        return None;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let encoded = [query, body].concat();
    let decoded = reqwest::Url::parse(&format!("http://x/?{encoded}")).ok()?;
    Some(Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        parameters: decoded.query_pairs().into_owned().collect(),
    })
}
