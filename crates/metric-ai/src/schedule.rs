//! When a measurement asks again, and when it stops asking.
//!
//! Pure: time comes in as an argument. A step run holds the rollout until it
//! ends, so it may wait. A background run does not: once the last step has
//! ended the canary is promoted unjudged, so its measurement must have answered
//! by then, and only a finished one pauses the rollout.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The run's label that says what kind of run it is.
pub const KIND_LABEL: &str = "rollout-type";

/// How long a run that holds the rollout waits for a verdict by default.
const MAX_WAIT: Duration = Duration::from_secs(5 * 60);

/// How long a background run waits when it cannot be told how long the steps
/// last: shorter than the steps of nearly every strategy in use.
const UNKNOWN_STEPS_WAIT: Duration = Duration::from_secs(30);

/// A background run answers this long before the last step can end: time for
/// the controller to see the answer and to pause.
const LAST_STEP_MARGIN: Duration = Duration::from_secs(10);

/// How much of [`LAST_STEP_MARGIN`] a look that is under way may use up.
const BACKGROUND_GRACE: Duration = Duration::from_secs(7);

/// How long the controller waits before it measures again after an error, and
/// what the next measurement takes until it can answer.
const RETRY: Duration = Duration::from_secs(10 + 5);

/// The longest that a look may take once its turn has come. How long it waits
/// for that is bounded by the measurement's own deadline: that many analyses
/// run at once is no fault of this one.
pub const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// The same where an agent looks: its health and its analysis have limits of
/// their own (10 s and 5 min), which say more of what went wrong.
pub const AGENT_LOOK_LIMIT: Duration = Duration::from_secs(320);

/// First and longest time between two questions about a look under way. Each
/// question is a write to the API server, so a slow look is asked less often.
const LOOK_POLL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Shortest and longest time between two looks. What breaks in between is seen
/// that much later, however long a promotion still takes; a look at a dozen
/// logs takes about a tenth of a second.
const BETWEEN_LOOKS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// The longest time to the next question that is ever given, and a second for
/// times that are rounded up.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10 + 1);

/// Time to the next look when nothing says how long the missing evidence
/// takes: mostly before the first request.
const UNKNOWN_MISSING: Duration = Duration::from_secs(5);

/// Who waits for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// The rollout waits for the run (a step, a pre- or post-promotion, a run
    /// that someone started by hand).
    Holding,
    /// The steps go on meanwhile.
    Background,
}

impl RunKind {
    /// Reads the value of the label [`KIND_LABEL`].
    pub fn of_label(label: Option<&str>) -> Self {
        match label {
            Some("Background") => Self::Background,
            _ => Self::Holding,
        }
    }
}

/// When a look began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its wait for a turn included.
    pub at: Timestamp,
    /// When its turn came; `None` while it waits for it.
    pub turn: Option<Timestamp>,
}

impl Begun {
    /// A look that need not wait for its turn.
    pub fn at_once(at: Timestamp) -> Self {
        Self { at, turn: Some(at) }
    }
}

/// What a deadline is made of.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Who waits.
    pub kind: RunKind,
    /// When the measurement began.
    pub started_at: Timestamp,
    /// The template's `maxWait`.
    pub max_wait: Option<Duration>,
    /// The longest that one look may take.
    pub look_limit: Duration,
    /// The earliest end of the rollout's last step, where that can be told.
    pub last_step_end: Option<Timestamp>,
}

impl Waiting {
    /// When the measurement answers, whatever is known by then.
    pub fn deadline(&self) -> Timestamp {
        let after = |wait: Duration| later(self.started_at, wait);
        match (self.kind, self.last_step_end) {
            (RunKind::Holding, _) => after(self.max_wait.unwrap_or(MAX_WAIT)),
            (RunKind::Background, Some(end)) => {
                let before_end = earlier(end, LAST_STEP_MARGIN);
                self.max_wait
                    .map_or(before_end, |wait| before_end.min(after(wait)))
            }
            (RunKind::Background, None) => after(
                self.max_wait
                    .map_or(UNKNOWN_STEPS_WAIT, |wait| wait.min(UNKNOWN_STEPS_WAIT)),
            ),
        }
    }

    /// When a look is given up: it may run past the deadline for a while, so
    /// that a measurement begun late still takes one.
    pub fn give_up(&self, begun: Begun) -> Timestamp {
        let grace = match self.kind {
            RunKind::Holding => self.look_limit.min(LOOK_LIMIT),
            RunKind::Background => BACKGROUND_GRACE,
        };
        let patience = later(self.deadline().max(begun.at), grace);
        match begun.turn {
            Some(turn) => patience.min(later(turn, self.look_limit)),
            None => patience,
        }
    }

    /// Whether an error may be left to the controller, which measures again.
    ///
    /// A run that holds the rollout may. A background run may while one more
    /// attempt fits before its last step ends: an error does not pause the
    /// rollout, so the last attempt must not be one. `known_end` is when that
    /// was known to be before this measurement, `run_began` when the run began.
    pub fn bears_an_error(
        &self,
        now: Timestamp,
        known_end: Option<Timestamp>,
        run_began: Timestamp,
    ) -> bool {
        let answer_by = match self.last_step_end.or(known_end) {
            Some(end) => earlier(end, LAST_STEP_MARGIN),
            None => later(run_began, UNKNOWN_STEPS_WAIT),
        };
        self.kind == RunKind::Holding || later(now, RETRY) <= answer_by
    }

    /// When to look again, given what the judgement said about how long the
    /// missing evidence takes. Never past the deadline.
    pub fn next_look(&self, now: Timestamp, missing: Option<Duration>) -> Timestamp {
        let (shortest, longest) = BETWEEN_LOOKS;
        let wait = missing.unwrap_or(UNKNOWN_MISSING).clamp(shortest, longest);
        later(now, wait)
            .min(self.deadline())
            .max(later(now, LOOK_POLL.0))
    }
}

/// When to ask about a look that began at `begun` and is under way.
pub fn poll_look(now: Timestamp, begun: Timestamp) -> Timestamp {
    let age = Duration::try_from(now.duration_since(begun)).unwrap_or_default();
    later(now, age.clamp(LOOK_POLL.0, LOOK_POLL.1))
}

/// `wait` after `time`; the end of time at most.
pub fn later(time: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| time.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| time.checked_sub(wait).ok())
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(START + second).unwrap()
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn waiting(kind: RunKind, max_wait: Option<u64>, last_step_end: Option<i64>) -> Waiting {
        Waiting {
            kind,
            started_at: at(0),
            max_wait: max_wait.map(seconds),
            look_limit: LOOK_LIMIT,
            last_step_end: last_step_end.map(at),
        }
    }

    #[test]
    fn only_a_background_run_does_not_hold_the_rollout() {
        for (label, kind) in [
            (Some("Background"), RunKind::Background),
            (Some("Step"), RunKind::Holding),
            (Some("PrePromotion"), RunKind::Holding),
            (Some("PostPromotion"), RunKind::Holding),
            (None, RunKind::Holding),
        ] {
            assert_eq!(RunKind::of_label(label), kind, "{label:?}");
        }
    }

    #[test]
    fn deadlines() {
        use RunKind::{Background, Holding};
        let table = [
            (waiting(Holding, None, None), 300),
            (waiting(Holding, Some(40), None), 40),
            (waiting(Holding, None, Some(20)), 300),
            (waiting(Background, None, Some(90)), 80),
            (waiting(Background, Some(30), Some(90)), 30),
            (waiting(Background, Some(600), Some(90)), 80),
            (waiting(Background, None, Some(3)), -7),
            (waiting(Background, None, None), 30),
            (waiting(Background, Some(10), None), 10),
            (waiting(Background, Some(600), None), 30),
        ];
        for (waiting, deadline) in table {
            assert_eq!(waiting.deadline(), at(deadline), "{waiting:?}");
        }
    }

    #[test]
    fn an_error_of_a_background_run_leaves_time_for_one_more_attempt() {
        use RunKind::{Background, Holding};
        let table = [
            (Holding, None, None, 10_000, true),
            (Background, Some(90), None, 65, true),
            (Background, Some(90), None, 66, false),
            // Known from before, when this measurement has not read it.
            (Background, None, Some(90), 65, true),
            (Background, None, Some(90), 66, false),
            // Not known: as long as a measurement waits then.
            (Background, None, None, 15, true),
            (Background, None, None, 16, false),
        ];
        for (kind, end, known_end, now, expected) in table {
            let bears = waiting(kind, None, end).bears_an_error(at(now), known_end.map(at), at(0));
            assert_eq!(bears, expected, "{kind:?} {end:?} {known_end:?} {now}");
        }
    }

    #[test]
    fn a_look_may_pass_the_deadline_but_not_the_last_step() {
        use RunKind::{Background, Holding};
        let background = waiting(Background, None, Some(90));
        assert_eq!(background.give_up(Begun::at_once(at(75))), at(87));
        assert_eq!(
            background.give_up(Begun::at_once(at(5))),
            at(65),
            "no look is longer"
        );
        // Begun after its deadline: it still takes its one look.
        assert_eq!(background.give_up(Begun::at_once(at(200))), at(207));
        let holding = waiting(Holding, None, None);
        assert_eq!(holding.give_up(Begun::at_once(at(299))), at(359));
        assert_eq!(holding.give_up(Begun::at_once(at(1_000))), at(1_060));
    }

    #[test]
    fn a_wait_for_a_turn_is_bounded_by_the_deadline_alone() {
        use RunKind::{Background, Holding};
        let begun = |turn: Option<i64>| Begun {
            at: at(5),
            turn: turn.map(at),
        };
        let holding = waiting(Holding, None, None);
        assert_eq!(holding.give_up(begun(None)), at(360));
        // From its turn on it has the whole time of a look.
        assert_eq!(holding.give_up(begun(Some(200))), at(260));
        assert_eq!(holding.give_up(begun(Some(350))), at(360));
        // Of a background run no wait and no look pass the last step's end.
        let background = waiting(Background, None, Some(90));
        assert_eq!(background.give_up(begun(None)), at(87));
        assert_eq!(background.give_up(begun(Some(86))), at(87));
    }

    #[test]
    fn the_next_look_follows_what_is_missing_and_never_passes_the_deadline() {
        let holding = waiting(RunKind::Holding, None, None);
        let table = [
            (10, None, 15),
            (10, Some(0), 12),
            (10, Some(5), 15),
            (10, Some(3_600), 20),
            (290, Some(15), 300),
            (299, Some(15), 300),
            (300, Some(15), 301),
            (900, Some(15), 901),
        ];
        for (now, missing, expected) in table {
            assert_eq!(
                holding.next_look(at(now), missing.map(seconds)),
                at(expected),
                "at {now}, missing {missing:?}"
            );
        }
    }

    #[test]
    fn a_slow_look_is_asked_about_less_often() {
        let table = [(0, 1), (1, 2), (3, 6), (20, 25), (-5, -4)];
        for (now, expected) in table {
            assert_eq!(poll_look(at(now), at(0)), at(expected), "at {now}");
        }
    }

    #[test]
    fn no_time_overflows() {
        let waiting = Waiting {
            kind: RunKind::Background,
            started_at: Timestamp::MAX,
            max_wait: Some(Duration::MAX),
            look_limit: LOOK_LIMIT,
            last_step_end: Some(Timestamp::MIN),
        };
        assert_eq!(waiting.deadline(), Timestamp::MIN);
        let holding = Waiting {
            kind: RunKind::Holding,
            ..waiting
        };
        assert_eq!(
            holding.give_up(Begun::at_once(Timestamp::MAX)),
            Timestamp::MAX
        );
    }
}
