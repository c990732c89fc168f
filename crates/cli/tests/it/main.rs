//! The real binary, in a folder of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod demo;
mod errors;
mod eval;
mod policy;
mod replay;
mod replay_models;
mod report;
mod templates;
mod verdicts;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The logs that the repository ships.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/logs")
        .join(name)
}

/// A folder that the binary runs in, so that paths in messages are short.
struct Folder(TempDir);

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with the shipped logs in it.
    fn with_examples() -> Self {
        let folder = Self::new();
        for name in ["stable.log", "canary-healthy.log", "canary-broken.log"] {
            std::fs::copy(example(name), folder.0.path().join(name)).unwrap();
        }
        folder
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canary-judge"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_stdin(arguments, b"")
    }

    fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // On a thread of its own, since both pipes may fill up; a run that
        // ends early does not read it all.
        let stdin = stdin.to_vec();
        let writer = std::thread::spawn(move || {
            let _ = pipe.write_all(&stdin);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
