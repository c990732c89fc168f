//! What a profile counts of one template: events and episodes by bucket, when
//! they came, and whether they came as regularly as a timer.

use serde::{Deserialize, Serialize};

use crate::cells::Cells;
use crate::course::Spread;
use crate::latency::Slot;
use crate::miner::Join;

/// Errors of one log within this time are one episode: one cause that is
/// logged thrice, or a burst of retries, is not many independent failures.
const EPISODE_MS: i64 = 1_000;
/// Without timestamps, this many errors in a row are one episode.
const UNTIMED_EPISODE: u32 = 8;
/// Gaps after which a template may be called regular.
const MIN_GAPS: u32 = 4;
/// Gaps after which nothing more is learnt of them.
const MAX_GAPS: u32 = 2_048;
/// Shortest mean gap of a heartbeat: steady traffic may come every few
/// milliseconds as regularly as clockwork.
const MIN_HEARTBEAT_MS: f64 = 900.0;
/// Shortest mean gap between a timer's episodes: dense traffic begins a new
/// episode each second, as regularly as a timer.
const MIN_TIMER_MS: f64 = 5_000.0;
/// Events of a timer's episode, on average, at most.
const MAX_TIMER_EVENTS: u64 = 4;
/// Standard deviation over mean of a heartbeat's gaps, at most.
const MAX_HEARTBEAT_SPREAD: f64 = 0.15;

/// A template's counts in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Index of the bucket.
    pub bucket: u32,
    /// Events.
    pub count: u32,
    /// Episodes: runs of events within a second of each other's first.
    pub episodes: u32,
}

/// A run of events that count as one cause.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Episode {
    start_ms: Option<i64>,
    /// Number of the last event, to see whether the next follows at once.
    last_event: u64,
    size: u32,
}

impl Episode {
    /// Takes one more event in; whether it begins a new episode.
    pub(crate) fn begins(&mut self, ms: Option<i64>, event: u64, alone: bool) -> bool {
        let same = match (self.start_ms, ms) {
            (Some(start), Some(now)) => self.size > 0 && (0..EPISODE_MS).contains(&(now - start)),
            (None, None) => {
                !alone
                    && self.size > 0
                    && self.size < UNTIMED_EPISODE
                    && self.last_event + 1 == event
            }
            _ => false,
        };
        self.last_event = event;
        if same {
            self.size = self.size.saturating_add(1);
        } else {
            *self = Self {
                start_ms: ms,
                last_event: event,
                size: 1,
            };
        }
        !same
    }

    /// What the sum of the squares of the episodes' sizes grows by, now that
    /// the size has, if this event is `counted`.
    pub(crate) fn square_growth_if(&self, counted: bool) -> u64 {
        if counted {
            (2 * u64::from(self.size)).saturating_sub(1)
        } else {
            0
        }
    }
}

/// What is counted of one template.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub cells: Cells,
    /// Events from before the window.
    pub before: u64,
    /// Failures while the process was starting.
    pub at_start: u64,
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
    /// In which slices of the log's course.
    pub spread: Spread,
    /// Where a request keeps its duration: `None` until one was looked at.
    pub slot: Option<Option<Slot>>,
    episode: Episode,
    gaps: Gaps,
    last_episode_ms: Option<i64>,
    episode_gaps: Gaps,
}

impl Counts {
    pub(crate) fn add(&mut self, bucket: u32, ms: Option<i64>, event: u64) {
        let begins = self.episode.begins(ms, event, false);
        self.cells.add(bucket, begins);
        let Some(ms) = ms else { return };
        if let Some(last) = self.last_ms {
            self.gaps.add(ms.saturating_sub(last));
        }
        if begins {
            if let Some(last) = self.last_episode_ms {
                self.episode_gaps.add(ms.saturating_sub(last));
            }
            self.last_episode_ms = Some(ms);
        }
        self.first_ms = Some(self.first_ms.map_or(ms, |first| first.min(ms)));
        self.last_ms = Some(ms);
    }

    /// A failure while the process was starting.
    pub(crate) fn add_at_start(&mut self, ms: Option<i64>) {
        self.at_start += 1;
        self.first_ms = self.first_ms.or(ms);
        self.last_ms = ms.or(self.last_ms);
    }

    /// Whether it comes at regular times: each event, or (a timer's job that
    /// says several things) each small episode. `None` when it was seen too
    /// rarely to say.
    pub(crate) fn regular(&self) -> Option<bool> {
        let (events, episodes) = self.cells.sums();
        let timer = events <= MAX_TIMER_EVENTS * episodes
            && self.episode_gaps.regular(MIN_TIMER_MS) == Some(true);
        if timer {
            return Some(true);
        }
        self.gaps.regular(MIN_HEARTBEAT_MS)
    }
}

impl Join for Counts {
    fn join(&mut self, other: Self) {
        self.cells.join(other.cells);
        self.before += other.before;
        self.at_start += other.at_start;
        self.spread.join(other.spread);
        self.first_ms = [self.first_ms, other.first_ms].into_iter().flatten().min();
        self.last_ms = [self.last_ms, other.last_ms].into_iter().flatten().max();
        // Two templates' gaps say nothing about their union's.
        self.gaps = Gaps::default();
        self.episode_gaps = Gaps::default();
        self.last_episode_ms = None;
    }
}

/// Mean and spread of the time between events (Welford's method).
#[derive(Clone, Copy, Debug, Default)]
struct Gaps {
    n: u32,
    mean: f64,
    squares: f64,
}

impl Gaps {
    fn add(&mut self, gap_ms: i64) {
        // A timer is known by then, and so is traffic.
        if self.n >= MAX_GAPS {
            return;
        }
        self.n += 1;
        let gap = gap_ms as f64;
        let delta = gap - self.mean;
        self.mean += delta / f64::from(self.n);
        self.squares += delta * (gap - self.mean);
    }

    fn regular(&self, least_ms: f64) -> Option<bool> {
        if self.n < MIN_GAPS {
            return None;
        }
        let spread = (self.squares / f64::from(self.n)).sqrt() / self.mean.max(1.0);
        Some(self.mean >= least_ms && spread <= MAX_HEARTBEAT_SPREAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regular(times_ms: impl IntoIterator<Item = i64>) -> Option<bool> {
        let mut counts = Counts::default();
        for (event, ms) in (1..).zip(times_ms) {
            counts.add(0, Some(ms), event);
        }
        counts.regular()
    }

    #[test]
    fn timers_are_told_from_traffic() {
        assert_eq!(
            regular((0..10).map(|i| i * 1_000)),
            Some(true),
            "a heartbeat"
        );
        assert_eq!(
            regular((0..12).map(|i| i / 2 * 60_000 + i % 2 * 30)),
            Some(true),
            "a timer that says two things each time"
        );
        assert_eq!(
            regular((0..500).map(|i| i * 100)),
            Some(false),
            "steady traffic"
        );
        assert_eq!(
            regular((0..500).map(|i| i * 20 + (i * 7919) % 97)),
            Some(false),
            "dense traffic begins an episode each second"
        );
        assert_eq!(
            regular([0, 5_000, 90_000, 91_000, 400_000, 410_000]),
            Some(false)
        );
        assert_eq!(regular([0, 60_000]), None, "too few to say");
    }
}
