//! Events that are written as two lines: when and who on the first, what on the
//! second.

use crate::level;

/// Whether a line is the first of such an event.
#[inline]
pub(crate) fn is_head(line: &[u8]) -> bool {
    match line {
        // `info: Shop.Orders[7]` (.NET).
        [_, _, _, _, b':', b' ', .., b']'] => is_dotnet(line),
        // `Nov 25, 2026 3:00:00 PM com.acme.Orders place` (java.util.logging).
        [b'A'..=b'Z', _, _, b' ', _, b',', ..] | [b'A'..=b'Z', _, _, b' ', _, _, b',', ..] => {
            is_jul(line)
        }
        // `=INFO REPORT==== 25-Nov-2026::15:00:00.123456 ===` (Erlang).
        [b'=', ..] => is_erlang(line),
        _ => false,
    }
}

/// Whether a line is what the event with that first line says.
pub(crate) fn is_text_of(head: &[u8], line: &[u8]) -> bool {
    match head.first() {
        Some(b'=') => !line.is_empty(),
        Some(b'A'..=b'Z') => {
            let word = line.split(|byte| *byte == b':').next().unwrap_or_default();
            word.len() < line.len() && level::is_upper_case_word(word)
        }
        _ => line.starts_with(b"      ") && !line.trim_ascii().is_empty(),
    }
}

fn is_dotnet(line: &[u8]) -> bool {
    let level = matches!(
        &line[..4],
        b"trce" | b"dbug" | b"info" | b"warn" | b"fail" | b"crit"
    );
    level && memchr::memchr(b' ', &line[6..]).is_none() && memchr::memchr(b'[', line).is_some()
}

fn is_jul(line: &[u8]) -> bool {
    let words = line.split(|byte| *byte == b' ').collect::<Vec<_>>();
    matches!(words[..], [_, _, year, time, b"AM" | b"PM", _, _]
        if year.len() == 4 && year.iter().all(u8::is_ascii_digit) && time.contains(&b':'))
}

fn is_erlang(line: &[u8]) -> bool {
    line.ends_with(b" ===") && memchr::memmem::find(line, b" REPORT==== ").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_told_from_others() {
        for line in [
            "info: Shop.Orders[7]",
            "Nov 25, 2026 3:00:00 PM com.acme.X run",
            "Nov 5, 2026 3:00:00 AM com.acme.X run",
            "=INFO REPORT==== 25-Nov-2026::15:00:00.123456 ===",
        ] {
            assert!(is_head(line.as_bytes()), "{line}");
        }
        for line in [
            "",
            "=",
            "info: order placed [7]",
            "info: x",
            "Nov 25 15:00:00 host x: y",
            "abcd: x]",
            "Dec 1, 2026",
            "===== done =====",
        ] {
            assert!(!is_head(line.as_bytes()), "{line}");
        }
    }
}
