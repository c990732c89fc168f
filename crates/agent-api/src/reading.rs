//! Reads answers that strangers wrote.
//!
//! What only tells (texts, links, single models' results) is taken as far as it
//! goes. What decides (`promote`, `confidence`, `verdict`) must be right, or
//! there is no answer: a number out of its range is not pulled into it, since
//! that would make of the wildest answer the surest one.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::clean;
use crate::rest::{
    MAX_LINK_BYTES, MAX_MODEL_RESULTS, MAX_NAME_BYTES, MAX_STATE_BYTES, MAX_TEXT_BYTES,
    ModelResult, Response,
};
use crate::verdict::Verdict;

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not the JSON object that the contract has, or says a field twice.
    #[error("the answer is not the JSON of an analysis")]
    NotAnAnalysis,
    /// `promote` is neither true nor false, or missing without a `verdict`.
    #[error("the answer's promote is neither true nor false")]
    Promote,
    /// `confidence` is no number from 0 to 100.
    #[error("the answer's confidence is no number from 0 to 100")]
    Confidence,
    /// `verdict` is none of the three words.
    #[error("the answer's verdict is none of promote, abort and inconclusive")]
    Verdict,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireResponse {
    #[serde(default)]
    analysis: Value,
    #[serde(default)]
    root_cause: Value,
    #[serde(default)]
    remediation: Value,
    #[serde(default)]
    pr_link: Value,
    #[serde(default)]
    promote: Value,
    #[serde(default)]
    confidence: Value,
    #[serde(default)]
    model_results: Value,
    #[serde(default)]
    voting_rationale: Value,
    #[serde(default)]
    verdict: Value,
    #[serde(default)]
    state: Value,
    #[serde(default)]
    issue_link: Value,
}

impl Response {
    /// Reads an answer.
    ///
    /// Unknown fields are ignored; texts that are missing or null are empty;
    /// 80.0 is 80, and 80.9 too; a missing `confidence` is 0; a missing
    /// `promote` is what `verdict` says. Texts are cleaned and cut to their
    /// limits, links that are empty or the word `null` are none, and a `state`
    /// that is too long or not printable is none.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when it is not an analysis, or when what decides is not
    /// of its type or range.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        // A derived reader takes an array for an object, by position.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unreadable::NotAnAnalysis);
        }
        let wire: WireResponse =
            serde_json::from_slice(body).map_err(|_| Unreadable::NotAnAnalysis)?;
        let verdict = verdict(&wire.verdict)?;
        let promote = match (&wire.promote, verdict) {
            (Value::Bool(promote), _) => *promote,
            (Value::Null, Some(verdict)) => verdict == Verdict::Promote,
            _ => return Err(Unreadable::Promote),
        };
        Ok(Self {
            analysis: text(&wire.analysis),
            root_cause: text(&wire.root_cause),
            remediation: text(&wire.remediation),
            pr_link: link(&wire.pr_link),
            promote,
            confidence: percent(&wire.confidence).ok_or(Unreadable::Confidence)?,
            model_results: model_results(&wire.model_results),
            voting_rationale: Some(text(&wire.voting_rationale)).filter(|text| !text.is_empty()),
            verdict,
            state: state(wire.state),
            issue_link: link(&wire.issue_link),
        })
    }
}

fn verdict(value: &Value) -> Result<Option<Verdict>, Unreadable> {
    let word = match value {
        Value::Null => return Ok(None),
        Value::String(word) => word.trim().to_ascii_lowercase(),
        _ => return Err(Unreadable::Verdict),
    };
    match word.as_str() {
        "promote" => Ok(Some(Verdict::Promote)),
        "abort" => Ok(Some(Verdict::Abort)),
        "inconclusive" => Ok(Some(Verdict::Inconclusive)),
        _ => Err(Unreadable::Verdict),
    }
}

/// 0 to 100, cut to a whole number as the contract's own mean is; missing is 0.
fn percent(value: &Value) -> Option<u8> {
    let number = match value {
        Value::Null => 0.0,
        other => other.as_f64()?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0 to 100"
    )]
    (0.0..=100.0).contains(&number).then_some(number as u8)
}

/// Text, whatever it came as: some models fill a text with a list.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean::text(text, MAX_TEXT_BYTES),
        other => clean::text(&other.to_string(), MAX_TEXT_BYTES),
    }
}

fn link(value: &Value) -> Option<String> {
    let link = value.as_str()?.trim();
    let is_none = link.is_empty() || link == "null";
    // A link that is cut leads elsewhere.
    let fits = link.len() <= MAX_LINK_BYTES && is_plain(link) && !link.contains(' ');
    (!is_none && fits).then(|| link.to_owned())
}

fn state(value: Value) -> Option<String> {
    match value {
        Value::String(state)
            if !state.is_empty() && state.len() <= MAX_STATE_BYTES && is_plain(&state) =>
        {
            Some(state)
        }
        _ => None,
    }
}

/// Whether nothing had to be cleaned: what is sent back or followed is taken as
/// it is or not at all.
fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|c| clean::is_unprintable(c) || (c.is_whitespace() && c != ' '))
}

fn model_results(value: &Value) -> Vec<ModelResult> {
    let results = value.as_array().map(Vec::as_slice).unwrap_or_default();
    results
        .iter()
        .filter(|result| result.is_object())
        .take(MAX_MODEL_RESULTS)
        .map(model_result)
        .collect()
}

fn model_result(value: &Value) -> ModelResult {
    let name = value["modelName"].as_str().unwrap_or_default();
    ModelResult {
        model_name: clean::line(name, MAX_NAME_BYTES),
        analysis: text(&value["analysis"]),
        root_cause: text(&value["rootCause"]),
        remediation: text(&value["remediation"]),
        promote: value["promote"].as_bool().unwrap_or_default(),
        confidence: percent(&value["confidence"]).unwrap_or_default(),
        execution_time_ms: value["executionTimeMs"].as_u64().unwrap_or_default(),
        error: Some(text(&value["error"])).filter(|error| !error.is_empty()),
    }
}

/// Null as the default: clients write it for what they do not have.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::verdict::NoVerdict;

    fn read(answer: &Value) -> Result<Response, Unreadable> {
        Response::read(answer.to_string().as_bytes())
    }

    #[test]
    fn what_decides_must_be_right() {
        let table = [
            (json!({"promote": true, "confidence": 80}), Ok((true, 80))),
            (json!({"promote": true, "confidence": 80.0}), Ok((true, 80))),
            (json!({"promote": true, "confidence": 80.9}), Ok((true, 80))),
            // A fraction is no percentage: it becomes a promote without ground.
            (json!({"promote": true, "confidence": 0.85}), Ok((true, 0))),
            (json!({"promote": false, "confidence": 0}), Ok((false, 0))),
            (json!({"promote": false}), Ok((false, 0))),
            (json!({"promote": true, "confidence": null}), Ok((true, 0))),
            (
                json!({"verdict": "promote", "confidence": 80}),
                Ok((true, 80)),
            ),
            (json!({"verdict": "abort"}), Ok((false, 0))),
            (
                json!({"verdict": " Abort ", "promote": null}),
                Ok((false, 0)),
            ),
            (
                json!({"promote": true, "confidence": 101}),
                Err(Unreadable::Confidence),
            ),
            (
                json!({"promote": true, "confidence": -1}),
                Err(Unreadable::Confidence),
            ),
            (
                json!({"promote": true, "confidence": "80"}),
                Err(Unreadable::Confidence),
            ),
            (
                json!({"promote": "true", "confidence": 80}),
                Err(Unreadable::Promote),
            ),
            (
                json!({"promote": 1, "confidence": 80}),
                Err(Unreadable::Promote),
            ),
            (json!({"confidence": 80}), Err(Unreadable::Promote)),
            (json!({}), Err(Unreadable::Promote)),
            (
                json!({"verdict": "maybe", "promote": true, "confidence": 80}),
                Err(Unreadable::Verdict),
            ),
            (
                json!({"verdict": true, "promote": true, "confidence": 80}),
                Err(Unreadable::Verdict),
            ),
            (
                json!({"verdict": "", "promote": true, "confidence": 80}),
                Err(Unreadable::Verdict),
            ),
        ];
        for (answer, expected) in table {
            let found = read(&answer).map(|r| (r.promote, r.confidence));
            assert_eq!(found, expected, "{answer}");
        }
    }

    #[test]
    fn what_is_no_analysis() {
        let deep = format!("{{\"analysis\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for body in [
            "",
            "null",
            "true",
            "[]",
            r#"["a","r","m",null,true,90,[],null,"promote",null,null]"#,
            "<html>promote</html>",
            r#"{"promote":true,"confidence":90"#,
            r#"{"promote":false,"promote":true,"confidence":90}"#,
            r#"{"promote":true,"confidence":90} {"promote":false}"#,
            r#"{"promote":true,"confidence":1e999}"#,
            "{\"promote\":true,\"confidence\":90,\"analysis\":\"\u{0}\"}",
            &deep,
        ] {
            let found = Response::read(body.as_bytes());
            assert_eq!(found, Err(Unreadable::NotAnAnalysis), "{body}");
        }
        assert_eq!(
            Response::read(b"{\"promote\":true,\"confidence\":90,\"analysis\":\"\xff\"}"),
            Err(Unreadable::NotAnAnalysis)
        );
    }

    #[test]
    fn what_only_tells_is_taken_as_far_as_it_goes() {
        let answer = json!({
            "analysis": "two\nlines\u{1b}[2J", "rootCause": null, "remediation": ["a", 1],
            "prLink": "null", "promote": false, "confidence": 70, "votingRationale": "",
            "modelResults": [
                {"modelName": "one\nmodel", "promote": true, "confidence": 900,
                 "executionTimeMs": -5, "error": ""},
                "not a result",
                {"error": "429"},
            ],
            "state": "a\u{7}b", "issueLink": " https://github.com/o/r/issues/1 ",
            "toolCalls": [1, 2, 3],
        });
        let read = read(&answer).unwrap();
        let expected = Response {
            analysis: "two\nlines[2J".to_owned(),
            remediation: r#"["a",1]"#.to_owned(),
            confidence: 70,
            model_results: vec![
                ModelResult {
                    model_name: "one model".to_owned(),
                    promote: true,
                    ..ModelResult::default()
                },
                ModelResult {
                    error: Some("429".to_owned()),
                    ..ModelResult::default()
                },
            ],
            issue_link: Some("https://github.com/o/r/issues/1".to_owned()),
            ..Response::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn everything_is_bounded() {
        let long = "x".repeat(100_000);
        let result = json!({"modelName": long, "analysis": long, "error": long});
        let answer = json!({"analysis": long, "rootCause": long, "remediation": long,
            "votingRationale": long, "prLink": format!("https://{long}"), "issueLink": long,
            "state": long, "promote": false, "confidence": 70,
            "modelResults": vec![result; 50]});
        let read = read(&answer).unwrap();
        assert_eq!(read.model_results.len(), MAX_MODEL_RESULTS);
        assert_eq!(
            (read.pr_link, read.issue_link, read.state),
            (None, None, None)
        );
        let first = &read.model_results[0];
        assert_eq!(first.model_name.len(), MAX_NAME_BYTES);
        for text in [
            &read.analysis,
            &read.root_cause,
            &read.remediation,
            read.voting_rationale.as_ref().unwrap(),
            &first.analysis,
            first.error.as_ref().unwrap(),
        ] {
            assert_eq!(text.len(), MAX_TEXT_BYTES);
        }
        let fits = "s".repeat(MAX_STATE_BYTES);
        let answer = json!({"promote": false, "state": fits});
        assert_eq!(
            Response::read(answer.to_string().as_bytes()).unwrap().state,
            Some(fits)
        );
    }

    #[test]
    fn an_answer_is_written_whole_in_order_with_nulls() {
        let response = Response {
            analysis: "a".to_owned(),
            confidence: 80,
            promote: true,
            verdict: Some(Verdict::Promote),
            model_results: vec![ModelResult::default()],
            ..Response::default()
        };
        let written = serde_json::to_string(&response).unwrap();
        assert_eq!(
            written,
            "{\"analysis\":\"a\",\"rootCause\":\"\",\"remediation\":\"\",\"prLink\":null,\
             \"promote\":true,\"confidence\":80,\"modelResults\":[{\"modelName\":\"\",\
             \"analysis\":\"\",\"rootCause\":\"\",\"remediation\":\"\",\"promote\":false,\
             \"confidence\":0,\"executionTimeMs\":0,\"error\":null}],\"votingRationale\":null,\
             \"verdict\":\"promote\",\"state\":null,\"issueLink\":null}"
        );
        assert_eq!(Response::read(written.as_bytes()), Ok(response));
    }

    #[test]
    fn what_agents_in_use_say_when_their_model_is_down_promotes_nothing() {
        // By shape: all models failed (200), one model whose answer is no JSON
        // (200), an exception (500, whose body is not read for a verdict).
        let failed = json!({"modelName": "gemini", "analysis": "Analysis encountered an error",
            "rootCause": "Technical failure", "remediation": "", "promote": true,
            "confidence": 0, "executionTimeMs": 31_004, "error": "Analysis failed: 503"});
        for answer in [
            json!({"analysis": "All failed", "rootCause": "Unable to connect",
                "remediation": "", "prLink": null, "promote": true, "confidence": 0,
                "modelResults": [failed, failed], "votingRationale": null}),
            json!({"analysis": "not json", "rootCause": "Unable to parse",
                "remediation": "", "prLink": null, "promote": true, "confidence": 0}),
        ] {
            let verdict = read(&answer).unwrap().verdict();
            assert_eq!(verdict, Err(NoVerdict::UnfoundedPromote), "{answer}");
        }
    }
}
