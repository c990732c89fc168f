//! What each arm did over time, for people to look at.
//!
//! A profile keeps a short history besides its buckets: files that were not
//! read over one window have a single bucket, and a picture of one point shows
//! nothing. Nothing here decides anything.

use serde::{Deserialize, Serialize};

use crate::evidence::{ArmEvidence, Evidence};

/// Slices of a history, and of a timeline, at most: what a picture can show.
pub const MAX_SLICES: usize = 96;
/// The same, as a span of slice numbers.
const MAX_SPAN: i64 = 96;
const _: () = assert!(MAX_SPAN.cast_unsigned() as usize == MAX_SLICES, "one limit");
/// Narrowest slice, in milliseconds.
const MIN_SLICE_MS: i64 = 1_000;
/// Widest slice, in milliseconds (34 years): a wrong clock makes wide ones.
const MAX_SLICE_MS: i64 = MIN_SLICE_MS << 30;

/// Both arms over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// Width of a slice in milliseconds; 0 when no line had a time.
    pub slice_ms: i64,
    /// Stable's slices.
    pub stable: ArmTimeline,
    /// The canary's slices.
    pub canary: ArmTimeline,
}

/// One arm over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmTimeline {
    /// Start of the first slice, milliseconds since the Unix epoch; `None`
    /// when no line had a time. Arms read over one window start together.
    pub start_ms: Option<i64>,
    /// One after the other without a gap, at most [`MAX_SLICES`].
    pub slices: Vec<Slice>,
}

/// What was said in one slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    /// Events of any kind.
    pub events: u64,
    /// Events at ERROR and above.
    pub errors: u64,
    /// Requests, without probes.
    pub requests: u64,
    /// Requests answered with a 5xx status.
    pub server_errors: u64,
}

impl Slice {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.errors += other.errors;
        self.requests += other.requests;
        self.server_errors += other.server_errors;
    }
}

/// A log's events over its own time: as many slices as fit, wider as it grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Width of a slice in milliseconds; 0 before the first event.
    pub slice_ms: i64,
    /// Number of the slice (time over width) and what it counts, in order.
    pub slices: Vec<(i64, Slice)>,
}

impl History {
    /// Counts an event.
    pub(crate) fn add(&mut self, ms: i64, what: Slice, places: &mut Places) {
        if self.slice_ms == 0 {
            self.slice_ms = MIN_SLICE_MS;
        }
        // A division less for nearly every event: it is in the last slice.
        let slice_ms = self.slice_ms;
        if let Some((last, slice)) = self.slices.last_mut()
            && last
                .checked_mul(slice_ms)
                .and_then(|start_ms| ms.checked_sub(start_ms))
                .is_some_and(|within_ms| (0..slice_ms).contains(&within_ms))
        {
            slice.add(what);
            return;
        }
        let index = ms.div_euclid(slice_ms);
        let place = &mut places.0[index.rem_euclid(PLACES) as usize];
        if let Some((own, slice)) = self.slices.get_mut(usize::from(*place))
            && *own == index
        {
            slice.add(what);
            return;
        }
        if let Some(at) = self.insert(index, what) {
            *place = u8::try_from(at).unwrap_or_default();
        }
        while self.span() > MAX_SPAN && self.slice_ms < MAX_SLICE_MS {
            self.widen(self.slice_ms * 2);
        }
    }

    /// Counts in a slice, and says which; none when there is no room for it.
    fn insert(&mut self, index: i64, what: Slice) -> Option<usize> {
        match self.slices.binary_search_by_key(&index, |slice| slice.0) {
            Ok(at) => {
                self.slices[at].1.add(what);
                Some(at)
            }
            // Further away than the widest slices reach: a clock gone wrong.
            Err(_) if self.slices.len() >= 2 * MAX_SLICES => None,
            Err(at) => {
                self.slices.insert(at, (index, what));
                Some(at)
            }
        }
    }

    /// Slices from the first to the last, gaps counted.
    fn span(&self) -> i64 {
        match (self.slices.first(), self.slices.last()) {
            (Some(first), Some(last)) => last.0.saturating_sub(first.0).saturating_add(1),
            _ => 0,
        }
    }

    fn widen(&mut self, slice_ms: i64) {
        let factor = slice_ms / self.slice_ms.max(1);
        self.slice_ms = slice_ms;
        let slices = std::mem::take(&mut self.slices);
        for (index, slice) in slices {
            self.insert(index.div_euclid(factor.max(1)), slice);
        }
    }
}

/// Places remembered: a power of two, so that none is divided for.
const PLACES: i64 = 256;

/// Where slices were found last, by the last bits of their number: in a log
/// whose times jump, looking for one would cost more than counting in it. A
/// place may be out of date; whoever looks there sees whether it is.
#[derive(Clone, Debug)]
pub(crate) struct Places([u8; PLACES as usize]);

impl Default for Places {
    fn default() -> Self {
        Self([0; PLACES as usize])
    }
}

/// Both arms over time, in slices of one width.
#[must_use]
pub fn timeline(evidence: &Evidence) -> Timeline {
    let start_ms = evidence.window.start_ms;
    let mut stable = joined(&evidence.stable, start_ms);
    let mut canary = joined(&evidence.canary, start_ms);
    let mut slice_ms = stable.slice_ms.max(canary.slice_ms);
    if slice_ms == 0 {
        return Timeline::default();
    }
    for history in [&mut stable, &mut canary] {
        if history.slice_ms > 0 {
            history.widen(slice_ms);
        }
    }
    let first = start_ms.map(|start_ms| start_ms.div_euclid(slice_ms));
    let longest = |history: &History| -> i64 {
        let last = history.slices.last().map_or(0, |slice| slice.0);
        let first = first.or(history.slices.first().map(|slice| slice.0));
        last.saturating_sub(first.unwrap_or(last)).saturating_add(1)
    };
    while longest(&stable).max(longest(&canary)) > MAX_SPAN && slice_ms < MAX_SLICE_MS {
        slice_ms *= 2;
        for history in [&mut stable, &mut canary] {
            if history.slice_ms > 0 {
                history.widen(slice_ms);
            }
        }
        if start_ms.is_some_and(|start_ms| start_ms.div_euclid(slice_ms) == 0) {
            break;
        }
    }
    let first = start_ms.map(|start_ms| start_ms.div_euclid(slice_ms));
    Timeline {
        slice_ms,
        stable: laid_out(&stable, first),
        canary: laid_out(&canary, first),
    }
}

/// The logs of an arm as one history, without what was before the window.
fn joined(arm: &ArmEvidence, start_ms: Option<i64>) -> History {
    let histories = || arm.logs.iter().map(|log| &log.profile.history);
    let mut joined = History {
        slice_ms: histories().map(|h| h.slice_ms).max().unwrap_or_default(),
        slices: Vec::new(),
    };
    for history in histories().filter(|history| history.slice_ms > 0) {
        let mut history = history.clone();
        history.widen(joined.slice_ms);
        for (index, slice) in history.slices {
            let ends_ms = index.saturating_add(1).saturating_mul(joined.slice_ms);
            if start_ms.is_none_or(|start_ms| ends_ms > start_ms) {
                joined.insert(index, slice);
            }
        }
    }
    joined
}

fn laid_out(history: &History, first: Option<i64>) -> ArmTimeline {
    let Some(first) = first.or(history.slices.first().map(|slice| slice.0)) else {
        return ArmTimeline::default();
    };
    let mut slices = Vec::new();
    for (index, slice) in &history.slices {
        let Ok(at) = usize::try_from(index.saturating_sub(first)) else {
            continue;
        };
        if at >= MAX_SLICES {
            break;
        }
        slices.resize(at + 1, Slice::default());
        slices[at].add(*slice);
    }
    ArmTimeline {
        start_ms: Some(first.saturating_mul(history.slice_ms)),
        slices,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Slice = Slice {
        events: 1,
        errors: 0,
        requests: 1,
        server_errors: 0,
    };

    #[test]
    fn a_history_never_has_more_slices_than_a_picture() {
        let (mut history, mut places) = (History::default(), Places::default());
        for second in 0..100_000 {
            history.add(second * 1_000, ONE, &mut places);
        }
        assert!(history.slices.len() <= MAX_SLICES);
        let events: u64 = history.slices.iter().map(|slice| slice.1.events).sum();
        assert_eq!(events, 100_000, "nothing is lost as it widens");
        // Clocks that jump to the ends of time.
        for ms in [i64::MIN, i64::MAX, 0, -1, i64::MAX / 2] {
            history.add(ms, ONE, &mut places);
            assert!(history.slices.len() <= 2 * MAX_SLICES);
        }
    }

    #[test]
    fn times_that_jump_count_as_those_in_order_do() {
        let (mut jumping, mut in_order) = (History::default(), History::default());
        let mut places = Places::default();
        let times = (0..5_000).map(|at| at * 7_919 % 3_600 * 1_000);
        for ms in times.clone() {
            jumping.add(ms, ONE, &mut places);
        }
        let mut times: Vec<i64> = times.collect();
        times.sort_unstable();
        for ms in times {
            in_order.add(ms, ONE, &mut Places::default());
        }
        assert_eq!(jumping, in_order);
    }

    #[test]
    fn arms_of_one_window_start_together_and_files_each_at_their_own_time() {
        let mut evidence = Evidence::default();
        let log = |from: i64| {
            let mut profile = crate::Profile::default();
            let mut places = Places::default();
            for second in from..from + 10 {
                profile.history.add(second * 1_000, ONE, &mut places);
            }
            crate::evidence::LogProfile {
                pod: "p".into(),
                container: String::new(),
                previous: false,
                profile,
            }
        };
        evidence.stable.logs.push(log(1_000));
        evidence.canary.logs.push(log(90_000));
        let apart = timeline(&evidence);
        assert_eq!(apart.stable.start_ms, Some(1_000_000));
        assert_eq!(apart.canary.start_ms, Some(90_000_000));
        assert_eq!(
            (apart.stable.slices.len(), apart.canary.slices.len()),
            (10, 10)
        );
        evidence.window = crate::Window::new(1_005_000, 1_030_000);
        evidence.canary.logs[0] = log(1_003);
        let together = timeline(&evidence);
        assert_eq!(together.stable.start_ms, together.canary.start_ms);
        assert_eq!(together.stable.slices.len(), 5, "from the window's start");
    }
}
