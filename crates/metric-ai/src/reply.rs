//! From what a look saw to what the controller is told.
//!
//! Pure: the one place where a phase is chosen. `Successful` comes from a
//! promote verdict whose conditions hold, and from nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use analysis::message::one_line;
use jiff::Timestamp;
use judge::Decision;
use rollouts_plugin::{Measurement, Phase};
use serde_json::json;

use crate::block::Settings;
use crate::condition::Ruling;
use crate::look::{Outcome, Seen, too_long};
use crate::memo::{self, Memo};
use crate::schedule::{LOOK_LIMIT, RunKind, Waiting, later, poll_look};
use crate::words::shorten;

/// Longest message: it is wrapped twice before people see it.
const MAX_MESSAGE_BYTES: usize = 512;

/// Most metadata of a measurement, as JSON: an AnalysisRun is one object in
/// etcd, kept many times over.
pub const MAX_METADATA_BYTES: usize = 4 * 1024;

/// First size of `analysis`; it shrinks until all metadata fits.
const ANALYSIS_BYTES: usize = 1_600;

/// First size of the text in `analysisJSON`.
const ANALYSIS_JSON_BYTES: usize = 800;

/// How long a run whose rollout is over is given to be ended by Argo; longer,
/// and stable's pods are gone for another reason, which pauses.
const OVER_LIMIT: Duration = Duration::from_secs(60);

/// How often such a run asks again.
const OVER_POLL: Duration = Duration::from_secs(10);

/// A size at which shrinking text no longer helps.
const LEAST_TEXT_BYTES: usize = 16;

/// Warnings that are repeated in `analysis`; the log has all of them.
const MAX_SHOWN_WARNINGS: usize = 3;

/// One measurement, as far as it has come.
#[derive(Clone, Debug)]
pub struct Case {
    /// The measurement, as the controller has it.
    pub measurement: Measurement,
    /// When it began.
    pub started_at: Timestamp,
    /// What it carries.
    pub memo: Memo,
    /// Who waits for the run.
    pub kind: RunKind,
    /// Whether earlier measurements of this metric, in this run, promoted and
    /// none of them did anything else.
    pub promoted_before: bool,
    /// The template's settings.
    pub settings: Settings,
}

impl Case {
    /// How long it may wait, by what its memo says.
    pub fn waiting(&self) -> Waiting {
        Waiting {
            kind: self.kind,
            started_at: self.started_at,
            max_wait: self.settings.max_wait,
            last_step_end: self.memo.last_step_end,
        }
    }

    /// The answer while a look that began at `begun` is under way: to be asked
    /// again, or an end when it has taken too long.
    pub fn looking(&self, now: Timestamp, begun: Timestamp) -> Measurement {
        let give_up = self.waiting().give_up(begun);
        if now < give_up {
            let message = match self.measurement.message.as_str() {
                "" => "the first look at the canary is under way",
                known => known,
            };
            // Asked any later, a background run's last step might have ended.
            return self.running(message, poll_look(now, begun).min(give_up));
        }
        if now >= later(begun, LOOK_LIMIT) {
            return self.error(now, &too_long());
        }
        let known = match self.measurement.message.as_str() {
            "" => "the first look did not end in time",
            known => known,
        };
        self.inconclusive(now, known, None)
    }

    /// The answer while there is no room for another look.
    pub fn crowded(&self, now: Timestamp) -> Measurement {
        if now < self.waiting().give_up(self.started_at) {
            let message = "more analyses are waiting than this plugin takes on: this one waits";
            return self.running(message, self.waiting().next_look(now, None));
        }
        self.error(
            now,
            "more analyses are waiting than this plugin takes on: make fewer at once, or give the \
             metrics a longer `interval`",
        )
    }

    /// The answer after a look.
    pub fn seen(&self, now: Timestamp, outcome: &Outcome) -> Measurement {
        let seen = match outcome {
            Ok(seen) => seen,
            Err(trouble) => return self.error(now, trouble),
        };
        let case = self.after(seen);
        match seen.decision {
            Decision::Promote => case.promote(now, seen),
            Decision::Abort => case.finished(now, (Phase::Failed, "0"), &seen.message, Some(seen)),
            Decision::Inconclusive => {
                let missing = seen.missing.as_deref().unwrap_or(&seen.message);
                let waiting = case.waiting();
                if now < waiting.deadline() {
                    case.running(missing, waiting.next_look(now, seen.retry_after))
                } else if case.is_over(now, seen) {
                    let message = "the rollout's steps are over and stable's pods are gone: the \
                                   verdicts before this one stand";
                    case.running(message, later(now, OVER_POLL))
                } else {
                    case.inconclusive(now, missing, Some(seen))
                }
            }
        }
    }

    /// The answer to `Terminate`: the run ends, whatever this measurement has
    /// come to. Only what has fired is held against the canary.
    pub fn terminated(&self, now: Timestamp, outcome: Option<&Outcome>) -> Measurement {
        match outcome {
            Some(Ok(seen)) if seen.fired || seen.decision == Decision::Abort => {
                let (value, case) = ((Phase::Failed, "0"), self.after(seen));
                case.finished(now, value, &seen.message, Some(seen))
            }
            Some(Ok(seen)) => {
                let known = seen.missing.as_deref().unwrap_or(&seen.message);
                let message = format!("terminated before a verdict was asked for: {known}");
                let value = (Phase::Inconclusive, "0");
                self.after(seen).finished(now, value, &message, Some(seen))
            }
            Some(Err(trouble)) => {
                let message = format!("terminated: {trouble}");
                self.finished(now, (Phase::Inconclusive, "0"), &message, None)
            }
            None => {
                let message = match self.measurement.message.as_str() {
                    "" => "terminated before the first look ended".to_owned(),
                    known => format!("terminated before a verdict: {known}"),
                };
                self.finished(now, (Phase::Inconclusive, "0"), &message, None)
            }
        }
    }

    /// Whether there is nothing left to compare because the rollout is over: a
    /// background run that judged the canary fit each time may begin one more
    /// measurement while stable's last pods go. Argo ends the run then. Calling
    /// that one inconclusive would pause a good rollout that has all traffic.
    fn is_over(&self, now: Timestamp, seen: &Seen) -> bool {
        let end = self.memo.last_step_end.unwrap_or(self.started_at);
        self.kind == RunKind::Background
            && self.promoted_before
            && seen.stable_gone
            && !seen.fired
            && now < later(end.max(self.started_at), OVER_LIMIT)
    }

    fn after(&self, seen: &Seen) -> Self {
        let before = &self.memo.earlier;
        let mut case = self.clone();
        case.memo = Memo {
            earlier: analysis::Earlier {
                carried: seen.earlier.carried.clone().or(before.carried.clone()),
                canary_start_ms: seen.earlier.canary_start_ms.or(before.canary_start_ms),
            },
            looks: self.memo.looks.saturating_add(1),
            last_step_end: seen.last_step_end,
        };
        case
    }

    fn promote(&self, now: Timestamp, seen: &Seen) -> Measurement {
        let confidence = f64::from(seen.confidence) / 100.0;
        let value = format!("{confidence:.2}");
        let (phase, message) = match self.settings.conditions.rule(confidence) {
            Ok(Ruling::Stands) => (Phase::Successful, seen.message.clone()),
            Ok(Ruling::Fails(place)) => (
                Phase::Failed,
                format!("{place} does not allow {value}; {}", seen.message),
            ),
            Ok(Ruling::Undecided(place)) => (
                Phase::Inconclusive,
                format!("{place} does not hold for {value}; {}", seen.message),
            ),
            Err(error) => return self.error(now, &error.to_string()),
        };
        let shown = match phase {
            Phase::Successful => value.as_str(),
            _ => "0",
        };
        self.finished(now, (phase, shown), &message, Some(seen))
    }

    fn inconclusive(&self, now: Timestamp, missing: &str, seen: Option<&Seen>) -> Measurement {
        let waited = Duration::try_from(now.duration_since(self.started_at)).unwrap_or_default();
        let mend = match (self.kind, self.memo.last_step_end) {
            (RunKind::Background, None) => {
                " (a background run waits 30 s when the rollout's steps wait for a person or may \
                 not be read)"
            }
            (RunKind::Background, Some(_)) => " (the rollout's last step is about to end)",
            (RunKind::Holding, _) => "",
        };
        let message = format!("no verdict after {} s{mend}: {missing}", waited.as_secs());
        self.finished(now, (Phase::Inconclusive, "0"), &message, seen)
    }

    /// A finished measurement that the controller repeats after 10 s.
    fn error(&self, now: Timestamp, trouble: &str) -> Measurement {
        self.finished(now, (Phase::Error, ""), trouble, None)
    }

    fn running(&self, message: &str, resume_at: Timestamp) -> Measurement {
        Measurement {
            phase: Phase::Running,
            message: one_line(message, MAX_MESSAGE_BYTES),
            started_at: Some(self.started_at),
            finished_at: None,
            value: String::new(),
            metadata: BTreeMap::from([(memo::KEY.to_owned(), self.memo.write())]),
            resume_at: Some(whole_second(resume_at)),
        }
    }

    fn finished(
        &self,
        now: Timestamp,
        (phase, value): (Phase, &str),
        message: &str,
        seen: Option<&Seen>,
    ) -> Measurement {
        let message = one_line(message, MAX_MESSAGE_BYTES);
        Measurement {
            phase,
            started_at: Some(self.started_at),
            finished_at: Some(now),
            value: value.to_owned(),
            metadata: self.metadata(phase, &message, seen),
            message,
            resume_at: None,
        }
    }

    /// The metadata of a finished measurement, [`MAX_METADATA_BYTES`] at most.
    fn metadata(
        &self,
        phase: Phase,
        message: &str,
        seen: Option<&Seen>,
    ) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::from([(memo::KEY.to_owned(), self.memo.write())]);
        let Some(seen) = seen else {
            return metadata;
        };
        let confidence = match seen.decision {
            Decision::Inconclusive => 0,
            Decision::Promote | Decision::Abort => seen.confidence,
        };
        let notes = self.notes().join("\n");
        let mut put = |key: &str, value: String| metadata.insert(key.to_owned(), value);
        put("confidence", confidence.to_string());
        put("modelCount", "0".to_owned());
        put("modelResults", "[]".to_owned());
        put(
            "votingRationale",
            "no model was asked: the judge decided alone".to_owned(),
        );
        let (mut analysis_bytes, mut json_bytes) = (ANALYSIS_BYTES, ANALYSIS_JSON_BYTES);
        loop {
            // The notes are short and ours: the report gives way to them.
            let report = shorten(seen.report.trim_end(), analysis_bytes);
            metadata.insert("analysis".to_owned(), format!("{report}\n\n{notes}"));
            let mut json = json!({
                "text": shorten(message, json_bytes),
                "promote": phase == Phase::Successful,
                "confidence": confidence,
            });
            if let Some(cause) = &seen.root_cause {
                json["rootCause"] = shorten(cause, json_bytes / 4).into();
            }
            metadata.insert("analysisJSON".to_owned(), json.to_string());
            if size(&metadata) <= MAX_METADATA_BYTES {
                return metadata;
            }
            if analysis_bytes <= LEAST_TEXT_BYTES {
                // Only a state that is nearly all escapes is this large.
                metadata.remove(memo::KEY);
                return metadata;
            }
            analysis_bytes /= 2;
            json_bytes /= 2;
        }
    }

    /// What the reader should know beside the verdict.
    fn notes(&self) -> Vec<String> {
        let settings = &self.settings;
        let mut notes = vec![
            if settings.names_model {
                "No model was asked, though `model` is set: this version judges by itself."
            } else {
                "No model was asked: this version judges by itself."
            }
            .to_owned(),
        ];
        if settings.has_extra_prompt {
            notes.push("`extraPrompt` was not used: it is for models.".to_owned());
        }
        if settings.has_repository {
            notes.push("`githubUrl` was not used: this version opens no issue.".to_owned());
        }
        let warnings = settings.warnings.iter().take(MAX_SHOWN_WARNINGS);
        notes.extend(warnings.map(|warning| format!("Warning: {warning}.")));
        notes
    }
}

/// A measurement that ends at once, because its settings cannot be used.
pub fn refused(now: Timestamp, measurement: &Measurement, trouble: &str) -> Measurement {
    let kept = measurement.metadata.get(memo::KEY);
    Measurement {
        phase: Phase::Error,
        message: one_line(trouble, MAX_MESSAGE_BYTES),
        started_at: measurement.started_at.or(Some(now)),
        finished_at: Some(now),
        value: String::new(),
        metadata: kept
            .filter(|text| text.len() <= MAX_METADATA_BYTES / 2)
            .map(|text| BTreeMap::from([(memo::KEY.to_owned(), text.clone())]))
            .unwrap_or_default(),
        resume_at: None,
    }
}

/// Metadata's size as JSON, which is how etcd holds it.
pub fn size(metadata: &BTreeMap<String, String>) -> usize {
    serde_json::to_string(metadata).map_or(usize::MAX, |json| json.len())
}

/// The API server keeps whole seconds and drops the rest, so a time in between
/// would come back earlier than it was given.
fn whole_second(time: Timestamp) -> Timestamp {
    let seconds = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(seconds).unwrap_or(time)
}

#[cfg(test)]
mod tests;
