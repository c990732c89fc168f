//! The real binary, over loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod load;
mod serve;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// `rollouts-demo` with these arguments and none of this process's
/// environment.
fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollouts-demo"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running process; it does not outlive its test.
struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout }
    }

    /// Starts `serve` on a free port.
    fn serve(arguments: &[&str]) -> (Self, SocketAddr) {
        let arguments = [&["serve", "--listen-addr", "127.0.0.1:0"], arguments].concat();
        let mut running = Self::start(demo(&arguments));
        let line = running.line_with("Started server on ");
        let (_, address) = line.rsplit_once(' ').unwrap();
        (running, address.parse().unwrap())
    }

    /// The next line with this text; fails when the output ends before.
    fn line_with(&mut self, text: &str) -> String {
        let stdout = self.stdout.as_mut().unwrap();
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(
                stdout.read_line(&mut line).unwrap(),
                0,
                "no line with `{text}`"
            );
        }
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: the status, the rest of stdout, and stderr.
    fn end(mut self) -> (ExitStatus, String, String) {
        let mut out = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_string(&mut out).unwrap();
        }
        let mut err = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut err).unwrap();
        }
        (self.child.wait().unwrap(), out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request on a connection of its own, and reads all of the answer.
fn ask(address: SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    send(&mut stream, path, body);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Tells it what goes wrong from now on.
fn tell(address: SocketAddr, change: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = change.len();
    write!(
        stream,
        "POST /api/scenario HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{change}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn send(stream: &mut TcpStream, path: &str, body: &str) {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
}
