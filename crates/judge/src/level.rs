//! How serious an event says it is, in the words of each ecosystem.

use serde::{Deserialize, Serialize};

use crate::json;

/// How serious an event is. Ordered: later is worse.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `TRACE`, `DEBUG`, `FINE`, …: switched on and off at will, so it is
    /// neither exposure nor evidence.
    Debug,
    /// `INFO`, `NOTICE`, or none given.
    #[default]
    Info,
    /// `WARN`.
    Warn,
    /// `ERROR`, `SEVERE`.
    Error,
    /// `FATAL`, `CRITICAL` and above. A word, not a crash: applications use it
    /// for what they survive.
    Fatal,
}

/// Chunks of a line (pieces between spaces) that may hold its level: date,
/// time, zone, host, process, thread and logger come before it at most.
const MAX_LEVEL_CHUNKS: usize = 8;

/// The level that a line states; `None` when it states none.
pub(crate) fn stated(line: &[u8]) -> Option<Level> {
    if line.first() == Some(&b'{') {
        return of_json(line);
    }
    if let Some(level) = of_klog(line) {
        return Some(level);
    }
    let mut before: [&[u8]; 2] = [b"", b""];
    let chunks = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'|'))
        .filter(|chunk| !chunk.is_empty());
    for (index, chunk) in chunks.take(MAX_LEVEL_CHUNKS).enumerate() {
        if let Some(level) = of_chunk(chunk, index)
            .or_else(|| of_logcat(chunk, before))
            .or_else(|| lower_case_column(chunk, before[1]))
        {
            return Some(level);
        }
        before = [before[1], chunk];
    }
    // logfmt puts the level anywhere.
    memchr::memmem::find(line, b" level=")
        .and_then(|at| word_after(&line[at + 7..]))
        .and_then(of_word)
}

/// `I0102 03:04:05.678901 1 file.go:12] text` (klog, glog, abseil).
fn of_klog(line: &[u8]) -> Option<Level> {
    if line.len() < 8 || !line[1..5].iter().all(u8::is_ascii_digit) || line[5] != b' ' {
        return None;
    }
    letter(line[0])
}

fn letter(byte: u8) -> Option<Level> {
    match byte {
        b'V' | b'D' | b'T' => Some(Level::Debug),
        b'I' | b'N' => Some(Level::Info),
        b'W' => Some(Level::Warn),
        b'E' => Some(Level::Error),
        b'F' | b'C' => Some(Level::Fatal),
        _ => None,
    }
}

/// `03-17 16:13:38.811  1702  2395 D Tag: text`: a letter after two numbers.
fn of_logcat(chunk: &[u8], before: [&[u8]; 2]) -> Option<Level> {
    let number = |chunk: &[u8]| !chunk.is_empty() && chunk.iter().all(u8::is_ascii_digit);
    if chunk.len() == 1 && before.into_iter().all(number) {
        letter(chunk[0])
    } else {
        None
    }
}

/// One chunk of a line's beginning. Upper case is a level anywhere there;
/// lower case only in brackets, as a key's value, or as the first word before a
/// colon: "an error occurred" is no statement of a level.
fn of_chunk(chunk: &[u8], index: usize) -> Option<Level> {
    if let Some(at) = memchr::memchr(b'=', chunk) {
        let key = &chunk[..at];
        return is_level_key(key)
            .then(|| word_after(&chunk[at + 1..]))
            .flatten()
            .and_then(of_word);
    }
    let bare = trim(chunk);
    let bracketed = matches!(chunk.first(), Some(b'[' | b'<' | b'(')) && bare.len() < chunk.len();
    let upper = !bare.is_empty() && bare.iter().all(u8::is_ascii_uppercase);
    if upper && (bare.len() > 1 || bracketed) {
        return of_word(bare);
    }
    if let Some(part) = bare.split(|byte| *byte == b'/').next().filter(|part| {
        part.len() > 2 && part.len() < bare.len() && part.iter().all(u8::is_ascii_uppercase)
    }) {
        // `WARNING/MainProcess]` (Celery).
        return of_word(part);
    }
    if bracketed {
        // `[error]`, `[Warn]`, `[main/ERROR]`, `[ERROR/MainProcess]`.
        return bare
            .split(|byte| matches!(byte, b'/' | b':'))
            .find_map(|part| {
                let plain = part.len() > 2 && part.iter().all(u8::is_ascii_alphabetic);
                if plain { of_word(part) } else { None }
            });
    }
    let (first, rest) = match memchr::memchr(b':', chunk) {
        Some(at) => (&chunk[..at], &chunk[at + 1..]),
        None => return None,
    };
    // `ERROR:root:text` (Python) and `fail: Namespace[0]` (.NET), `error: text`.
    let states = !first.is_empty()
        && (first.iter().all(u8::is_ascii_uppercase) || (index == 0 && rest.is_empty()));
    if states { of_word(first) } else { None }
}

/// A time, then a lower-case level that is the whole second column, as zap's
/// console writes them.
fn lower_case_column(chunk: &[u8], before: &[u8]) -> Option<Level> {
    let known: &[&[u8]] = &[
        b"debug", b"info", b"warn", b"error", b"fatal", b"panic", b"dpanic",
    ];
    let after_time = before.len() >= 8 && before.iter().any(u8::is_ascii_digit);
    if after_time && known.contains(&chunk) {
        of_word(chunk)
    } else {
        None
    }
}

fn is_level_key(key: &[u8]) -> bool {
    let keys: &[&[u8]] = &[
        b"level",
        b"lvl",
        b"severity",
        b"loglevel",
        b"log_level",
        b"log.level",
        b"levelname",
        b"@l",
        b"@level",
        b"severity_text",
        b"severitytext",
        b"priority",
    ];
    keys.iter().any(|known| key.eq_ignore_ascii_case(known))
}

/// Whether a JSON member or a logfmt pair states the level.
pub(crate) fn is_level_member(key: &[u8]) -> bool {
    is_level_key(key)
}

fn of_json(line: &[u8]) -> Option<Level> {
    json::members(line).find_map(|(key, value)| {
        if !is_level_key(key) {
            return None;
        }
        match value {
            json::Value::Text(word) => of_word(word),
            json::Value::Word(number) => of_number(number),
            // Elastic's `"log":{"level":"error"}` comes as `log.level` mostly.
            json::Value::Nested(_) => None,
        }
    })
}

/// bunyan and pino count 10 (trace) to 60 (fatal); syslog and GELF 7 (debug)
/// down to 0 (emergency).
fn of_number(number: &[u8]) -> Option<Level> {
    let value: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some(match value {
        0..=2 | 60..=69 => Level::Fatal,
        3 | 50..=59 => Level::Error,
        4 | 40..=49 => Level::Warn,
        5 | 6 | 30..=39 => Level::Info,
        7 | 10..=29 => Level::Debug,
        _ => return None,
    })
}

/// The first word of `text`, without quotes.
fn word_after(text: &[u8]) -> Option<&[u8]> {
    let text = trim(text);
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

fn trim(chunk: &[u8]) -> &[u8] {
    let edge = |byte: &u8| {
        matches!(
            byte,
            b'[' | b']' | b'<' | b'>' | b'(' | b')' | b'"' | b'\'' | b':' | b',' | b'*' | b'-'
        )
    };
    let start = chunk
        .iter()
        .position(|byte| !edge(byte))
        .unwrap_or(chunk.len());
    let end = chunk
        .iter()
        .rposition(|byte| !edge(byte))
        .map_or(start, |end| end + 1);
    &chunk[start..end]
}

/// A level's name, in any case.
fn of_word(word: &[u8]) -> Option<Level> {
    if !(3..=13).contains(&word.len()) && word.len() != 1 {
        return None;
    }
    if let [byte] = word {
        return letter(*byte);
    }
    let mut lower = [0; 13];
    let lower = &mut lower[..word.len()];
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"trace" | b"trc" | b"trce" | b"debug" | b"dbg" | b"dbug" | b"verbose" | b"vrb"
        | b"fine" | b"finer" | b"finest" => Level::Debug,
        b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"log" | b"config"
        | b"success" => Level::Info,
        b"warn" | b"warning" | b"wrn" => Level::Warn,
        b"error" | b"err" | b"eror" | b"fail" | b"severe" | b"failure" => Level::Error,
        b"fatal" | b"ftl" | b"critical" | b"crit" | b"alert" | b"emerg" | b"emergency"
        | b"panic" | b"dpanic" => Level::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_words_of_each_ecosystem() {
        use Level::{Debug, Error, Fatal, Info, Warn};
        let cases: &[(&str, Option<Level>)] = &[
            (
                "2026-01-02 03:04:05.678 ERROR 1 --- [main] c.e.App : text",
                Some(Error),
            ), // Spring
            (
                "03:04:05.678 [main] WARN  com.example.App - text",
                Some(Warn),
            ), // logback
            (
                "2026-01-02 03:04:05,678 SEVERE [c.e.App] (main) text",
                Some(Error),
            ), // JBoss
            ("ERROR:root:text", Some(Error)), // Python
            (
                "2026-01-02 03:04:05,678 - app - CRITICAL - text",
                Some(Fatal),
            ),
            (
                "[2026-01-02 03:04:05,678: WARNING/MainProcess] text",
                Some(Warn),
            ), // Celery
            (
                "2026-01-02T03:04:05.678Z\terror\tapp/main.go:12\ttext",
                Some(Error),
            ), // zap
            (r#"{"level":"error","ts":1.5,"msg":"text"}"#, Some(Error)),
            (r#"{"time":"x","level":"WARN","msg":"text"}"#, Some(Warn)), // slog
            (r#"{"level":50,"time":1,"msg":"text"}"#, Some(Error)),      // pino
            (r#"{"severity":"CRITICAL","message":"text"}"#, Some(Fatal)), // GCP
            (r#"{"@l":"Error","@m":"text"}"#, Some(Error)),              // Serilog
            (
                "time=2026-01-02T03:04:05Z level=error msg=\"text\"",
                Some(Error),
            ), // logrus
            (
                "ts=1 caller=x.go:1 msg=\"a b c d e f\" level=warn",
                Some(Warn),
            ),
            (
                "E0102 03:04:05.678901       1 reflector.go:12] text",
                Some(Error),
            ), // klog
            ("I0102 03:04:05.678901       1 main.go:12] text", Some(Info)),
            ("fail: Microsoft.AspNetCore.Server[13]", Some(Error)), // .NET
            ("dbug: x", Some(Debug)),
            ("[03:04:05 ERR] text", Some(Error)), // Serilog
            (
                "2026/01/02 03:04:05 [error] 7#7: *1 open() failed",
                Some(Error),
            ), // nginx
            ("[Sun Dec 04 04:47:44 2005] [notice] text", Some(Info)), // Apache
            ("2026-01-02 03:04:05.678 UTC [12] FATAL:  text", Some(Fatal)), // PostgreSQL
            ("<error> text", Some(Error)),
            ("2026-01-02T03:04:05.678Z  WARN app::x: text", Some(Warn)), // tracing
            ("[2026-01-02T03:04:05Z ERROR app] text", Some(Error)),      // env_logger
            ("W, [2026-01-02T03:04:05 #1]  WARN -- : text", Some(Warn)), // Ruby
            ("03-17 16:13:38.811  1702  2395 E Tag: text", Some(Error)), // logcat
            ("error: text", Some(Error)),
            ("an error occurred", None),
            ("No ERROR_FOR_DIVISION_BY_ZERO set", None),
            ("plain text", None),
            ("", None),
        ];
        for (line, level) in cases {
            assert_eq!(stated(line.as_bytes()), *level, "{line}");
        }
    }
}
