//! The streams of one connection: acknowledged, kept, named in time, limited in number.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use go_plugin::Error;
use go_plugin::gob::Empty;
use go_plugin::plugin::{BROKER_TIMEOUT_MS, Ended, MAX_DISPENSED, QUIT_GRACE_MS, serve_connection};
use go_plugin::rpc::{Client, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};
use tokio_yamux::{Config, Control, Session, StreamHandle};

use crate::paused;
use crate::scripted::Scripted;

crate::trials!(
    a_dispensed_plugin_is_claimed_once_and_in_time,
    a_stream_that_is_not_named_is_closed,
    frames_nobody_can_mean_end_the_connection,
    idle_streams_last,
    quitting_ends_the_connection_after_the_reply,
    streams_are_acknowledged_at_once,
    streams_have_a_greatest_number,
    the_end_of_the_connection_is_the_hosts_end,
    unclaimed_plugins_have_a_greatest_number,
    writing_to_the_output_streams_stops_nothing,
);

type Served = JoinHandle<Result<Ended, Error>>;

fn plugins() -> Vec<(&'static str, Arc<dyn Service>)> {
    vec![("Scripted", Arc::new(Scripted::default()))]
}

fn raw() -> (DuplexStream, Served) {
    let (host, plugin) = tokio::io::duplex(64 << 10);
    (host, tokio::spawn(serve_connection(plugin, plugins())))
}

/// A host as far as yamux goes, with the three streams that every host opens.
struct Host {
    streams: Control,
    control: Client,
    output: [StreamHandle; 2],
    session: JoinHandle<()>,
}

async fn host() -> (Host, Served) {
    let (host, served) = raw();
    let mut session = Session::new_client(host, Config::default());
    let mut streams = session.control();
    let session = tokio::spawn(async move { while let Some(Ok(_)) = session.next().await {} });
    let control = Client::new(streams.open_stream().await.unwrap());
    let output = [
        streams.open_stream().await.unwrap(),
        streams.open_stream().await.unwrap(),
    ];
    let host = Host {
        streams,
        control,
        output,
        session,
    };
    (host, served)
}

impl Host {
    async fn ping(&self) {
        let Empty = self.control.call("Control.Ping", &true).await.unwrap();
    }

    async fn dispense(&self) -> Result<u32, Error> {
        self.control
            .call("Dispenser.Dispense", &"Scripted".to_owned())
            .await
    }

    /// Opens a stream, names it, and reads the echo of its name; none if it is closed instead.
    async fn name_stream(&mut self, id: u32) -> Option<StreamHandle> {
        let mut stream = self.streams.open_stream().await.unwrap();
        stream.write_u32_le(id).await.unwrap();
        let echo = stream.read_u32_le().await.ok()?;
        assert_eq!(echo, id);
        Some(stream)
    }
}

/// One yamux frame without data: version, kind, flags, stream, length.
fn frame(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    let mut frame = vec![0, kind];
    frame.extend(flags.to_be_bytes());
    frame.extend(stream.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame
}

const WINDOW_UPDATE: u8 = 1;
const SYN: u16 = 1;
const ACK: u16 = 2;

/// Go ends the session 75 s after a SYN that was not acknowledged, whether or not anything is ever
/// written on the stream.
fn streams_are_acknowledged_at_once() {
    paused(async {
        let (mut host, served) = raw();
        let before = Instant::now();
        for stream in [1, 3, 5, 7] {
            host.write_all(&frame(WINDOW_UPDATE, SYN, stream, 0))
                .await
                .unwrap();
            let mut answer = [0; 12];
            loop {
                host.read_exact(&mut answer).await.unwrap();
                // Keepalives have no stream.
                if answer[1] == WINDOW_UPDATE {
                    break;
                }
            }
            assert_eq!(answer.to_vec(), frame(WINDOW_UPDATE, ACK, stream, 0));
        }
        assert_eq!(before.elapsed(), Duration::ZERO);
        drop(host);
        assert_eq!(served.await.unwrap().unwrap(), Ended::HostGone);
    });
}

fn idle_streams_last() {
    paused(async {
        let (mut host, served) = host().await;
        let id = host.dispense().await.unwrap();
        let plugin = Client::new(host.name_stream(id).await.unwrap());
        for _ in 0..20 {
            // Past every keepalive, and Go's 75 s.
            sleep(Duration::from_secs(100)).await;
            host.ping().await;
        }
        let echo: String = plugin.call("Plugin.Echo", &"on".to_owned()).await.unwrap();
        assert_eq!(echo, "on");
        assert!(!served.is_finished());
    });
}

/// One stream that nobody reads would stop them all.
fn writing_to_the_output_streams_stops_nothing() {
    paused(async {
        let (mut host, _served) = host().await;
        for stream in &mut host.output {
            // More frames than yamux queues for a stream, fewer bytes than its window.
            for _ in 0..30 {
                stream.write_all(&[b'x'; 4 << 10]).await.unwrap();
            }
            // Closing its half as well.
            stream.shutdown().await.unwrap();
        }
        host.ping().await;
    });
}

fn a_stream_that_is_not_named_is_closed() {
    paused(async {
        let (mut host, _served) = host().await;
        let mut silent = host.streams.open_stream().await.unwrap();
        let opened = Instant::now();
        silent.write_all(&[1, 0]).await.unwrap();
        assert!(silent.read_u8().await.is_err());
        assert_eq!(opened.elapsed().as_secs(), BROKER_TIMEOUT_MS / 1_000);
        host.ping().await;
    });
}

fn a_dispensed_plugin_is_claimed_once_and_in_time() {
    paused(async {
        let (mut host, _served) = host().await;
        assert!(host.name_stream(1).await.is_none(), "nothing is dispensed");
        let id = host.dispense().await.unwrap();
        assert!(host.name_stream(id).await.is_some());
        assert!(host.name_stream(id).await.is_none(), "it is claimed");
        let late = host.dispense().await.unwrap();
        assert_ne!(late, id);
        advance(Duration::from_millis(BROKER_TIMEOUT_MS + 1)).await;
        assert!(host.name_stream(late).await.is_none(), "it is too late");
    });
}

fn unclaimed_plugins_have_a_greatest_number() {
    paused(async {
        let (host, _served) = host().await;
        for _ in 0..MAX_DISPENSED {
            host.dispense().await.unwrap();
        }
        assert!(matches!(host.dispense().await, Err(Error::Answered { .. })));
        // Those that nobody claimed make room.
        advance(Duration::from_millis(BROKER_TIMEOUT_MS + 1)).await;
        assert!(host.dispense().await.is_ok());
    });
}

fn streams_have_a_greatest_number() {
    paused(async {
        let (mut host, _served) = host().await;
        // 64 with the three that are open; yamux resets what is over.
        let mut open = Vec::new();
        for _ in 0..61 {
            open.push(host.streams.open_stream().await.unwrap());
        }
        let mut over = host.streams.open_stream().await.unwrap();
        let opened = Instant::now();
        assert!(over.read_u8().await.is_err());
        assert_eq!(opened.elapsed(), Duration::ZERO);
        host.ping().await;
    });
}

fn quitting_ends_the_connection_after_the_reply() {
    paused(async {
        // A host that does not hang up.
        let (host, served) = host().await;
        let Empty = host.control.call("Control.Quit", &true).await.unwrap();
        let told = Instant::now();
        assert_eq!(served.await.unwrap().unwrap(), Ended::Quit);
        assert!(told.elapsed() <= Duration::from_millis(QUIT_GRACE_MS + 1));
    });
    paused(async {
        // And one that does.
        let (host, served) = host().await;
        let Empty = host.control.call("Control.Quit", &true).await.unwrap();
        let told = Instant::now();
        host.session.abort();
        assert_eq!(served.await.unwrap().unwrap(), Ended::Quit);
        assert_eq!(told.elapsed(), Duration::ZERO);
    });
}

fn the_end_of_the_connection_is_the_hosts_end() {
    paused(async {
        let (host, served) = host().await;
        host.ping().await;
        let gone = Instant::now();
        host.session.abort();
        assert_eq!(served.await.unwrap().unwrap(), Ended::HostGone);
        assert_eq!(gone.elapsed(), Duration::ZERO);
    });
}

fn frames_nobody_can_mean_end_the_connection() {
    paused(async {
        for bytes in [
            // Another version, an unknown kind, a frame of 4 GiB.
            [&[9][..], &[0; 11]].concat(),
            frame(9, 0, 1, 0),
            frame(0, SYN, 1, u32::MAX),
        ] {
            let (mut host, served) = raw();
            host.write_all(&bytes).await.unwrap();
            let outcome = served.await.unwrap();
            assert!(
                matches!(outcome, Err(Error::Connection(_))),
                "{bytes:x?}: {outcome:?}"
            );
        }
    });
}
