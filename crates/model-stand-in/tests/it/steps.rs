//! Gemini's calls of tools over several requests: what has to come back, and
//! how.

use model_stand_in::{Answer, Rule, Script, Server, StandIn, ToolCall};
use serde_json::{Value, json};

use crate::client::{GENERATE, gemini, post};

/// Answers two requests with two parallel calls each, then what brings their
/// results with a text.
async fn serve() -> Server {
    let calls = |pod: &str| {
        Answer::ToolCalls(vec![
            ToolCall::new("get_logs", json!({"pod": pod, "lines": 10})),
            ToolCall::new("get_events", json!({})),
        ])
    };
    let script = Script::new([
        Rule::new(calls("a")).times(1),
        Rule::new(calls("b")).times(1),
        Rule::new(Answer::text("{{first_finding}}")).contains("tool says"),
    ]);
    StandIn::serve(script).await.expect("a port")
}

/// The content in which the model calls its tools.
async fn called(server: &Server) -> Value {
    let mut answer = post(server, GENERATE, &gemini("hello")).await.json();
    assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
    answer["candidates"][0]["content"].take()
}

/// The request that follows, as it should be.
fn second_turn(content: &Value) -> Value {
    let result = |nth: usize| {
        let call = &content["parts"][nth]["functionCall"];
        json!({"functionResponse": {
            "id": call["id"],
            "name": call["name"],
            "response": {"ok": "tool says 0a1b2c3d"},
        }})
    };
    let results = json!({"role": "user", "parts": [result(0), result(1)]});
    json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}, content, results]})
}

fn part(contents: &mut Value) -> &mut serde_json::Map<String, Value> {
    contents[1]["parts"][0].as_object_mut().expect("a part")
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}

#[tokio::test]
async fn only_the_first_of_parallel_calls_is_signed_and_each_step_anew() {
    let server = serve().await;
    let first = called(&server).await;
    assert_eq!(
        first["parts"][0]["functionCall"],
        json!({"id": "call-1-0", "name": "get_logs", "args": {"pod": "a", "lines": 10}})
    );
    assert!(first["parts"][0]["thoughtSignature"].is_string());
    assert_eq!(first["parts"][1].get("thoughtSignature"), None);
    let second = called(&server).await;
    assert_ne!(
        first["parts"][0]["thoughtSignature"],
        second["parts"][0]["thoughtSignature"]
    );
    let answer = post(&server, GENERATE, &second_turn(&first)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.body.contains(r#""text":"\"0a1b2c3d\"""#),
        "{}",
        answer.body
    );
}

/// What a client may do to a second turn.
type Change = fn(&mut Value);

#[tokio::test]
async fn what_comes_back_changed_is_refused() {
    let server = serve().await;
    let good = second_turn(&called(&server).await);
    let other = called(&server).await["parts"][0]["thoughtSignature"].take();
    let changes: [(Change, &str); 8] = [
        (
            |c| drop(part(c).remove("thoughtSignature")),
            "missing a thought_signature",
        ),
        (
            |c| c[1]["parts"][0]["thoughtSignature"] = json!("skip_thought_signature_validator"),
            "Corrupted thought signature.",
        ),
        (
            |c| c[1]["parts"][0]["functionCall"]["args"]["pod"] = json!("z"),
            "Corrupted",
        ),
        (
            |c| list(&mut c[1]["parts"]).swap(0, 1),
            "missing a thought_signature",
        ),
        (
            |c| drop(list(&mut c[2]["parts"]).pop()),
            "number of function response parts",
        ),
        (
            |c| {
                let last = list(&mut c[2]["parts"]).pop();
                list(c).push(json!({"role": "user", "parts": [last]}));
            },
            "number of function response parts",
        ),
        (
            |c| drop(list(c).remove(1)),
            "immediately after a function call turn",
        ),
        (|c| drop(list(c).pop()), "ends with a user turn"),
    ];
    let mut bodies = Vec::new();
    for (change, words) in changes {
        let mut body = good.clone();
        change(&mut body["contents"]);
        bodies.push((body, words));
    }
    let mut body = good.clone();
    part(&mut body["contents"]).insert("thoughtSignature".to_owned(), other);
    bodies.push((body, "Corrupted thought signature."));
    for (body, words) in bodies {
        let answer = post(&server, GENERATE, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

/// Once the user has said something else, the turn before is history: its
/// signatures may be left out, but not be changed.
#[tokio::test]
async fn only_the_current_turn_has_to_be_signed() {
    let server = serve().await;
    let mut later = second_turn(&called(&server).await);
    part(&mut later["contents"]).remove("thoughtSignature");
    assert_eq!(post(&server, GENERATE, &later).await.status, 400);
    let turns = list(&mut later["contents"]);
    turns.push(json!({"role": "model", "parts": [{"text": "done"}]}));
    turns.push(json!({"role": "user", "parts": [{"text": "and now?"}]}));
    server.change(|script| script.rules.push(Rule::new(Answer::text("ok"))));
    let answer = post(&server, GENERATE, &later).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    part(&mut later["contents"]).insert("thoughtSignature".to_owned(), json!("AAAA"));
    assert_eq!(post(&server, GENERATE, &later).await.status, 400);
}
