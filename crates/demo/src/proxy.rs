//! The weighted proxy in front of both arms: what a service mesh is in a
//! cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;

use crate::arm::Arm;
use crate::cluster::{Endpoint, Node};
use crate::error::DemoError;
use crate::http::{Serving, serve};

/// Header that says which arm has answered.
pub(crate) const ARM_HEADER: &str = "x-demo-arm";

/// The one path that is passed on: what users of the application ask for. The
/// rest of it is not for whatever else runs on this machine.
const PATH: &str = "/color";

/// Longest body of a request, in bytes: what the application takes.
const MAX_BODY_BYTES: usize = 16 << 10;

/// How long a pod may take to answer. The longest that the application holds
/// an answer back is 30 s, and that is for other purposes.
const ANSWER_LIMIT_MS: u64 = 10_000;

/// Connections at once: as many as the traffic has requests in flight, and a
/// browser's.
const MAX_CONNECTIONS: usize = 512;

/// The proxy, until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    routes: Arc<Routes>,
    _serving: Serving,
}

#[derive(Debug)]
struct Routes {
    node: Arc<Node>,
    /// The canary's share in percent.
    weight: AtomicU8,
    dice: Mutex<fastrand::Rng>,
    /// Whose turn it is among the pods.
    turn: AtomicUsize,
}

impl Proxy {
    /// Starts it, with all traffic on stable.
    ///
    /// # Errors
    /// No port can be bound.
    pub(crate) async fn start(node: Arc<Node>, seed: u64) -> Result<Self, DemoError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(DemoError::Listen)?;
        let address = listener.local_addr().map_err(DemoError::Listen)?;
        let routes = Arc::new(Routes {
            node,
            weight: AtomicU8::new(0),
            dice: Mutex::new(fastrand::Rng::with_seed(seed)),
            turn: AtomicUsize::new(0),
        });
        let answering = Arc::clone(&routes);
        let serving = serve(listener, MAX_CONNECTIONS, move |request| {
            let routes = Arc::clone(&answering);
            async move { routes.answer(request).await }
        });
        Ok(Self {
            address,
            routes,
            _serving: serving,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the canary so many percent from now on.
    pub(crate) fn set_weight(&self, percent: u8) {
        self.routes
            .weight
            .store(percent.min(100), Ordering::Relaxed);
    }

    /// The canary's share in percent.
    pub(crate) fn weight(&self) -> u8 {
        self.routes.weight.load(Ordering::Relaxed)
    }
}

impl Routes {
    /// Which arm answers, and which of its pods. A canary without a ready pod
    /// gets nothing: neither does the controller give it any weight.
    fn pick(&self) -> (Arm, Option<Endpoint>) {
        let weight = self.weight.load(Ordering::Relaxed);
        let roll = self
            .dice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .u8(0..100);
        let canary = self.node.endpoints(Arm::Canary);
        let (arm, endpoints) = if roll < weight && !canary.is_empty() {
            (Arm::Canary, canary)
        } else {
            (Arm::Stable, self.node.endpoints(Arm::Stable))
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(endpoints.len());
        (arm, at.map(|at| endpoints[at].clone()))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (arm, endpoint) = self.pick();
        let mut answer = match endpoint {
            Some(endpoint) => self.forward(request, &endpoint).await,
            None => said(
                StatusCode::SERVICE_UNAVAILABLE,
                "no pod is ready to answer this\n",
            ),
        };
        let headers = answer.headers_mut();
        headers.insert(ARM_HEADER, HeaderValue::from_static(arm.as_str()));
        answer
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        endpoint: &Endpoint,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        if parts.uri.path() != PATH {
            return said(StatusCode::NOT_FOUND, "only /color is passed on\n");
        }
        let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
            return said(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n");
        };
        let mut asked = Request::builder()
            .method(parts.method)
            .uri(format!("http://{}{PATH}", endpoint.address));
        if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
            asked = asked.header(CONTENT_TYPE, kind);
        }
        let Ok(asked) = asked.body(Full::new(body.to_bytes())) else {
            return said(StatusCode::BAD_REQUEST, "this cannot be passed on\n");
        };
        let limit = Duration::from_millis(ANSWER_LIMIT_MS);
        match self.node.client.ask(asked, limit).await {
            Ok(answer) => {
                let mut response = Response::new(Full::new(answer.body));
                *response.status_mut() =
                    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
                if let Some(kind) = answer.headers.get(CONTENT_TYPE) {
                    response.headers_mut().insert(CONTENT_TYPE, kind.clone());
                }
                response
            }
            Err(error) => {
                tracing::debug!(pod = endpoint.pod, %error, "a pod did not answer");
                said(StatusCode::BAD_GATEWAY, "the pod did not answer\n")
            }
        }
    }
}

fn said(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::Timestamp;
    use kube_stand_in::StandIn;

    use super::*;

    fn routes(weight: u8) -> Routes {
        let node = Node::new(PathBuf::new(), StandIn::default(), 0, || {
            Timestamp::UNIX_EPOCH
        });
        Routes {
            node: Arc::new(node),
            weight: AtomicU8::new(weight),
            dice: Mutex::new(fastrand::Rng::with_seed(1)),
            turn: AtomicUsize::new(0),
        }
    }

    fn add(routes: &Routes, arm: Arm, pod: &str) {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        routes.node.set_endpoint(arm, pod, Some(address));
    }

    fn canary_share(routes: &Routes) -> usize {
        let picks = (0..10_000).map(|_| routes.pick().0);
        picks.filter(|&arm| arm == Arm::Canary).count()
    }

    #[test]
    fn the_weight_is_the_canarys_share() {
        let routes = routes(20);
        add(&routes, Arm::Stable, "s");
        add(&routes, Arm::Canary, "c");
        // Five standard deviations.
        assert!((1_800..2_200).contains(&canary_share(&routes)));
        routes.weight.store(100, Ordering::Relaxed);
        assert_eq!(canary_share(&routes), 10_000);
        routes.weight.store(0, Ordering::Relaxed);
        assert_eq!(canary_share(&routes), 0);
    }

    #[test]
    fn a_canary_without_a_ready_pod_gets_nothing() {
        let routes = routes(100);
        add(&routes, Arm::Stable, "s");
        assert_eq!(canary_share(&routes), 0);
        assert!(routes.pick().1.is_some());
    }

    #[test]
    fn pods_take_turns_and_without_one_there_is_no_answer() {
        let routes = routes(0);
        assert_eq!(routes.pick(), (Arm::Stable, None));
        add(&routes, Arm::Stable, "a");
        add(&routes, Arm::Stable, "b");
        let pods: Vec<String> = (0..4)
            .filter_map(|_| routes.pick().1)
            .map(|endpoint| endpoint.pod)
            .collect();
        assert_eq!(pods[0], pods[2]);
        assert_ne!(pods[0], pods[1]);
    }
}
