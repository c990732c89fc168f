//! What the traffic has met: counts, how long answers took, and the newest
//! ones as squares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arm::{Arm, Both};

/// Answers that the percentiles of an arm are made of.
const RECENT: usize = 1_000;

/// Squares that wait to be shown; what comes on top is counted and not shown.
pub(crate) const MAX_SQUARES: usize = 200;

/// One answered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Square {
    pub(crate) arm: Arm,
    pub(crate) status: u16,
    pub(crate) took_us: u32,
}

/// What one arm has answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct ArmTally {
    pub(crate) requests: u64,
    /// Of those, answered with 500 and above.
    pub(crate) errors: u64,
    recent_us: Vec<u32>,
    next: usize,
}

impl ArmTally {
    fn count(&mut self, square: Square) {
        self.requests += 1;
        self.errors += u64::from(square.status >= 500);
        if self.recent_us.len() < RECENT {
            self.recent_us.push(square.took_us);
        } else {
            self.recent_us[self.next % RECENT] = square.took_us;
            self.next = self.next.wrapping_add(1);
        }
    }

    /// Percentiles of the newest answers, in milliseconds; 0 of none.
    pub(crate) fn percentiles_ms<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut sorted = self.recent_us.clone();
        sorted.sort_unstable();
        shares.map(|share| {
            let Some(last) = sorted.len().checked_sub(1) else {
                return 0.0;
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index below a thousand"
            )]
            let at = (share * last as f64).round() as usize;
            f64::from(sorted[at.min(last)]) / 1_000.0
        })
    }
}

/// All answers so far.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    arms: Both<ArmTally>,
    squares: Vec<Square>,
    /// Since the release began.
    release: Both<u64>,
}

impl Tally {
    pub(crate) fn count(&self, square: Square) {
        let mut counted = self.lock();
        counted.arms.of_mut(square.arm).count(square);
        *counted.release.of_mut(square.arm) += 1;
        if counted.squares.len() < MAX_SQUARES {
            counted.squares.push(square);
        }
    }

    /// A new canary begins: it has answered nothing yet.
    pub(crate) fn begin_release(&self) {
        let mut counted = self.lock();
        counted.arms.canary = ArmTally::default();
        counted.release = Both::default();
    }

    /// The canary is stable from now on.
    pub(crate) fn promote(&self) {
        let mut counted = self.lock();
        counted.arms.stable = std::mem::take(&mut counted.arms.canary);
    }

    pub(crate) fn arms(&self) -> Both<ArmTally> {
        self.lock().arms.clone()
    }

    /// Requests of each arm since the release began.
    pub(crate) fn of_release(&self) -> Both<u64> {
        self.lock().release
    }

    /// Squares that were not taken yet.
    pub(crate) fn take_squares(&self) -> Vec<Square> {
        std::mem::take(&mut self.lock().squares)
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(arm: Arm, status: u16, took_us: u32) -> Square {
        Square {
            arm,
            status,
            took_us,
        }
    }

    #[test]
    fn counts_and_percentiles() {
        let tally = Tally::default();
        for n in 1..=100 {
            let status = if n % 10 == 0 { 500 } else { 200 };
            tally.count(square(Arm::Canary, status, n * 1_000));
        }
        let arms = tally.arms();
        assert_eq!((arms.canary.requests, arms.canary.errors), (100, 10));
        let [median, p99] = arms.canary.percentiles_ms([0.5, 0.99]);
        assert!((50.0..=51.0).contains(&median) && (99.0..=100.0).contains(&p99));
        assert_eq!(arms.stable.percentiles_ms([0.5]), [0.0]);
    }

    #[test]
    fn squares_and_percentiles_are_bounded() {
        let tally = Tally::default();
        for _ in 0..5 * RECENT {
            tally.count(square(Arm::Stable, 200, 1));
        }
        assert_eq!(tally.take_squares().len(), MAX_SQUARES);
        assert_eq!(tally.take_squares(), []);
        let stable = tally.arms().stable;
        assert_eq!((stable.recent_us.len(), stable.requests), (RECENT, 5_000));
    }

    #[test]
    fn a_release_begins_at_nothing_and_a_promotion_moves_the_counts() {
        let tally = Tally::default();
        tally.count(square(Arm::Stable, 200, 1));
        tally.count(square(Arm::Canary, 200, 1));
        tally.begin_release();
        assert_eq!(tally.of_release(), Both::default());
        assert_eq!(tally.arms().canary.requests, 0);
        tally.count(square(Arm::Canary, 500, 1));
        tally.promote();
        let arms = tally.arms();
        assert_eq!((arms.stable.errors, arms.canary.requests), (1, 0));
    }
}
