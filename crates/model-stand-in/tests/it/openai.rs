//! OpenAI's shapes, and what it refuses.

use model_stand_in::{Answer, Quota, RateLimit, Rule, Script, Server, StandIn, ToolCall, Usage};
use serde_json::{Value, json};

use crate::client::{CHAT, get, openai, post};

async fn serve(rule: Rule) -> Server {
    StandIn::serve(Script::new([rule])).await.expect("a port")
}

#[tokio::test]
async fn a_text_comes_with_its_usage() {
    let usage = Usage {
        prompt: 12,
        cached: 3,
        output: 5,
        thoughts: 7,
    };
    let server = serve(Rule::new(Answer::text("all good")).usage(usage)).await;
    for path in [CHAT, "/chat/completions"] {
        let answer = post(&server, path, &openai("hello")).await;
        assert_eq!(answer.status, 200);
        let body = answer.json();
        assert_eq!(body["object"], "chat.completion");
        assert_eq!(body["model"], "gpt-5-mini");
        assert_eq!(
            body["choices"],
            json!([{
                "index": 0,
                "message": {"role": "assistant", "content": "all good", "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }])
        );
        assert_eq!(
            body["usage"],
            json!({
                "prompt_tokens": 12, "completion_tokens": 12, "total_tokens": 24,
                "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 0},
            })
        );
    }
}

#[tokio::test]
async fn finish_reasons_are_openais() {
    for (reason, expected) in [
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("content_filter", "content_filter"),
        ("STOP", "stop"),
    ] {
        let server = serve(Rule::new(Answer::text("{\"pro")).finish(reason)).await;
        let body = post(&server, CHAT, &openai("hello")).await.json();
        assert_eq!(body["choices"][0]["finish_reason"], expected);
    }
}

fn calls() -> Rule {
    Rule::new(Answer::ToolCalls(vec![
        ToolCall::new("get_logs", json!({"pod": "a-pod-with-a-long-name"})),
        ToolCall::raw("get_events", "{\"namespace\": "),
    ]))
}

#[tokio::test]
async fn arguments_are_text_that_may_be_bad() {
    let server = serve(calls()).await;
    let body = post(&server, CHAT, &openai("hello")).await.json();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!(
        choice["message"]["tool_calls"],
        json!([
            {"id": "call_1_0", "type": "function", "function": {
                "name": "get_logs", "arguments": "{\"pod\":\"a-pod-with-a-long-name\"}"}},
            {"id": "call_1_1", "type": "function", "function": {
                "name": "get_events", "arguments": "{\"namespace\": "}},
        ])
    );
}

#[tokio::test]
async fn a_stream_is_the_same_in_pieces() {
    let text = "a text of more letters than one piece of a stream has: äöü";
    let server = serve(Rule::new(Answer::text(text))).await;
    server.change(|script| script.rules.insert(0, calls().contains("call")));
    let mut body = openai("hello");
    body["stream"] = json!(true);
    for usage in [false, true] {
        body["stream_options"] = json!({"include_usage": usage});
        let answer = post(&server, CHAT, &body).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        let events = answer.events();
        let (done, events) = events.split_last().expect("events");
        assert_eq!(*done, "[DONE]");
        let chunks: Vec<Value> = events
            .iter()
            .map(|event| serde_json::from_str(event).expect("JSON"))
            .collect();
        let pieces = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        assert_eq!(pieces.collect::<String>(), text);
        let last = chunks.last().expect("chunks");
        assert_eq!(last["usage"].is_object(), usage);
        assert_eq!(last["choices"] == json!([]), usage);
    }
    let mut body = openai("call");
    body["stream"] = json!(true);
    let answer = post(&server, CHAT, &body).await;
    let mut arguments = [String::new(), String::new()];
    for event in answer.events().iter().filter(|event| **event != "[DONE]") {
        let chunk: Value = serde_json::from_str(event).expect("JSON");
        let call = &chunk["choices"][0]["delta"]["tool_calls"][0];
        if let Some(index) = call["index"].as_u64() {
            let piece = call["function"]["arguments"].as_str().expect("arguments");
            arguments[usize::try_from(index).expect("small")].push_str(piece);
        }
    }
    assert_eq!(
        arguments,
        ["{\"pod\":\"a-pod-with-a-long-name\"}", "{\"namespace\": "]
    );
}

#[tokio::test]
async fn rate_limits_say_which_and_when() {
    for (quota, retry_delay_ms, code, seconds) in [
        (
            Quota::PerMinute,
            Some(1_500),
            "rate_limit_exceeded",
            Some("2"),
        ),
        (Quota::PerMinute, None, "rate_limit_exceeded", None),
        (Quota::PerDay, None, "insufficient_quota", None),
    ] {
        let limit = RateLimit {
            quota,
            retry_delay_ms,
            in_array: false,
        };
        let server = serve(Rule::new(Answer::RateLimit(limit))).await;
        let answer = post(&server, CHAT, &openai("hello")).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.json()["error"]["code"], code);
        assert_eq!(answer.header("retry-after"), seconds);
        let ms = retry_delay_ms.map(|ms| ms.to_string());
        assert_eq!(answer.header("retry-after-ms"), ms.as_deref());
    }
}

#[tokio::test]
async fn failures_have_openais_codes() {
    let blocked = Answer::Blocked("SAFETY".to_owned());
    for (answer, status, code, words) in [
        (
            Answer::Status(401),
            401,
            json!("invalid_api_key"),
            "Incorrect API key",
        ),
        (Answer::Status(500), 500, Value::Null, "server had an error"),
        (Answer::Status(503), 503, Value::Null, "overloaded"),
        (
            Answer::Retired,
            404,
            json!("model_not_found"),
            "`gpt-5-mini` has been deprecated",
        ),
        (
            Answer::EchoKey,
            401,
            json!("invalid_api_key"),
            "provided: openai-key.",
        ),
        (blocked, 400, json!("invalid_prompt"), "flagged"),
    ] {
        let server = serve(Rule::new(answer)).await;
        let answer = post(&server, CHAT, &openai("hello")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["error"]["code"], code);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_key_and_a_known_model_are_asked_for() {
    let mut script = Script::always(Answer::text("ok"));
    script.models = vec!["other".to_owned()];
    script.require_key = Some("another-key".to_owned());
    let server = StandIn::serve(script).await.expect("a port");
    assert_eq!(post(&server, CHAT, &openai("hello")).await.status, 401);
    server.change(|script| script.require_key = Some("openai-key".to_owned()));
    let answer = post(&server, CHAT, &openai("hello")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
    let models = get(&server, "/models").await;
    assert_eq!(models.json()["data"][0]["id"], "other");
    server.change(|script| script.require_key = Some("another-key".to_owned()));
    assert_eq!(get(&server, "/models").await.status, 401);
}

#[tokio::test]
async fn what_strict_mode_does_not_take_is_refused() {
    let server = serve(Rule::new(Answer::text("ok"))).await;
    let loose = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}});
    let strict = json!({"type": "object", "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"], "additionalProperties": false});
    let format = |schema: &Value, strict: bool| {
        let mut body = openai("hello");
        body["response_format"] = json!({"type": "json_schema", "json_schema": {
            "name": "verdict", "strict": strict, "schema": schema}});
        body
    };
    let tool = |schema: &Value| {
        let mut body = openai("hello");
        body["tools"] = json!([{"type": "function", "function": {
            "name": "get_logs", "strict": true, "parameters": schema}}]);
        body
    };
    for (body, expected) in [
        (
            format(&loose, true),
            Some("Invalid schema for response_format 'verdict'"),
        ),
        (format(&loose, false), None),
        (format(&strict, true), None),
        (tool(&loose), Some("Invalid schema for function 'get_logs'")),
        (tool(&strict), None),
        (
            json!({"messages": [{"role": "user", "content": "x"}]}),
            Some("model parameter"),
        ),
        (
            json!({"model": "m", "messages": []}),
            Some("Invalid 'messages'"),
        ),
    ] {
        let answer = post(&server, CHAT, &body).await;
        match expected {
            Some(words) => {
                assert_eq!(answer.status, 400, "{body}");
                assert!(answer.body.contains(words), "{}", answer.body);
            }
            None => assert_eq!(answer.status, 200, "{}", answer.body),
        }
    }
}

#[tokio::test]
async fn each_call_of_a_tool_needs_its_result() {
    let server = serve(Rule::new(Answer::text("done")).contains("tool says")).await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let asks = json!({"role": "assistant", "content": null, "tool_calls": [call("a"), call("b")]});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "tool says ok"});
    let user = json!({"role": "user", "content": "tool says hello"});
    for (messages, expected) in [
        (json!([user, asks, tool("a"), tool("b")]), None),
        (json!([user, asks, tool("b"), tool("a"), user]), None),
        (
            json!([user, asks, tool("a")]),
            Some("did not have response messages: b"),
        ),
        (
            json!([user, asks, tool("a"), user, tool("b")]),
            Some("did not have response messages: b"),
        ),
        (json!([user, tool("a")]), Some("must be a response to")),
        (
            json!([user, asks, tool("a"), tool("a")]),
            Some("must be a response to"),
        ),
    ] {
        let body = json!({"model": "m", "messages": messages});
        let answer = post(&server, CHAT, &body).await;
        match expected {
            Some(words) => {
                assert_eq!(answer.status, 400, "{body}");
                assert!(answer.body.contains(words), "{}", answer.body);
            }
            None => assert_eq!(answer.status, 200, "{}", answer.body),
        }
    }
}
