//! What a measurement's metadata carries to the next call, and to the next
//! measurement of the same metric.
//!
//! The process may be gone by then, so this is all that is kept. It comes back
//! from an object that others can edit: nothing in it can lengthen a wait past
//! one look, widen what is read, or make a verdict better, and what cannot be
//! read counts as nothing carried. Whoever lowers what was spent has a budget
//! again, as a new measurement would.

use std::collections::BTreeMap;

use agent_api::MAX_STATE_BYTES;
use analysis::Earlier;
use analysis::opinion::Spent;
use jiff::Timestamp;
use judge::judgement::Carried;
use rollouts_plugin::{AnalysisRun, Measurement};
use serde::{Deserialize, Serialize};

/// The metadata key.
pub const KEY: &str = "state";

/// The version of the form; another one counts as nothing carried.
const VERSION: u8 = 1;

/// Longest text of the judge's state, by the judge's promise (1 KiB).
const MAX_CARRIED_BYTES: usize = 1_024;

/// Longest memo that is read: the judge's state, each byte escaped, and numbers.
const MAX_MEMO_BYTES: usize = 6 * (MAX_CARRIED_BYTES + MAX_STATE_BYTES) + 512;

/// What one call leaves for the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memo {
    /// What earlier looks found.
    pub earlier: Earlier,
    /// How many looks this measurement has taken.
    pub looks: u32,
    /// The earliest end of the rollout's last step, as last read.
    pub last_step_end: Option<Timestamp>,
    /// What its looks have spent on models: a budget is a measurement's.
    pub spent: Spent,
    /// What the agent wants back with the next question.
    pub agent: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u8,
    #[serde(default)]
    looks: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_step_end_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried: Option<String>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    spent: Spent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

fn is_nothing(spent: &Spent) -> bool {
    *spent == Spent::default()
}

impl Memo {
    /// Reads the memo of a measurement that is resumed.
    pub fn read(metadata: &BTreeMap<String, String>) -> Option<Self> {
        let text = metadata.get(KEY).filter(|t| t.len() <= MAX_MEMO_BYTES)?;
        let wire: Wire = serde_json::from_str(text).ok()?;
        if wire.v != VERSION {
            return None;
        }
        Some(Self {
            earlier: Earlier {
                carried: wire
                    .carried
                    .filter(|text| text.len() <= MAX_CARRIED_BYTES)
                    .map(Carried),
                canary_start_ms: wire.start_ms,
            },
            looks: wire.looks,
            last_step_end: wire
                .last_step_end_ms
                .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            spent: wire.spent,
            agent: wire.agent.filter(|text| text.len() <= MAX_STATE_BYTES),
        })
    }

    /// What a new measurement takes over from the newest earlier one of the
    /// same metric that has something to carry.
    pub fn of_earlier_measurements(run: &AnalysisRun, metric: &str) -> Self {
        let measurements = run
            .metric_result(metric)
            .map_or(&[] as &[Measurement], |result| &result.measurements);
        let newest = measurements
            .iter()
            .rev()
            .find_map(|m| Self::read(&m.metadata));
        let newest = newest.unwrap_or_default();
        Self {
            earlier: newest.earlier,
            agent: newest.agent,
            ..Self::default()
        }
    }

    /// When the rollout's last step can end, as the newest measurement of the
    /// metric has read it; to be careful by, not to wait by: it may be stale.
    pub fn last_known_end(run: &AnalysisRun, metric: &str) -> Option<Timestamp> {
        let measurements = &run.metric_result(metric)?.measurements;
        let mut newest_first = measurements.iter().rev();
        newest_first.find_map(|measurement| Self::read(&measurement.metadata)?.last_step_end)
    }

    /// The metadata value.
    pub fn write(&self) -> String {
        let carried = self.earlier.carried.as_ref().map(|carried| &carried.0);
        let wire = Wire {
            v: VERSION,
            looks: self.looks,
            start_ms: self.earlier.canary_start_ms,
            last_step_end_ms: self.last_step_end.map(|end| end.as_millisecond()),
            carried: carried
                .filter(|text| !text.is_empty() && text.len() <= MAX_CARRIED_BYTES)
                .cloned(),
            spent: self.spent,
            agent: self
                .agent
                .clone()
                .filter(|text| text.len() <= MAX_STATE_BYTES),
        };
        // Numbers and a string always serialise; nothing carried is the safe
        // reading of anything else.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollouts_plugin::MetricResult;

    fn memo() -> Memo {
        Memo {
            earlier: Earlier {
                carried: Some(Carried("a\"b".into())),
                canary_start_ms: Some(1_700_000_000_000),
            },
            looks: 3,
            last_step_end: Timestamp::from_millisecond(1_700_000_090_000).ok(),
            spent: Spent {
                calls: 2,
                tokens: 9_000,
                took_ms: 1_500,
                micro_usd: 70,
            },
            agent: Some("{\"turn\":2}".into()),
        }
    }

    fn metadata(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(KEY.to_owned(), text.to_owned())])
    }

    #[test]
    fn a_memo_reads_back_as_itself() {
        for memo in [memo(), Memo::default()] {
            assert_eq!(Memo::read(&metadata(&memo.write())), Some(memo));
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_nothing_carried() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"v":2,"looks":1}"#,
            r#"{"v":1,"looks":-1}"#,
            r#"{"v":1,"looks":1e99}"#,
            r#"{"v":1,"start_ms":"x"}"#,
            r#"{"v":1,"spent":{"calls":-1}}"#,
            &format!(r#"{{"v":1,"x":"{}"}}"#, "x".repeat(MAX_MEMO_BYTES)),
        ] {
            assert_eq!(Memo::read(&metadata(text)), None, "{text:.40}");
        }
        let long = format!(
            r#"{{"v":1,"carried":"{}"}}"#,
            "x".repeat(MAX_CARRIED_BYTES + 1)
        );
        assert_eq!(Memo::read(&metadata(&long)), Some(Memo::default()));
        let far = r#"{"v":1,"last_step_end_ms":9223372036854775807}"#;
        assert_eq!(Memo::read(&metadata(far)), Some(Memo::default()));
    }

    #[test]
    fn a_state_past_its_promise_is_not_written() {
        let mut memo = memo();
        memo.earlier.carried = Some(Carried("x".repeat(MAX_CARRIED_BYTES + 1)));
        assert!(memo.write().len() < 250);
    }

    #[test]
    fn a_new_measurement_takes_over_from_the_newest_that_carries() {
        let with = |text: &str| Measurement {
            metadata: metadata(text),
            ..Measurement::default()
        };
        let mut run = AnalysisRun::default();
        assert_eq!(Memo::of_earlier_measurements(&run, "m"), Memo::default());
        run.status.metric_results.push(MetricResult {
            name: "m".into(),
            measurements: vec![
                with(r#"{"v":1,"carried":"old"}"#),
                with(&memo().write()),
                // An RPC error replaces a measurement by an empty one.
                Measurement::default(),
            ],
            ..MetricResult::default()
        });
        let taken = Memo::of_earlier_measurements(&run, "m");
        assert_eq!(taken.earlier, memo().earlier);
        assert_eq!((taken.looks, taken.last_step_end), (0, None));
        let known = Memo::last_known_end(&run, "m");
        assert_eq!(known, memo().last_step_end);
        assert_eq!(Memo::last_known_end(&run, "other"), None);
        // A budget is a measurement's, not a run's.
        assert_eq!(taken.spent, Spent::default());
        assert_eq!(
            Memo::of_earlier_measurements(&run, "other"),
            Memo::default()
        );
    }
}
