//! Two versions behind one address, with the shares that a test asks for:
//! what a service in front of ten pods does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{get, post};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// Two running versions and what is between them and a browser.
pub struct Split {
    address: SocketAddr,
    /// They end with it.
    _pods: [Child; 2],
}

struct Between {
    stable: SocketAddr,
    canary: SocketAddr,
    /// Share of the canary, in percent.
    share: AtomicU64,
    turn: AtomicU64,
}

impl Split {
    /// Starts `blue`, which gets all requests at first, and `yellow`.
    pub async fn start(program: &str) -> Self {
        let (blue, stable) = pod(program, "blue").await;
        let (yellow, canary) = pod(program, "yellow").await;
        let between = Arc::new(Between {
            stable,
            canary,
            share: AtomicU64::new(0),
            turn: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/split/{share}", post(set))
            .route("/split/pods", get(pods))
            .fallback(pass)
            .with_state(between);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router));
        Self {
            address,
            _pods: [blue, yellow],
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pod(program: &str, color: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(program)
        .args(["serve", "--listen-addr", "127.0.0.1:0", "--color", color])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("it starts");
        if line.contains("Started server on ") {
            let address = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            // A log that nobody reads would fill its pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (child, address);
        }
    }
}

async fn serve(listener: TcpListener, router: Router) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn set(State(between): State<Arc<Between>>, Path(share): Path<u64>) {
    between.share.store(share, Ordering::Relaxed);
}

/// What each of both says of its scenario.
async fn pods(State(between): State<Arc<Between>>) -> Vec<u8> {
    let mut all = Vec::new();
    for address in [between.stable, between.canary] {
        let request = Request::get("/api/scenario").body(Body::empty()).unwrap();
        let body = forward(address, request).await.unwrap().into_body();
        all.push(axum::body::to_bytes(body, 1 << 20).await.unwrap());
    }
    [b"[", &all[0][..], b",", &all[1][..], b"]"].concat()
}

async fn pass(State(between): State<Arc<Between>>, request: Request) -> Response<Body> {
    // Spread evenly, without dice.
    let turn = between.turn.fetch_add(37, Ordering::Relaxed) % 100;
    let address = if turn < between.share.load(Ordering::Relaxed) {
        between.canary
    } else {
        between.stable
    };
    forward(address, request).await.unwrap_or_else(|_| {
        let mut gone = Response::new(Body::empty());
        *gone.status_mut() = StatusCode::BAD_GATEWAY;
        gone
    })
}

async fn forward(
    address: SocketAddr,
    mut request: Request,
) -> Result<Response<Body>, hyper::Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(header::CONNECTION, close);
    request
        .headers_mut()
        .entry(header::HOST)
        .or_insert(HeaderValue::from_static("pod"));
    let mut response = sender.send_request(request).await?.map(Body::new);
    response.headers_mut().remove(header::CONNECTION);
    Ok(response)
}
