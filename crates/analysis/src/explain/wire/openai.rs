//! OpenAI's API, and what is compatible with it.

use serde_json::{Value, json};

use super::{End, MAX_OUTPUT_TOKENS, Question, Reply, word};
use crate::explain::answer;
use crate::explain::config::Target;
use crate::explain::prices::Tokens;

pub(super) fn body(target: &Target, question: Question<'_>) -> Value {
    let mut messages = vec![
        json!({"role": "system", "content": question.prompt.system}),
        json!({"role": "user", "content": question.prompt.user}),
    ];
    if let Some(repair) = question.repair {
        messages.extend(repair.said.clone());
        messages.push(json!({"role": "user", "content": repair.complaint}));
    }
    // OpenAI's newer models refuse the old name, other servers do not know
    // the new one.
    let limit = if target.is_openai_itself {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    json!({
        "model": target.model,
        "messages": messages,
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "opinion", "strict": true, "schema": answer::schema(),
        }},
        limit: MAX_OUTPUT_TOKENS,
    })
}

pub(super) fn reply(body: &Value) -> Option<Reply> {
    let tokens = tokens(&body["usage"]);
    let choice = &body["choices"][0];
    let message = &choice["message"];
    if !message.is_object() {
        return None;
    }
    let text = message["content"].as_str().unwrap_or_default().to_owned();
    let is_refused = message["refusal"]
        .as_str()
        .is_some_and(|text| !text.is_empty());
    let called = message["tool_calls"]
        .as_array()
        .is_some_and(|calls| !calls.is_empty());
    let end = match choice["finish_reason"].as_str() {
        _ if is_refused => End::Blocked("refusal".to_owned()),
        Some("content_filter") => End::Blocked(word("content_filter")),
        // Their arguments are text that may be bad JSON: it is not looked at.
        Some("tool_calls" | "function_call") => End::CalledTool,
        _ if called => End::CalledTool,
        Some("length") => End::CutOff,
        _ => End::Done,
    };
    // Only these two: what else a server adds, it may refuse to take back.
    let said = match text.as_str() {
        "" => Value::Null,
        text => json!({"role": "assistant", "content": text}),
    };
    Some(Reply {
        text,
        said,
        tokens,
        end,
    })
}

fn tokens(usage: &Value) -> Option<Tokens> {
    Some(Tokens {
        input: usage["prompt_tokens"].as_u64()?,
        output: usage["completion_tokens"].as_u64().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Repair;
    use super::*;
    use crate::explain::config::{ModelsConfig, Routes};
    use crate::explain::prompt::Prompt;
    use crate::secret::Secret;

    fn target(base_url: Option<&str>, model: &str) -> Target {
        let mut config = ModelsConfig::default();
        config.openai.base_url = base_url.map(str::to_owned);
        config.openai.key = Secret::new("k");
        Routes::new(&config).unwrap().target(model).unwrap()
    }

    fn prompt() -> Prompt {
        Prompt {
            system: "rules",
            user: "case".into(),
            ids: Vec::new(),
        }
    }

    #[test]
    fn a_question_has_a_strict_schema_and_the_whole_name() {
        let prompt = prompt();
        let question = Question {
            prompt: &prompt,
            repair: None,
        };
        for (base_url, limit, other) in [
            (None, "max_completion_tokens", "max_tokens"),
            (Some("http://h/v1"), "max_tokens", "max_completion_tokens"),
        ] {
            let body = body(&target(base_url, "openai/gpt-x-high"), question);
            assert_eq!(body["model"], "gpt-x-high");
            assert_eq!(body[limit], MAX_OUTPUT_TOKENS);
            for absent in [other, "tools", "reasoning_effort", "temperature"] {
                assert_eq!(body.get(absent), None, "{absent}");
            }
            let format = &body["response_format"]["json_schema"];
            assert_eq!(format["strict"], true);
            let properties = format["schema"]["properties"].as_object().unwrap();
            let required = format["schema"]["required"].as_array().unwrap();
            assert!(properties.keys().all(|key| required.contains(&json!(key))));
            assert_eq!(format["schema"]["additionalProperties"], false);
        }
    }

    #[test]
    fn a_repair_goes_on_with_the_conversation() {
        let answered = reply(&json!({"choices": [{"finish_reason": "stop", "message":
            {"role": "assistant", "content": "no", "refusal": null, "annotations": []}}]}));
        let repair = Repair::new(answered.unwrap().said, "it was wrong");
        let prompt = prompt();
        let body = body(
            &target(None, "gpt-x"),
            Question {
                prompt: &prompt,
                repair: Some(&repair),
            },
        );
        let roles: Vec<&str> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|message| message["role"].as_str())
            .collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
    }

    #[test]
    fn each_end_is_told_apart() {
        let ended = |reason: &str, message: Value| {
            reply(&json!({"choices": [{"finish_reason": reason, "message": message}]}))
                .map(|reply| reply.end)
        };
        let says = || json!({"content": "x"});
        let calls = json!({"content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{bad"}}]});
        for (reason, message, end) in [
            ("stop", says(), Some(End::Done)),
            ("length", says(), Some(End::CutOff)),
            (
                "content_filter",
                says(),
                Some(End::Blocked("content_filter".into())),
            ),
            ("tool_calls", calls.clone(), Some(End::CalledTool)),
            ("stop", calls, Some(End::CalledTool)),
            (
                "stop",
                json!({"content": null, "refusal": "I cannot"}),
                Some(End::Blocked("refusal".into())),
            ),
            ("stop", json!("x"), None),
        ] {
            assert_eq!(ended(reason, message.clone()), end, "{reason} {message}");
        }
        assert_eq!(reply(&json!({"choices": []})), None);
        assert_eq!(reply(&json!({"error": {}})), None);
        for odd in [
            json!([]),
            json!("x"),
            json!({"choices": ["x"]}),
            json!({"choices": "x"}),
        ] {
            assert_eq!(reply(&odd), None, "{odd}");
        }
    }
}
