//! Times wherever a format puts them: access logs behind an address, loggers in
//! brackets or behind the level, JSON in a member.
//!
//! A runtime's own timestamp makes all of this needless, and an RFC 3339-like
//! time at the beginning of a line ([`clock::leading`]) most of it. Where a
//! year or a day is not written, one is assumed: only differences within one
//! log matter.

use memchr::memmem::Finder;

use crate::clock::{self, DAY_MS, number};
use crate::json;

/// How far into a line its time begins at most, in bytes.
const MAX_BEFORE_BYTES: usize = 96;
/// Pieces between spaces that may stand before a time: host, process, level.
const MAX_TOKENS: usize = 8;

/// The time that a line states otherwise than by beginning with it as
/// RFC 3339 does, in milliseconds since the Unix epoch.
#[inline]
pub(crate) fn stated(text: &[u8]) -> Option<i64> {
    match *text.first()? {
        b'[' => bracketed(&text[1..]).or_else(|| behind(text)),
        b'<' => behind_priority(text).or_else(|| behind(text)),
        b'0'..=b'9' => at_digit(text)
            .or_else(|| epoch(text))
            .or_else(|| behind(text)),
        b't' => {
            let value = text
                .strip_prefix(b"ts=")
                .or_else(|| text.strip_prefix(b"time="));
            value.and_then(epoch).or_else(|| behind(text))
        }
        b'A'..=b'Z' => clock::leading_syslog(text)
            .or_else(|| klog(text))
            .or_else(|| at_month(text))
            .or_else(|| behind(text)),
        _ => behind(text),
    }
}

/// `<134>Nov 25 15:00:00 …`, `<30>1 2026-11-25T15:00:00Z …`.
fn behind_priority(text: &[u8]) -> Option<i64> {
    let end = text.iter().take(5).position(|byte| *byte == b'>')?;
    let rest = &text[end + 1..];
    clock::leading_syslog(rest)
        .or_else(|| clock::leading(rest.strip_prefix(b"1 ")?).map(|(ms, _)| ms))
        .or_else(|| clock::leading(rest).map(|(ms, _)| ms))
}

/// What stands in brackets: any of the others, or `Sun Dec 04 04:47:44.1 2005`.
fn bracketed(text: &[u8]) -> Option<i64> {
    match text.first()? {
        b'0'..=b'9' => clock::leading(text)
            .map(|(ms, _)| ms)
            .or_else(|| at_digit(text)),
        _ => clock::leading_syslog(text.get(4..)?),
    }
}

/// A time in brackets, behind `time=`, or as one of the first words.
fn behind(text: &[u8]) -> Option<i64> {
    let head = &text[..text.len().min(MAX_BEFORE_BYTES)];
    let mut from = 0;
    for _ in 0..MAX_TOKENS {
        let space = memchr::memchr3(b' ', b'\t', b'=', head.get(from..)?)?;
        from += space + 1;
        let rest = text.get(from..)?;
        let found = match rest.first()? {
            // A time of day alone is as likely a part of what is said.
            b'0'..=b'9' if rest.get(2) == Some(&b':') => None,
            b'0'..=b'9' => clock::leading(rest)
                .map(|(ms, _)| ms)
                .or_else(|| at_digit(rest)),
            b'[' => bracketed(&rest[1..]),
            b'"' => clock::leading(&rest[1..]).map(|(ms, _)| ms),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A time that begins with a digit, other than RFC 3339's.
fn at_digit(text: &[u8]) -> Option<i64> {
    let sign = |at: usize| text.get(at).copied().unwrap_or_default();
    match (sign(2), sign(5), sign(6)) {
        // `25/Nov/2026:15:00:00 +0000`, `25-Nov-2026 15:00:00.1`.
        (b'/' | b'-' | b' ', _, b'/' | b'-' | b' ') if sign(3).is_ascii_uppercase() => {
            day_month_year(text)
        }
        // `11-25 15:00:00.123`.
        (b'-', b' ', _) => {
            let days =
                clock::days_from_civil(1972, number(text.get(..2)?)?, number(text.get(3..5)?)?)?;
            Some(days * DAY_MS + clock_of(text.get(6..)?)?)
        }
        (b':', b':', _) => clock_of(text),
        (b'/', b'/', _) => slashes(text),
        _ if sign(4) == b'/' && text.get(10..13) == Some(b" - ") => {
            let days = clock::days_from_civil(
                number(text.get(..4)?)?,
                number(text.get(5..7)?)?,
                number(text.get(8..10)?)?,
            )?;
            Some(days * DAY_MS + clock_of(text.get(13..)?)?)
        }
        _ => None,
    }
}

/// `25/Nov/2026:15:00:00 +0000` and with other signs between.
fn day_month_year(text: &[u8]) -> Option<i64> {
    let month = clock::month(text.get(3..6)?)?;
    let days = clock::days_from_civil(number(text.get(7..11)?)?, month, number(text.get(..2)?)?)?;
    let rest = text.get(11..)?;
    let start = rest.iter().take(3).position(|byte| byte.is_ascii_digit())?;
    let rest = &rest[start..];
    let ms = days * DAY_MS + clock_of(rest)?;
    let offset = match rest.get(8..10) {
        Some(b" +") => clock::zone(&rest[10..]).map_or(0, |(min, _)| -min),
        Some(b" -") => clock::zone(&rest[10..]).map_or(0, |(min, _)| min),
        _ => 0,
    };
    Some(ms + offset * 60_000)
}

/// `26/11/25 15:00:00`, `11/25/2026, 3:00:00 PM`, `25/11/2026 15:00:00`.
fn slashes(text: &[u8]) -> Option<i64> {
    let (first, second) = (number(text.get(..2)?)?, number(text.get(3..5)?)?);
    if text.get(8) == Some(&b' ') {
        let days = clock::days_from_civil(2000 + first, second, number(text.get(6..8)?)?)?;
        return Some(days * DAY_MS + clock_of(text.get(9..)?)?);
    }
    let year = number(text.get(6..10)?)?;
    let (month, day) = if first > 12 {
        (second, first)
    } else {
        (first, second)
    };
    let days = clock::days_from_civil(year, month, day)?;
    let rest = text.get(10..)?;
    let start = rest.iter().take(3).position(|byte| byte.is_ascii_digit())?;
    Some(days * DAY_MS + clock_of(&rest[start..])?)
}

/// `Nov 25, 2026 3:00:00 PM`.
fn at_month(text: &[u8]) -> Option<i64> {
    let month = clock::month(text.get(..3)?)?;
    let rest = text.get(4..)?;
    let comma = rest.iter().take(3).position(|byte| *byte == b',')?;
    let year = number(rest.get(comma + 2..comma + 6)?)?;
    let days = clock::days_from_civil(year, month, number(&rest[..comma])?)?;
    Some(days * DAY_MS + clock_of(rest.get(comma + 7..)?)?)
}

/// `I1125 15:00:00.123456` (klog), `I20261125 15:00:00.123456` (glog).
fn klog(text: &[u8]) -> Option<i64> {
    let (year, rest) = match (text.get(5), text.get(9)) {
        (Some(b' '), _) => (1972, text.get(1..)?),
        (_, Some(b' ')) => (number(text.get(1..5)?)?, text.get(5..)?),
        _ => return None,
    };
    let days = clock::days_from_civil(year, number(rest.get(..2)?)?, number(rest.get(2..4)?)?)?;
    Some(days * DAY_MS + clock_of(rest.get(5..)?)?)
}

/// `15:00:00.123`, `3:00:00 PM`: milliseconds of a day.
fn clock_of(text: &[u8]) -> Option<i64> {
    let colon = text.iter().take(3).position(|byte| *byte == b':')?;
    let rest = text.get(colon..)?;
    if rest.get(3) != Some(&b':') {
        return None;
    }
    let mut hour = number(&text[..colon])?;
    let (minute, second) = (number(rest.get(1..3)?)?, number(rest.get(4..6)?)?);
    if colon == 0 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    match rest.get(6..9) {
        Some(b" PM") if hour < 12 => hour += 12,
        Some(b" AM") if hour == 12 => hour = 0,
        _ => {}
    }
    let mut ms = ((hour * 60 + minute) * 60 + second) * 1_000;
    if matches!(rest.get(6), Some(b'.' | b',' | b':')) {
        let mut scale = 100;
        for digit in rest[7..].iter().take_while(|byte| byte.is_ascii_digit()) {
            ms += i64::from(digit - b'0') * scale;
            scale /= 10;
        }
    }
    Some(ms)
}

/// Seconds since the epoch, with a fraction or as milli-, micro- or
/// nanoseconds. Any long number looks like it, so it is read only where a line
/// begins or a key says so.
fn epoch(text: &[u8]) -> Option<i64> {
    let len = text
        .iter()
        .take(20)
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len().min(20));
    let whole = || number(&text[..len]);
    // From 2001 to 2286 seconds have ten digits, and begin with 1 to 9.
    if text.first() == Some(&b'0') {
        return None;
    }
    match len {
        10 => {
            let mut ms = whole()? * 1_000;
            if text.get(10) == Some(&b'.') {
                let mut scale = 100;
                for digit in text[11..].iter().take_while(|byte| byte.is_ascii_digit()) {
                    ms += i64::from(digit - b'0') * scale;
                    scale /= 10;
                }
            }
            Some(ms)
        }
        13 => whole(),
        16 => Some(whole()? / 1_000),
        19 => Some(whole()? / 1_000_000),
        _ => None,
    }
}

/// Where the JSON events of a log keep their time: the key is looked for once,
/// and again where a line has none.
#[derive(Debug, Default)]
pub(crate) struct JsonTime {
    key: Option<Finder<'static>>,
    key_len: usize,
    /// Lines in which no time was found.
    misses: u32,
}

/// Lines without a time after which a log is taken to have none.
const MAX_MISSES: u32 = 64;

impl JsonTime {
    /// The time of an event.
    pub(crate) fn of(&mut self, line: &[u8]) -> Option<i64> {
        if let Some(key) = &self.key
            && let Some(at) = key.find(line)
            && let Some(ms) = json_value(&line[at + self.key_len..])
        {
            return Some(ms);
        }
        if self.misses >= MAX_MISSES {
            return None;
        }
        let found = json::members(line).find_map(|(key, value)| {
            let ms = is_time_key(key).then(|| value_ms(value))??;
            Some((key, ms))
        });
        let Some((key, ms)) = found else {
            self.misses += 1;
            return None;
        };
        let key = [b"\"", key, b"\":"].concat();
        self.key_len = key.len();
        self.key = Some(Finder::new(&key).into_owned());
        Some(ms)
    }
}

fn is_time_key(key: &[u8]) -> bool {
    const KEYS: [&str; 14] = [
        "time",
        "timestamp",
        "ts",
        "@timestamp",
        "@t",
        "t",
        "date",
        "datetime",
        "time_local",
        "start_time",
        "starttime",
        "eventtime",
        "timemillis",
        "asctime",
    ];
    crate::status::key_is(key, &KEYS)
}

/// What follows a key: `"2026-…"`, a number, MongoDB's `{"$date":"2026-…"}`.
fn json_value(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    match text.first()? {
        b'"' => text_ms(&text[1..]),
        b'{' => {
            let quoted = text.strip_prefix(b"{\"$date\":\"")?;
            clock::leading(quoted).map(|(ms, _)| ms)
        }
        _ => epoch(text),
    }
}

fn value_ms(value: json::Value<'_>) -> Option<i64> {
    match value {
        json::Value::Text(text) => text_ms(text),
        json::Value::Word(number) => epoch(number),
        json::Value::Nested(object) => json_value(object),
    }
}

fn text_ms(text: &[u8]) -> Option<i64> {
    clock::leading(text)
        .map(|(ms, _)| ms)
        .or_else(|| stated(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25T15:00:00Z.
    const MS: i64 = 1_795_618_800_000;

    #[test]
    fn a_number_that_is_no_time_is_none() {
        // Found by fuzzing: nineteen digits can be more than 64 bits hold.
        assert_eq!(epoch(b"9999999999999999999"), None);
        assert_eq!(epoch(b"1795618800000000000"), Some(MS));
    }

    #[test]
    fn reads_times_wherever_formats_put_them() {
        let cases: &[(&str, i64)] = &[
            (
                r#"10.0.0.1 - - [25/Nov/2026:15:00:00 +0000] "GET / HTTP/1.1" 200 1"#,
                0,
            ),
            (
                r#"10.0.0.1 - - [25/Nov/2026:16:00:00 +0100] "GET / HTTP/1.1" 200 1"#,
                0,
            ),
            (r#"[25/Nov/2026 15:00:00] "GET / HTTP/1.1" 200 1"#, 0),
            ("[2026-11-25 15:00:00,123: INFO/MainProcess] x", 123),
            ("[2026-11-25T15:00:00,123][INFO ][x] y", 123),
            ("[25-Nov-2026 15:00:00 UTC] PHP Warning:  x", 0),
            ("25-Nov-2026 15:00:00.123 INFO [main] x", 123),
            ("=INFO REPORT==== 25-Nov-2026::15:00:00.123456 ===", 123),
            ("Nov 25, 2026 3:00:00 PM com.acme.X run", 0),
            ("[Nest] 7  - 11/25/2026, 3:00:00 PM     LOG [X] y", 0),
            ("[25/11/2026 15:00:00] [INFO] x", 0),
            ("26/11/25 15:00:00 INFO x: y", 0),
            ("[GIN] 2026/11/25 - 15:00:00 | 200 |", 0),
            ("1:M 25 Nov 2026 15:00:00.123 * x", 123),
            ("I, [2026-11-25T15:00:00.123456 #7]  INFO -- : x", 123),
            ("INFO 2026-11-25 15:00:00,123 x", 123),
            ("time=2026-11-25T15:00:00.123Z level=INFO", 123),
            ("time=\"2026-11-25T15:00:00Z\" level=info", 0),
            ("web-1  | 2026-11-25T15:00:00Z info: x", 0),
            ("[pod/web/app] 2026-11-25 15:00:00,123 x", 123),
            ("<30>1 2026-11-25T15:00:00Z host app 1 - - x", 0),
            ("1795618800.123 info x", 123),
            ("1795618800123 info x", 123),
            ("ts=1795618800.123 level=info msg=x", 123),
            ("I20261125 15:00:00.123456 77 a.cc:1] x", 123),
        ];
        for (line, ms) in cases {
            assert_eq!(stated(line.as_bytes()), Some(MS + ms), "{line}");
        }
    }

    #[test]
    fn without_a_year_or_a_day_differences_are_right() {
        let pairs = [
            (
                "11-25 15:00:00.123  1702  2395 D Tag: x",
                "11-26 15:00:01.123  1702  2395 D Tag: x",
                DAY_MS + 1_000,
            ),
            (
                "E1125 15:00:00.123456       1 a.go:1] x",
                "E1125 15:00:02.123456       1 a.go:1] x",
                2_000,
            ),
            (
                "<13>Nov 25 15:00:00 host x",
                "<13>Nov 25 15:01:00 host x",
                60_000,
            ),
            (
                "15:00:00.123 [main] INFO x",
                "15:00:00.987 [main] INFO x",
                864,
            ),
            ("[15:00:00 INF] x", "[15:00:09 INF] x", 9_000),
            (
                "[Wed Nov 25 15:00:00.5 2026] [x]",
                "[Wed Nov 25 15:00:01.5 2026] [x]",
                1_000,
            ),
        ];
        for (a, b, ms) in pairs {
            let at = |line: &str| stated(line.as_bytes()).unwrap();
            assert_eq!(at(b) - at(a), ms, "{a}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for line in [
            "",
            "[",
            "<",
            "1",
            "[12] x",
            "12/34/56",
            "00/Foo/2026:15:00:00",
            "99:99:99 x",
            "12345678901 x",
            "user 7 of 12 did 3",
            "got message 1795618800123456 from queue",
            "I like 12 things",
            "é [é] 11-é",
            "(1)",
            "=",
            "a =",
            "x=\"",
            "I1399 15:00:00.1 x",
        ] {
            assert_eq!(stated(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn json_times_are_found_by_their_key() {
        let cases: &[(&str, i64)] = &[
            (r#"{"level":30,"time":1795618800123,"msg":"x"}"#, 123),
            (r#"{"level":"info","ts":1795618800.1234,"msg":"x"}"#, 123),
            (r#"{"level":"info","time":1795618800,"msg":"x"}"#, 0),
            (r#"{"@t":"2026-11-25T15:00:00.123Z","@mt":"x"}"#, 123),
            (
                r#"{"t":{"$date":"2026-11-25T15:00:00.123+00:00"},"s":"I"}"#,
                123,
            ),
            (
                r#"{"startTimeUnixNano":"1","time":"1795618800123000000"}"#,
                123,
            ),
            (r#"{"msg": "x", "timestamp": "2026-11-25T15:00:00Z"}"#, 0),
        ];
        for (line, ms) in cases {
            let mut time = JsonTime::default();
            for turn in 0..2 {
                assert_eq!(time.of(line.as_bytes()), Some(MS + ms), "{line}, {turn}");
            }
        }
        let mut time = JsonTime::default();
        assert_eq!(time.of(br#"{"msg":"time: 12"}"#), None);
        assert_eq!(time.of(br#"{"msg":"x","time":"soon"}"#), None);
    }
}
