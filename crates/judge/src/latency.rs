//! How long requests took, as access logs write it.
//!
//! Where a line keeps its duration is found once per template; each line is
//! then read at that place. Durations are counted in bins of a fixed
//! logarithmic grid, so that profiles of different logs add up.

use serde::{Deserialize, Serialize};

use crate::json;

/// Bins of each doubling: neighbours are 12 to 25 % apart, finer than any shift
/// that a gate acts on.
const BINS_PER_DOUBLING: u32 = 4;
/// Longest duration believed, in microseconds (an hour): what is longer is a
/// number that was taken for one.
const MAX_US: u64 = 3_600_000_000;

/// Durations of the requests of one log in one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// Index of the bucket.
    pub bucket: u32,
    /// Bin and how many requests fell in it, in order of the bins.
    pub bins: Vec<(u8, u32)>,
}

impl Durations {
    pub(crate) fn add(&mut self, bin: u8) {
        match self.bins.binary_search_by_key(&bin, |own| own.0) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(1),
            Err(at) => self.bins.insert(at, (bin, 1)),
        }
    }
}

/// The bin of a duration in microseconds.
pub(crate) fn bin(us: u64) -> u8 {
    let us = us.clamp(1, MAX_US);
    let octave = us.ilog2();
    let within = if octave >= 2 {
        (us >> (octave - 2)) & 3
    } else {
        (us << (2 - octave)) & 3
    };
    u8::try_from(octave * BINS_PER_DOUBLING + within as u32).unwrap_or(u8::MAX)
}

/// Middle of a bin in microseconds.
pub(crate) fn middle_us(bin: u8) -> f64 {
    let (octave, within) = (
        u32::from(bin) / BINS_PER_DOUBLING,
        u32::from(bin) % BINS_PER_DOUBLING,
    );
    2_f64.powi(octave.cast_signed()) * (1.0 + (f64::from(within) + 0.5) / 4.0)
}

/// Where the requests of a template keep their duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// After a key: `"duration_ms":12`, `rt=0.123`, `time: 0.3`. How many
    /// nanoseconds a bare number after it counts.
    Key(String, u64),
    /// The first number with a unit: `(0.123s)`, `12.3 ms`, `| 45µs |`.
    Unit,
}

/// Keys of durations and what a bare number behind them counts, in
/// nanoseconds. Servers that write seconds (nginx, Django, eventlet) use these
/// names.
const KEYS: &[(&str, u64)] = &[
    ("duration_ms", MS),
    ("durationms", MS),
    ("duration_us", US),
    ("duration_ns", 1),
    ("duration_seconds", S),
    ("duration_s", S),
    ("duration", MS),
    ("latency_ms", MS),
    ("latencyms", MS),
    ("latency_us", US),
    ("latency_ns", 1),
    ("latency_seconds", S),
    ("latency", MS),
    ("elapsed_ms", MS),
    ("elapsedms", MS),
    ("elapsed_us", US),
    ("elapsed_seconds", S),
    ("elapsed", MS),
    ("response_time_ms", MS),
    ("responsetimems", MS),
    ("response_time", MS),
    ("responsetime", MS),
    ("request_time", S),
    ("requesttime", S),
    ("upstream_response_time", S),
    ("took_ms", MS),
    ("took", MS),
    ("time_ms", MS),
    ("timems", MS),
    ("time_taken", MS),
    ("timetaken", MS),
    ("dur_ms", MS),
    ("dur", MS),
    ("process_time", S),
    ("rt", S),
    ("time", S),
];

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

/// Finds where a request's line keeps its duration.
pub(crate) fn slot(line: &[u8]) -> Option<Slot> {
    if line.first() == Some(&b'{') {
        let found = json::members(line).find_map(|(key, value)| {
            let bare = bare_unit(key)?;
            duration_at(value.raw(), bare)?;
            Some(Slot::Key(
                format!("\"{}\"", String::from_utf8_lossy(key)),
                bare,
            ))
        });
        if found.is_some() {
            return found;
        }
    }
    key_in_text(line).or_else(|| first_with_unit(line).map(|_| Slot::Unit))
}

fn bare_unit(key: &[u8]) -> Option<u64> {
    let key = key.rsplit(|byte| *byte == b'.').next().unwrap_or(key);
    KEYS.iter()
        .find(|(known, _)| key.eq_ignore_ascii_case(known.as_bytes()))
        .map(|(_, bare)| *bare)
}

/// `key=`, `key:` or `key: ` with a duration behind it.
fn key_in_text(line: &[u8]) -> Option<Slot> {
    let mut start = None;
    for (at, byte) in line.iter().enumerate() {
        if byte.is_ascii_alphanumeric() || *byte == b'_' {
            start.get_or_insert(at);
            continue;
        }
        let Some(from) = start.take() else { continue };
        if !matches!(byte, b'=' | b':') {
            continue;
        }
        let key = &line[from..at];
        let Some(bare) = bare_unit(key) else { continue };
        // `time="2026-…"` and `time: 12:34` are no durations.
        if duration_at(&line[at + 1..], bare).is_some() {
            let key = String::from_utf8_lossy(&line[from..=at]).into_owned();
            return Some(Slot::Key(key, bare));
        }
    }
    None
}

impl Slot {
    /// The duration of a line of the template, in microseconds.
    pub(crate) fn read(&self, line: &[u8]) -> Option<u64> {
        let ns = match self {
            Self::Key(key, bare) => {
                let at = memchr::memmem::find(line, key.as_bytes())?;
                let rest = &line[at + key.len()..];
                let rest = if key.ends_with('"') {
                    rest.strip_prefix(b":")?
                } else {
                    rest
                };
                duration_at(rest, *bare)?
            }
            Self::Unit => first_with_unit(line)?,
        };
        let us = ns / US;
        (us <= MAX_US).then_some(us.max(1))
    }
}

/// The first number with a unit of time behind it, in nanoseconds.
fn first_with_unit(line: &[u8]) -> Option<u64> {
    let mut at = 0;
    while let Some(offset) = line[at..].iter().position(u8::is_ascii_digit) {
        let start = at + offset;
        let (value, len) = number(&line[start..])?;
        let attached = start
            .checked_sub(1)
            .is_some_and(|before| line[before].is_ascii_alphanumeric() || line[before] == b'.');
        if !attached && let Some(unit) = unit(&line[start + len..]) {
            return Some(scaled(value, unit));
        }
        at = start + len;
    }
    None
}

/// A duration at the start of `text`: a number, a unit or the key's own, then
/// no more of a number.
fn duration_at(text: &[u8], bare: u64) -> Option<u64> {
    let start = text
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'"' | b'\''))?;
    if start > 2 {
        return None;
    }
    let text = &text[start..];
    let (value, len) = number(text)?;
    let rest = &text[len..];
    if let Some(unit) = unit(rest) {
        return Some(scaled(value, unit));
    }
    let ends = rest
        .first()
        .is_none_or(|byte| matches!(byte, b' ' | b'"' | b'\'' | b',' | b'}' | b')' | b']' | b';'));
    ends.then(|| scaled(value, bare))
}

fn scaled(value: f64, unit_ns: u64) -> u64 {
    // Numbers are not negative and at most 10^15; as casts saturate, so does this.
    (value * unit_ns as f64) as u64
}

/// Digits with at most one point, as a number and how many bytes it took.
fn number(text: &[u8]) -> Option<(f64, usize)> {
    const MAX_DIGITS: usize = 15;
    let len = text
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .unwrap_or(text.len());
    let digits = std::str::from_utf8(&text[..len]).ok()?;
    let digits = digits.trim_end_matches('.');
    if digits.is_empty()
        || digits.len() > MAX_DIGITS
        || !digits.starts_with(|c: char| c.is_ascii_digit())
    {
        // Too long for a duration: passed over as a whole.
        return (len > 0).then_some((f64::MAX, len));
    }
    digits
        .parse()
        .ok()
        .map(|value| (value, digits.len()))
        .or(Some((f64::MAX, len)))
}

/// The unit at the start of `text`, in nanoseconds; a space before it is fine.
fn unit(text: &[u8]) -> Option<u64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let units: [(&[u8], u64); 7] = [
        (b"ns", 1),
        (b"us", US),
        ("µs".as_bytes(), US),
        (b"ms", MS),
        (b"seconds", S),
        (b"sec", S),
        (b"s", S),
    ];
    units
        .iter()
        .find(|(name, _)| {
            text.starts_with(name)
                && text
                    .get(name.len())
                    .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        })
        .map(|(_, ns)| *ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_durations_where_servers_write_them() {
        let cases: &[(&str, Option<u64>)] = &[
            ("500 - blue (1.000000s)", Some(1_000_000)),
            ("GET /users 200 12.3 ms - 512", Some(12_300)),
            (
                "[GIN] 2026/01/02 - 03:04:05 | 500 |     1.2ms | 10.0.0.1 | GET \"/x\"",
                Some(1_200),
            ),
            (
                "level=info method=GET path=/x status=502 dur=250ms",
                Some(250_000),
            ),
            (
                r#"{"time":"2026-01-02T03:04:05Z","msg":"request","path":"/x","status":503,"duration_ms":200}"#,
                Some(200_000),
            ),
            (
                r#"{"msg":"x","status":200,"request_time":"0.125"}"#,
                Some(125_000),
            ),
            (r#"{"msg":"x","status":200,"latency":"3.5µs"}"#, Some(3)),
            (
                r#"10.0.20.36 "GET /v2.1/servers HTTP/1.1" status: 200 len: 1916 time: 0.3059"#,
                Some(305_900),
            ),
            (
                r#"10.0.0.1 - - [x] "GET / HTTP/1.1" 200 23 "-" "curl" rt=0.004"#,
                Some(4_000),
            ),
            (
                r#"10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 404 2326"#,
                None,
            ),
            (
                "time=\"2026-01-02T03:04:05Z\" level=info method=GET status=200",
                None,
            ),
            ("GET /v1s/10s5/x 200", None),
            ("", None),
        ];
        for (line, us) in cases {
            let read = slot(line.as_bytes()).and_then(|slot| slot.read(line.as_bytes()));
            assert_eq!(read, *us, "{line}");
        }
    }

    #[test]
    fn bins_are_a_quarter_apart_at_most() {
        let mut last = 0;
        for us in 1..5_000_000_u64 {
            let own = bin(us);
            assert!(own >= last, "bins rise with durations");
            last = own;
        }
        for us in [1_u64, 7, 100, 12_345, 999_999, 3_600_000_000] {
            let ratio = middle_us(bin(us)) / us as f64;
            assert!((0.8..=1.25).contains(&ratio), "{us}: {ratio}");
        }
        assert_eq!(bin(u64::MAX), bin(MAX_US));
    }
}
