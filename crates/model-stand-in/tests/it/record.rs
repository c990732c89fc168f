//! What is remembered of calls, and how much.

use model_stand_in::{Answer, Api, MAX_BODY_BYTES, MAX_RECORDED_BYTES, Rule, Script, StandIn};
use serde_json::{Value, json};

use crate::client::{CHAT, GENERATE, MODEL, gemini, get, openai, post, send};

#[tokio::test]
async fn calls_are_kept_in_full_and_in_order() {
    let script = Script::new([
        Rule::new(Answer::text("a")).api(Api::Gemini),
        Rule::new(Answer::Status(503)).api(Api::OpenAi),
    ]);
    let server = StandIn::serve(script).await.expect("a port");
    let mut body = gemini("hello");
    body["systemInstruction"] = json!({"parts": [{"text": "be brief"}]});
    post(&server, GENERATE, &body).await;
    post(&server, CHAT, &openai("world")).await;
    get(&server, "/v1/models").await;
    let calls = server.wait_for_calls(2).await;
    assert_eq!(calls.len(), 2, "a list of models is no call");
    let [first, second] = calls.as_slice() else {
        panic!("two calls")
    };
    assert_eq!(
        (first.api, first.model.as_str(), first.status),
        (Api::Gemini, MODEL, Some(200))
    );
    assert_eq!(
        (second.api, second.model.as_str(), second.status),
        (Api::OpenAi, "gpt-5-mini", Some(503))
    );
    assert_eq!(first.uri, GENERATE);
    assert_eq!(first.body, body);
    assert_eq!(first.text, "be brief\nhello\n");
    assert_eq!(first.header("x-goog-api-key"), Some("gemini-key"));
    assert_eq!(second.header("authorization"), Some("Bearer openai-key"));
    let line: Value = serde_json::from_str(&first.to_json_line()).expect("JSON");
    assert_eq!(
        line,
        json!({"api": "gemini", "model": MODEL, "uri": GENERATE, "body": body})
    );
}

#[tokio::test]
async fn what_is_no_json_is_kept_as_text() {
    let server = StandIn::serve(Script::default()).await.expect("a port");
    let answer = send(&server, &format!("POST {GENERATE}"), b"{\"cont").await;
    assert_eq!(answer.expect("an answer").status, 400);
    assert_eq!(server.calls()[0].body, json!("{\"cont"));
}

#[tokio::test]
async fn no_more_bytes_are_taken_or_recorded_than_may_be() {
    let server = StandIn::serve(Script::always(Answer::text("ok")))
        .await
        .expect("a port");
    let padded = |bytes: usize| {
        let mut body = gemini("hello").to_string();
        body.push_str(&" ".repeat(bytes - body.len()));
        body
    };
    let fit = MAX_RECORDED_BYTES / MAX_BODY_BYTES;
    let mut sizes = vec![(MAX_BODY_BYTES + 1, 413)];
    sizes.extend(vec![(MAX_BODY_BYTES, 200); fit]);
    sizes.push((MAX_BODY_BYTES, 413));
    for (bytes, status) in sizes {
        let body = padded(bytes);
        let answer = send(&server, &format!("POST {GENERATE}"), body.as_bytes()).await;
        assert_eq!(answer.expect("an answer").status, status);
    }
    assert_eq!(server.calls().len(), fit);
}

#[tokio::test]
async fn what_nobody_serves_is_said() {
    let server = StandIn::serve(Script::default()).await.expect("a port");
    assert_eq!(get(&server, "/nowhere").await.status, 404);
    assert_eq!(get(&server, CHAT).await.status, 405);
    let answer = post(&server, GENERATE, &gemini("hello")).await;
    assert_eq!(answer.status, 400, "which nobody tries again");
    assert!(answer.body.contains("no rule of the script matches"));
}
