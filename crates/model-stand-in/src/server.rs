//! The stand-in on loopback.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::{self, Act, Plan, Reply, Request};
use crate::body::AnswerBody;
use crate::call::{Call, Calls, Counts, MAX_BODY_BYTES, Open};
use crate::route::{self, Api, Form, Route};
use crate::script::Script;
use crate::{gemini, openai};

/// The stand-in.
#[derive(Debug)]
pub struct StandIn(());

impl StandIn {
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
                ..State::default()
            }),
            counts: Arc::new(watch::Sender::default()),
            on_call: options.on_call,
            keep_calls: options.keep_calls,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Server {
            address,
            shared,
            accepting,
        })
    }
}

/// How a script is served.
pub struct Options {
    /// Where; port 0 is a free one.
    pub listen: SocketAddr,
    /// Is told of each call before it is answered.
    pub on_call: Option<OnCall>,
    /// Whether calls are kept for [`Server::calls`]. A stand-in that runs for
    /// days keeps none, and so never has too many.
    pub keep_calls: bool,
}

/// What is told of each call.
pub type OnCall = Box<dyn Fn(&Call) + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            on_call: None,
            keep_calls: true,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("keep_calls", &self.keep_calls)
            .finish_non_exhaustive()
    }
}

/// A stand-in that is being served, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Where it is, `http://127.0.0.1:<port>`: what Google's SDKs call the
    /// base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of Gemini's API with its version, ending in `/`.
    #[must_use]
    pub fn gemini_url(&self) -> String {
        format!("{}/v1beta/", self.url())
    }

    /// The base URL of OpenAI's API, ending in `/`.
    #[must_use]
    pub fn openai_url(&self) -> String {
        format!("{}/v1/", self.url())
    }

    /// All calls so far, in the order in which they came. What was asked of
    /// the lists of models is no call.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.all().to_vec()
    }

    /// Changes the script between calls.
    pub fn change<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.shared.lock().script)
    }

    /// Waits until so many calls have come, and returns all there are. It waits
    /// for ever if need be: put a limit around it.
    pub async fn wait_for_calls(&self, count: usize) -> Vec<Call> {
        self.wait(|counts| counts.calls >= count).await;
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

    /// The most answers that were on their way at the same time.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.shared.counts.borrow().most_open
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
    keep_calls: bool,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    calls: Calls,
    /// Calls so far, those that were not kept among them.
    number: u64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// A test that panicked while it changed the script has failed already.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn models(&self, api: Api, headers: &HeaderMap) -> Reply {
        let script = &self.lock().script;
        match api {
            Api::Gemini => gemini::models(script, headers),
            // Both APIs have their list at /v1/models: who brings Google's key
            // asks for Google's.
            Api::OpenAi if headers.contains_key(gemini::KEY_HEADER) => {
                gemini::models(script, headers)
            }
            Api::OpenAi => openai::models(script, headers),
        }
    }

    /// Decides what happens to a call, and records it.
    fn call(&self, came: &Came<'_>) -> (Plan, Option<Open>) {
        let body = serde_json::from_slice(came.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(came.body).into_owned()));
        let request = Request::read(came.api, came.path.clone(), came.headers, body);
        let mut state = self.lock();
        state.number += 1;
        let number = state.number;
        let plan = answer::plan(&mut state.script, &request, number);
        let call = Call {
            api: came.api,
            uri: came.uri.clone(),
            streams: request.streams(),
            headers: headers(came.headers),
            status: plan.status(),
            model: request.model,
            body: request.body,
            text: request.text,
        };
        if let Some(on_call) = &self.on_call {
            on_call(&call);
        }
        if self.keep_calls && !state.calls.add(call, came.body.len()) {
            let message = "model-stand-in: more calls than are recorded";
            return (answer::error(came.api, 413, message).into(), None);
        }
        drop(state);
        (plan, Some(Open::new(&self.counts)))
    }
}

/// A call as it came.
struct Came<'a> {
    api: Api,
    path: Option<(String, Form)>,
    uri: String,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

/// The script drops the connection.
#[derive(Debug, thiserror::Error)]
#[error("the script drops the connection")]
struct Dropped;

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                connections.spawn(async move {
                    // A connection that the script breaks ends with an error:
                    // that is what was asked for.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: HttpRequest<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let (parts, body) = request.into_parts();
    let (api, path) = match route::route(&parts.method, &parts.uri) {
        Route::Generate { model, form } => (Api::Gemini, Some((model, form))),
        Route::Chat => (Api::OpenAi, None),
        Route::Models(api) => return Ok(response(shared.models(api, &parts.headers))),
        Route::WrongMethod(api) => {
            return Ok(response(answer::error(api, 405, "Method Not Allowed")));
        }
        Route::Unknown => return Ok(response(answer::error(Api::Gemini, 404, "Not Found"))),
    };
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("The request has more than {MAX_BODY_BYTES} bytes.");
            return Ok(response(answer::error(api, 413, &message)));
        }
        // The client has gone.
        Err(_) => return Err(Dropped),
    };
    let (plan, open) = shared.call(&Came {
        api,
        path,
        uri: parts.uri.to_string(),
        headers: &parts.headers,
        body: &body,
    });
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    let mut response = match plan.act {
        Act::Reply(reply) => response(reply),
        // Holding the answer, which counts as being on its way.
        Act::Hang => std::future::pending().await,
        Act::Reset => return Err(Dropped),
    };
    let answer = response.body_mut();
    answer.pause(plan.pause);
    if let Some(cut) = plan.cut {
        answer.cut(cut);
    }
    if let Some(open) = open {
        answer.hold(open);
    }
    Ok(response)
}

fn response(reply: Reply) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::new(reply.pieces));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    for (name, value) in reply.headers {
        // A script's header that HTTP cannot carry is not sent.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}
