//! Google's API.

use serde_json::{Value, json};

use super::{End, MAX_OUTPUT_TOKENS, Question, Reply, word};
use crate::explain::answer;
use crate::explain::prices::Tokens;

pub(super) fn body(question: Question<'_>) -> Value {
    let user = |text: &str| json!({"role": "user", "parts": [{"text": text}]});
    let mut contents = vec![user(&question.prompt.user)];
    if let Some(repair) = question.repair {
        contents.extend(repair.said.clone());
        contents.push(user(&repair.complaint));
    }
    // No tools: together with a response format they are refused (400).
    json!({
        "systemInstruction": {"parts": [{"text": question.prompt.system}]},
        "contents": contents,
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": answer::schema(),
            "maxOutputTokens": MAX_OUTPUT_TOKENS,
        },
    })
}

pub(super) fn reply(body: &Value) -> Option<Reply> {
    let tokens = tokens(&body["usageMetadata"]);
    let candidate = &body["candidates"][0];
    if candidate.is_null() {
        let reason = body["promptFeedback"]["blockReason"].as_str()?;
        return Some(Reply {
            text: String::new(),
            said: Value::Null,
            tokens,
            end: End::Blocked(word(reason)),
        });
    }
    let content = &candidate["content"];
    let parts = content["parts"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let called = parts.iter().any(|part| part.get("functionCall").is_some());
    let text: String = parts
        .iter()
        .filter(|part| part["thought"].as_bool() != Some(true))
        .filter_map(|part| part["text"].as_str())
        .collect();
    let end = match candidate["finishReason"].as_str() {
        _ if called => End::CalledTool,
        // Compatible servers may leave it out.
        None | Some("" | "STOP" | "FINISH_REASON_UNSPECIFIED") => End::Done,
        Some("MAX_TOKENS") => End::CutOff,
        Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS") => {
            End::CalledTool
        }
        // SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, OTHER, and
        // what is yet to come: an answer that did not end well is none.
        Some(reason) => End::Blocked(word(reason)),
    };
    // An empty turn, or a call without its result, is refused (400).
    let said = if called || text.is_empty() {
        Value::Null
    } else {
        content.clone()
    };
    Some(Reply {
        text,
        said,
        tokens,
        end,
    })
}

fn tokens(usage: &Value) -> Option<Tokens> {
    let of = |name: &str| usage[name].as_u64();
    let input = of("promptTokenCount")?;
    Some(Tokens {
        input,
        output: of("candidatesTokenCount")
            .unwrap_or(0)
            .saturating_add(of("thoughtsTokenCount").unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Repair;
    use super::*;
    use crate::explain::prompt::Prompt;

    fn prompt() -> Prompt {
        Prompt {
            system: "rules",
            user: "case".into(),
            ids: Vec::new(),
        }
    }

    #[test]
    fn a_question_has_a_schema_and_no_tools() {
        let prompt = prompt();
        let body = body(Question {
            prompt: &prompt,
            repair: None,
        });
        assert_eq!(body["systemInstruction"]["parts"][0]["text"], "rules");
        assert_eq!(body["contents"].as_array().unwrap().len(), 1);
        assert_eq!(
            body["generationConfig"]["responseJsonSchema"],
            answer::schema()
        );
        assert_eq!(body.get("tools"), None);
        assert_eq!(body["generationConfig"].get("responseSchema"), None);
    }

    #[test]
    fn a_thought_signature_comes_back_unchanged() {
        let said = json!({"role": "model", "parts": [
            {"text": "thinking", "thought": true},
            {"text": "no JSON", "thoughtSignature": "c2lnbmF0dXJl"}]});
        let answered =
            reply(&json!({"candidates": [{"content": said, "finishReason": "STOP"}]})).unwrap();
        assert_eq!(answered.text, "no JSON");
        let (prompt, repair) = (prompt(), Repair::new(answered.said, "it was wrong"));
        let body = body(Question {
            prompt: &prompt,
            repair: Some(&repair),
        });
        assert_eq!(body["contents"][1], said);
        let complaint = body["contents"][2]["parts"][0]["text"].as_str().unwrap();
        assert!(complaint.contains("it was wrong"), "{complaint}");
    }

    #[test]
    fn what_is_too_long_is_not_sent_back() {
        let prompt = prompt();
        let said = json!({"role": "model", "parts": [{"text": "x".repeat(40_000)}]});
        for said in [said, Value::Null] {
            let repair = Repair::new(said, "it was wrong");
            let body = body(Question {
                prompt: &prompt,
                repair: Some(&repair),
            });
            assert_eq!(body["contents"].as_array().unwrap().len(), 2);
        }
    }

    #[test]
    fn each_end_is_told_apart() {
        let ended = |reason: Option<&str>| {
            let body = json!({"candidates": [{"content": {"parts": [{"text": "a"}, {"text": "b"}]},
                "finishReason": reason}]});
            reply(&body).unwrap()
        };
        for (reason, end) in [
            (Some("STOP"), End::Done),
            (None, End::Done),
            (Some("MAX_TOKENS"), End::CutOff),
            (Some("SAFETY"), End::Blocked("SAFETY".into())),
            (Some("RECITATION"), End::Blocked("RECITATION".into())),
            (Some("OTHER"), End::Blocked("OTHER".into())),
            (Some("MALFORMED_FUNCTION_CALL"), End::CalledTool),
            (Some("UNEXPECTED_TOOL_CALL"), End::CalledTool),
            (Some("TOO_MANY_TOOL_CALLS"), End::CalledTool),
            (
                Some("key AIza…\n"),
                End::Blocked("no reason that can be shown".into()),
            ),
        ] {
            let answered = ended(reason);
            assert_eq!(
                (answered.text.as_str(), answered.end),
                ("ab", end),
                "{reason:?}"
            );
        }
        let call = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "x"}}]},
            "finishReason": "STOP"}]});
        assert_eq!(reply(&call).unwrap().end, End::CalledTool);
        let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
        assert_eq!(reply(&blocked).unwrap().end, End::Blocked("SAFETY".into()));
        assert_eq!(reply(&json!({"error": {"code": 500}})), None);
        for odd in [
            json!([]),
            json!("x"),
            json!({"candidates": ["x"]}),
            json!({"candidates": {"content": []}}),
        ] {
            assert_ne!(
                reply(&odd).map(|reply| reply.text),
                Some("x".into()),
                "{odd}"
            );
        }
    }

    #[test]
    fn thoughts_are_paid_for() {
        let body = json!({"candidates": [{}], "usageMetadata": {"promptTokenCount": 7,
            "candidatesTokenCount": 5, "thoughtsTokenCount": 100, "totalTokenCount": 112}});
        assert_eq!(
            reply(&body).unwrap().tokens,
            Some(Tokens {
                input: 7,
                output: 105
            })
        );
    }
}
