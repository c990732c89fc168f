//! Go's duration text (`1h30m`, `90s`), as every Argo template writes it.

use std::time::Duration;

/// Reads Go's duration text; `None` if it is none, is negative or overflows.
///
/// Go's `time.ParseDuration`: one or more of a decimal number and a unit.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|end| *end > 0)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        seconds += number.parse::<f64>().ok()? * unit_seconds(unit)?;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3_600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" | "μs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let table = [
            ("5m", Some(300.0)),
            ("1h30m", Some(5_400.0)),
            ("90s", Some(90.0)),
            ("1.5m", Some(90.0)),
            ("250ms", Some(0.25)),
            ("+2s", Some(2.0)),
            ("0", Some(0.0)),
            ("", None),
            ("5", None),
            ("m", None),
            ("5 m", None),
            ("-5m", None),
            ("5x", None),
            ("1.2.3s", None),
            ("5m ", None),
            ("99999999999999999999999h", None),
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text).map(|d| d.as_secs_f64()), seconds, "{text:?}");
        }
    }
}
