//! Reads the cluster's API as often as a test likes: one `kubectl proxy` on a
//! socket, instead of a new kubectl for every look.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, Result};

/// Longest wait for the proxy to listen.
const LISTEN_LIMIT: Duration = Duration::from_secs(20);
/// How often is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Largest answer: a list of what one namespace holds is far smaller.
const ANSWER_LIMIT_BYTES: u64 = 64 << 20;

/// A reader of the API. The proxy ends with it.
#[derive(Debug)]
pub struct Api {
    socket: PathBuf,
    proxy: Child,
}

impl Api {
    /// Starts the proxy and waits until it listens.
    ///
    /// # Errors
    /// When the cluster is not up, or the proxy does not start.
    pub fn open(cluster: &Cluster) -> Result<Self> {
        let name = format!("api-{}.sock", std::process::id());
        let socket = cluster.folders().state().join(name);
        let _absent = std::fs::remove_file(&socket);
        let mut command = cluster.kubectl_command()?;
        command
            .arg("proxy")
            .arg(format!("--unix-socket={}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let proxy = command.spawn().map_err(|source| Error::Spawn {
            command: "kubectl proxy".to_owned(),
            source,
        })?;
        let api = Self { socket, proxy };
        let start = Instant::now();
        while UnixStream::connect(&api.socket).is_err() {
            if start.elapsed() > LISTEN_LIMIT {
                return Err(Error::Deadline {
                    what: "kubectl proxy listening".to_owned(),
                    waited_s: LISTEN_LIMIT.as_secs(),
                    last: String::new(),
                });
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(api)
    }

    /// The object or list at `path`, or nothing when it is not there.
    ///
    /// # Errors
    /// When the answer does not come, is neither found nor not found, or is no
    /// JSON.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        let answer = self
            .ask(path)
            .map_err(Error::file("read", Path::new(path)))?;
        let (head, body) = split(&answer);
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        match status {
            "200" => serde_json::from_slice(body)
                .map(Some)
                .map_err(|source| Error::Json {
                    what: path.to_owned(),
                    source,
                }),
            "404" => Ok(None),
            _ => Err(Error::Ended {
                what: format!("GET {path} was answered with {status:?}"),
                log: String::from_utf8_lossy(body).into_owned(),
            }),
        }
    }

    /// HTTP/1.0: the answer comes whole, and ends with the connection.
    fn ask(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_LIMIT_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ignored = self.proxy.kill();
        let _ignored = self.proxy.wait();
        let _ignored = std::fs::remove_file(&self.socket);
    }
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    const END: &[u8] = b"\r\n\r\n";
    let at = answer.windows(END.len()).position(|window| window == END);
    match at {
        Some(at) => (
            String::from_utf8_lossy(&answer[..at]).into_owned(),
            &answer[at + END.len()..],
        ),
        None => (String::from_utf8_lossy(answer).into_owned(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_answer_is_head_and_body() {
        let (head, body) = split(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}\r\n\r\n");
        assert!(head.starts_with("HTTP/1.0 200"));
        assert_eq!(body, b"{}\r\n\r\n");
        assert_eq!(split(b"HTTP/1.0 200").1, b"");
    }
}
