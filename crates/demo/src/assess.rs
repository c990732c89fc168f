//! How measurements add up to the phase of their run, as the controller counts
//! them (`analysis/analysis.go`). Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rollouts_plugin::{IntOrString, Measurement, Metric, MetricResult, Phase};

/// Measurements that are kept; the controller's default.
pub(crate) const KEPT_MEASUREMENTS: usize = 10;

/// Errors in a row that are tolerated; the controller's default.
const CONSECUTIVE_ERROR_LIMIT: i32 = 4;

/// When a measurement that ended in an error is repeated, without an interval;
/// the controller's default.
const ERROR_RETRY: Duration = Duration::from_secs(10);

/// How often it is measured, and what is tolerated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Time between measurements; without one there is a single measurement,
    /// unless `count` says otherwise.
    pub interval: Option<Duration>,
    /// How many measurements; with an interval and no count it never ends.
    pub count: Option<i32>,
    /// Failed measurements that are tolerated.
    pub failure_limit: i32,
    /// Inconclusive measurements that are tolerated.
    pub inconclusive_limit: i32,
}

impl Rules {
    /// The same as a metric's fields.
    pub(crate) fn write(self, metric: &mut Metric) {
        if let Some(interval) = self.interval {
            metric.interval = format!("{}ms", interval.as_millis());
        }
        metric.count = self.count.map(IntOrString::Int);
        let limit = |limit| (limit != 0).then_some(IntOrString::Int(limit));
        metric.failure_limit = limit(self.failure_limit);
        metric.inconclusive_limit = limit(self.inconclusive_limit);
    }

    fn effective_count(self) -> Option<i32> {
        match (self.count, self.interval) {
            (Some(count), _) => Some(count),
            (None, None) => Some(1),
            (None, Some(_)) => None,
        }
    }

    /// The metric's phase, of what has been measured.
    pub(crate) fn assess(self, result: &MetricResult, terminating: bool) -> Phase {
        let Some(last) = result.measurements.last() else {
            return if terminating {
                Phase::Successful
            } else {
                Phase::Pending
            };
        };
        if !last.phase.is_completed() {
            return Phase::Running;
        }
        if result.failed > self.failure_limit {
            return Phase::Failed;
        }
        if result.inconclusive > self.inconclusive_limit {
            return Phase::Inconclusive;
        }
        if result.consecutive_error > CONSECUTIVE_ERROR_LIMIT {
            return Phase::Error;
        }
        let counted = self
            .effective_count()
            .is_some_and(|count| result.count >= count);
        if counted || terminating {
            Phase::Successful
        } else {
            Phase::Running
        }
    }

    /// When the next call is due, of a run that is not over; `None` where no
    /// call is.
    pub(crate) fn due(self, result: &MetricResult, now: Timestamp) -> Option<Timestamp> {
        let Some(last) = result.measurements.last() else {
            return Some(now);
        };
        let Some(finished_at) = last.finished_at else {
            return Some(last.resume_at.unwrap_or(now));
        };
        if self
            .effective_count()
            .is_some_and(|count| result.count >= count)
        {
            return None;
        }
        let wait = SignedDuration::try_from(self.interval.unwrap_or(ERROR_RETRY)).ok()?;
        finished_at.checked_add(wait).ok()
    }
}

/// Puts a measurement into the result: in the place of the one that was under
/// way, or behind the last.
pub(crate) fn record(result: &mut MetricResult, mut measurement: Measurement, now: Timestamp) {
    if measurement.phase.is_completed() {
        measurement.finished_at = measurement.finished_at.or(Some(now));
        match measurement.phase {
            Phase::Error => {
                result.error += 1;
                result.consecutive_error += 1;
            }
            phase => {
                result.count += 1;
                result.consecutive_error = 0;
                result.successful += i32::from(phase == Phase::Successful);
                result.failed += i32::from(phase == Phase::Failed);
                result.inconclusive += i32::from(phase == Phase::Inconclusive);
            }
        }
        result.consecutive_success = if measurement.phase == Phase::Successful {
            result.consecutive_success + 1
        } else {
            0
        };
    }
    match result.measurements.last_mut() {
        Some(last) if last.finished_at.is_none() => *last = measurement,
        _ => result.measurements.push(measurement),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn measured(phase: Phase) -> Measurement {
        Measurement {
            phase,
            ..Measurement::default()
        }
    }

    fn result(phases: &[Phase]) -> MetricResult {
        let mut result = MetricResult::default();
        for phase in phases {
            record(&mut result, measured(*phase), at(0));
        }
        result
    }

    const ONCE: Rules = Rules {
        interval: None,
        count: None,
        failure_limit: 0,
        inconclusive_limit: 0,
    };

    #[test]
    fn one_measurement_decides_where_nothing_else_is_said() {
        let table = [
            (Phase::Successful, Phase::Successful),
            (Phase::Failed, Phase::Failed),
            (Phase::Inconclusive, Phase::Inconclusive),
            (Phase::Error, Phase::Running),
            (Phase::Running, Phase::Running),
        ];
        for (measured, expected) in table {
            assert_eq!(ONCE.assess(&result(&[measured]), false), expected);
        }
        assert_eq!(ONCE.assess(&result(&[]), false), Phase::Pending);
    }

    #[test]
    fn five_errors_in_a_row_end_it_and_anything_else_begins_the_row_anew() {
        let table = [
            (vec![Phase::Error; 4], Phase::Running),
            (vec![Phase::Error; 5], Phase::Error),
        ];
        for (phases, expected) in table {
            assert_eq!(ONCE.assess(&result(&phases), false), expected);
        }
        let many = Rules {
            interval: Some(Duration::from_secs(1)),
            count: Some(3),
            ..ONCE
        };
        let mut phases = vec![Phase::Error; 4];
        phases.push(Phase::Successful);
        phases.extend(vec![Phase::Error; 4]);
        assert_eq!(many.assess(&result(&phases), false), Phase::Running);
    }

    #[test]
    fn limits_are_what_is_tolerated() {
        let rules = Rules {
            interval: Some(Duration::from_secs(1)),
            count: Some(4),
            failure_limit: 1,
            inconclusive_limit: 1,
        };
        let table = [
            (vec![Phase::Failed], Phase::Running),
            (vec![Phase::Failed; 2], Phase::Failed),
            (vec![Phase::Inconclusive], Phase::Running),
            (vec![Phase::Inconclusive; 2], Phase::Inconclusive),
            (vec![Phase::Successful; 3], Phase::Running),
            (vec![Phase::Successful; 4], Phase::Successful),
        ];
        for (phases, expected) in table {
            assert_eq!(
                rules.assess(&result(&phases), false),
                expected,
                "{phases:?}"
            );
        }
        let mut metric = Metric::default();
        rules.write(&mut metric);
        assert_eq!(metric.interval, "1000ms");
        assert_eq!(metric.failure_limit, Some(IntOrString::Int(1)));
    }

    #[test]
    fn a_run_that_is_ended_before_it_measured_is_successful_to_the_controller() {
        assert_eq!(ONCE.assess(&result(&[]), true), Phase::Successful);
        assert_eq!(ONCE.assess(&result(&[Phase::Failed]), true), Phase::Failed);
    }

    #[test]
    fn a_measurement_under_way_is_asked_again_when_it_says_and_replaced() {
        let mut result = MetricResult::default();
        assert_eq!(ONCE.due(&result, at(3)), Some(at(3)));
        let mut running = measured(Phase::Running);
        running.resume_at = Some(at(7));
        record(&mut result, running, at(3));
        assert_eq!(ONCE.due(&result, at(3)), Some(at(7)));
        record(&mut result, measured(Phase::Successful), at(7));
        assert_eq!((result.measurements.len(), result.count), (1, 1));
        assert_eq!(ONCE.due(&result, at(7)), None);
    }

    #[test]
    fn an_error_is_repeated_after_ten_seconds() {
        let result = result(&[Phase::Error]);
        assert_eq!(ONCE.due(&result, at(0)), Some(at(10)));
    }
}
