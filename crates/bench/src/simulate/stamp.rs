//! Times as simulated services write them.

/// When every simulated canary starts, milliseconds since the epoch:
/// 2026-11-22T03:04:05Z. A rollout must end on the same day.
pub const START_MS: i64 = 1_795_316_645_000;

const DAY_MS: i64 = 86_400_000;

fn clock(ms: i64) -> (i64, i64, i64, i64) {
    let since_midnight = (START_MS + ms).rem_euclid(DAY_MS);
    (
        since_midnight / 3_600_000,
        since_midnight / 60_000 % 60,
        since_midnight / 1_000 % 60,
        since_midnight % 1_000,
    )
}

/// `2026-11-22T03:04:05.123Z`, `ms` milliseconds after the canary's start.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    let (h, m, s, ms) = clock(ms);
    format!("2026-11-22T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

/// `2026-11-22 03:04:05,123`: as Java and Python loggers write it.
pub(crate) fn comma(ms: i64) -> String {
    let (h, m, s, ms) = clock(ms);
    format!("2026-11-22 {h:02}:{m:02}:{s:02},{ms:03}")
}

/// `22/Nov/2026:03:04:05 +0000`: as access logs write it.
pub(crate) fn access(ms: i64) -> String {
    let (h, m, s, _) = clock(ms);
    format!("22/Nov/2026:{h:02}:{m:02}:{s:02} +0000")
}

/// `Nov 22 03:04:05`: as syslog writes it.
pub(crate) fn syslog(ms: i64) -> String {
    let (h, m, s, _) = clock(ms);
    format!("Nov 22 {h:02}:{m:02}:{s:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_each_ecosystem_does() {
        assert_eq!(rfc3339(61_007), "2026-11-22T03:05:06.007Z");
        assert_eq!(comma(0), "2026-11-22 03:04:05,000");
        assert_eq!(access(0), "22/Nov/2026:03:04:05 +0000");
        assert_eq!(syslog(-5_000), "Nov 22 03:04:00");
    }
}
