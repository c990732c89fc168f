//! OpenAI's answers.

use bytes::Bytes;
use serde_json::{Value, json};

use super::CREATED_S;
use crate::answer::{self, Reply, Said, Speech};
use crate::script::{ToolCall, Usage};

/// What the model says, as one object.
pub(crate) fn write(speech: &Speech<'_>) -> Reply {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    if let Some(thoughts) = speech.thoughts {
        message["reasoning_content"] = json!(thoughts);
    }
    match &speech.said {
        Said::Text(text) => message["content"] = json!(text),
        Said::Calls(calls) => {
            let calls = calls.iter().enumerate();
            let calls: Vec<Value> = calls.map(|(nth, call)| called(speech, nth, call)).collect();
            message["tool_calls"] = json!(calls);
        }
    }
    let mut body = frame(speech, "chat.completion");
    body["choices"] = json!([{
        "index": 0,
        "message": message,
        "logprobs": null,
        "finish_reason": finish_reason(speech),
    }]);
    body["usage"] = usage(speech.usage);
    Reply::json(200, &body)
}

/// What the model says, as events.
pub(crate) fn stream(speech: &Speech<'_>, with_usage: bool) -> Reply {
    let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
    if let Some(thoughts) = speech.thoughts {
        deltas.push(json!({"reasoning_content": thoughts}));
    }
    match &speech.said {
        Said::Text(text) => {
            let pieces = answer::pieces(text).into_iter();
            deltas.extend(pieces.map(|piece| json!({ "content": piece })));
        }
        Said::Calls(calls) => {
            for (nth, call) in calls.iter().enumerate() {
                let mut first = called(speech, nth, call);
                first["index"] = json!(nth);
                first["function"]["arguments"] = json!("");
                deltas.push(json!({ "tool_calls": [first] }));
                let pieces = answer::pieces(&arguments(call)).into_iter();
                deltas.extend(pieces.map(
                    |piece| json!({"tool_calls": [{"index": nth, "function": {"arguments": piece}}]}),
                ));
            }
        }
    }
    let chunk = |delta: Value, finish: Option<&str>| {
        let mut chunk = frame(speech, "chat.completion.chunk");
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk["choices"] = json!([choice]);
        if with_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let mut chunks: Vec<Value> = deltas.into_iter().map(|delta| chunk(delta, None)).collect();
    chunks.push(chunk(json!({}), Some(finish_reason(speech))));
    if with_usage {
        let mut last = frame(speech, "chat.completion.chunk");
        last["choices"] = json!([]);
        last["usage"] = usage(speech.usage);
        chunks.push(last);
    }
    let events = chunks.iter().map(Value::to_string);
    let events = events.chain(["[DONE]".to_owned()]);
    let pieces = events.map(|event| Bytes::from(format!("data: {event}\n\n")));
    Reply::new(200, "text/event-stream", pieces.collect())
}

fn frame(speech: &Speech<'_>, object: &str) -> Value {
    json!({
        "id": format!("chatcmpl-{}", speech.number),
        "object": object,
        "created": CREATED_S,
        "model": speech.model,
        "service_tier": "default",
        "system_fingerprint": "fp_stand_in",
    })
}

fn called(speech: &Speech<'_>, nth: usize, call: &ToolCall) -> Value {
    json!({
        "id": format!("call_{}_{nth}", speech.number),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments(call)},
    })
}

fn arguments(call: &ToolCall) -> String {
    let raw = call.raw.clone();
    raw.unwrap_or_else(|| call.args.to_string())
}

fn usage(usage: Usage) -> Value {
    let output = usage.output + usage.thoughts;
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": output,
        "total_tokens": usage.prompt + output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.thoughts, "audio_tokens": 0},
    })
}

/// A finish reason in OpenAI's words.
fn finish_reason<'a>(speech: &Speech<'a>) -> &'a str {
    match (speech.finish, &speech.said) {
        (Some("MAX_TOKENS"), _) => "length",
        (Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"), _) => {
            "content_filter"
        }
        (None | Some("STOP"), Said::Calls(_)) => "tool_calls",
        (None | Some("STOP"), Said::Text(_)) => "stop",
        (Some(reason), _) => reason,
    }
}
