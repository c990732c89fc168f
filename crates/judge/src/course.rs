//! How a log's failures are spread over its course.
//!
//! Files that were not read over one time have no buckets to compare, and
//! their events are no independent trials: a machine that was ill for an hour
//! fills a tenth of its log with errors. What is independent is, roughly, one
//! part of the log from another. A log's course is cut into slices of equally
//! many events; slices double as the log grows, so that there are never more
//! than bits in a word.

use serde::{Deserialize, Serialize};

/// Slices at most: the bits of a [`Spread`].
const MAX_SLICES: u32 = 64;
/// Events of the narrowest slice.
const MIN_SLICE_EVENTS: u64 = 32;
/// Parts that a log counts as: as many occasions as it has parts, at most.
const PARTS: u32 = 16;

/// What goes on is seen in a fourth of the parts.
const PARTS_A_QUARTER: u64 = 4;
/// And in so many of them at least, if there are so many.
const MIN_GOING_ON: u64 = 3;

/// In which slices something was seen: bit `n` for slice `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spread(pub u64);

impl Spread {
    fn halve(&mut self) {
        let mut halved = 0;
        for slice in 0..MAX_SLICES / 2 {
            let both = (self.0 >> (2 * slice)) & 3;
            halved |= u64::from(both != 0) << slice;
        }
        self.0 = halved;
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The course of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// Events of a slice.
    pub slice_events: u64,
    /// Events at ERROR and above of each slice; as many as there are slices.
    pub errors: Vec<u32>,
    /// Where failures were seen, at whatever level.
    pub failures: Spread,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            slice_events: MIN_SLICE_EVENTS,
            errors: Vec::new(),
            failures: Spread::default(),
        }
    }
}

impl Course {
    /// The slice of the `event`th event, counted from 1; `None` when slices
    /// must become wider first.
    pub(crate) fn slice_of(&self, event: u64) -> Option<u32> {
        let slice = event.saturating_sub(1) / self.slice_events;
        u32::try_from(slice)
            .ok()
            .filter(|slice| *slice < MAX_SLICES)
    }

    /// Makes each slice twice as wide; spreads must follow.
    pub(crate) fn widen<'a>(&mut self, spreads: impl Iterator<Item = &'a mut Spread>) {
        self.slice_events = self.slice_events.saturating_mul(2);
        self.errors = self
            .errors
            .chunks(2)
            .map(|pair| {
                pair.iter()
                    .fold(0_u32, |sum, count| sum.saturating_add(*count))
            })
            .collect();
        self.failures.halve();
        for spread in spreads {
            spread.halve();
        }
    }

    /// Counts an event of a slice.
    pub(crate) fn add(&mut self, slice: u32, error: bool, failure: bool) {
        let at = slice as usize;
        if self.errors.len() <= at {
            self.errors.resize(at + 1, 0);
        }
        self.errors[at] = self.errors[at].saturating_add(u32::from(error));
        self.failures.0 |= u64::from(failure) << slice;
    }

    /// The part that a slice belongs to.
    fn part(&self, slice: u32) -> u32 {
        let slices = u32::try_from(self.errors.len())
            .unwrap_or(MAX_SLICES)
            .max(1);
        slice * PARTS.min(slices) / slices
    }

    /// In how many parts of the log something was seen.
    pub(crate) fn parts(&self, spread: Spread) -> u64 {
        let mut parts = 0_u32;
        for slice in (0..MAX_SLICES).filter(|slice| spread.0 >> slice & 1 == 1) {
            parts |= 1_u32.checked_shl(self.part(slice)).unwrap_or(0);
        }
        u64::from(parts.count_ones())
    }

    /// How many parts the log has.
    pub(crate) fn all_parts(&self) -> u64 {
        self.errors.len().min(PARTS as usize) as u64
    }

    /// Whether something went on: it was seen in several parts of the log, not
    /// only as the process started or on one occasion.
    pub(crate) fn goes_on(&self, spread: Spread) -> bool {
        let all = self.all_parts();
        let least = (all / PARTS_A_QUARTER + 1).max(MIN_GOING_ON).min(all);
        all > 1 && self.parts(spread) >= least
    }

    /// Errors of each part.
    pub(crate) fn errors_by_part(&self) -> Vec<u64> {
        let mut parts = Vec::new();
        for (slice, errors) in (0..).zip(&self.errors) {
            let part = self.part(slice) as usize;
            if parts.len() <= part {
                parts.resize(part + 1, 0);
            }
            parts[part] += u64::from(*errors);
        }
        parts
    }

    /// Where errors were seen.
    pub(crate) fn error_parts(&self) -> u64 {
        self.errors_by_part()
            .iter()
            .filter(|errors| **errors > 0)
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(errors: impl Fn(u64) -> bool, events: u64) -> (Course, Spread) {
        let (mut course, mut spread) = (Course::default(), Spread::default());
        for event in 1..=events {
            let slice = loop {
                match course.slice_of(event) {
                    Some(slice) => break slice,
                    None => course.widen(std::iter::once(&mut spread)),
                }
            };
            let error = errors(event);
            course.add(slice, error, error);
            spread.0 |= u64::from(error) << slice;
        }
        (course, spread)
    }

    #[test]
    fn a_burst_is_few_parts_and_a_steady_trickle_all() {
        for events in [600, 5_000, 1_000_000] {
            let (burst, spread) = course(
                |event| event > events / 2 && event < events * 6 / 10,
                events,
            );
            assert!(burst.parts(spread) <= 3, "{}", burst.parts(spread));
            assert_eq!(burst.parts(spread), burst.error_parts());
            let (steady, spread) = course(|event| event % 20 == 0, events);
            assert_eq!(steady.parts(spread), 16);
            let counted: u64 = steady.errors_by_part().iter().sum();
            assert_eq!(counted, events / 20, "nothing is lost as slices widen");
        }
        let (short, spread) = course(|_| true, 50);
        assert_eq!(short.parts(spread), 2, "a short log has few parts");
    }
}
