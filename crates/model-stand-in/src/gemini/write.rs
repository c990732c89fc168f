//! Gemini's answers.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::{self, Reply, Said, Send, Speech};
use crate::route::Form;
use crate::script::ToolCall;
use crate::signature;

/// What the model says, as Gemini sends it.
pub(crate) fn write(speech: &Speech<'_>, form: Form) -> Reply {
    let whole = form == Form::Whole;
    let malformed =
        matches!(&speech.said, Said::Calls(calls) if calls.iter().any(|c| c.raw.is_some()));
    let finish = if malformed {
        "MALFORMED_FUNCTION_CALL"
    } else {
        finish_reason(speech.finish)
    };
    let mut parts: Vec<Value> = Vec::new();
    if let Some(thoughts) = speech.thoughts {
        parts.push(json!({"text": thoughts, "thought": true}));
    }
    match &speech.said {
        _ if malformed => {}
        Said::Text(text) if whole && !text.is_empty() => parts.push(json!({ "text": text })),
        Said::Text(text) => {
            parts.extend(
                answer::pieces(text)
                    .into_iter()
                    .map(|text| json!({ "text": text })),
            );
        }
        Said::Calls(calls) => parts.extend(called(speech.number, calls)),
    }
    let bodies = if whole {
        vec![chunk(speech, parts, Some(finish))]
    } else {
        let pieces = parts
            .into_iter()
            .map(|part| chunk(speech, vec![part], None));
        pieces
            .chain([chunk(speech, Vec::new(), Some(finish))])
            .collect()
    };
    send(bodies, Send::Gemini(form), 200)
}

/// One or more bodies in the form that was asked for.
pub(super) fn send(bodies: Vec<Value>, send: Send, status: u16) -> Reply {
    let pieces = |write: &dyn Fn(usize, &Value) -> String| -> Vec<Bytes> {
        let bodies = bodies.iter().enumerate();
        bodies.map(|(at, body)| write(at, body).into()).collect()
    };
    match send {
        Send::Gemini(Form::Events) => Reply::new(
            status,
            "text/event-stream",
            pieces(&|_, body| format!("data: {body}\r\n\r\n")),
        ),
        Send::Gemini(Form::Array) => {
            let last = bodies.len() - 1;
            let element = |at: usize, body: &Value| {
                let open = if at == 0 { "[" } else { ",\r\n" };
                let close = if at == last { "]" } else { "" };
                format!("{open}{body}{close}")
            };
            Reply::new(status, "application/json", pieces(&element))
        }
        _ => Reply::new(
            status,
            "application/json",
            pieces(&|_, body| body.to_string()),
        ),
    }
}

/// Parallel calls: only the first is signed.
fn called(number: u64, calls: &[ToolCall]) -> impl Iterator<Item = Value> {
    calls.iter().enumerate().map(move |(nth, call)| {
        let mut part = json!({"functionCall": {
            "id": format!("call-{number}-{nth}"),
            "name": call.name,
            "args": call.args,
        }});
        if nth == 0 {
            part["thoughtSignature"] = json!(signature::sign(number, &call.name, &call.args));
        }
        part
    })
}

fn chunk(speech: &Speech<'_>, parts: Vec<Value>, finish: Option<&str>) -> Value {
    let mut candidate = json!({"index": 0});
    // Who is stopped by a filter has said nothing, not an empty text.
    let silent = finish.is_some_and(|finish| !matches!(finish, "STOP" | "MAX_TOKENS"));
    if !parts.is_empty() {
        candidate["content"] = json!({"parts": parts, "role": "model"});
    } else if !silent {
        candidate["content"] = json!({"role": "model"});
    }
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
        if finish == "MALFORMED_FUNCTION_CALL" {
            candidate["finishMessage"] = json!("Malformed function call: print(default_api.");
        }
    }
    let usage = speech.usage;
    let mut counts = json!({
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.prompt + usage.output + usage.thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
    });
    if usage.thoughts > 0 {
        counts["thoughtsTokenCount"] = json!(usage.thoughts);
    }
    if usage.cached > 0 {
        counts["cachedContentTokenCount"] = json!(usage.cached);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": counts,
        "modelVersion": speech.model,
        "responseId": format!("response-{}", speech.number),
    })
}

/// A finish reason in Gemini's words.
fn finish_reason(reason: Option<&str>) -> &str {
    match reason {
        None | Some("stop" | "tool_calls") => "STOP",
        Some("length") => "MAX_TOKENS",
        Some("content_filter") => "SAFETY",
        Some(reason) => reason,
    }
}
