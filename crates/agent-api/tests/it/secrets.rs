use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use agent_api::{AgentError, AgentUrl, Bearer, Cause, Client, Limits};
use agent_stand_in::{AgentStandIn, Answer, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{AMPLE, client, http_builder, question, with_token};

#[tokio::test]
async fn the_token_is_sent_and_another_is_refused() {
    let script = Script::always(Answer::Good).require_bearer("s3cret");
    let agent = AgentStandIn::serve(script).await.unwrap();
    let answered = with_token(&agent.url(), Some("s3cret\n"))
        .analyze(&question(), AMPLE)
        .await;
    assert!(answered.is_ok(), "{answered:?}");
    for token in [None, Some("other")] {
        let refused = with_token(&agent.url(), token)
            .analyze(&question(), AMPLE)
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error.cause(), &Cause::Authentication { status: 401 });
        let text = error.to_string();
        assert!(
            text.contains("authentication failed") && text.contains("bearer token"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_addresss_own_user_is_sent_unless_there_is_a_token() {
    let agent = AgentStandIn::serve(Script::always(Answer::Good))
        .await
        .unwrap();
    let url = agent.url().replace("http://", "http://me:hunter2@");
    let sent = async |token| {
        let asked = with_token(&url, token).analyze(&question(), AMPLE).await;
        asked.unwrap();
        let call = agent.calls().pop().unwrap();
        let headers: Vec<_> = call
            .headers
            .into_iter()
            .filter_map(|(name, value)| (name == "authorization").then_some(value))
            .collect();
        headers.join(" and ")
    };
    assert_eq!(sent(None).await, "Basic bWU6aHVudGVyMg==");
    assert_eq!(sent(Some("s3cret")).await, "Bearer s3cret");
}

#[tokio::test]
async fn a_redirect_takes_no_token_along() {
    let other = AgentStandIn::serve(Script::always(Answer::Good))
        .await
        .unwrap();
    let to = |path: &str| Answer::Redirect(format!("{}{path}", other.url()));
    let script = Script::always(to("/a2a/analyze"))
        .health("/a2a/health", to("/a2a/health"))
        .health("/q/health", to("/q/health"))
        .health("/", to("/"));
    let agent = AgentStandIn::serve(script).await.unwrap();
    let client = with_token(&agent.url(), Some("s3cret"));
    let asked = client.analyze(&question(), AMPLE).await;
    let cause = Cause::Redirect { status: 307 };
    assert_eq!(asked, Err(AgentError::Analyze(cause)));
    client.health().await.unwrap();
    assert_eq!(other.requests(), []);
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_call_is_logged_without_credentials_and_answers() {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let script = Script::always(Answer::body("{\"analysis\":\"pod secret\"}"));
    let agent = AgentStandIn::serve(script).await.unwrap();
    let url = agent.url().replace("http://", "http://me:hunter2@");
    let client = client(&url);
    client.health().await.unwrap();
    client.analyze(&question(), AMPLE).await.unwrap_err();
    with_token(&url, Some("s3cret"))
        .analyze(&question(), AMPLE)
        .await
        .unwrap_err();
    drop(guard);
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let calls: Vec<&str> = log.lines().filter(|line| line.contains("A2A")).collect();
    assert_eq!(calls.len(), 3, "{log}");
    for line in calls {
        for part in ["DEBUG", &agent.url(), "status=200", "took_ms="] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    for secret in [
        "hunter2",
        "s3cret",
        "aHVudGVyMg",
        "pod secret",
        "Compare them",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// Answers one request as a proxy, and returns its head.
async fn proxy() -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 1_024];
            let read = stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "the whole head comes");
            head.extend_from_slice(&piece[..read]);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"UP\"}";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&head).into_owned()
    });
    (url, served)
}

/// As `OutboundError::client` makes it: with the environment's proxies.
async fn health_as_the_environment_says(url: &str) -> Result<(), AgentError> {
    let http = http_builder(rustls::RootCertStore::empty())
        .build()
        .unwrap();
    let bearer = Bearer::new("s3cret").ok();
    let agent = AgentUrl::parse(url).unwrap();
    Client::new(http, agent, bearer, Limits::default())
        .health()
        .await
}

#[tokio::test]
#[ignore = "a child of `proxies_come_from_the_environment`, which sets its environment"]
async fn child() {
    let url = std::env::var("AGENT_URL").unwrap();
    health_as_the_environment_says(&url).await.unwrap();
}

#[tokio::test]
async fn proxies_come_from_the_environment() {
    let run = async |agent: &str, proxy: &str, no_proxy: &str| {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "secrets::child", "--ignored"])
            .env_clear()
            .env("AGENT_URL", agent)
            .env("HTTP_PROXY", proxy)
            .env("NO_PROXY", no_proxy)
            .stdout(Stdio::null());
        child.status().await.unwrap()
    };
    let (url, served) = proxy().await;
    assert!(run("http://agent.invalid", &url, "").await.success());
    let head = served.await.unwrap();
    assert!(
        head.starts_with("GET http://agent.invalid/a2a/health HTTP/1.1\r\n"),
        "{head}"
    );
    // Past a proxy that is not there.
    let agent = AgentStandIn::serve(Script::default()).await.unwrap();
    let gone = "http://127.0.0.1:1";
    assert!(run(&agent.url(), gone, "127.0.0.0/8").await.success());
    assert!(!run(&agent.url(), gone, "").await.success());
    assert_eq!(agent.requests().len(), 1);
}
