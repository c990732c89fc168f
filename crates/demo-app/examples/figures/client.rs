//! As many requests as a server answers, over kept connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections at once: more than a browser's, far fewer than the server takes.
const CONNECTIONS: usize = 32;
const ASK: &[u8] = b"POST /color HTTP/1.1\r\nHost: demo\r\nContent-Length: 2\r\n\r\n[]";
/// Longest answer, in bytes: a head and a colour.
const MAX_ANSWER_BYTES: usize = 4_096;

/// Answers a second within this time.
pub(crate) fn rate(address: SocketAddr, time: Duration) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let began = Instant::now();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            all.spawn(connection(address, began + time));
        }
        let mut answers = 0;
        while let Some(done) = all.join_next().await {
            answers += done??;
        }
        Ok(answers as f64 / began.elapsed().as_secs_f64())
    })
}

async fn connection(address: SocketAddr, until: Instant) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(MAX_ANSWER_BYTES);
    let mut answers = 0;
    while Instant::now() < until {
        stream.write_all(ASK).await?;
        answer.clear();
        while !answer.ends_with(b"\r\n\r\n\"blue\"") {
            if answer.len() >= MAX_ANSWER_BYTES || stream.read_buf(&mut answer).await? == 0 {
                bail!("no colour: {}", String::from_utf8_lossy(&answer));
            }
        }
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            bail!("an error: {}", String::from_utf8_lossy(&answer));
        }
        answers += 1;
    }
    Ok(answers)
}
