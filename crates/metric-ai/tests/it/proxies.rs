//! Through a proxy, and past it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rollouts_plugin::Phase;
use rollouts_plugin::host::Launch;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::bench::{Asked, Bench, metric, run};

/// A proxy that opens tunnels to wherever it is asked to, until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tunnels.spawn(tunnel(client, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            asked,
            accepting,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where tunnels were asked to.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn tunnel(mut client: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let to = head.strip_prefix("CONNECT ").unwrap();
    let to = to.split(' ').next().unwrap().to_owned();
    asked.lock().unwrap().push(to.clone());
    let mut server = TcpStream::connect(to).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Whoever goes first ends it.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

async fn verdict(launch: Launch) -> Phase {
    let mut plugin = Asked::start(&launch).await;
    plugin.measure(&run(), &metric("{}")).await.phase
}

#[tokio::test]
async fn the_api_server_is_reached_as_the_environment_says() {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 600, 1_000);
    let proxy = Proxy::new().await;
    let through = |no: &str| {
        // By a name, which the network in NO_PROXY does not except.
        let proxy = format!("http://localhost:{}", proxy.address().port());
        bench
            .launch()
            .env("HTTPS_PROXY", &proxy)
            .env("HTTP_PROXY", &proxy)
            .env("NO_PROXY", no)
            .env("no_proxy", no)
    };
    assert_eq!(verdict(through("127.0.0.0/8")).await, Phase::Successful);
    assert_eq!(proxy.asked(), [] as [&str; 0]);
    assert_eq!(verdict(through("")).await, Phase::Successful);
    let api_server = bench.address().replace("http://", "");
    let asked = proxy.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|to| *to == api_server),
        "{asked:?}"
    );
}
