//! `load`: its limits, its summary, its exit code.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::{Running, demo};

#[test]
fn what_it_counts_is_what_was_served() {
    let (serve, address) = Running::serve(&["--color", "yellow", "--termination-delay", "0"]);
    let url = format!("http://{address}");
    let arguments = [
        "load",
        "--url",
        &url,
        "--rate",
        "400",
        "--max-requests",
        "120",
        "--color",
        "yellow:return500=50",
        "--format",
        "json",
        "--report-every",
        "0",
    ];
    let (status, out, err) = Running::start(demo(&arguments)).end();
    assert_eq!(status.code(), Some(0), "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    serve.signal(Signal::TERM);
    let (_, log, _) = serve.end();
    let served = |line: &str| log.lines().filter(|found| *found == line).count();
    assert_eq!(json["statuses"]["200"], served("200 - yellow"));
    assert_eq!(json["statuses"]["500"], served("500 - yellow"));
    let sent = json["sent"].as_u64().unwrap();
    assert_eq!(json["answered"], sent);
    assert_eq!(sent + json["notSent"].as_u64().unwrap(), 120);
    assert_eq!(json["colors"]["yellow"]["answers"], sent);
    // Seventeen standard deviations would be outside of 10..110.
    assert!((10..110).contains(&served("500 - yellow")), "{out}");
}

#[test]
fn sigterm_ends_it_with_its_summary() {
    let (_serve, address) = Running::serve(&[]);
    let url = format!("http://{address}/");
    let arguments = [
        "load",
        "--url",
        &url,
        "--rate",
        "200",
        "--duration",
        "0",
        "--report-every",
        "0.05",
    ];
    let mut load = Running::start(demo(&arguments));
    load.line_with("blue 100 %");
    load.signal(Signal::TERM);
    let (status, out, _) = load.end();
    assert_eq!(status.code(), Some(0));
    assert!(out.contains(" answered\n  blue "), "{out}");
}

#[test]
fn nobody_there_is_counted_and_fails() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    let arguments = [
        "load",
        "--url",
        &url,
        "--rate",
        "100",
        "--max-requests",
        "5",
    ];
    let (status, out, err) = Running::start(demo(&arguments)).end();
    assert_eq!(status.code(), Some(1));
    assert!(out.contains("5 not connected"), "{out}");
    assert!(err.contains(&url), "{err}");
}

#[test]
fn requests_in_flight_and_their_time_are_limited() {
    // Connections reach the backlog and are never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let arguments = [
        "load",
        "--url",
        &url,
        "--rate",
        "1000",
        "--duration",
        "0.1",
        "--in-flight",
        "3",
        "--timeout",
        "2",
        "--format",
        "json",
        "--report-every",
        "0",
    ];
    let (status, out, _) = Running::start(demo(&arguments)).end();
    assert_eq!(status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&json["sent"], &json["notSent"]),
        (&3.into(), &97.into()),
        "{out}"
    );
    assert_eq!(json["unanswered"]["too late"], 3);
}

#[test]
fn nonsense_is_refused_with_usage() {
    let (status, _, err) =
        Running::start(demo(&["load", "--url", "http://h", "--rate", "9999"])).end();
    assert_eq!(status.code(), Some(2));
    assert!(err.contains("--rate: 9999"), "{err}");
}
