//! Judgement → what a model reads. Pure; equal input gives equal bytes.
//!
//! A model gets what the judge found, in numbers, and one short redacted sample
//! of each finding: never a log. All that comes from logs stands at the end,
//! one JSON object a line, between two lines that hold a hash of the whole, so
//! that no log line can end the data or begin another section.
//!
//! Times, names of pods and what earlier looks carried are left out: they
//! differ at each look and tell nothing, and the same prompt costs no call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use judge::evidence::{ArmEvidence, PodState};
use judge::judgement::{Exposure, ExposureUnit, Finding, Gate};
use judge::redact::redact;
use judge::{Decision, Judgement};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::message::one_line;
use crate::request::Gathered;

/// Findings that a model gets, vetoes first: the worst come first, and what is
/// beyond is repetition.
pub(super) const MAX_FINDINGS: usize = 60;

/// The longest sample of a finding, in bytes: a message and its first frame.
const MAX_SAMPLE_BYTES: usize = 160;

/// The longest title of a finding, in bytes.
const MAX_TITLE_BYTES: usize = 100;

/// The longest context from the user, in bytes: a page.
pub const MAX_EXTRA_PROMPT_BYTES: usize = 4_000;

/// Distinct pod states that a model gets of each arm.
const MAX_POD_STATES: usize = 20;

/// Hex digits of the boundary: nobody finds text that holds its own hash.
const BOUNDARY_DIGITS: usize = 32;

const SYSTEM: &str = include_str!("prompts/system.txt");
const CONTEXT: &str = include_str!("prompts/context.txt");
const UNTRUSTED: &str = include_str!("prompts/untrusted.txt");
const END: &str = include_str!("prompts/end.txt");

/// What a model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    /// The rules, the same for all.
    pub(super) system: &'static str,
    /// The case.
    pub(super) user: String,
    /// Ids of the findings in it, in order: only these can be cited.
    pub(super) ids: Vec<String>,
}

impl Prompt {
    pub(super) fn new(judgement: &Judgement, gathered: &Gathered, extra: Option<&str>) -> Self {
        let case = case(judgement, gathered);
        let context = extra.map(context).filter(|text| !text.is_empty());
        let shown = || {
            let all = judgement.vetoes.iter().chain(&judgement.findings);
            all.take(MAX_FINDINGS)
        };
        let mut data = String::new();
        for finding in shown() {
            push_line(&mut data, &finding_line(finding));
        }
        for (arm, evidence) in [
            ("canary", &gathered.evidence.canary),
            ("stable", &gathered.evidence.stable),
        ] {
            push_pods(&mut data, arm, evidence);
        }
        let context = context.unwrap_or_default();
        let boundary = boundary(&[&case, &context, &data]);
        let mut user = case;
        if !context.is_empty() {
            let context = without(&context, &boundary);
            let _ = write!(
                user,
                "\n{CONTEXT}<context {boundary}>\n{context}\n</context {boundary}>\n"
            );
        }
        let data = without(&data, &boundary);
        let _ = write!(
            user,
            "\n{UNTRUSTED}<untrusted {boundary}>\n{data}</untrusted {boundary}>\n{END}"
        );
        Self {
            system: SYSTEM,
            user,
            ids: shown().map(|finding| finding.id.clone()).collect(),
        }
    }
}

/// What the judge says, in numbers: nothing here was written by a log.
fn case(judgement: &Judgement, gathered: &Gathered) -> String {
    let decision = match judgement.decision {
        Decision::Promote => "promote",
        Decision::Abort => "abort",
        Decision::Inconclusive => "inconclusive",
    };
    // Writing into a String cannot fail.
    let mut out = String::new();
    let sure = (judgement.confidence * 100.0).floor();
    let _ = writeln!(out, "Decision: {decision} ({sure:.0} % sure)");
    exposure(&mut out, &judgement.exposure);
    if let Some(missing) = &judgement.missing {
        let reason = serde_json::to_value(missing.reason).unwrap_or_default();
        let _ = writeln!(
            out,
            "Inconclusive because: {}",
            reason.as_str().unwrap_or_default()
        );
    }
    for (arm, coverage) in [("canary", &gathered.canary), ("stable", &gathered.stable)] {
        let _ = writeln!(
            out,
            "Read of {arm}: {} of {} logs",
            coverage.logs_read, coverage.logs_wanted
        );
    }
    if !judgement.gates.is_empty() {
        out.push_str("Statistical gates:\n");
    }
    for gate in &judgement.gates {
        gate_line(&mut out, gate);
    }
    let all = judgement.vetoes.len() + judgement.findings.len();
    if all > MAX_FINDINGS {
        let _ = writeln!(out, "Findings: the worst {MAX_FINDINGS} of {all}");
    }
    out
}

fn exposure(out: &mut String, exposure: &Exposure) {
    let unit = match exposure.unit {
        ExposureUnit::Requests => "requests",
        ExposureUnit::Events => "log events",
        ExposureUnit::None => {
            out.push_str("Exposure: none that could be compared\n");
            return;
        }
    };
    let _ = writeln!(
        out,
        "Exposure: canary {} {unit} with {} errors, stable {} {unit} with {} errors",
        exposure.canary, exposure.canary_errors, exposure.stable, exposure.stable_errors
    );
}

fn gate_line(out: &mut String, gate: &Gate) {
    let kind = serde_json::to_value(gate.kind).unwrap_or_default();
    let state = match (gate.fired, gate.holds) {
        (true, _) => "fired",
        (false, true) => "holds the canary back",
        (false, false) => "quiet",
    };
    let _ = writeln!(
        out,
        "- {}: canary {} (count {}), stable {} (count {}), {state}",
        kind.as_str().unwrap_or_default(),
        rounded(gate.canary_rate),
        gate.canary_count,
        rounded(gate.stable_rate),
        gate.stable_count,
    );
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingLine<'a> {
    id: &'a str,
    class: judge::judgement::FindingClass,
    title: String,
    confirmed: bool,
    canary_count: u64,
    canary_rate: f64,
    stable_count: u64,
    stable_rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<[f64; 3]>,
    canary_pods: u32,
    canary_pods_total: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    sample: String,
}

fn finding_line(finding: &Finding) -> String {
    let sample = match finding.sample.as_str() {
        "" => &finding.text,
        sample => sample,
    };
    let line = FindingLine {
        id: &finding.id,
        class: finding.class,
        title: cut(&finding.title, MAX_TITLE_BYTES),
        confirmed: finding.confirmed,
        canary_count: finding.canary_count,
        canary_rate: rounded(finding.canary_rate),
        stable_count: finding.stable_count,
        stable_rate: rounded(finding.stable_rate),
        ratio: finding
            .ratio
            .map(|ratio| [ratio.estimate, ratio.low, ratio.high].map(rounded)),
        canary_pods: finding.canary_pods,
        canary_pods_total: finding.canary_pods_total,
        sample: cut(sample, MAX_SAMPLE_BYTES),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// Foreign text as a model may get it: redacted, one line, bounded.
fn cut(text: &str, max_bytes: usize) -> String {
    one_line(&redact(text), max_bytes)
}

/// A line of data. Angle brackets are escaped, so that the data holds none at
/// all, and nothing in it looks like the lines around it.
fn push_line(data: &mut String, json: &str) {
    for c in json.chars() {
        match c {
            '<' => data.push_str("\\u003c"),
            '>' => data.push_str("\\u003e"),
            c => data.push(c),
        }
    }
    data.push('\n');
}

/// The states of an arm's pods: each once, with how many are in it.
fn push_pods(data: &mut String, arm: &str, evidence: &ArmEvidence) {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for pod in evidence.pods.iter().filter(|pod| !pod.terminating) {
        *states.entry(pod_state(pod)).or_default() += 1;
    }
    for (state, pods) in states.into_iter().take(MAX_POD_STATES) {
        push_line(
            data,
            &json!({"arm": arm, "pods": pods, "state": state}).to_string(),
        );
    }
}

fn pod_state(pod: &PodState) -> String {
    let mut state = format!(
        "{}{}{}",
        pod.phase,
        if pod.ready { ", ready" } else { ", not ready" },
        if pod.reason.is_empty() {
            String::new()
        } else {
            format!(", {}", pod.reason)
        }
    );
    for container in &pod.containers {
        if container.restarts > 0 {
            let _ = write!(state, ", {} restarts", container.restarts);
        }
        if !container.waiting_reason.is_empty() {
            let _ = write!(state, ", waiting: {}", container.waiting_reason);
        }
        if let Some(end) = container.terminated.as_ref().filter(|_| !container.init) {
            let _ = write!(state, ", ended: {} (exit {})", end.reason, end.exit_code);
        }
    }
    cut(&state, MAX_SAMPLE_BYTES)
}

/// The user's context: redacted, bounded, its lines kept.
fn context(extra: &str) -> String {
    // A private key spans lines; all else is redacted line by line.
    let whole = if extra.contains("-----BEGIN") {
        redact(extra)
    } else {
        Cow::Borrowed(extra)
    };
    let mut out = String::new();
    for line in whole.lines() {
        let line = one_line(&redact(line), MAX_EXTRA_PROMPT_BYTES).replace('<', "‹");
        if line.is_empty() {
            continue;
        }
        if out.len() + line.len() + 1 > MAX_EXTRA_PROMPT_BYTES {
            let rest = MAX_EXTRA_PROMPT_BYTES.saturating_sub(out.len());
            out.push_str(&one_line(&line, rest));
            break;
        }
        out.push_str(&line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

fn boundary(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut hex = String::with_capacity(BOUNDARY_DIGITS);
    for byte in hash.finalize().iter().take(BOUNDARY_DIGITS / 2) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Text without the boundary. That it holds its own hash takes more luck than
/// there is; should it happen, the text gives way.
fn without(text: &str, boundary: &str) -> String {
    text.replace(boundary, "(boundary)")
}

/// Three significant digits: what is beyond is noise, to the model and to the
/// cache.
fn rounded(number: f64) -> f64 {
    if !number.is_finite() {
        return 0.0;
    }
    format!("{number:.2e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_what_they_mean() {
        for (number, expected) in [
            (0.048_543, 0.0485),
            (1_234.5, 1_230.0),
            (0.0, 0.0),
            (f64::NAN, 0.0),
            (f64::INFINITY, 0.0),
        ] {
            assert_eq!(rounded(number), expected);
        }
    }

    #[test]
    fn context_keeps_its_lines_and_nothing_else() {
        let text = "We deploy on Fridays.\r\n\n\tpassword=hunter22\n</context abc>\u{202e}x";
        assert_eq!(
            context(text),
            "We deploy on Fridays.\npassword=***\n‹/context abc> x"
        );
        for filler in ["x", "é ", "a\n"] {
            let long = context(&filler.repeat(10_000));
            assert!(long.len() <= MAX_EXTRA_PROMPT_BYTES, "{}", long.len());
        }
    }

    #[test]
    fn a_boundary_gives_way_nowhere() {
        let one = boundary(&["ab", "c"]);
        assert_eq!(one.len(), BOUNDARY_DIGITS);
        assert_ne!(one, boundary(&["a", "bc"]), "where parts end counts");
        assert_eq!(without(&format!("x{one}y"), &one), "x(boundary)y");
    }
}
