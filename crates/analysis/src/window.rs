//! The width of the buckets that a window is cut into.

/// Buckets of one window: enough to keep steps of a rollout apart, few enough
/// that a profile stays small.
const MAX_BUCKETS: i64 = 120;

/// Widths, in milliseconds; each divides the next, so that a longer window has
/// coarser buckets and no others.
const WIDTHS_MS: &[u32] = &[
    10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000,
];

/// The width of a bucket in milliseconds; 0 (one bucket) without a start.
pub(crate) fn bucket_ms(start_ms: Option<i64>, end_ms: i64) -> u32 {
    let Some(start_ms) = start_ms else {
        return 0;
    };
    let span_ms = end_ms.saturating_sub(start_ms);
    WIDTHS_MS
        .iter()
        .copied()
        .find(|&width| span_ms / i64::from(width) < MAX_BUCKETS)
        .unwrap_or(WIDTHS_MS[WIDTHS_MS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_windows_have_coarser_buckets_and_never_too_many() {
        for (span_s, expected_s) in [(0, 10), (60, 10), (1_199, 10), (1_200, 30), (86_400, 900)] {
            assert_eq!(
                bucket_ms(Some(0), span_s * 1_000),
                expected_s * 1_000,
                "{span_s}"
            );
        }
        assert!(WIDTHS_MS.windows(2).all(|pair| pair[1] % pair[0] == 0));
        let longest = crate::limits::MAX_WINDOW_MS;
        assert!(longest / i64::from(bucket_ms(Some(0), longest)) < MAX_BUCKETS);
    }

    #[test]
    fn without_a_start_there_is_one_bucket() {
        assert_eq!(bucket_ms(None, 1_000_000), 0);
    }
}
