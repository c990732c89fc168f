//! From what a look saw to what the controller is told.
//!
//! Pure: the one place where a phase is chosen. `Successful` comes from a
//! promote verdict whose conditions hold, and from nothing else.

#[cfg(test)]
mod ending_tests;
mod opinions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use analysis::Explained;
use analysis::message::one_line;
use analysis::opinion::{Answer, Unasked, View};
use jiff::Timestamp;
use judge::Decision;
use rollouts_plugin::{Measurement, Phase};
use serde_json::json;

use crate::block::{Ending, Mode, Settings};
use crate::condition::{Measured, Ruling};
use crate::look::{Outcome, Seen, too_long};
use crate::memo::{self, Memo};
use crate::schedule::{AGENT_LOOK_LIMIT, Begun, LOOK_LIMIT, RunKind, Waiting, later, poll_look};
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

/// First size of each text in `modelResults`, which has up to five models.
const MODEL_TEXT_BYTES: usize = 160;

/// How long a run whose rollout is over is given to be ended by Argo; longer,
/// and stable's pods are gone for another reason, which pauses.
const OVER_LIMIT: Duration = Duration::from_secs(60);

/// How often such a run asks again.
const OVER_POLL: Duration = Duration::from_secs(10);

/// A size at which shrinking text no longer helps.
const LEAST_TEXT_BYTES: usize = 16;

/// Warnings that are repeated in `analysis`; the log has all of them.
const MAX_SHOWN_WARNINGS: usize = 3;

/// What a measurement says that has seen nothing yet.
const FIRST_LOOK: &str = "the first look at the canary is under way";

/// The same while it waits for its turn.
const QUEUED: &str = "the first look at the canary waits for its turn: more analyses read logs at \
                      once than the plugin's `--max-analyses` lets";

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
    /// When the run began.
    pub run_began: Timestamp,
    /// The earliest end of the rollout's last step, as measurements before this
    /// one have read it.
    pub known_end: Option<Timestamp>,
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
            look_limit: match self.settings.mode {
                Mode::Default => LOOK_LIMIT,
                Mode::Agent { .. } => AGENT_LOOK_LIMIT,
            },
            last_step_end: self.memo.last_step_end,
        }
    }

    /// The answer while a look is under way, or waits for its turn: to be asked
    /// again, or an end when it has taken too long.
    pub fn looking(&self, now: Timestamp, begun: Begun) -> Measurement {
        let waiting = self.waiting();
        let give_up = waiting.give_up(begun);
        if now < give_up {
            let message = match (self.measurement.message.as_str(), begun.turn) {
                ("" | FIRST_LOOK, None) => QUEUED,
                ("" | QUEUED, Some(_)) => FIRST_LOOK,
                (known, _) => known,
            };
            // Asked any later, a background run's last step might have ended.
            return self.running(message, poll_look(now, begun.at).min(give_up));
        }
        if begun
            .turn
            .is_some_and(|turn| now >= later(turn, waiting.look_limit))
        {
            return self.error(now, &too_long(waiting.look_limit));
        }
        let known = match (self.measurement.message.as_str(), begun.turn) {
            ("" | FIRST_LOOK, None) => QUEUED,
            ("", Some(_)) => "the first look did not end in time",
            (known, _) => known,
        };
        self.late(now, known, None)
    }

    /// The answer while there is no room for another look.
    pub fn crowded(&self, now: Timestamp) -> Measurement {
        if now < self.waiting().give_up(Begun::at_once(self.started_at)) {
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
                let Some(missing) = seen.missing.as_deref() else {
                    // Another look would see the same: it waits for nothing.
                    return case.undecided(now, &seen.message, Some(seen));
                };
                let waiting = case.waiting();
                if now < waiting.deadline() {
                    case.running(missing, waiting.next_look(now, seen.retry_after))
                } else if case.is_over(now, seen) {
                    let message = "the rollout's steps are over and stable's pods are gone: the \
                                   verdicts before this one stand";
                    case.running(message, later(now, OVER_POLL))
                } else {
                    case.late(now, missing, Some(seen))
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
            spent: self.memo.spent.plus(seen.explained.spent),
            agent: match &seen.agent {
                Some(agent) => agent.state.clone(),
                None => self.memo.agent.clone(),
            },
        };
        case
    }

    fn promote(&self, now: Timestamp, seen: &Seen) -> Measurement {
        let measured = Measured {
            confidence: seen.confidence,
            findings: seen.findings,
        };
        let value = format!("{:.2}", measured.result());
        match self.settings.conditions.rule(measured) {
            Ok(Ruling::Stands) => {
                let end = (Phase::Successful, value.as_str());
                self.finished(now, end, &seen.message, Some(seen))
            }
            Ok(Ruling::Fails(place)) => {
                let message = format!("{place} does not allow {value}; {}", seen.message);
                self.finished(now, (Phase::Failed, "0"), &message, Some(seen))
            }
            Ok(Ruling::Undecided(place)) => {
                let message = format!("{place} does not hold for {value}; {}", seen.message);
                self.undecided(now, &message, Some(seen))
            }
            Err(error) => self.error(now, &error.to_string()),
        }
    }

    /// A measurement whose time is up.
    fn late(&self, now: Timestamp, missing: &str, seen: Option<&Seen>) -> Measurement {
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
        self.undecided(now, &message, seen)
    }

    /// A measurement that ends without a verdict, as the template wants it.
    fn undecided(&self, now: Timestamp, message: &str, seen: Option<&Seen>) -> Measurement {
        let endings = self.settings.endings;
        let no_data = endings
            .on_no_data
            .filter(|_| seen.is_some_and(|seen| seen.no_data));
        let said = match no_data {
            Some(ending) => Some(("onNoData", ending)),
            None => endings.on_inconclusive.map(|e| ("onInconclusive", e)),
        };
        let (end, message) = ended((Phase::Inconclusive, "0"), said, message);
        self.finished(now, end, &message, seen)
    }

    /// A finished measurement that the controller repeats after 10 s, unless
    /// the template wants it otherwise. Where a repetition would come after the
    /// rollout's last step, which would promote the canary unjudged, it pauses.
    fn error(&self, now: Timestamp, trouble: &str) -> Measurement {
        let endings = self.settings.endings;
        let said = endings.on_error.map(|e| ("onError", e));
        let bears = self
            .waiting()
            .bears_an_error(now, self.known_end, self.run_began);
        if !bears && said.is_none_or(|(_, ending)| ending == Ending::Error) {
            let message = format!("no attempt is left before the rollout's steps end: {trouble}");
            return self.finished(now, (Phase::Inconclusive, "0"), &message, None);
        }
        let (end, message) = ended((Phase::Error, ""), said, trouble);
        self.finished(now, end, &message, None)
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
        let notes = self.notes(seen).join("\n");
        let mut put = |key: &str, value: String| metadata.insert(key.to_owned(), value);
        put("confidence", confidence.to_string());
        let explained = &seen.explained;
        put("modelCount", explained.opinions.len().to_string());
        put("votingRationale", seen.rationale.clone());
        put("cost", opinions::cost(self.memo.spent));
        let (mut analysis_bytes, mut json_bytes) = (ANALYSIS_BYTES, ANALYSIS_JSON_BYTES);
        let mut model_bytes = MODEL_TEXT_BYTES;
        loop {
            let results = opinions::results(explained, model_bytes);
            metadata.insert("modelResults".to_owned(), results);
            // The notes are short and ours: the report gives way to them.
            let report = shorten(seen.report.trim_end(), analysis_bytes);
            metadata.insert("analysis".to_owned(), format!("{report}\n\n{notes}"));
            let mut json = json!({
                "text": shorten(message, json_bytes),
                "promote": phase == Phase::Successful,
                "confidence": confidence,
            });
            // The judge names what broke; a model may know why, and the mend.
            let said = |text: fn(&View) -> &str| {
                let mut texts = opinions::views(explained).map(text);
                texts.find(|text| !text.is_empty())
            };
            let cause = seen.root_cause.as_deref();
            if let Some(cause) = cause.or_else(|| said(|view| &view.root_cause)) {
                json["rootCause"] = shorten(cause, json_bytes / 4).into();
            }
            let agent = seen.agent.as_ref();
            let mend = agent.map(|agent| agent.remediation.as_str());
            let mend = mend.filter(|mend| !mend.is_empty());
            if let Some(mend) = mend.or_else(|| said(|view| &view.remediation)) {
                json["remediation"] = shorten(mend, json_bytes / 4).into();
            }
            if let Some(link) = agent.and_then(|agent| agent.pr_link.as_deref()) {
                json["prLink"] = shorten(link, json_bytes / 2).into();
            }
            if let Some(link) = agent.and_then(|agent| agent.issue_link.as_deref()) {
                json["issueLink"] = shorten(link, json_bytes / 2).into();
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
            model_bytes /= 2;
        }
    }

    /// What the reader should know beside the verdict.
    fn notes(&self, seen: &Seen) -> Vec<String> {
        let settings = &self.settings;
        let mut notes = Vec::new();
        if seen.agent.is_none() {
            notes.extend(models_note(&seen.explained));
            let is_used = opinions::views(&seen.explained).next().is_some();
            if settings.extra_prompt.is_some() && !is_used {
                notes.push("`extraPrompt` was not used: it is for models.".to_owned());
            }
            if settings.repository.is_some() {
                notes.push("`githubUrl` was not used: this version opens no issue.".to_owned());
            }
        }
        let warnings = settings.warnings.iter().take(MAX_SHOWN_WARNINGS);
        notes.extend(warnings.map(|warning| format!("Warning: {warning}.")));
        notes
    }
}

/// What came of asking models, where nothing did.
fn models_note(explained: &Explained) -> Option<String> {
    let opinions = &explained.opinions;
    let missing = opinions.iter().find_map(|opinion| match &opinion.answer {
        Answer::Missing(missing) => Some(format!("{}: {}", opinion.model, missing.why)),
        Answer::View(_) => None,
    });
    let why = match explained.unasked {
        Some(Unasked::Veto) => "a veto waits for none".to_owned(),
        Some(Unasked::Inconclusive) => "models are asked when there is enough to judge".to_owned(),
        Some(Unasked::NotConfigured) => missing
            .unwrap_or_else(|| "the operator configured none (a key, or --openai-url)".to_owned()),
        None if opinions::views(explained).next().is_some() => return None,
        None => return missing.map(|why| format!("The judge decided alone: {why}.")),
    };
    Some(format!("No model was asked: {why}."))
}

/// What a measurement ends as, and why: as it would, or as the template's key
/// says. Success is not among what a key can say.
fn ended(
    would: (Phase, &'static str),
    said: Option<(&str, Ending)>,
    why: &str,
) -> ((Phase, &'static str), String) {
    let Some((key, ending)) = said else {
        return (would, why.to_owned());
    };
    let (end, named) = match ending {
        Ending::Error => ((Phase::Error, ""), "an error"),
        Ending::Inconclusive => ((Phase::Inconclusive, "0"), "inconclusive"),
        Ending::Fail => ((Phase::Failed, "0"), "a failure"),
    };
    if end == would {
        return (end, why.to_owned());
    }
    (end, format!("`{key}` makes this {named}: {why}"))
}

/// A measurement that ends at once, because its settings cannot be used: in an
/// error, unless the template wants errors otherwise.
pub fn refused(
    now: Timestamp,
    measurement: &Measurement,
    trouble: &str,
    on_error: Option<Ending>,
) -> Measurement {
    let kept = measurement.metadata.get(memo::KEY);
    let said = on_error.map(|ending| ("onError", ending));
    let ((phase, value), message) = ended((Phase::Error, ""), said, trouble);
    Measurement {
        phase,
        message: one_line(&message, MAX_MESSAGE_BYTES),
        started_at: measurement.started_at.or(Some(now)),
        finished_at: Some(now),
        value: value.to_owned(),
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
