//! What holds for any bytes: no panic, no more memory than allowed, and nothing that depends on
//! how the bytes arrive.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use go_plugin::gob::{Encoder, GoTime, Interface, MAX_DECODED_BYTES, Registered};
use go_plugin::rpc::Incoming;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::io::{AsyncRead, ReadBuf};

use crate::recorded;

crate::trials!(
    any_bytes_decode_or_fail,
    chunks_do_not_matter,
    damaged_recordings_decode_or_fail,
    damaged_requests_are_answered_or_end_the_stream,
    what_is_encoded_decodes_to_the_same,
);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Anything {
    flag: bool,
    small: i32,
    int: i64,
    uint: u64,
    float: f64,
    text: String,
    blob: Vec<u8>,
    list: Vec<Anything>,
    names: BTreeMap<String, Vec<String>>,
    time: GoTime,
    inside: Interface<Point>,
    maybe: Option<Point>,
}

go_plugin::gob_struct!(Anything as "Anything" {
    flag: "Flag",
    small: "Small",
    int: "Int",
    uint: "Uint",
    float: "Float",
    text: "Text",
    blob: "Blob",
    list: "List",
    names: "Names",
    time: "Time",
    inside: "Inside",
    maybe: "Maybe",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    x: i64,
    y: i64,
}

go_plugin::gob_struct!(Point as "Point" { x: "X", y: "Y" });

impl Registered for Point {
    const NAME: &'static str = "point";
}

fn point() -> impl Strategy<Value = Point> {
    (any::<i64>(), any::<i64>()).prop_map(|(x, y)| Point { x, y })
}

fn anything() -> impl Strategy<Value = Anything> {
    let scalars = (
        any::<bool>(),
        any::<i32>(),
        any::<i64>(),
        any::<u64>(),
        any::<f64>(),
        ".{0,12}",
        vec(any::<u8>(), 0..12),
    );
    let rest = (
        btree_map(".{0,4}", vec(".{0,4}", 0..3), 0..8),
        (-62_135_596_800_i64..253_402_300_799, 0..1_000_000_000_u32),
        proptest::option::of(point()),
        proptest::option::of(point()),
    );
    let leaf = (scalars, rest).prop_map(|(scalars, rest)| {
        let (flag, small, int, uint, float, text, blob) = scalars;
        let (names, (unix_seconds, nanoseconds), inside, maybe) = rest;
        Anything {
            flag,
            small,
            int,
            uint,
            float,
            text,
            blob,
            list: Vec::new(),
            names,
            time: GoTime {
                unix_seconds,
                nanoseconds,
            },
            inside: Interface(inside),
            maybe,
        }
    });
    leaf.prop_recursive(3, 12, 4, |inner| {
        (inner.clone(), vec(inner, 0..4)).prop_map(|(anything, list)| Anything { list, ..anything })
    })
}

/// A fixed seed: a test that finds something new every day belongs to the fuzzer.
fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}

/// Reads a stream as `Anything` and as some other types; what is read is shown, up to an error.
fn read(stream: impl AsyncRead + Unpin) -> Vec<String> {
    let mut incoming = Incoming::new(stream);
    let mut shown = Vec::new();
    loop {
        match incoming
            .value()
            .now_or_never()
            .expect("nothing to wait for")
        {
            Ok(Some(value)) => {
                for outcome in [
                    value
                        .decode_with_cost::<Anything>()
                        .map(|(v, c)| (format!("{v:?}"), c)),
                    value
                        .decode_with_cost::<Vec<Anything>>()
                        .map(|(v, c)| (format!("{v:?}"), c)),
                    value
                        .decode_with_cost::<Interface<Point>>()
                        .map(|(v, c)| (format!("{v:?}"), c)),
                    value.decode_with_cost::<String>(),
                ] {
                    if let Ok((_, cost)) = &outcome {
                        assert!(*cost <= MAX_DECODED_BYTES, "charged {cost} bytes");
                    }
                    shown.push(format!("{outcome:?}"));
                }
            }
            Ok(None) => return shown,
            Err(error) => {
                shown.push(format!("{error:?}"));
                return shown;
            }
        }
    }
}

fn any_bytes_decode_or_fail() {
    check(2_000, vec(any::<u8>(), 0..300), |bytes| {
        read(bytes.as_slice());
    });
}

/// All recorded streams.
fn recordings() -> Vec<Vec<u8>> {
    let mut streams: Vec<_> = std::fs::read_dir(recorded::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "bin"))
        .collect();
    streams.sort();
    assert!(streams.len() >= 30, "{} recordings", streams.len());
    streams
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// What damages a stream: at a place (as a share of its length), one byte or what follows.
#[derive(Debug, Clone)]
enum Damage {
    Set(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Truncate,
    /// Repeats what is behind the place.
    Repeat(usize),
}

fn damage() -> impl Strategy<Value = Vec<(u16, Damage)>> {
    let kinds = prop_oneof![
        any::<u8>().prop_map(Damage::Set),
        vec(any::<u8>(), 1..8).prop_map(Damage::Insert),
        (1..16_usize).prop_map(Damage::Remove),
        Just(Damage::Truncate),
        (1..64_usize).prop_map(Damage::Repeat),
    ];
    vec((any::<u16>(), kinds), 1..4)
}

fn damaged(mut stream: Vec<u8>, damages: Vec<(u16, Damage)>) -> Vec<u8> {
    for (place, damage) in damages {
        if stream.is_empty() {
            break;
        }
        let at = usize::from(place) * stream.len() / (usize::from(u16::MAX) + 1);
        let until = |len: usize| (at + len).min(stream.len());
        match damage {
            Damage::Set(byte) => stream[at] = byte,
            Damage::Insert(bytes) => drop(stream.splice(at..at, bytes)),
            Damage::Remove(len) => drop(stream.drain(at..until(len))),
            Damage::Truncate => stream.truncate(at),
            Damage::Repeat(len) => {
                let again = stream[at..until(len)].to_vec();
                drop(stream.splice(at..at, again));
            }
        }
    }
    stream
}

fn damaged_recordings_decode_or_fail() {
    let streams = recordings();
    check(3_000, (0..streams.len(), damage()), |(which, damages)| {
        let stream = damaged(streams[which].clone(), damages);
        read(stream.as_slice());
    });
}

fn damaged_requests_are_answered_or_end_the_stream() {
    let requests: Vec<u8> = std::fs::read(recorded::folder().join("control.requests.bin")).unwrap();
    check(500, damage(), |damages| {
        let stream = damaged(requests.clone(), damages);
        crate::paused(async {
            let (outcome, replies) = recorded::exchange(&stream).await;
            if outcome.is_ok() {
                // What came back is whole.
                let mut incoming = Incoming::new(replies.as_slice());
                while incoming.value().await.unwrap().is_some() {}
            }
        });
    });
}

fn what_is_encoded_decodes_to_the_same() {
    check(500, vec(anything(), 1..4), |values| {
        let mut encoder = Encoder::new();
        let mut stream = Vec::new();
        for value in &values {
            encoder.encode(value, &mut stream).unwrap();
        }
        let mut incoming = Incoming::new(stream.as_slice());
        for value in &values {
            let read = incoming.value().now_or_never().unwrap().unwrap().unwrap();
            assert_eq!(&read.decode::<Anything>().unwrap(), value);
        }
    });
}

/// Hands out its bytes in pieces of these lengths, over and over.
struct Chunks<'a> {
    rest: &'a [u8],
    lengths: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let len = self.lengths.next().unwrap_or(1);
        let len = len.min(buf.remaining()).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(len);
        buf.put_slice(chunk);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

fn chunks_do_not_matter() {
    let streams = recordings();
    let input = (0..streams.len(), vec(1..200_usize, 1..6));
    check(500, input, |(which, lengths)| {
        let stream = streams[which].as_slice();
        let chunked = Chunks {
            rest: stream,
            lengths: lengths.into_iter().cycle(),
        };
        assert_eq!(read(chunked), read(stream));
    });
}
