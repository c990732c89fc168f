//! A client that shows bytes as they came.

use model_stand_in::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const MODEL: &str = "gemini-3-flash-preview";
pub(crate) const GENERATE: &str = "/v1beta/models/gemini-3-flash-preview:generateContent";
pub(crate) const STREAM: &str =
    "/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse";
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// An answer: nothing at all when the connection was dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the body ended as HTTP/1.1 says that bodies end.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The data of server-sent events.
    pub(crate) fn events(&self) -> Vec<&str> {
        let lines = self.body.lines();
        lines
            .filter_map(|line| line.strip_prefix("data: "))
            .collect()
    }
}

/// Sends a request as it is; `None` when the connection ended without a byte.
pub(crate) async fn send(server: &Server, head: &str, body: &[u8]) -> Option<Answer> {
    let mut socket = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    let key = if head.contains("/v1beta/") {
        "x-goog-api-key: gemini-key"
    } else {
        "authorization: Bearer openai-key"
    };
    let request = format!(
        "{head} HTTP/1.1\r\nhost: stand-in\r\nconnection: close\r\ncontent-length: {}\r\n\
         {key}\r\n\r\n",
        body.len()
    );
    socket
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    // Who answers before it has read all may close before all was sent.
    let _ = socket.write_all(body).await;
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (body, complete) = if head.contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|l| l.parse().ok()).expect("a length");
        (body.to_owned(), body.len() == length)
    };
    Some(Answer {
        status: status.expect("a status"),
        head: head.to_owned(),
        body,
        complete,
    })
}

fn unchunked(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return (body, true);
        }
        body.push_str(after.get(..size).expect("a whole chunk"));
        rest = after.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

pub(crate) async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    let answer = send(server, &format!("POST {path}"), body.to_string().as_bytes()).await;
    answer.expect("an answer")
}

pub(crate) async fn get(server: &Server, path: &str) -> Answer {
    send(server, &format!("GET {path}"), b"")
        .await
        .expect("an answer")
}

/// A request of Gemini's in which the user says this.
pub(crate) fn gemini(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

/// A request of OpenAI's in which the user says this.
pub(crate) fn openai(text: &str) -> Value {
    json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]})
}
