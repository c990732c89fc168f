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
    if let Some(level) = of_klog(line).or_else(|| of_syslog_priority(line)) {
        return Some(level);
    }
    // `=ERROR REPORT==== …` (Erlang).
    if line.first() == Some(&b'=')
        && let Some(level) = word_after(&line[1..]).and_then(of_word)
        && memchr::memmem::find(line, b" REPORT==== ").is_some()
    {
        return Some(level);
    }
    let redis = is_redis(line);
    let mut before: [&[u8]; 2] = [b"", b""];
    let chunks = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'|'))
        .filter(|chunk| !chunk.is_empty());
    for (index, chunk) in chunks.take(MAX_LEVEL_CHUNKS).enumerate() {
        if redis && let Some(level) = of_redis_sign(chunk) {
            return Some(level);
        }
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

/// `<11>Jan  2 03:04:05 host app: text`: the severity is the number modulo 8
/// (RFC 5424, section 6.2.1).
fn of_syslog_priority(line: &[u8]) -> Option<Level> {
    syslog_severity(line).and_then(|severity| of_number(&[b'0' + severity]))
}

/// The severity of a line that begins with syslog's `<PRI>`, 0 to 7.
pub(crate) fn syslog_severity(line: &[u8]) -> Option<u8> {
    let rest = line.strip_prefix(b"<")?;
    let len = rest.iter().take(4).position(|byte| *byte == b'>')?;
    let priority: u8 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    let digits = rest[..len].iter().all(u8::is_ascii_digit);
    (digits && priority < 192).then_some(priority % 8)
}

/// `1:M 02 Jan 2026 03:04:05.678 # text`: process and role come first.
fn is_redis(line: &[u8]) -> bool {
    let Some(colon) = line.iter().take(8).position(|byte| *byte == b':') else {
        return false;
    };
    colon > 0
        && line[..colon].iter().all(u8::is_ascii_digit)
        && matches!(line[colon + 1..], [b'M' | b'S' | b'C' | b'X', b' ', ..])
}

fn of_redis_sign(chunk: &[u8]) -> Option<Level> {
    match chunk {
        b"." | b"-" => Some(Level::Debug),
        b"*" => Some(Level::Info),
        b"#" => Some(Level::Warn),
        _ => None,
    }
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
    if let Some(level) = of_logrus(chunk) {
        return Some(level);
    }
    if let Some(at) = memchr::memmem::find(chunk, b"][") {
        // `[2026-01-02 03:04:05.678][12][error][main]` (Envoy).
        return chunk[at + 2..]
            .split(|byte| matches!(byte, b'[' | b']'))
            .find_map(|part| if part.len() > 2 { of_word(part) } else { None });
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

/// `ERRO[0042] text`: four letters and the seconds since the start.
fn of_logrus(chunk: &[u8]) -> Option<Level> {
    let (head, rest) = chunk.split_at_checked(4)?;
    if !rest.starts_with(b"[") {
        return None;
    }
    match head {
        b"TRAC" | b"DEBU" => Some(Level::Debug),
        b"INFO" => Some(Level::Info),
        b"WARN" => Some(Level::Warn),
        b"ERRO" => Some(Level::Error),
        b"FATA" | b"PANI" => Some(Level::Fatal),
        _ => None,
    }
}

/// A time, then a level in small letters that is the whole column, as zap's
/// console writes them, or as Windows does.
fn lower_case_column(chunk: &[u8], before: &[u8]) -> Option<Level> {
    let known: &[&[u8]] = &[
        b"debug",
        b"info",
        b"warn",
        b"warning",
        b"error",
        b"fatal",
        b"panic",
        b"dpanic",
        b"Information",
        b"Warning",
        b"Error",
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

fn of_json(line: &[u8]) -> Option<Level> {
    json::members(line).find_map(|(key, value)| match level_value(key, value)? {
        json::Value::Text(word) => of_word(word).or_else(|| of_number(word)),
        json::Value::Word(number) => of_number(number),
        json::Value::Nested(_) => None,
    })
}

/// What a member says of the level: `"level":"error"`, `"level":50`, Elastic's
/// `"log":{"level":"error"}`, MongoDB's `"s":"E"`.
pub(crate) fn level_value<'a>(key: &[u8], value: json::Value<'a>) -> Option<json::Value<'a>> {
    match value {
        json::Value::Nested(object) if key == b"log" => json::members(object)
            .find(|(key, _)| key == b"level")
            .map(|(_, value)| value),
        json::Value::Nested(_) => None,
        json::Value::Text(
            b"F" | b"E" | b"W" | b"I" | b"D" | b"D1" | b"D2" | b"D3" | b"D4" | b"D5",
        ) if key == b"s" => Some(match value {
            json::Value::Text(letter) => json::Value::Text(&letter[..1]),
            other => other,
        }),
        value => is_level_key(key).then_some(value),
    }
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

/// Whether a word is a level's name in capitals.
pub(crate) fn is_upper_case_word(word: &[u8]) -> bool {
    word.len() > 2 && word.iter().all(u8::is_ascii_uppercase) && of_word(word).is_some()
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
        b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"note" | b"default"
        | b"log" | b"config" | b"success" => Level::Info,
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

    use Level::{Debug, Error, Fatal, Info, Warn};

    const CASES: &[(&str, Option<Level>)] = &[
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
        ("ERRO[0042] text  user=7", Some(Error)),                    // logrus on a terminal
        ("3:04AM ERR text error=\"x\"", Some(Error)),                // zerolog on a terminal
        (
            r#"{"level":"fatal","time":1,"message":"text"}"#,
            Some(Fatal),
        ), // zerolog
        (
            r#"{"name":"a","hostname":"h","pid":1,"level":60,"msg":"text","v":0}"#,
            Some(Fatal),
        ), // bunyan
        (
            r#"{"message":"text","level":"warn","timestamp":"x"}"#,
            Some(Warn),
        ), // winston
        ("2026-01-02 03:04:05 [error    ] text  user=7", Some(Error)), // structlog
        (
            r#"{"event":"text","level":"critical","timestamp":"x"}"#,
            Some(Fatal),
        ), // structlog
        ("2026-01-02 03:04:05.1234|ERROR|App.Users|text", Some(Error)), // NLog
        (
            "2026-01-02 03:04:05,678 [main] FATAL com.example.App - text",
            Some(Fatal),
        ), // log4j
        ("SEVERE: text", Some(Error)),                               // java.util.logging
        ("<11>Jan  2 03:04:05 host app: text", Some(Error)),         // syslog
        ("<14>1 2026-01-02T03:04:05Z host app 1 - - text", Some(Info)), // syslog
        ("<999>text", None),
        (r#"{"PRIORITY":"2","MESSAGE":"text"}"#, Some(Fatal)), // journald
        (r#"{"PRIORITY":"6","MESSAGE":"text"}"#, Some(Info)),
        (
            r#"{"@timestamp":"x","log.level":"ERROR","message":"text"}"#,
            Some(Error),
        ), // ECS
        (
            r#"{"@timestamp":"x","log":{"logger":"a","level":"error"},"message":"text"}"#,
            Some(Error),
        ),
        (
            r#"{"t":{"$date":"x"},"s":"E","c":"NETWORK","id":1,"ctx":"conn1","msg":"text"}"#,
            Some(Error),
        ), // MongoDB
        (
            r#"{"t":{"$date":"x"},"s":"D2","c":"NETWORK","id":1,"ctx":"conn1","msg":"text"}"#,
            Some(Debug),
        ),
        (r#"{"s":"12","msg":"text"}"#, None),
        (
            "2026-01-02T03:04:05.678901Z 0 [ERROR] [MY-010119] [Server] text",
            Some(Error),
        ), // MySQL
        (
            "2026-01-02T03:04:05.678901Z 0 [Note] [MY-010119] [Server] text",
            Some(Info),
        ),
        ("1:M 02 Jan 2026 03:04:05.678 # WARNING text", Some(Warn)), // Redis
        (
            "1:M 02 Jan 2026 03:04:05.678 * Ready to accept connections",
            Some(Info),
        ),
        (
            "[Sun Dec 04 04:47:44.123 2005] [core:error] [pid 7] text",
            Some(Error),
        ), // Apache 2.4
        (
            "[2026-01-02 03:04:05.678][12][critical][main] [source/x.cc:7] text",
            Some(Fatal),
        ), // Envoy
        ("crit: Microsoft.AspNetCore.Server[13]", Some(Fatal)),
        ("error: text", Some(Error)),
        (
            "2026-01-02 03:04:05, Warning                  CBS    text",
            Some(Warn),
        ), // Windows
        (
            "=WARNING REPORT==== 25-Nov-2026::15:00:00.1 === text",
            Some(Warn),
        ), // Erlang
        ("an error occurred", None),
        ("No ERROR_FOR_DIVISION_BY_ZERO set", None),
        ("plain text", None),
        ("", None),
    ];

    #[test]
    fn knows_the_words_of_each_ecosystem() {
        for (line, level) in CASES {
            assert_eq!(stated(line.as_bytes()), *level, "{line}");
        }
    }
}
