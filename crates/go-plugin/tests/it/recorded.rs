//! Exchanges recorded from Go's `net/rpc`: Go's requests get the answers that Go gave.

use std::path::Path;
use std::sync::Arc;

use go_plugin::gob::{Decode, Empty};
use go_plugin::rpc::{Incoming, ResponseHeader};
use go_plugin::{Error, plugin};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::paused;
use crate::scripted::Scripted;

crate::trials!(
    gos_replies_are_understood,
    gos_requests_get_the_answers_that_go_gave,
);

/// The folder of recordings.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded"))
}

pub fn index() -> Json {
    let text = std::fs::read(folder().join("index.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn sessions() -> Vec<Json> {
    let sessions = index()["sessions"].as_array().unwrap().clone();
    assert!(sessions.len() >= 3, "{} sessions", sessions.len());
    sessions
}

fn stream(session: &Json, half: &str) -> Vec<u8> {
    std::fs::read(folder().join(session[half].as_str().unwrap())).unwrap()
}

async fn next<T: Decode>(incoming: &mut Incoming<impl AsyncRead + Unpin>) -> T {
    incoming
        .value()
        .await
        .unwrap()
        .expect("a value")
        .decode()
        .unwrap()
}

/// Checks a stream of replies against what the index says of them.
async fn check_replies(incoming: &mut Incoming<impl AsyncRead + Unpin>, session: &Json) {
    for call in session["calls"].as_array().unwrap() {
        let header: ResponseHeader = next(incoming).await;
        assert_eq!(header.method, call["method"].as_str().unwrap());
        assert_eq!(header.seq, call["seq"].as_u64().unwrap());
        assert_eq!(header.error, call["error"].as_str().unwrap(), "{call}");
        match &call["result"] {
            Json::Number(id) => {
                let got: u32 = next(incoming).await;
                assert_eq!(Some(u64::from(got)), id.as_u64());
            }
            _ => {
                let Empty = next(incoming).await;
            }
        }
    }
}

fn gos_replies_are_understood() {
    paused(async {
        for session in sessions() {
            let replies = stream(&session, "replies");
            let mut incoming = Incoming::new(replies.as_slice());
            check_replies(&mut incoming, &session).await;
            assert!(incoming.value().await.unwrap().is_none());
        }
    });
}

fn gos_requests_get_the_answers_that_go_gave() {
    paused(async {
        for session in sessions() {
            let (host, served) = tokio::io::duplex(1 << 20);
            let plugin = tokio::spawn(plugin::serve_connection(
                served,
                vec![("RpcMetricProviderPlugin", Arc::new(Scripted::default()))],
            ));
            let mut session_client =
                tokio_yamux::Session::new_client(host, tokio_yamux::Config::default());
            let control = session_client.open_stream().unwrap();
            tokio::spawn(async move {
                use futures::StreamExt;
                while let Some(Ok(_)) = session_client.next().await {}
            });
            let (read, mut write) = tokio::io::split(control);
            let requests = stream(&session, "requests");
            let mut incoming = Incoming::new(read);
            // One call after the other, as the recorded replies came.
            for call in session["calls"].as_array().unwrap() {
                let part =
                    |n: usize| usize::try_from(call["request"][n].as_u64().unwrap()).unwrap();
                let request = &requests[part(0)..part(0) + part(1)];
                write.write_all(request).await.unwrap();
                let one = serde_json::json!({"calls": [call]});
                check_replies(&mut incoming, &one).await;
            }
            write.shutdown().await.unwrap();
            drop((incoming, write));
            plugin.abort();
        }
    });
}

/// Sends `requests` to a server of [`Scripted`] under the name `Plugin`, ends the stream, and
/// returns what came back.
pub async fn exchange(requests: &[u8]) -> (Result<(), Error>, Vec<u8>) {
    let (client, server) = tokio::io::duplex(64 << 20);
    let (mut read, mut write) = tokio::io::split(client);
    write.write_all(requests).await.unwrap();
    write.shutdown().await.unwrap();
    let outcome = go_plugin::rpc::serve(
        server,
        &[("Plugin", Arc::new(Scripted::default()))],
        &go_plugin::rpc::Capacity::default(),
    )
    .await;
    drop(write);
    let mut replies = Vec::new();
    read.read_to_end(&mut replies).await.unwrap();
    (outcome, replies)
}
