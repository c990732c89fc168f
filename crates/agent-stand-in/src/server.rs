//! The stand-in on a socket.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::{self, Act, Reply};
use crate::body::AnswerBody;
use crate::call::{Call, Counts, MAX_BODY_BYTES, MAX_CALLS, Open, headers};
use crate::script::Script;
use crate::tls::Tls;

/// The stand-in.
#[derive(Debug)]
pub struct AgentStandIn(());

/// What is told of each request.
pub type OnCall = Box<dyn Fn(&Call) + Send + Sync>;

/// How a script is served.
pub struct Options {
    /// Where; port 0 is a free one.
    pub listen: SocketAddr,
    /// With this certificate; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Is told of each request before it is answered.
    pub on_call: Option<OnCall>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            on_call: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl AgentStandIn {
    /// Serves a script on loopback, on a free port, until the server is
    /// dropped.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn serve(script: Script) -> io::Result<Server> {
        Self::serve_with(script, Options::default()).await
    }

    /// Serves a script as the options say, until the server is dropped.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn serve_with(script: Script, options: Options) -> io::Result<Server> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                script,
                calls: Vec::new(),
            }),
            counts: Arc::default(),
            on_call: options.on_call,
        });
        let is_tls = options.tls.is_some();
        let accepting = tokio::spawn(accept(listener, options.tls, Arc::clone(&shared)));
        Ok(Server {
            address,
            is_tls,
            shared,
            accepting,
        })
    }
}

/// A stand-in that is being served, until it is dropped.
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.url()).finish()
    }
}

impl Server {
    /// Where it is, `http://127.0.0.1:<port>`: what a template calls `agentUrl`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All analyses that were asked for so far, in the order in which they
    /// came, up to [`MAX_CALLS`] requests.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let mut requests = self.requests();
        requests.retain(Call::is_analysis);
        requests
    }

    /// All requests so far, health checks among them, up to [`MAX_CALLS`].
    #[must_use]
    pub fn requests(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// Changes the script between calls.
    pub fn change<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.shared.lock().script)
    }

    /// Waits until so many analyses were asked for, and returns all there are.
    /// It waits for ever if need be: put a limit around it.
    pub async fn wait_for_calls(&self, count: usize) -> Vec<Call> {
        self.wait(|counts| counts.analyses >= count).await;
        self.calls()
    }

    /// Waits until no answer is on its way: every client has its answer, or has
    /// gone.
    pub async fn wait_until_idle(&self) {
        self.wait(|counts| counts.open == 0).await;
    }

    /// Answers that are on their way now, those that hang among them.
    #[must_use]
    pub fn open_now(&self) -> usize {
        self.shared.counts.borrow().open
    }

    async fn wait(&self, until: impl FnMut(&Counts) -> bool) {
        // The sender lives as long as this server: the only error cannot be.
        let _ = self.shared.counts.subscribe().wait_for(until).await;
    }
}

impl Drop for Server {
    /// Ends it with all its connections.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Shared {
    state: Mutex<State>,
    counts: Arc<watch::Sender<Counts>>,
    on_call: Option<OnCall>,
}

struct State {
    script: Script,
    calls: Vec<Call>,
}

impl Shared {
    /// A test that panicked while it changed the script has failed already.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what happens to a request, and records it.
    fn decide(&self, parts: &Parts, body: &[u8]) -> (Act, Duration, Open) {
        let text = String::from_utf8_lossy(body);
        let mut state = self.lock();
        let (act, delay_ms) = plan(&mut state.script, parts, &text);
        let call = Call {
            method: parts.method.to_string(),
            uri: parts.uri.to_string(),
            headers: headers(&parts.headers),
            body: match body {
                [] => Value::Null,
                _ => serde_json::from_slice(body).unwrap_or_else(|_| text.as_ref().into()),
            },
            status: act.status(),
        };
        if let Some(on_call) = &self.on_call {
            on_call(&call);
        }
        let is_analysis = call.is_analysis();
        if state.calls.len() < MAX_CALLS {
            state.calls.push(call);
        }
        drop(state);
        let open = Open::new(&self.counts, is_analysis);
        (act, Duration::from_millis(delay_ms), open)
    }
}

fn plan(script: &mut Script, parts: &Parts, body: &str) -> (Act, u64) {
    let path = parts.uri.path();
    let reply = match (&parts.method, path) {
        (&Method::GET, _) => match script.health.get(path) {
            Some(answer) => return (answer::act(answer), 0),
            None => answer::health(path).unwrap_or_else(|| Reply::new(404, "")),
        },
        (&Method::POST, "/a2a/analyze") if !has_bearer(script, parts) => {
            Reply::new(401, answer::failure("no bearer token, or another one"))
        }
        (&Method::POST, "/a2a/analyze") => match script.take(body) {
            Some(rule) => return (answer::act(&rule.answer), rule.delay_ms),
            None => Reply::new(500, answer::failure("no rule of the script matches")),
        },
        (_, "/a2a/analyze") => Reply::new(405, ""),
        _ => Reply::new(404, ""),
    };
    (Act::Reply(reply), 0)
}

fn has_bearer(script: &Script, parts: &Parts) -> bool {
    script.require_bearer.as_ref().is_none_or(|token| {
        let mut sent = parts.headers.get_all(AUTHORIZATION).iter();
        let expected = format!("Bearer {token}");
        sent.next().is_some_and(|value| value == expected.as_str()) && sent.next().is_none()
    })
}

/// The script drops the connection.
#[derive(Debug, thiserror::Error)]
#[error("the script drops the connection")]
struct Dropped;

async fn accept(listener: TcpListener, tls: Option<Tls>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let shared = Arc::clone(&shared);
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => connection(socket, shared).await,
                        // A client that does not trust us goes away here.
                        Some(tls) => if let Ok(secured) = tls.acceptor.accept(socket).await {
                            connection(secured, shared).await;
                        },
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(io: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    // A connection that the script breaks ends with an error: that is what was
    // asked for.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(io), service)
        .await;
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let (parts, body) = request.into_parts();
    // Too large, or the client has gone.
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|_| Dropped)?.to_bytes();
    let (act, delay, open) = shared.decide(&parts, &body);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match act {
        Act::Reply(reply) => Ok(response(reply, open)),
        // Holding the answer, which counts as being on its way.
        Act::Hang => std::future::pending().await,
        Act::Reset => Err(Dropped),
    }
}

fn response(reply: Reply, open: Open) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::new(reply.body, reply.cut_after, open));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A script's address that HTTP cannot carry is not sent.
    if let Some(Ok(location)) = reply.location.map(HeaderValue::try_from) {
        headers.insert(LOCATION, location);
    }
    response
}
