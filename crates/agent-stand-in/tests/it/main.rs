//! The stand-in over raw connections, and as a program.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::net::SocketAddr;
use std::process::Stdio;

use agent_stand_in::{AgentStandIn, Answer, Rule, Script};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Sends one request on a connection of its own; returns status and body, or
/// nothing if there is no answer.
async fn ask(address: SocketAddr, head: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: {}\r\n\
         Authorization: Bearer t\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, body.to_owned()))
}

#[tokio::test]
async fn it_answers_by_path_and_method() {
    let script = Script::default().health("/q/health/ready", Answer::status(503, "no"));
    let agent = AgentStandIn::serve(script).await.unwrap();
    let table = [
        ("GET /", 200),
        ("GET /a2a/health", 200),
        ("GET /q/health", 200),
        ("GET /q/health/live", 200),
        ("GET /q/health/ready", 503),
        ("GET /metrics", 404),
        ("GET /a2a/analyze", 404),
        ("PUT /a2a/analyze", 405),
        ("POST /other", 404),
        // No rule matches.
        ("POST /a2a/analyze", 500),
    ];
    for (head, status) in table {
        let answered = ask(agent.address(), head, "").await.unwrap();
        assert_eq!(answered.0, status, "{head}: {}", answered.1);
    }
    assert_eq!(agent.requests().len(), table.len());
}

#[tokio::test]
async fn rules_answer_in_order_and_calls_are_kept() {
    let script = Script::new([
        Rule::new(Answer::Reset).contains("shop").times(1),
        Rule::new(Answer::Bad).contains("shop"),
        Rule::new(Answer::Good),
    ])
    .require_bearer("t");
    let agent = AgentStandIn::serve(script).await.unwrap();
    let post = async |body| ask(agent.address(), "POST /a2a/analyze", body).await;
    assert_eq!(post(r#"{"memoryId":"shop"}"#).await, None);
    let (status, body) = post(r#"{"memoryId":"shop"}"#).await.unwrap();
    assert!(
        status == 200 && body.contains("\"verdict\":\"abort\""),
        "{body}"
    );
    let (status, body) = post("no json").await.unwrap();
    assert!(
        status == 200 && body.contains("\"verdict\":\"promote\""),
        "{body}"
    );
    let calls = agent.wait_for_calls(3).await;
    let kept: Vec<_> = calls.iter().map(|call| (call.status, &call.body)).collect();
    let shop = serde_json::json!({"memoryId": "shop"});
    let text = "no json".into();
    assert_eq!(kept, [(0, &shop), (200, &shop), (200, &text)]);
    assert_eq!(calls[0].header("authorization"), Some("Bearer t"));
    agent.change(|script| *script = Script::default().require_bearer("other"));
    assert_eq!(post("").await.unwrap().0, 401);
    agent.wait_until_idle().await;
}

#[tokio::test]
async fn as_a_program_it_serves_a_file_and_says_what_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.toml");
    std::fs::write(&file, "[[rule]]\nanswer = \"inconclusive\"\n").unwrap();
    let program = env!("CARGO_BIN_EXE_agent-stand-in");
    let mut running = Command::new(program)
        .args(["--listen", "127.0.0.1:0", "--script"])
        .arg(&file)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let url = first
        .strip_prefix("agent-stand-in listens on http://")
        .unwrap();
    let asked = ask(
        url.parse().unwrap(),
        "POST /a2a/analyze",
        r#"{"memoryId":"m"}"#,
    )
    .await;
    assert!(asked.unwrap().1.contains("inconclusive"));
    let said = lines.next_line().await.unwrap().unwrap();
    assert!(said.contains("\"memoryId\":\"m\""), "{said}");
    assert!(!said.contains("Bearer"), "{said}");
    running.kill().await.unwrap();

    std::fs::write(&file, "[[rule]]\nanswer = \"perfect\"\n").unwrap();
    let refused = Command::new(program).arg("--script").arg(&file).output();
    let refused = refused.await.unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && error.contains("script.toml"),
        "{error}"
    );
}
