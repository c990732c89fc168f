//! HTTP on loopback, both sides, with a limit on everything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// How long a connection may take to send the head of its next request.
const HEAD_LIMIT_MS: u64 = 30_000;

/// Longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Pause after a failed accept (too many open files), so that it does not
/// spin.
const ACCEPT_RETRY_MS: u64 = 50;

/// Longest answer that is read, in bytes: a page with its pictures.
const MAX_ANSWER_BYTES: usize = 2 << 20;

/// Connections that are kept for the next request, to each address.
const MAX_IDLE: usize = 64;

/// A server that runs until it is dropped, with all its connections.
#[derive(Debug)]
pub(crate) struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves on a listener; further connections than so many wait.
pub(crate) fn serve<S, F, B>(listener: TcpListener, most: usize, answer: S) -> Serving
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let places = Arc::new(Semaphore::new(most));
    Serving(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            // Never closed, so there is always one in the end.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((socket, _)) = accepted else {
                sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                continue;
            };
            // Without it a short answer may wait 40 ms for the next.
            let _ = socket.set_nodelay(true);
            let answer = answer.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async { Ok::<_, Infallible>(answer.await) }
                });
                // How a client ends its connection is the client's business.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_millis(HEAD_LIMIT_MS))
                    .max_buf_size(MAX_HEAD_BYTES)
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
                drop(place);
            });
        }
    }))
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("it took too long")]
    TimedOut,
    #[error("the request cannot be written")]
    Request(#[source] hyper::http::Error),
    #[error("there was no answer")]
    Broken(#[source] legacy::Error),
    #[error("the answer was cut off, or too long")]
    Body,
}

/// Asks, over connections that are kept. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(MAX_IDLE)
            .build(connector);
        Self(client)
    }

    /// The status of a `GET`.
    pub(crate) async fn get(
        &self,
        address: SocketAddr,
        path: &str,
        limit: Duration,
    ) -> Result<u16, Unanswered> {
        let request = Request::get(format!("http://{address}{path}"));
        let request = request.body(Full::default()).map_err(Unanswered::Request)?;
        Ok(self.ask(request, limit).await?.status)
    }

    /// The answer to a `POST` of JSON.
    pub(crate) async fn post(
        &self,
        address: SocketAddr,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Answer, Unanswered> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{address}{path}"))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(Unanswered::Request)?;
        self.ask(request, limit).await
    }

    /// The answer to any request, within a time.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Answer, Unanswered> {
        let answer = async {
            let answer = self.0.request(request).await.map_err(Unanswered::Broken)?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            Ok(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.map_err(|_| Unanswered::Body)?.to_bytes(),
            })
        };
        timeout(limit, answer)
            .await
            .map_err(|_| Unanswered::TimedOut)?
    }
}
