//! Calls: side by side, in the order of completion, refused where a limit is reached.

use std::sync::Arc;

use go_plugin::Error;
use go_plugin::gob::{self, Empty, Encode, Encoder, MAX_MESSAGE_BYTES};
use go_plugin::rpc::{
    Capacity, Client, MAX_ARGUMENT_BYTES, MAX_CALLS, MAX_ERROR_BYTES, RequestHeader, serve,
};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use crate::limits::uint;
use crate::paused;
use crate::scripted::{HEAVY_BYTES, Scripted};

crate::trials!(
    a_call_does_not_wait_for_another,
    a_message_that_is_announced_too_long_is_not_waited_for,
    a_panic_is_an_answer,
    a_peer_that_reads_no_replies_is_cut_off,
    a_reply_that_is_too_long_is_an_error_of_its_call,
    an_argument_of_the_wrong_type_is_an_error_of_its_call,
    an_error_text_is_cut,
    arguments_take_no_more_memory_than_the_limit,
    a_request_that_was_half_sent_ends_the_client,
    calls_that_nobody_waits_for_leave_room,
    garbage_ends_the_stream_with_an_error,
    the_clients_calls_are_limited,
    the_end_of_the_stream_ends_every_call,
    the_servers_calls_are_limited,
);

/// Room for anything a test sends, so that nothing waits on the pipe.
const PIPE_BYTES: usize = 64 << 20;

fn server(capacity: Capacity) -> (DuplexStream, JoinHandle<Result<(), Error>>) {
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let served = tokio::spawn(async move {
        serve(
            server,
            &[("Plugin", Arc::new(Scripted::default()))],
            &capacity,
        )
        .await
    });
    (client, served)
}

fn client() -> Arc<Client> {
    Arc::new(Client::new(server(Capacity::default()).0))
}

async fn call(client: &Client, method: &str, text: &str) -> Result<String, Error> {
    client
        .call(&format!("Plugin.{method}"), &text.to_owned())
        .await
}

async fn told(client: &Client, method: &str, text: &str) -> String {
    let outcome: Result<Empty, _> = client
        .call(&format!("Plugin.{method}"), &text.to_owned())
        .await;
    match outcome {
        Err(Error::Answered { message }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

/// Starts a call and lets it get as far as it can.
async fn begin(client: &Arc<Client>, method: &'static str) -> JoinHandle<Result<String, Error>> {
    let client = Arc::clone(client);
    let begun = tokio::spawn(async move { call(&client, method, "late").await });
    settle().await;
    begun
}

/// Lets every task run until none can: on the paused clock, time passes only then.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

fn a_call_does_not_wait_for_another() {
    paused(async {
        let client = client();
        let waiting = begin(&client, "Wait").await;
        assert_eq!(call(&client, "Echo", "early").await.unwrap(), "early");
        assert!(!waiting.is_finished());
        let Empty = client.call("Plugin.Release", &String::new()).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), "late");
    });
}

fn a_panic_is_an_answer() {
    paused(async {
        let client = client();
        assert!(told(&client, "Panic", "").await.contains("panicked"));
        assert_eq!(call(&client, "Echo", "on").await.unwrap(), "on");
    });
}

fn an_argument_of_the_wrong_type_is_an_error_of_its_call() {
    paused(async {
        let client = client();
        let outcome: Result<Empty, _> = client.call("Plugin.Echo", &7_i64).await;
        assert!(
            matches!(&outcome, Err(Error::Answered { message }) if message.contains("want string")),
            "{outcome:?}"
        );
        assert_eq!(call(&client, "Echo", "on").await.unwrap(), "on");
    });
}

fn a_reply_that_is_too_long_is_an_error_of_its_call() {
    paused(async {
        let client = client();
        let third = "x".repeat(6 << 20);
        assert!(
            told(&client, "Triple", &third)
                .await
                .contains("the limit is")
        );
        assert_eq!(call(&client, "Echo", "on").await.unwrap(), "on");
    });
}

fn an_error_text_is_cut() {
    paused(async {
        let client = client();
        // Three bytes each, so that the limit falls inside one.
        let text = "€".repeat(MAX_ERROR_BYTES);
        let answered = told(&client, "Fail", &text).await;
        assert!(answered.len() <= MAX_ERROR_BYTES && answered.len() > MAX_ERROR_BYTES - 3);
        // An empty text would be success to Go.
        assert_eq!(told(&client, "Fail", "").await, "unspecified error");
    });
}

fn the_servers_calls_are_limited() {
    paused(async {
        // Two clients on one capacity: each has a limit of its own.
        let capacity = Capacity::default();
        let first = Arc::new(Client::new(server(capacity.clone()).0));
        let second = Arc::new(Client::new(server(capacity).0));
        for _ in 0..MAX_CALLS {
            begin(&first, "Wait").await;
        }
        assert!(told(&second, "Wait", "").await.contains("too many calls"));
        drop(first);
    });
}

fn the_clients_calls_are_limited() {
    paused(async {
        let client = client();
        for _ in 0..MAX_CALLS {
            begin(&client, "Wait").await;
        }
        assert!(matches!(
            call(&client, "Echo", "").await,
            Err(Error::TooManyCalls { limit: MAX_CALLS })
        ));
    });
}

fn calls_that_nobody_waits_for_leave_room() {
    paused(async {
        // The server forgets nothing, so only as many as it takes.
        let client = client();
        for _ in 0..MAX_CALLS {
            begin(&client, "Wait").await.abort();
        }
        settle().await;
        assert!(told(&client, "Echo", "").await.contains("too many calls"));
    });
}

/// What follows half a request could not be understood.
fn a_request_that_was_half_sent_ends_the_client() {
    paused(async {
        // Nobody reads, and the pipe holds less than a request.
        let (pipe, _peer) = tokio::io::duplex(16);
        let client = Arc::new(Client::new(pipe));
        begin(&client, "Echo").await.abort();
        settle().await;
        assert!(matches!(
            call(&client, "Echo", "").await,
            Err(Error::Closed)
        ));
    });
}

fn arguments_take_no_more_memory_than_the_limit() {
    paused(async {
        let client = client();
        for _ in 0..MAX_ARGUMENT_BYTES / HEAVY_BYTES {
            begin(&client, "Heavy").await;
        }
        assert!(told(&client, "Heavy", "").await.contains("too much memory"));
        // What is answered makes room again.
        let Empty = client.call("Plugin.Release", &String::new()).await.unwrap();
        assert!(!begin(&client, "Heavy").await.is_finished());
    });
}

fn request(encoder: &mut Encoder, seq: u64, argument: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = RequestHeader {
        method: "Plugin.Nothing".into(),
        seq,
    };
    encoder.encode(&header, &mut bytes).unwrap();
    encoder.encode(argument, &mut bytes).unwrap();
    bytes
}

fn a_peer_that_reads_no_replies_is_cut_off() {
    paused(async {
        // Too small for the replies, and nobody reads them.
        let (mut peer, served) = tokio::io::duplex(256);
        let capacity = Capacity::default();
        let sender = tokio::spawn(async move {
            let mut encoder = Encoder::new();
            for seq in 0..4 * MAX_CALLS as u64 {
                let bytes = request(&mut encoder, seq, &String::new());
                if peer.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            peer
        });
        let outcome = serve(
            served,
            &[("Plugin", Arc::new(Scripted::default()))],
            &capacity,
        )
        .await;
        assert!(
            matches!(outcome, Err(Error::NotReading { .. })),
            "{outcome:?}"
        );
        drop(sender);
    });
}

fn garbage_ends_the_stream_with_an_error() {
    paused(async {
        for garbage in [
            // A message of 2⁶⁴-1 bytes, a message cut short, an unknown type, half a request.
            &b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x05abc",
            b"\x03\x7e\x00\x00",
            b"\x00",
        ] {
            let (mut peer, served) = server(Capacity::default());
            peer.write_all(garbage).await.unwrap();
            peer.shutdown().await.unwrap();
            let outcome = served.await.unwrap();
            assert!(
                matches!(outcome, Err(Error::Decode(_))),
                "{garbage:x?}: {outcome:?}"
            );
        }
    });
}

fn a_message_that_is_announced_too_long_is_not_waited_for() {
    paused(async {
        // The peer keeps the stream open, and has sent nothing but a length.
        let (mut peer, served) = server(Capacity::default());
        let len = MAX_MESSAGE_BYTES + 1;
        peer.write_all(&uint(len)).await.unwrap();
        let outcome = served.await.unwrap();
        assert!(
            matches!(outcome, Err(Error::Decode(gob::Error::MessageTooLong { len: got })) if got == len as u64),
            "{outcome:?}"
        );
    });
}

fn the_end_of_the_stream_ends_every_call() {
    paused(async {
        let (peer, served) = server(Capacity::default());
        let client = Arc::new(Client::new(peer));
        let waiting = begin(&client, "Wait").await;
        served.abort();
        assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
        assert!(call(&client, "Echo", "").await.is_err());
    });
}
