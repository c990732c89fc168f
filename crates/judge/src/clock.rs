//! Timestamps as logs write them, turned into milliseconds.
//!
//! No clock is read here: a time is a piece of a log line. Where a zone is not
//! written, UTC is assumed; only differences within one log matter then.

/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Reads an RFC 3339-like time at the start of `text`: `2026-01-02T03:04:05`,
/// with `T` or a space, `-` or `/`, an optional fraction after `.` or `,`, and
/// an optional zone (`Z`, `+01:00`, `+0100`).
///
/// Gives the time in milliseconds since the Unix epoch and how many bytes it
/// took; `None` when the text does not start with such a time.
pub(crate) fn leading(text: &[u8]) -> Option<(i64, usize)> {
    // The shape is checked before anything is computed: most lines of most
    // logs pass here once per line.
    if text.len() < 19 {
        return None;
    }
    let dash = text[4];
    if !(dash == b'-' || dash == b'/') || text[7] != dash || text[13] != b':' || text[16] != b':' {
        return None;
    }
    if !(text[10] == b'T' || text[10] == b' ') {
        return None;
    }
    let year = number(&text[0..4])?;
    let days = days_from_civil(year, number(&text[5..7])?, number(&text[8..10])?)?;
    let (hour, minute, second) = (
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
    );
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut ms = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000;
    let mut at = 19;
    if at < text.len() && (text[at] == b'.' || text[at] == b',') {
        let mut scale = 100;
        let mut digits = 0;
        while let Some(digit) = text.get(at + 1 + digits).filter(|b| b.is_ascii_digit()) {
            ms += i64::from(digit - b'0') * scale;
            scale /= 10;
            digits += 1;
        }
        if digits > 0 {
            at += 1 + digits;
        }
    }
    match text.get(at) {
        Some(b'Z') => at += 1,
        Some(sign @ (b'+' | b'-')) => {
            if let Some((offset_min, len)) = zone(&text[at + 1..]) {
                let offset_ms = offset_min * 60_000;
                ms += if *sign == b'+' { -offset_ms } else { offset_ms };
                at += 1 + len;
            }
        }
        _ => {}
    }
    Some((ms, at))
}

/// Reads the time of a syslog header at the start of `text`
/// (`Jan  2 03:04:05`), as milliseconds within an unknown year.
pub(crate) fn leading_syslog(text: &[u8]) -> Option<i64> {
    if text.len() < 15 || text[3] != b' ' || text[6] != b' ' || text[9] != b':' || text[12] != b':'
    {
        return None;
    }
    let month = month(&text[0..3])?;
    let day = if text[4] == b' ' {
        number(&text[5..6])?
    } else {
        number(&text[4..6])?
    };
    let days = days_from_civil(1972, month, day)?;
    let seconds =
        (number(&text[7..9])? * 60 + number(&text[10..12])?) * 60 + number(&text[13..15])?;
    Some(days * DAY_MS + seconds * 1000)
}

/// The number of a month by the first three letters of its English name.
pub(crate) fn month(name: &[u8]) -> Option<i64> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let index = MONTHS.chunks_exact(3).position(|month| month == name)?;
    i64::try_from(index + 1).ok()
}

/// `hh:mm` or `hhmm` → minutes and bytes read.
pub(crate) fn zone(text: &[u8]) -> Option<(i64, usize)> {
    let hours = number(text.get(0..2)?)?;
    if text.get(2) == Some(&b':') {
        Some((hours * 60 + number(text.get(3..5)?)?, 5))
    } else {
        Some((hours * 60 + number(text.get(2..4)?)?, 4))
    }
}

/// All of `digits` as a number; `None` when one is not a digit, or when there
/// are too many.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    let mut value = 0_i64;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(value)
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_as_logs_write_them() {
        let cases: &[(&str, i64, usize)] = &[
            ("1970-01-01T00:00:00Z x", 0, 20),
            ("1970-01-02 00:00:01,250 x", DAY_MS + 1250, 23),
            ("2026-11-22T03:04:05.123456789Z ", 1_795_316_645_123, 30),
            ("2026-11-22T04:04:05.123+01:00 ", 1_795_316_645_123, 29),
            ("2026/11/22 03:04:05 x", 1_795_316_645_000, 19),
        ];
        for (text, ms, len) in cases {
            assert_eq!(leading(text.as_bytes()), Some((*ms, *len)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-01-01T99:00:00Z",
            "abcd-ef-ghTij:kl:mn",
            "2026-01-0é 00:00:00",
        ] {
            assert_eq!(leading(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn reads_syslog_times() {
        let first = leading_syslog(b"Jul  1 09:00:55 host").unwrap();
        let later = leading_syslog(b"Jul 10 09:00:56 host").unwrap();
        assert_eq!(later - first, 9 * DAY_MS + 1000);
        assert_eq!(leading_syslog(b"Foo  1 09:00:55 host"), None);
    }
}
