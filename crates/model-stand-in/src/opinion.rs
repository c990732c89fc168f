//! A scripted opinion, in whatever schema the request asks for: whoever writes
//! the prompt may name its fields as it likes.

use serde_json::{Map, Value, json};

use crate::script::{Opinion, Says};
use crate::text;

/// Deepest nesting of a schema that is followed; deeper is `null`.
const MAX_DEPTH: usize = 16;

/// What an opinion is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// All that the model would read.
    pub(crate) text: &'a str,
    /// What the user said.
    pub(crate) user: &'a str,
    /// The schema of the answer, when one is asked for.
    pub(crate) schema: Option<&'a Value>,
}

/// The opinion as the model's text.
pub(crate) fn write(opinion: &Opinion, asked: Asked<'_>) -> String {
    let named = text::verdict(asked.user).unwrap_or("inconclusive");
    let verdict = match opinion.says {
        Says::Promote => "promote",
        Says::Abort => "abort",
        Says::Inconclusive => "inconclusive",
        Says::Agree => named,
        Says::Disagree if named == "promote" => "abort",
        Says::Disagree => "promote",
    };
    let ids = if opinion.cites {
        text::finding_ids(asked.text)
    } else {
        Vec::new()
    };
    let said = Said {
        opinion,
        verdict,
        ids,
    };
    let value = match asked.schema {
        Some(schema) => said.by(schema, "", MAX_DEPTH),
        None => said.plain(),
    };
    value.to_string()
}

struct Said<'a> {
    opinion: &'a Opinion,
    verdict: &'static str,
    ids: Vec<&'a str>,
}

impl Said<'_> {
    /// The shape of the agent's contract, for a request without a schema.
    fn plain(&self) -> Value {
        json!({
            "analysis": self.opinion.text,
            "rootCause": self.opinion.text,
            "remediation": self.opinion.text,
            "verdict": self.verdict,
            "promote": self.verdict == "promote",
            "confidence": self.opinion.confidence,
            "findings": self.ids,
        })
    }

    fn by(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if let Some(options) = schema["enum"].as_array() {
            let verdict = options.iter().find(|option| self.is_verdict(option));
            return verdict.or(options.first()).cloned().unwrap_or_default();
        }
        match kind(schema).to_ascii_lowercase().as_str() {
            _ if depth == 0 => Value::Null,
            "boolean" => json!(self.verdict == "promote"),
            "integer" | "number" => self.number(schema, name),
            "string" if is_cited(name) => json!(self.ids.first().unwrap_or(&"")),
            "string" if name.contains("verdict") => json!(self.verdict),
            "string" => json!(self.opinion.text),
            "array" if is_cited(name) && kind(&schema["items"]).eq_ignore_ascii_case("string") => {
                json!(self.ids)
            }
            "array" if is_cited(name) => {
                let one = |id: &&str| {
                    let only = Said {
                        ids: vec![id],
                        ..*self
                    };
                    only.by(&schema["items"], name, depth - 1)
                };
                self.ids.iter().map(one).collect()
            }
            "array" => json!([]),
            "object" => {
                let empty = Map::new();
                let properties = schema["properties"].as_object().unwrap_or(&empty);
                let fields = properties
                    .iter()
                    .map(|(key, inner)| (key.clone(), self.by(inner, key, depth - 1)));
                Value::Object(fields.collect())
            }
            _ => Value::Null,
        }
    }

    fn is_verdict(&self, option: &Value) -> bool {
        let option = option.as_str().unwrap_or_default();
        option.eq_ignore_ascii_case(self.verdict)
    }

    /// The confidence, on a scale of 0 to 1 where the schema says so.
    fn number(&self, schema: &Value, name: &str) -> Value {
        if !name.to_ascii_lowercase().contains("confidence") {
            return schema.get("minimum").cloned().unwrap_or_else(|| json!(0));
        }
        let to_one = schema["maximum"].as_f64().is_some_and(|most| most <= 1.0);
        match self.opinion.confidence {
            confidence if to_one => json!(f64::from(confidence) / 100.0),
            confidence => json!(confidence),
        }
    }
}

/// The type of a schema, the first that is not null where there are several.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or_default(),
        _ => "",
    }
}

/// Whether a field of this name holds the ids of findings.
fn is_cited(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["finding", "cite", "citation", "evidence", "id"]
        .iter()
        .any(|word| match *word {
            "id" => name == "id" || name == "ids",
            word => name.contains(word),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(says: Says, schema: Option<&Value>) -> Value {
        let opinion = Opinion {
            says,
            confidence: 99,
            ..Opinion::default()
        };
        let text = "Verdict: abort. Findings 0a1b2c3d, deadbeef.";
        let asked = Asked {
            text,
            user: text,
            schema,
        };
        serde_json::from_str(&write(&opinion, asked)).expect("JSON")
    }

    #[test]
    fn a_schema_is_filled_whatever_its_names() {
        let schema = json!({"type": "OBJECT", "properties": {
            "promote": {"type": "BOOLEAN"},
            "verdict": {"type": "STRING", "enum": ["ABORT", "PROMOTE"]},
            "confidence": {"type": "INTEGER"},
            "confidenceShare": {"type": "number", "maximum": 1},
            "citedFindings": {"type": "array", "items": {"type": "string"}},
            "claims": {"type": "array", "items": {"type": "string"}},
            "evidence": {"type": "array", "items": {"type": "object", "properties": {
                "id": {"type": "string"}, "why": {"type": ["null", "string"]}}}},
        }});
        assert_eq!(
            written(Says::Promote, Some(&schema)),
            json!({
                "promote": true, "verdict": "PROMOTE", "confidence": 99,
                "confidenceShare": 0.99, "citedFindings": ["0a1b2c3d", "deadbeef"], "claims": [],
                "evidence": [{"id": "0a1b2c3d", "why": "Scripted opinion."},
                             {"id": "deadbeef", "why": "Scripted opinion."}],
            })
        );
    }

    #[test]
    fn a_schema_that_is_too_deep_is_not_followed() {
        let mut schema = json!({"type": "boolean"});
        for _ in 0..=MAX_DEPTH {
            schema = json!({"type": "object", "properties": {"a": schema}});
        }
        let deep = written(Says::Promote, Some(&schema));
        assert_eq!(deep.pointer(&"/a".repeat(MAX_DEPTH)), Some(&Value::Null));
    }

    #[test]
    fn agreeing_and_disagreeing_follow_the_prompt() {
        for (says, verdict) in [
            (Says::Agree, "abort"),
            (Says::Disagree, "promote"),
            (Says::Inconclusive, "inconclusive"),
        ] {
            let plain = written(says, None);
            assert_eq!(plain["verdict"], verdict);
            assert_eq!(plain["promote"], verdict == "promote");
            assert_eq!(plain["findings"], json!(["0a1b2c3d", "deadbeef"]));
        }
    }
}
