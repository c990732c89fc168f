//! Runs one program to its end, with a deadline, and keeps what it said.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, Result};

/// Most bytes kept of a program's stdout: the largest answers here are lists
/// of Kubernetes objects.
const STDOUT_LIMIT_BYTES: u64 = 64 << 20;
/// Most bytes kept of a program's stderr.
const STDERR_LIMIT_BYTES: u64 = 1 << 20;
/// How much of what a failed program said goes into its error.
const SAID_LIMIT_BYTES: usize = 4_000;

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: ExitStatus,
    /// What it wrote to stdout, lossily decoded.
    pub stdout: String,
    /// What it wrote to stderr, lossily decoded.
    pub stderr: String,
}

/// Runs `command` with `input` on stdin, and ends it after `limit`.
///
/// # Errors
/// When it cannot be started, or has not ended in time. A bad exit status is
/// in the outcome.
pub fn outcome(command: &mut Command, input: &[u8], limit: Duration) -> Result<Outcome> {
    let shown = shown(command);
    let spawn_error = |source| Error::Spawn {
        command: shown.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(spawn_error)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (ended, stdout, stderr) = thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program that does not want its input closes the pipe: its
                // exit status tells, not ours.
                let _ignored = stdin.write_all(input);
            }
        });
        let stdout = scope.spawn(move || read(stdout, STDOUT_LIMIT_BYTES));
        let stderr = scope.spawn(move || read(stderr, STDERR_LIMIT_BYTES));
        let ended = end_within(&mut child, limit);
        (
            ended,
            stdout.join().unwrap_or_default(),
            stderr.join().unwrap_or_default(),
        )
    });
    let status = child.wait().map_err(spawn_error)?;
    if !ended? {
        return Err(Error::Deadline {
            what: format!("the end of {shown}"),
            waited_s: limit.as_secs(),
            last: tail(&stderr).to_owned(),
        });
    }
    Ok(Outcome {
        status,
        stdout,
        stderr,
    })
}

/// Runs `command` without input and returns its stdout.
///
/// # Errors
/// As [`outcome`], and when it ends with a bad status.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    output_with(command, &[], limit)
}

/// Runs `command` with `input` on stdin and returns its stdout.
///
/// # Errors
/// As [`output`].
pub fn output_with(command: &mut Command, input: &[u8], limit: Duration) -> Result<String> {
    let outcome = outcome(command, input, limit)?;
    if outcome.status.success() {
        return Ok(outcome.stdout);
    }
    let said = if outcome.stderr.trim().is_empty() {
        &outcome.stdout
    } else {
        &outcome.stderr
    };
    Err(Error::Command {
        command: shown(command),
        status: outcome.status,
        output: tail(said).to_owned(),
    })
}

/// The end of a long text, cut at a character.
#[must_use]
pub fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(SAID_LIMIT_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The program and its arguments, as one would type them.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

fn read(from: Option<impl Read>, limit_bytes: u64) -> String {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What was read before an error is still worth showing.
        let _ignored = from.by_ref().take(limit_bytes).read_to_end(&mut bytes);
        // Past the limit the rest is drained, or the program would block.
        let _ignored = std::io::copy(&mut from, &mut std::io::sink());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for a child, kills it past the limit, and says whether it ended by itself.
fn end_within(child: &mut Child, limit: Duration) -> Result<bool> {
    let pid = Pid::from_child(child);
    let handle = pidfd_open(pid, PidfdFlags::empty()).map_err(Error::kernel("watch a child"))?;
    let timeout = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let mut watched = [PollFd::new(&handle, PollFlags::IN)];
    let ready = loop {
        match poll(&mut watched, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(Error::kernel("wait for a child"))?,
        }
    };
    if ready == 0 {
        pidfd_send_signal(&handle, Signal::KILL).map_err(Error::kernel("end a child"))?;
    }
    Ok(ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_good_end_gives_stdout_and_takes_input() {
        let said = output_with(&mut shell("cat"), b"canary", LIMIT).unwrap();
        assert_eq!(said, "canary");
    }

    #[test]
    fn a_bad_end_names_the_command_and_what_it_said() {
        let error = output(&mut shell("echo no such arm >&2; exit 3"), LIMIT).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.contains("no such arm"), "{text}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let error = output(
            &mut shell("exec tail -f /dev/null"),
            Duration::from_millis(50),
        );
        assert!(matches!(error, Err(Error::Deadline { .. })), "{error:?}");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let long = "ü".repeat(SAID_LIMIT_BYTES);
        assert!(tail(&long).len() <= SAID_LIMIT_BYTES);
    }
}
