//! Deciding a bundle again. Pure.

use std::collections::BTreeSet;

use judge::{Judgement, Policy};
use serde_json::Value;

use super::{Bundle, BundleError, Recorded, TOOL_VERSION};
use crate::decide::{Verdict, decide};
use crate::message::one_line;
use crate::opinion::{Answer, Explained};

/// Differences that are told; a verdict that differs in more is another one.
pub const MAX_DIFFERENCES: usize = 20;

/// How far apart, relative to the larger, two decimals are that differ by their
/// arithmetic alone: sums of some thousand terms, each right to 16 digits.
const ROUNDING: f64 = 1e-9;

/// Bytes of a value in a difference.
const MAX_VALUE_BYTES: usize = 160;

/// Bytes of a field's path in a difference.
const MAX_PATH_BYTES: usize = 120;

/// With what a bundle is decided again; what is `None` is the bundle's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct With<'a> {
    /// Another policy.
    pub policy: Option<&'a Policy>,
    /// What other models say.
    pub explained: Option<&'a Explained>,
}

/// A bundle, decided again.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The verdict now.
    pub verdict: Verdict,
    /// Where it differs from the recorded one, in order, at most
    /// [`MAX_DIFFERENCES`]; empty when both are the same, byte for byte.
    pub differences: Vec<Difference>,
    /// The version that made the bundle, where it is not this one: it may have
    /// judged otherwise.
    pub other_tool: Option<String>,
}

impl Replayed {
    /// Whether both verdicts are the same, byte for byte.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether both verdicts are the same but for the last digits of numbers.
    #[must_use]
    pub fn is_same_but_for_rounding(&self) -> bool {
        self.differences
            .iter()
            .all(|difference| difference.is_rounding)
    }
}

/// One field in which two verdicts differ; all text in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's path: `judgement.gates[2].log_e`.
    pub field: String,
    /// What the bundle holds, as JSON; `-` where it is not there.
    pub recorded: String,
    /// What it is now.
    pub now: String,
    /// Whether both are numbers that differ in their last digits only: the
    /// logarithms of another C library (a static build beside one that is not)
    /// or of another processor.
    pub is_rounding: bool,
}

/// Judges and decides again, from the bundle alone.
///
/// With another policy, what models said counts as far as it cites findings
/// that there still are.
///
/// # Errors
///
/// [`BundleError::Serialise`]: a defect of ours.
pub fn replay(bundle: &Bundle, with: With<'_>) -> Result<Replayed, BundleError> {
    let policy = with.policy.unwrap_or(&bundle.policy);
    let judgement = judge::judge(&bundle.gathered.evidence, policy);
    let mut explained = with.explained.unwrap_or(&bundle.explained).clone();
    if with.policy.is_some() {
        drop_uncitable(&mut explained, &judgement);
    }
    let verdict = decide(judgement, &bundle.gathered, explained, &bundle.rules);
    let now = Recorded::of(&verdict)?;
    let mut differences = Vec::new();
    if now != bundle.verdict {
        let recorded: Value = parsed(&bundle.verdict)?;
        compare("", Some(&recorded), Some(&parsed(&now)?), &mut differences);
        if differences.is_empty() {
            // Equal fields, other bytes: their order, or a field named twice.
            differences.push(Difference {
                field: "(the form)".to_owned(),
                recorded: format!("{} bytes", bundle.verdict.json().len()),
                now: format!("{} bytes", now.json().len()),
                is_rounding: false,
            });
        }
    }
    Ok(Replayed {
        verdict,
        differences,
        other_tool: (bundle.tool != TOOL_VERSION).then(|| one_line(&bundle.tool, 40)),
    })
}

fn parsed(verdict: &Recorded) -> Result<Value, BundleError> {
    serde_json::from_str(verdict.json()).map_err(BundleError::Serialise)
}

fn drop_uncitable(explained: &mut Explained, judgement: &Judgement) {
    let findings = judgement.vetoes.iter().chain(&judgement.findings);
    let ids: BTreeSet<&str> = findings.map(|finding| finding.id.as_str()).collect();
    for opinion in &mut explained.opinions {
        if let Answer::View(view) = &mut opinion.answer {
            view.cited.retain(|id| ids.contains(id.as_str()));
        }
    }
}

fn compare(path: &str, recorded: Option<&Value>, now: Option<&Value>, into: &mut Vec<Difference>) {
    if recorded == now || into.len() >= MAX_DIFFERENCES {
        return;
    }
    match (recorded, now) {
        (Some(Value::Object(recorded)), Some(Value::Object(now))) => {
            let names: BTreeSet<&String> = recorded.keys().chain(now.keys()).collect();
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                compare(&path, recorded.get(name), now.get(name), into);
            }
        }
        (Some(Value::Array(recorded)), Some(Value::Array(now))) => {
            for index in 0..recorded.len().max(now.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, recorded.get(index), now.get(index), into);
            }
        }
        _ => into.push(Difference {
            field: one_line(path, MAX_PATH_BYTES),
            recorded: shown(recorded),
            now: shown(now),
            is_rounding: is_rounding(recorded, now),
        }),
    }
}

fn is_rounding(recorded: Option<&Value>, now: Option<&Value>) -> bool {
    let decimal = |value: Option<&Value>| value.filter(|value| value.is_f64())?.as_f64();
    match (decimal(recorded), decimal(now)) {
        (Some(a), Some(b)) => (a - b).abs() <= ROUNDING * a.abs().max(b.abs()),
        _ => false,
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| one_line(&value.to_string(), MAX_VALUE_BYTES),
    )
}
