//! A model's text → its view. Pure, and trusts nothing: what the model read
//! was hostile, so what it says may be.

use judge::redact::redact;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::one_line;
use crate::opinion::View;

/// The longest analysis that is kept, in bytes.
pub const MAX_ANALYSIS_BYTES: usize = 2_000;

/// The longest cause, in bytes: it goes into the one-line message.
pub const MAX_ROOT_CAUSE_BYTES: usize = 300;

/// The longest remediation, in bytes.
pub const MAX_REMEDIATION_BYTES: usize = 1_000;

/// The answer's schema, for both APIs: OpenAI's strict mode wants every
/// property required and no other allowed, and takes no ranges.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "promote": {"type": "boolean"},
            "confidence": {"type": "integer"},
            "analysis": {"type": "string"},
            "rootCause": {"type": "string"},
            "remediation": {"type": "string"},
            "citedFindings": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["promote", "confidence", "analysis", "rootCause", "remediation", "citedFindings"],
        "additionalProperties": false,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    promote: bool,
    confidence: f64,
    analysis: String,
    #[serde(default)]
    root_cause: Option<String>,
    #[serde(default)]
    remediation: Option<String>,
    #[serde(default)]
    cited_findings: Vec<Value>,
}

/// The view that a text states; `ids` are the findings that exist. Else what is
/// wrong with it, in words for the model: nothing of the text is in them.
pub(super) fn read(text: &str, ids: &[String]) -> Result<View, &'static str> {
    let json = unfenced(text);
    if json.is_empty() {
        return Err("it was empty");
    }
    if !json.starts_with('{') {
        return Err("it was not one JSON object");
    }
    let answer: Answer = serde_json::from_str(json).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => "it broke off in the middle",
        serde_json::error::Category::Data => {
            "a field is missing, is there twice, or has the wrong type"
        }
        _ => "it was not one JSON object",
    })?;
    if answer.confidence.fract() != 0.0 || !(0.0..=100.0).contains(&answer.confidence) {
        return Err("confidence must be a whole number from 0 to 100");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 100"
    )]
    let confidence = answer.confidence as u8;
    let text = |text: &str, max_bytes| one_line(&redact(text), max_bytes);
    Ok(View {
        promote: answer.promote,
        confidence,
        analysis: text(&answer.analysis, MAX_ANALYSIS_BYTES),
        root_cause: text(&answer.root_cause.unwrap_or_default(), MAX_ROOT_CAUSE_BYTES),
        remediation: text(
            &answer.remediation.unwrap_or_default(),
            MAX_REMEDIATION_BYTES,
        ),
        cited: cited(&answer.cited_findings, ids),
    })
}

/// Those that exist, each once, in the model's order.
fn cited(said: &[Value], ids: &[String]) -> Vec<String> {
    let mut cited: Vec<String> = Vec::new();
    for id in said.iter().filter_map(Value::as_str).map(str::trim) {
        if ids.iter().any(|known| known == id) && !cited.iter().any(|known| known == id) {
            cited.push(id.to_owned());
        }
    }
    cited
}

/// Without a code fence around it, which small models like.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"))
    else {
        return text;
    };
    let after_name = inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    after_name.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        vec!["0a1b2c3d".into(), "deadbeef".into()]
    }

    fn answer(change: impl Fn(&mut Value)) -> String {
        let mut answer = json!({"promote": false, "confidence": 80, "analysis": "a", "rootCause": "r",
            "remediation": "m", "citedFindings": ["deadbeef"]});
        change(&mut answer);
        answer.to_string()
    }

    #[test]
    fn a_good_answer_is_read_with_or_without_a_fence() {
        let plain = answer(|_| {});
        let view = View {
            promote: false,
            confidence: 80,
            analysis: "a".into(),
            root_cause: "r".into(),
            remediation: "m".into(),
            cited: vec!["deadbeef".into()],
        };
        for text in [
            plain.clone(),
            format!("\n {plain} \n"),
            format!("```json\n{plain}\n```"),
            format!("```\n{plain}```\n"),
            answer(|a| a["thoughts"] = json!({"x": [1]})),
            answer(|a| a["confidence"] = json!(80.0)),
        ] {
            assert_eq!(read(&text, &ids()), Ok(view.clone()), "{text}");
        }
        let bare = read(
            r#"{"promote":true,"confidence":0,"analysis":"","rootCause":null}"#,
            &ids(),
        );
        assert!(bare.unwrap().cited.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        for (text, problem) in [
            (String::new(), "empty"),
            ("```json\n```".into(), "empty"),
            ("I would promote.".into(), "not one JSON object"),
            ("[]".into(), "not one JSON object"),
            (answer(|_| {}) + " and more", "not one JSON object"),
            (answer(|_| {}) + &answer(|_| {}), "not one JSON object"),
            (answer(|_| {})[..40].to_owned(), "broke off"),
            (answer(|a| a["promote"] = json!("true")), "wrong type"),
            (answer(|a| a["promote"] = json!(null)), "wrong type"),
            (answer(|a| a["citedFindings"] = json!("x")), "wrong type"),
            (answer(|a| a["analysis"] = json!(1)), "wrong type"),
            (answer(|a| a["confidence"] = json!(101)), "confidence"),
            (answer(|a| a["confidence"] = json!(-1)), "confidence"),
            (answer(|a| a["confidence"] = json!(0.85)), "confidence"),
            (
                r#"{"promote":false,"promote":true,"confidence":1,"analysis":""}"#.into(),
                "twice",
            ),
        ] {
            let said = read(&text, &ids()).unwrap_err();
            assert!(said.contains(problem), "{text}: {said}");
        }
    }

    #[test]
    fn only_findings_that_exist_are_cited() {
        let text = answer(|a| {
            a["citedFindings"] = json!(["deadbeef", "made-up", " 0a1b2c3d ", 7, "deadbeef", null]);
        });
        assert_eq!(read(&text, &ids()).unwrap().cited, ["deadbeef", "0a1b2c3d"]);
    }

    #[test]
    fn texts_are_redacted_one_line_and_bounded() {
        let text = answer(|a| {
            a["analysis"] = json!("x".repeat(9_000));
            a["rootCause"] = json!("\u{1b}[2Jcanary\npromoted\u{202e} password=hunter22");
            a["remediation"] = json!("é".repeat(9_000));
        });
        let view = read(&text, &ids()).unwrap();
        assert_eq!(view.root_cause, "[2Jcanary promoted password=***");
        assert!(view.analysis.len() <= MAX_ANALYSIS_BYTES);
        assert!(view.remediation.len() <= MAX_REMEDIATION_BYTES);
    }
}
