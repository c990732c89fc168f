//! The program: prints its URLs, records, and ends when it is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client::{GENERATE, MODEL, gemini};

/// Longest that the program may take to start or to end.
const LIMIT: Duration = Duration::from_secs(20);

fn command(folder: &Path, script: &str) -> Command {
    let file = folder.join("script.toml");
    fs::write(&file, script).expect("a folder of ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_model-stand-in"));
    command.arg("--script").arg(file).kill_on_drop(true);
    command
}

async fn start(folder: &Path, more: &[&str]) -> (Child, Value) {
    let mut child = command(folder, "[[rule]]\nanswer.text = 'ok'")
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let out = child.stdout.as_mut().expect("a pipe");
    let mut line = String::new();
    let mut out = BufReader::new(out);
    let read = out.read_line(&mut line);
    timeout(LIMIT, read)
        .await
        .expect("in time")
        .expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

async fn ask(url: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").expect("a URL");
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let length = body.len();
    let request = format!(
        "POST {GENERATE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    socket
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("text");
    answer
}

#[tokio::test]
async fn it_serves_records_and_ends_with_its_input() {
    let folder = TempDir::new().expect("a folder");
    let record: PathBuf = folder.path().join("calls.jsonl");
    fs::write(&record, "{\"older\": true}\n").expect("a folder of ours");
    let path = record.to_str().expect("UTF-8");
    let (mut child, urls) = start(folder.path(), &["--until-eof", "--record", path]).await;
    let url = urls["url"].as_str().expect("a URL");
    assert_eq!(urls["gemini"], format!("{url}/v1beta/"));
    assert_eq!(urls["openai"], format!("{url}/v1/"));
    let answer = ask(url, &gemini("hello").to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(child.stdin.take());
    let ended = timeout(LIMIT, child.wait()).await.expect("in time");
    assert!(ended.expect("it ends").success());
    let record = fs::read_to_string(record).expect("a record");
    let lines: Vec<Value> = record
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        lines,
        [
            json!({"older": true}),
            json!({"api": "gemini", "model": MODEL, "uri": GENERATE, "body": gemini("hello")}),
        ]
    );
}

#[tokio::test]
async fn it_ends_when_terminated() {
    let folder = TempDir::new().expect("a folder");
    let (mut child, _) = start(folder.path(), &[]).await;
    // Without --until-eof the end of its input means nothing.
    drop(child.stdin.take());
    let id = child.id().expect("it runs").to_string();
    let kill = Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(kill.expect("kill runs").success());
    let ended = timeout(LIMIT, child.wait()).await.expect("in time");
    assert!(ended.expect("it ends").success());
}

#[tokio::test]
async fn a_script_that_cannot_be_is_said_with_its_place() {
    let folder = TempDir::new().expect("a folder");
    let run = async |script: &str| -> Output {
        let mut command = command(folder.path(), script);
        let output = timeout(LIMIT, command.output()).await.expect("in time");
        output.expect("it starts")
    };
    for (script, words) in [
        ("[[rule]]\nanswer = 'sulk'", "sulk"),
        (
            "[[rule]]\nanswer.status = 7",
            "rule 1 of the script: a status",
        ),
    ] {
        let output = run(script).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains("script.toml"), "{error}");
        assert!(error.contains(words), "{error}");
    }
}
