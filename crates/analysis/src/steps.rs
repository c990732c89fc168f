//! When a rollout's last step can end.
//!
//! A background AnalysisRun does not hold its rollout: when the last step is
//! over, the run is terminated and the canary becomes stable, judged or not.
//! So a measurement of such a run must have answered before that moment, and
//! this module says when it can come at the earliest.

use serde_json::Value;

use crate::objects::Rollout;

/// The earliest time at which the last step can end, milliseconds since the
/// Unix epoch.
///
/// Only timed pauses take time for certain: weights, scales, experiments and
/// analyses may be over at once, so they count as nothing. `None` when the end
/// depends on a person (a pause without duration, a rollout that is paused by
/// hand or by an inconclusive run), when the rollout is aborted, has no canary
/// steps, or says something that we do not understand.
#[must_use]
pub fn last_step_end_ms(rollout: &Rollout, now_ms: i64) -> Option<i64> {
    let steps = &rollout.spec.strategy.canary.as_ref()?.steps;
    let status = &rollout.status;
    let waits_for_person = rollout.spec.paused
        || status
            .pause_conditions
            .iter()
            .any(|condition| condition.reason != CANARY_PAUSE_STEP);
    if steps.is_empty() || status.abort || waits_for_person {
        return None;
    }
    let current = usize::try_from(status.current_step_index.unwrap_or(0)).ok()?;
    let mut end_ms = now_ms;
    for (index, step) in steps.iter().enumerate().skip(current) {
        let Some(pause) = step.get("pause") else {
            continue;
        };
        let duration_ms = duration_ms(pause.get("duration")?)?;
        // Only a pause that has begun has a condition, and only the current
        // one can have begun.
        let begun_ms = status
            .pause_conditions
            .first()
            .and_then(|condition| condition.start_time.0)
            .filter(|_| index == current);
        end_ms = match begun_ms {
            Some(begun_ms) => begun_ms.checked_add(duration_ms)?.max(now_ms),
            None => end_ms.checked_add(duration_ms)?,
        };
    }
    Some(end_ms)
}

/// The reason of a pause that is a step.
const CANARY_PAUSE_STEP: &str = "CanaryPauseStep";

/// A pause of more than a year is not a duration that anyone meant.
const MAX_PAUSE_MS: f64 = 366.0 * 24.0 * 3600.0 * 1000.0;

/// Argo's pause: whole seconds, as a number or as text, or a Go duration
/// (`1m30s`).
fn duration_ms(duration: &Value) -> Option<i64> {
    let ms = match duration {
        Value::Number(seconds) => seconds.as_f64()? * 1000.0,
        Value::String(text) => match text.parse::<u32>() {
            Ok(seconds) => f64::from(seconds) * 1000.0,
            Err(_) => go_duration_ms(text)?,
        },
        _ => return None,
    };
    if !(0.0..=MAX_PAUSE_MS).contains(&ms) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 0 and MAX_PAUSE_MS; parts of a millisecond do not matter"
    )]
    let ms = ms as i64;
    Some(ms)
}

/// Go's `time.ParseDuration`, without a sign: numbers with a fraction, each
/// with its unit.
fn go_duration_ms(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total_ms = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|&at| at > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit_ms = match &rest[..unit_end] {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            _ => return None,
        };
        total_ms += number * unit_ms;
        rest = &rest[unit_end..];
    }
    Some(total_ms)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_MS: i64 = 1_767_323_045_000; // 2026-01-02T03:04:05Z

    fn left_s(steps: Value, status: Value) -> Option<f64> {
        let rollout = serde_json::from_value(json!({
            "spec": {"strategy": {"canary": {"steps": steps}}},
            "status": status,
        }))
        .expect("a rollout");
        last_step_end_ms(&rollout, NOW_MS).map(|end| (end - NOW_MS) as f64 / 1000.0)
    }

    fn paused_at(step: u32, since: &str) -> Value {
        json!({"currentStepIndex": step, "pauseConditions": [
            {"reason": "CanaryPauseStep", "startTime": since}]})
    }

    #[test]
    fn the_strategy_of_the_talk() {
        let steps = json!([
            {"setWeight": 30}, {"pause": {"duration": "20s"}},
            {"setWeight": 40}, {"pause": {"duration": "10s"}},
            {"setWeight": 60}, {"pause": {"duration": "10s"}},
            {"setWeight": 80}, {"pause": {"duration": "5s"}},
            {"setWeight": 90}, {"pause": {"duration": "5s"}},
            {"setWeight": 100}, {"pause": {"duration": "5s"}}]);
        for (status, expected) in [
            (json!({"currentStepIndex": 0}), 55.0),
            (json!({"currentStepIndex": null}), 55.0),
            (json!({}), 55.0),
            // Begun 8 s ago: 12 s of its 20 are left.
            (paused_at(1, "2026-01-02T03:03:57Z"), 47.0),
            // Should have been over already.
            (paused_at(1, "2026-01-02T03:00:00Z"), 35.0),
            // At the pause, which has not begun yet.
            (json!({"currentStepIndex": 1}), 55.0),
            // A condition that is left from the pause before counts for nothing.
            (paused_at(2, "2026-01-02T03:03:57Z"), 35.0),
            (paused_at(11, "2026-01-02T03:04:03Z"), 3.0),
            (json!({"currentStepIndex": 12}), 0.0),
            (json!({"currentStepIndex": 99}), 0.0),
        ] {
            assert_eq!(
                left_s(steps.clone(), status.clone()),
                Some(expected),
                "{status}"
            );
        }
    }

    #[test]
    fn durations_are_read_as_argo_reads_them() {
        for (duration, expected) in [
            (json!(30), Some(30.0)),
            (json!("30"), Some(30.0)),
            (json!("30s"), Some(30.0)),
            (json!("1m30s"), Some(90.0)),
            (json!("1.5h"), Some(5400.0)),
            (json!("500ms"), Some(0.5)),
            (json!(0), Some(0.0)),
            (json!(""), None),
            (json!("soon"), None),
            (json!("5 s"), None),
            (json!("10"), Some(10.0)),
            (json!("-5s"), None),
            (json!(-5), None),
            (json!("1s5"), None),
            (json!(1e300), None),
            (json!("99999999h"), None),
            (json!(null), None),
            (json!({}), None),
        ] {
            let steps = json!([{"pause": {"duration": duration}}]);
            assert_eq!(left_s(steps, json!({})), expected, "{duration}");
        }
    }

    #[test]
    fn what_takes_no_certain_time_counts_as_nothing() {
        let steps = json!([
            {"setWeight": 5}, {"analysis": {"templates": []}}, {"experiment": {"duration": "1h"}},
            {"setCanaryScale": {"replicas": 2}}, {"plugin": {"name": "x"}}]);
        assert_eq!(left_s(steps, json!({})), Some(0.0));
    }

    #[test]
    fn an_end_that_depends_on_a_person_cannot_be_said() {
        let indefinite = json!([{"setWeight": 5}, {"pause": {}}, {"pause": {"duration": 5}}]);
        assert_eq!(left_s(indefinite.clone(), json!({})), None);
        assert_eq!(
            left_s(indefinite, json!({"currentStepIndex": 2})),
            Some(5.0),
            "once a person has gone on, it can be said again"
        );
        let timed = json!([{"pause": {"duration": 5}}]);
        for status in [
            json!({"abort": true}),
            json!({"pauseConditions": [{"reason": "InconclusiveAnalysisRun",
                "startTime": "2026-01-02T03:04:03Z"}]}),
        ] {
            assert_eq!(left_s(timed.clone(), status.clone()), None, "{status}");
        }
        let by_hand = serde_json::from_value(json!({
            "spec": {"paused": true, "strategy": {"canary": {"steps": timed}}}}))
        .expect("a rollout");
        assert_eq!(last_step_end_ms(&by_hand, NOW_MS), None);
    }

    #[test]
    fn without_steps_it_cannot_be_said() {
        assert_eq!(left_s(json!([]), json!({})), None);
        assert_eq!(left_s(json!(null), json!({})), None);
        assert_eq!(last_step_end_ms(&Rollout::default(), NOW_MS), None);
    }
}
