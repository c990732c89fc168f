//! How long requests took, as access logs write it.
//!
//! Where a line keeps its duration is found once per template; each line is
//! then read at that place. Durations are counted in bins of a fixed
//! logarithmic grid, so that profiles of different logs add up.

use serde::{Deserialize, Serialize};

use crate::{json, status};

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
    /// After a key: `"duration_ms":12`, `rt=0.123`, `time: 0.3`, and what a
    /// bare number after it counts.
    Key(String, Bare),
    /// The first number with a unit: `(0.123s)`, `12.3 ms`, `| 45µs |`.
    Unit,
    /// Seconds with decimals in a column without a name: the largest.
    Seconds,
    /// Milliseconds at a place behind the status.
    Milliseconds(Column),
}

/// Where servers that do not name their columns keep milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// The last of five timers: `0/0/1/24/25` (`HAProxy`).
    Timers,
    /// The third number behind the flags behind the status: `200 - 0 512 24 23`
    /// (Envoy).
    Flags,
    /// The last number of the line, the third behind the status: `200 0 0 24`
    /// (W3C).
    Last,
}

/// What a bare number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// So many nanoseconds.
    Ns(u64),
    /// The name does not say: with three decimals or more it is seconds, as Go
    /// and Python print them, with six digits or more nanoseconds, else
    /// milliseconds. It is told by each number alone, so that both arms are
    /// read alike.
    ByLook,
}

/// Keys of durations, in small letters without the signs between their words,
/// and what a bare number behind them counts. Servers that write seconds
/// (nginx, Django, eventlet) use these names.
const KEYS: &[(&str, Bare)] = &[
    ("duration", Bare::ByLook),
    ("latency", Bare::ByLook),
    ("elapsed", Bare::ByLook),
    ("elapsedtime", Bare::ByLook),
    ("responsetime", Bare::ByLook),
    ("resptime", Bare::ByLook),
    ("took", Bare::ByLook),
    ("dur", Bare::ByLook),
    ("timetaken", Bare::ByLook),
    ("time", Bare::Ns(S)),
    ("rt", Bare::Ns(S)),
    ("processtime", Bare::Ns(S)),
    ("requesttime", Bare::Ns(S)),
    ("upstreamresponsetime", Bare::Ns(S)),
    ("runtime", Bare::ByLook),
];

/// What a key may say of its unit behind its name.
const UNITS_OF_KEYS: &[(&str, u64)] = &[
    ("ms", MS),
    ("millis", MS),
    ("milliseconds", MS),
    ("us", US),
    ("micros", US),
    ("ns", 1),
    ("nanos", 1),
    ("seconds", S),
    ("secs", S),
    ("sec", S),
    ("s", S),
];

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

/// Finds where a request's line keeps its duration.
pub(crate) fn slot(line: &[u8]) -> Option<Slot> {
    if line.first() == Some(&b'{') {
        let mut found = None;
        json::visit(line, &mut |key, value| {
            if found.is_some() || matches!(value, json::Value::Nested(_)) {
                return;
            }
            let bare = bare_unit(key)
                .filter(|bare| duration_at(value.raw(), *bare).is_some_and(is_believed));
            found =
                bare.map(|bare| Slot::Key(format!("\"{}\"", String::from_utf8_lossy(key)), bare));
        });
        if found.is_some() {
            return found;
        }
    }
    key_in_text(line)
        .or_else(|| first_with_unit(line).map(|_| Slot::Unit))
        .or_else(|| {
            [Column::Timers, Column::Flags, Column::Last]
                .into_iter()
                .find(|column| column.read(line).is_some())
                .map(Slot::Milliseconds)
        })
        .or_else(|| seconds(line).map(|_| Slot::Seconds))
}

/// Whether so many nanoseconds are a duration, and no time of the epoch.
fn is_believed(ns: u64) -> bool {
    ns / US <= MAX_US
}

/// What a bare number behind a key counts, where it is a duration's.
fn bare_unit(key: &[u8]) -> Option<Bare> {
    let key = key.rsplit(|byte| *byte == b'.').next().unwrap_or(key);
    let mut plain = [0; 32];
    let key = status::plainly(key, &mut plain)?;
    let known = |key: &[u8]| KEYS.iter().find(|(known, _)| known.as_bytes() == key);
    if let Some((_, bare)) = known(key) {
        return Some(*bare);
    }
    UNITS_OF_KEYS
        .iter()
        .find(|(unit, _)| {
            key.strip_suffix(unit.as_bytes())
                .is_some_and(|name| known(name).is_some())
        })
        .map(|(_, unit)| Bare::Ns(*unit))
}

impl Column {
    fn read(self, line: &[u8]) -> Option<u64> {
        let mut words = line
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        let digits = match self {
            Self::Timers => words.find_map(|word| {
                let mut timers = word.split(|byte| *byte == b'/');
                let last = timers.nth(4)?;
                let last = last.strip_prefix(b"+").unwrap_or(last);
                let timer = |part: &[u8]| part == b"-1" || is_number(part);
                (timers.next().is_none() && word.split(|byte| *byte == b'/').take(4).all(timer))
                    .then_some(last)
            })?,
            Self::Flags => {
                words.find(|word| status::is_status(word))?;
                let flags = words.next()?;
                if flags.iter().any(u8::is_ascii_digit) || flags.contains(&b'"') {
                    return None;
                }
                let (received, sent, took) = (words.next()?, words.next()?, words.next()?);
                (is_number(received) && is_number(sent)).then_some(took)?
            }
            Self::Last => {
                let words: Vec<&[u8]> = words.collect();
                let last = words.last_chunk::<4>()?;
                let fits =
                    status::is_status(last[0]) && last[1..].iter().all(|word| is_number(word));
                fits.then_some(last[3])?
            }
        };
        is_number(digits)
            .then(|| number(digits))
            .flatten()
            .map(|(value, _)| scaled(value, MS))
    }
}

fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// The largest number of seconds that stands alone with three decimals or more,
/// in nanoseconds: what a server measured of parts and of the whole.
fn seconds(line: &[u8]) -> Option<u64> {
    let words = line.split(|byte| matches!(byte, b' ' | b'"' | b','));
    let alone = words.filter(|word| {
        let point = word.iter().position(|byte| *byte == b'.');
        point.is_some_and(|point| {
            (1..=4).contains(&point)
                && (4..=7).contains(&(word.len() - point))
                && is_number(&word[..point])
                && is_number(&word[point + 1..])
        })
    });
    alone
        .filter_map(number)
        .map(|(value, _)| scaled(value, S))
        .max()
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
        if duration_at(&line[at + 1..], bare).is_some_and(is_believed) {
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
            Self::Seconds => seconds(line)?,
            Self::Milliseconds(column) => column.read(line)?,
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
fn duration_at(text: &[u8], bare: Bare) -> Option<u64> {
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
    let unit = match bare {
        Bare::Ns(unit) => unit,
        Bare::ByLook => {
            let decimals = text[..len].iter().rev().position(|byte| *byte == b'.');
            match decimals {
                Some(3..) => S,
                Some(_) => MS,
                None if len >= NS_DIGITS => 1,
                None => MS,
            }
        }
    };
    ends.then(|| scaled(value, unit))
}

/// Digits of a whole number from which it counts nanoseconds: 100 s would be a
/// long time for a request to take, .1 ms is none.
const NS_DIGITS: usize = 6;

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
    fn finds_durations_whose_unit_or_name_is_not_written() {
        let cases: &[(&str, Option<u64>)] = &[
            (
                r#"{"msg":"x","status":200,"duration":0.024567}"#,
                Some(24_567),
            ),
            (r#"{"msg":"x","status":200,"duration":24}"#, Some(24_000)),
            (
                r#"{"time":1795618800123,"res":{"statusCode":200},"responseTime":24}"#,
                Some(24_000),
            ),
            (
                r#"{"DownstreamStatus":200,"Duration":24567000}"#,
                Some(24_567),
            ),
            (
                r#"{"res":{"statusCode":200},"responseTime":24}"#,
                Some(24_000),
            ),
            (
                r#"{"http.resp.status":200,"http.resp.took_ms":24}"#,
                Some(24_000),
            ),
            (
                r#"{"httpRequest":{"status":200,"latency":"0.024s"}}"#,
                Some(24_000),
            ),
            (r#"{"status":200,"event.duration":24567000}"#, Some(24_567)),
            (r#"{"grpc.code":"OK","grpc.time_ms":24.5}"#, Some(24_500)),
            (
                r#"10.0.0.1 - - [x] "GET / HTTP/1.1" 200 23 "-" "curl/8.1" "-" 0.004 0.003 ."#,
                Some(4_000),
            ),
            (
                r#"h2 2026-01-02T03:04:05.1Z a 10.0.0.1:5 10.0.0.2:80 0.000 0.012 0.001 502 502 34 366 "GET https://x:443/y HTTP/2.0""#,
                Some(12_000),
            ),
            (
                r#"fe be/app1 0/0/1/24/25 200 4321 - - ---- 1/1/0/0/0 0/0 "GET /x HTTP/1.1""#,
                Some(25_000),
            ),
            (
                r#"[2026-01-02T03:04:05.1Z] "GET /x HTTP/2" 200 - 0 4321 24 23 "-" "curl""#,
                Some(24_000),
            ),
            (
                "2026-01-02 03:04:05 10.0.0.4 GET /x - 443 - 10.0.0.9 curl - 200 0 0 24",
                Some(24_000),
            ),
            (
                "I, [x #7]  INFO -- : Completed 200 OK in 24ms (Views: 1.5ms)",
                Some(24_000),
            ),
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
