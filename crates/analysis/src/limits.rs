//! How much one look may read, wait and hold.

use std::time::Duration;

/// The limits of one look. The defaults hold a process with twenty looks at
/// once, each over ten pods of 5 MiB, well below 128 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pods of an arm whose logs are read; the rest is recorded as left out.
    /// Twenty pods show a difference that is there, and a hundred would not
    /// show it sooner than traffic does.
    pub pods_per_arm: usize,
    /// Bytes of one log. Above what a kubelet keeps by default (10 MiB), so
    /// that only clusters with larger files meet it; the newest bytes are kept.
    pub log_bytes: u64,
    /// Lines of one log; the newest are kept.
    pub log_lines: u64,
    /// Bytes of all logs of one look; shared evenly, so that which log is cut
    /// does not depend on which one answers first.
    pub all_log_bytes: u64,
    /// One log, from the request to its last byte.
    pub log_time: Duration,
    /// One request for objects (pods, events, the Rollout).
    pub request_time: Duration,
    /// The whole look; logs that were not read by then are left out.
    pub look_time: Duration,
    /// Logs of one look that are read at the same time. The process has a
    /// limit of its own, [`PARALLEL_LOGS`].
    pub parallel_logs: usize,
    /// Times that a request is repeated after 429, 5xx or a lost connection.
    pub retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pods_per_arm: 20,
            log_bytes: 16 << 20,
            log_lines: 250_000,
            all_log_bytes: 256 << 20,
            log_time: Duration::from_secs(15),
            request_time: Duration::from_secs(10),
            look_time: Duration::from_secs(45),
            parallel_logs: 8,
            retries: 3,
        }
    }
}

/// Logs that a process reads at the same time, over all looks: each holds a
/// connection's buffers (up to 0.5 MiB) and one open profile.
pub const PARALLEL_LOGS: usize = 16;

/// Requests for objects (lists, the Rollout) that a process has open at the
/// same time, over all looks: each may hold a page of pods in memory.
pub const PARALLEL_OBJECTS: usize = 8;

/// Bytes of one answer that holds objects. A page of 100 pods is about 1 MiB.
pub const MAX_OBJECT_BYTES: usize = 8 << 20;

/// Objects asked for in one page.
pub const PAGE_SIZE: u32 = 100;

/// Pages of one list: 1,000 pods of one arm are more than any judge needs.
pub const MAX_PAGES: usize = 10;

/// The longest wait that a server may ask for with `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The first wait before a repetition; it doubles each time.
pub const FIRST_RETRY_WAIT: Duration = Duration::from_millis(200);

/// The longest window: a canary that is older is judged by its last days. It
/// also bounds a start that comes back from an edited measurement.
pub const MAX_WINDOW_MS: i64 = 7 * 24 * 3600 * 1000;

/// Entries of what was left out: a thousand pods that cannot be read need not
/// be a thousand lines.
pub const MAX_LEFT_OUT: usize = 100;

/// Kubernetes events kept for one arm: a crash loop repeats itself.
pub const MAX_EVENTS_PER_ARM: usize = 200;
