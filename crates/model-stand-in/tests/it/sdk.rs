//! The official SDKs of Google and OpenAI run against the stand-in, and
//! Google's protos parse what they send and what it answers.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use model_stand_in::{Call, Script, Server, StandIn};
use tempfile::NamedTempFile;
use tokio::process::Command;
use tokio::time::timeout;

/// Longest that a script may take: it starts Python and makes some fifty calls
/// on loopback, on a machine that runs other tests beside it.
const LIMIT: Duration = Duration::from_secs(300);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

fn python() -> OsString {
    env::var_os("CANARY_JUDGE_PYTHON").expect(
        "CANARY_JUDGE_PYTHON names a Python with the official SDKs: `make test` sets it up, or \
         `export CANARY_JUDGE_PYTHON=$(scripts/setup python)`",
    )
}

async fn run(script: &str, argument: &str) -> Output {
    let output = Command::new(python())
        // Keys, proxies and folders of whoever runs this are none of its
        // business.
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1")
        .args([folder().join(script).as_os_str(), argument.as_ref()])
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, output).await.expect("in time");
    output.expect("CANARY_JUDGE_PYTHON can be run")
}

async fn passes(script: &str, argument: &str) -> String {
    let output = run(script, argument).await;
    let error = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{script}: {said}\n{error}");
    said.into_owned()
}

async fn serve() -> Server {
    let script = fs::read_to_string(folder().join("script.toml")).expect("a file of ours");
    let script = Script::from_toml(&script).expect("a script");
    StandIn::serve(script).await.expect("a port")
}

fn record(lines: impl IntoIterator<Item = String>) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temp file");
    let lines: Vec<String> = lines.into_iter().collect();
    fs::write(file.path(), lines.join("\n")).expect("a file of ours");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("UTF-8")
}

#[tokio::test]
async fn googles_sdk_runs_and_the_protos_parse_what_it_sends() {
    let server = serve().await;
    let said = passes("gemini.py", &server.url()).await;
    assert!(said.ends_with("13 scenarios\n"), "{said}");
    let calls = server.calls();
    let record = record(calls.iter().map(Call::to_json_line));
    let said = passes("parse_requests.py", path(&record)).await;
    let expected = format!("{0} of {0} requests parsed\n", calls.len());
    assert_eq!(said, expected);
}

#[tokio::test]
async fn openais_sdk_runs() {
    let server = serve().await;
    let said = passes("openai_sdk.py", &server.openai_url()).await;
    assert!(said.ends_with("12 scenarios\n"), "{said}");
}

#[tokio::test]
async fn googles_protos_parse_the_answers() {
    let server = serve().await;
    let said = passes("parse_answers.py", &server.url()).await;
    assert!(said.ends_with("3 scenarios\n"), "{said}");
}

#[tokio::test]
async fn what_googles_protos_do_not_know_is_no_request() {
    let good = r#"{"contents": [{"role": "user", "parts": [{"text": "x"}]}]}"#;
    let newer =
        r#"{"contents": [], "generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}}"#;
    let passed_over = r#"{"api": "openai", "body": {"anything": 1}}"#;
    for (lines, error) in [
        (vec![good, newer, passed_over], None),
        (vec![passed_over], Some("no request")),
        (
            vec![good, r#"{"contents": [], "colour": 1}"#],
            Some("line 2: "),
        ),
        (
            vec![r#"{"api": "gemini", "body": {"contents": "x"}}"#],
            Some("line 1: "),
        ),
        (
            vec![r#"{"generationConfig": {"responseSchema": {"additionalProperties": false}}}"#],
            Some("additionalProperties"),
        ),
    ] {
        let record = record(lines.into_iter().map(str::to_owned));
        let output = run("parse_requests.py", path(&record)).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), error.is_none(), "{said}");
        assert!(said.contains(error.unwrap_or_default()), "{said}");
    }
}
