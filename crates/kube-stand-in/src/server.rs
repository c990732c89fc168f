//! The stand-in on loopback.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::StandIn;

/// A stand-in that is being served, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(stand_in: StandIn) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, stand_in));
        Ok(Self { address, accepting })
    }

    /// Where it is: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for it, with this bearer token if there is one.
    #[must_use]
    pub fn kubeconfig(&self, token: Option<&str>) -> String {
        let user = token.map_or("{}".to_owned(), |token| format!("{{token: {token}}}"));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: stand-in\n\
             clusters:\n- name: stand-in\n  cluster: {{server: \"{}\"}}\n\
             users:\n- name: stand-in\n  user: {user}\n\
             contexts:\n- name: stand-in\n  context: {{cluster: stand-in, user: stand-in}}\n",
            self.url()
        )
    }
}

impl Drop for Server {
    /// Ends it with all its connections.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, stand_in: StandIn) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let stand_in = stand_in.clone();
                let service = service_fn(move |request| {
                    let answer = stand_in.answer(&request);
                    async { Ok::<_, Infallible>(answer.await) }
                });
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
