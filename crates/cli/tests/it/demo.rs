//! `demo`: with the programs that `cargo test --workspace` builds beside this
//! one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::Folder;

/// Processes that should have ended and have not after this time will not.
const END_LIMIT_S: i64 = 30;

const SCENARIO: &str = "title = \"t\"\nwhy = \"w\"\nexpect = \"abort\"\n";

fn is_built() {
    let built = Path::new(env!("CARGO_BIN_EXE_canary-judge"))
        .parent()
        .unwrap();
    for program in ["rollouts-demo", "rollouts-plugin-metric-ai"] {
        assert!(
            built.join(program).is_file(),
            "{program} is missing: run `cargo build -p demo-app -p metric-ai`"
        );
    }
}

#[test]
fn a_program_that_is_missing_is_named_with_the_mend() {
    let folder = Folder::new();
    for (flag, program) in [
        ("--app", "rollouts-demo"),
        ("--plugin", "rollouts-plugin-metric-ai"),
    ] {
        let ran = folder.run(&["demo", "--terminal", flag, "nowhere/x"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.err.contains(&format!("cannot find {program}")),
            "{ran:?}"
        );
        assert!(
            ran.err.contains(&format!("name it with {flag} FILE")),
            "{ran:?}"
        );
    }
}

#[test]
fn a_scenario_that_cannot_be_used_is_refused_with_its_line() {
    let folder = Folder::new();
    folder.write("bad.toml", format!("{SCENARIO}requests-per-s = 9000\n"));
    let ran = folder.run(&["demo", "--script", "bad.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("line 4") && ran.err.contains("0 to 2000"),
        "{ran:?}"
    );
    let ran = folder.run(&["demo", "--script", "none.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("cannot read the scenario none.toml"),
        "{ran:?}"
    );
}

#[test]
fn a_script_exits_with_its_verdict_and_leaves_no_file() {
    is_built();
    let folder = Folder::new();
    let fault = format!("{SCENARIO}[canary]\nfault = \"crash\"\n");
    folder.write("crash.toml", fault);
    folder.write(
        "none.toml",
        format!("{SCENARIO}requests-per-s = 0\nmax-wait-s = 1\n"),
    );
    std::fs::create_dir(folder.0.path().join("tmp")).unwrap();
    for (file, code, said) in [
        ("crash.toml", 1, "aborted, stable keeps serving"),
        ("none.toml", 3, "not what is right: w"),
    ] {
        let mut command = folder.command(&["demo", "--script", file]);
        let output = command
            .env("TMPDIR", folder.0.path().join("tmp"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(said), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
        let left = std::fs::read_dir(folder.0.path().join("tmp")).unwrap();
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn without_a_browser_and_a_terminal_a_good_and_a_bad_release_are_played() {
    is_built();
    let ran = Folder::new().run(&["demo", "--rate", "400"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let releases: Vec<&str> = ran
        .out
        .lines()
        .filter(|line| line.starts_with("release "))
        .collect();
    assert_eq!(
        releases,
        [
            "release 1: blue -> yellow  A good release (right: promote)",
            "release 2: yellow -> bad-green  20 % NullPointerException (right: abort)",
        ]
    );
    let at = |text: &str| {
        ran.out
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {ran:?}"))
    };
    assert!(at("promoted after") < at("aborted, stable keeps serving after"));
    assert!(at("step 5/5") < at("NullPointerException ColorResource:39 in 2/2 pods"));
}

/// A demo with its page, and the processes that it has started.
struct Shown {
    child: Child,
    address: String,
    started: Vec<(u32, OwnedFd)>,
    folder: Folder,
}

impl Shown {
    fn start() -> Self {
        is_built();
        let folder = Folder::new();
        let mut child = folder
            .command(&["demo", "--no-browser", "--rate", "50"])
            .env("TMPDIR", folder.0.path())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        let address = url
            .trim_start_matches("open: http://")
            .trim_end_matches('/')
            .to_owned();
        let mut shown = Self {
            child,
            address,
            started: Vec::new(),
            folder,
        };
        shown.release();
        shown.started = children(shown.child.id());
        shown
    }

    /// Releases a version, and reads events until the plugin runs as well.
    fn release(&self) {
        let body = r#"{"scenario":"good"}"#;
        let address = &self.address;
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /api/release HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 204 "), "{answer}");
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut events = BufReader::new(stream).lines();
        assert!(
            events.any(|line| line.unwrap().contains(r#""launches":1"#)),
            "the plugin was started"
        );
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until everything that was started has ended.
    fn all_gone(&self) {
        assert!(self.started.len() >= 5, "{:?}", self.started);
        for (pid, handle) in &self.started {
            let mut wanted = [PollFd::new(handle, PollFlags::IN)];
            let limit = Timespec {
                tv_sec: END_LIMIT_S,
                tv_nsec: 0,
            };
            let ended = poll(&mut wanted, Some(&limit)).unwrap();
            assert_eq!(ended, 1, "process {pid} still runs");
        }
        assert!(
            TcpStream::connect(&self.address).is_err(),
            "the port is free"
        );
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that a process has started and not waited for.
fn children(parent: u32) -> Vec<(u32, OwnedFd)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let is_child = status
            .lines()
            .any(|line| line.strip_prefix("PPid:").map(str::trim) == Some(&parent.to_string()));
        if is_child {
            let pid_of = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            found.push((pid, pidfd_open(pid_of, PidfdFlags::empty()).unwrap()));
        }
    }
    found
}

#[test]
fn ctrl_c_and_sigterm_leave_nothing_running_and_no_file() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut shown = Shown::start();
        shown.signal(signal);
        let status = shown.child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal:?}");
        shown.all_gone();
        let left: Vec<_> = std::fs::read_dir(shown.folder.0.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Killed, it can end nothing: what it has started ends by itself.
#[test]
fn nothing_outlives_a_demo_that_was_killed() {
    let mut shown = Shown::start();
    shown.signal(Signal::KILL);
    shown.child.wait().unwrap();
    shown.all_gone();
}
