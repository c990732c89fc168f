//! The client against a scripted agent on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

/// What agents answer, and what it amounts to.
mod answers;
/// Whether an agent is well.
mod health;
/// What is sent to whom, and what is shown.
mod secrets;
/// Certificates.
mod tls;
/// What goes wrong on the way.
mod troubles;

use std::time::Duration;

use agent_api::{AgentUrl, Bearer, Client, Context, Limits, Request};
use tokio::time::{Instant, timeout};

/// Ample for loopback: only what hangs for ever comes near it.
const AMPLE: Duration = Duration::from_secs(30);

/// What a future that must end at `limit` comes to. For tests whose clock
/// stands still but for what is waited for.
async fn at_its_end<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let ended = timeout(10 * limit, future).await;
    // A timer's grain is a millisecond.
    let late = begun.elapsed() > limit + Duration::from_millis(2);
    assert!(!late, "it took {:?}", begun.elapsed());
    ended.unwrap()
}

/// A client as the plugin makes it: no redirects, no proxy of this machine.
fn http() -> reqwest::Client {
    http_builder(rustls::RootCertStore::empty())
        .no_proxy()
        .build()
        .unwrap()
}

/// Keeps every event of `tracing` awake for the test that captures them: a
/// place in the code that is first passed while nobody listens, just as another
/// thread begins to, may stay silent for the whole process.
fn listen() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("nobody else listens");
    });
}

/// Every client of the tests is made here.
fn http_builder(roots: rustls::RootCertStore) -> reqwest::ClientBuilder {
    listen();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
}

fn client(url: &str) -> Client {
    with_token(url, None)
}

fn with_token(url: &str, token: Option<&str>) -> Client {
    let bearer = token.map(|token| Bearer::new(token).unwrap());
    let agent = AgentUrl::parse(url).unwrap();
    Client::new(http(), agent, bearer, Limits::default())
}

fn question() -> Request {
    Request {
        user_id: agent_api::USER_ID.to_owned(),
        prompt: "Compare them.".to_owned(),
        memory_id: Some("rollout:shop/web".to_owned()),
        context: Context {
            namespace: Some("shop".to_owned()),
            rollout_name: Some("web".to_owned()),
            ..Context::default()
        },
        ..Request::default()
    }
}
