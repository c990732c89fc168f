//! Large logs to measure speed and memory on.

use crate::random::Random;
use crate::simulate::{Kind, one_log};

/// Units of work in each simulated log that a corpus is made of.
const UNITS: u32 = 4_000;
/// Lines of one log in a row before another's.
const INTERLEAVE: usize = 100;

/// Logs of every simulated kind, interleaved, of about so many bytes.
#[must_use]
pub fn ordinary(bytes: usize) -> Vec<u8> {
    let mut corpus = Vec::with_capacity(bytes + (1 << 20));
    let mut seed = 0;
    while corpus.len() < bytes {
        let logs: Vec<_> = Kind::ALL
            .iter()
            .map(|kind| one_log(*kind, UNITS, seed))
            .collect();
        let longest = logs.iter().map(Vec::len).max().unwrap_or(0);
        for from in (0..longest).step_by(INTERLEAVE) {
            for log in &logs {
                for (_, text) in log.iter().skip(from).take(INTERLEAVE) {
                    corpus.extend_from_slice(text.as_bytes());
                    corpus.push(b'\n');
                }
            }
        }
        seed += 1;
    }
    corpus
}

/// A log of one JSON object a line, of about so many bytes.
#[must_use]
pub fn json(bytes: usize) -> Vec<u8> {
    let mut corpus = Vec::with_capacity(bytes + (1 << 20));
    let mut seed = 0;
    while corpus.len() < bytes {
        for (_, text) in one_log(Kind::Json, UNITS, seed) {
            corpus.extend_from_slice(text.as_bytes());
            corpus.push(b'\n');
        }
        seed += 1;
    }
    corpus
}

/// A stream in which no line is like another: what an attacker, or a service
/// that logs its payloads, writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Words without meaning.
    Plain,
    /// JSON with keys of its own in each line.
    Json,
    /// Errors, each with an exception and a frame of its own.
    Errors,
    /// Words without meaning, each line on the runtime's own clock, so that
    /// every bucket of a window is met.
    Timed,
}

impl Flood {
    /// Appends lines to a buffer until it is about full, and gives the next
    /// number.
    pub fn fill(self, random: &mut Random, buffer: &mut Vec<u8>, bytes: usize, from: u64) -> u64 {
        let mut number = from;
        while buffer.len() < bytes {
            self.line(random, buffer, number);
            number += 1;
        }
        number
    }

    fn line(self, random: &mut Random, buffer: &mut Vec<u8>, number: u64) {
        let words = 5 + number % 7;
        match self {
            Self::Plain => sentence(random, buffer, words),
            Self::Json => {
                buffer.extend_from_slice(b"{\"level\":\"info\"");
                for _ in 0..words {
                    buffer.extend_from_slice(b",\"");
                    word(random, buffer);
                    buffer.extend_from_slice(b"\":\"");
                    word(random, buffer);
                    buffer.push(b'"');
                }
                buffer.extend_from_slice(b"}");
            }
            Self::Errors => {
                buffer.extend_from_slice(b"ERROR ");
                sentence(random, buffer, words);
                buffer.extend_from_slice(b"\ncom.shop.");
                word(random, buffer);
                buffer.extend_from_slice(b"Exception: ");
                word(random, buffer);
                buffer.extend_from_slice(b"\n\tat com.shop.");
                word(random, buffer);
                buffer.extend_from_slice(b".run(");
                word(random, buffer);
                buffer.extend_from_slice(b".java:7)");
            }
            Self::Timed => {
                // An hour of the runtime's clock, over and over.
                let stamp = crate::simulate::rfc3339((number * 37 % 3_600_000).cast_signed());
                buffer.extend_from_slice(stamp.as_bytes());
                buffer.push(b' ');
                // Few enough templates for each to be met in every bucket.
                let mut few = Random::new(number % 4_000);
                sentence(&mut few, buffer, words);
            }
        }
        buffer.push(b'\n');
    }
}

fn sentence(random: &mut Random, buffer: &mut Vec<u8>, words: u64) {
    for index in 0..words {
        if index > 0 {
            buffer.push(b' ');
        }
        word(random, buffer);
    }
}

/// Eight letters.
fn word(random: &mut Random, buffer: &mut Vec<u8>) {
    let bits = random.bits();
    buffer.extend((0..8).map(|place| b'a' + (bits >> (place * 8) & 0xf) as u8));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_line_of_a_flood_is_like_another() {
        for flood in [Flood::Plain, Flood::Json, Flood::Errors] {
            let mut buffer = Vec::new();
            flood.fill(&mut Random::new(1), &mut buffer, 100_000, 0);
            let lines: Vec<&[u8]> = buffer.split(|byte| *byte == b'\n').collect();
            let different: BTreeSet<&[u8]> = lines.iter().copied().collect();
            assert_eq!(different.len(), lines.len(), "{flood:?}");
        }
    }

    #[test]
    fn a_corpus_is_as_long_as_asked_for_and_always_the_same() {
        let corpus = ordinary(300_000);
        assert!(corpus.len() >= 300_000);
        assert_eq!(corpus, ordinary(300_000));
        assert!(json(10_000).starts_with(b"{"));
    }
}
