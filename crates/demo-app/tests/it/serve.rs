//! `serve`: what it says, how it drains, how it crashes.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::{Running, ask, demo, send, tell};

#[test]
fn answers_and_says_so() {
    let (mut running, address) = Running::serve(&["--color", "yellow"]);
    let answer = ask(
        address,
        "/color",
        r#"[{"color":"yellow","return500":100,"delayLength":0.01}]"#,
    );
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n\"yellow\""), "{answer}");
    running.line_with("500 - yellow (0.010000s)");
    assert!(ask(address, "/healthz", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_environment_configures_it() {
    let mut command = demo(&["serve"]);
    command.envs([
        ("COLOR", "red"),
        ("ERROR_RATE", "100"),
        ("LISTEN_ADDR", "127.0.0.1:0"),
    ]);
    let mut running = Running::start(command);
    let line = running.line_with("Started server on ");
    let address = line.rsplit_once(' ').unwrap().1.parse().unwrap();
    let answer = ask(address, "/color", "");
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("\"red\""),
        "{answer}"
    );
}

#[test]
fn sigterm_makes_it_unready_while_it_still_accepts_and_a_second_ends_it() {
    let (mut running, address) = Running::serve(&["--termination-delay", "300"]);
    assert!(ask(address, "/readyz", "").starts_with("HTTP/1.1 200 "));
    running.signal(Signal::TERM);
    running.line_with("told to stop");
    assert!(ask(address, "/readyz", "").starts_with("HTTP/1.1 503 "));
    assert!(ask(address, "/color", "").starts_with("HTTP/1.1 200 "));
    running.signal(Signal::TERM);
    let (status, out, _) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(out.ends_with("Server stopped\n"), "{out}");
}

#[test]
fn a_request_in_flight_is_answered_before_it_ends() {
    let (mut running, address) = Running::serve(&["--termination-delay", "300"]);
    let mut stream = TcpStream::connect(address).unwrap();
    send(
        &mut stream,
        "/color",
        r#"[{"color":"blue","delayLength":1}]"#,
    );
    running.signal(Signal::TERM);
    running.line_with("told to stop");
    // An answer on a later connection: the request is in by now.
    ask(address, "/readyz", "");
    running.signal(Signal::TERM);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (status, out, _) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(out.contains("200 - blue (1.000000s)\n"), "{out}");
    assert!(TcpStream::connect(address).is_err(), "still listening");
}

#[test]
fn a_dead_reader_of_its_log_changes_nothing() {
    let (mut running, address) = Running::serve(&["--termination-delay", "0"]);
    drop(running.stdout.take());
    drop(running.child.stderr.take());
    for _ in 0..20 {
        assert!(ask(address, "/color", "").starts_with("HTTP/1.1 200 "));
    }
    running.signal(Signal::TERM);
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn crashes_on_demand() {
    for after in ["0", "0.05"] {
        let arguments = [
            "serve",
            "--listen-addr",
            "127.0.0.1:0",
            "--crash-after",
            after,
        ];
        let (status, out, _) = Running::start(demo(&arguments)).end();
        assert_eq!(status.code(), Some(1));
        assert_eq!(out.contains("Started server"), after != "0", "{out}");
        assert!(
            out.contains("Exception in thread \"main\" java.lang.IllegalStateException"),
            "{out}"
        );
    }
}

#[test]
fn a_port_in_use_is_said() {
    let (_running, address) = Running::serve(&[]);
    let (status, _, err) =
        Running::start(demo(&["serve", "--listen-addr", &address.to_string()])).end();
    assert_eq!(status.code(), Some(1));
    assert!(
        err.starts_with(&format!("error: cannot listen on {address}")),
        "{err}"
    );
}

#[test]
fn a_crash_is_answered_before_it_happens() {
    let (running, address) = Running::serve(&[]);
    let answer = tell(address, r#"{"scenario":"crash"}"#);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (status, out, _) = running.end();
    assert_eq!(status.code(), Some(1));
    assert!(out.contains("IllegalStateException"), "{out}");
}

#[test]
fn a_scenario_comes_from_the_environment_and_logs_may_be_json() {
    let mut command = demo(&["serve"]);
    command.envs([
        ("COLOR", "green"),
        ("SCENARIO", "exception"),
        ("LOG_FORMAT", "json"),
        ("LISTEN_ADDR", "127.0.0.1:0"),
    ]);
    let mut running = Running::start(command);
    let line = running.line_with("Started server on ");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let message = line["message"].as_str().unwrap();
    let address = message.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(ask(address, "/api/status", "").contains(r#""scenario":"exception""#));
    // One in five fails: in 300 requests none would be one run in 10^29.
    for _ in 0..300 {
        if ask(address, "/color", "").starts_with("HTTP/1.1 500 ") {
            break;
        }
    }
    let line = running.line_with("NullPointerException");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "ERROR");
    running.signal(Signal::TERM);
}

#[test]
fn a_scenario_that_is_none_is_refused_with_usage() {
    let (status, _, err) = Running::start(demo(&["serve", "--scenario", "explode"])).end();
    assert_eq!(status.code(), Some(2));
    assert!(err.contains("memory-leak"), "{err}");
}

#[test]
fn it_ends_with_whoever_holds_its_standard_input_where_that_is_wanted() {
    let arguments = [
        "serve",
        "--listen-addr",
        "127.0.0.1:0",
        "--termination-delay",
        "0",
    ];
    let mut command = demo(&[&arguments[..], &["--end-with-stdin"]].concat());
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.line_with("Started server on ");
    drop(running.child.stdin.take());
    let (status, out, _) = running.end();
    assert!(status.success(), "{status}");
    assert!(out.contains("told to stop"), "{out}");

    // Without the flag an input that has ended means nothing.
    let (mut running, _) = Running::serve(&["--termination-delay", "0"]);
    assert!(running.child.try_wait().unwrap().is_none());
    running.signal(Signal::TERM);
    assert!(running.end().0.success());
}
