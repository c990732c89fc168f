//! Scripts as files.

use model_stand_in::{
    Answer, Api, Cut, Fault, MAX_RULES, MAX_SCRIPT_BYTES, Opinion, Quota, RateLimit, Rule, Says,
    Script, StandIn, ToolCall, Usage,
};
use serde_json::json;

use crate::client::{GENERATE, gemini, post};

const EVERYTHING: &str = r#"
require_key = "k"
models = ["m"]

[[rule]]
api = "openai"
model = "m"
contains = "crash"
times = 2
delay_ms = 10
pause_ms = 20
finish = "length"
thoughts = "hm"
usage = { prompt = 1, cached = 2, output = 3, thoughts = 4 }
cut = { after_bytes = 5, connection = true }
answer.text = "hello"

[[rule]]
answer.tool_calls = [{ name = "f", args = { n = 1 } }, { name = "g", raw = "{" }]

[[rule]]
answer.opinion = { says = "abort", confidence = 70 }

[[rule]]
answer.rate_limit = { quota = "per_day", retry_delay_ms = 17500, in_array = true }

[[rule]]
answer.fault = { status = 502, body = "bad gateway", headers = { x = "y" } }

[[rule]]
answer.status = 503

[[rule]]
answer.blocked = "SAFETY"

[[rule]]
answer = "obey"
"#;

#[test]
fn a_file_says_all_that_values_can() {
    let script = Script::from_toml(EVERYTHING).expect("a script");
    let usage = Usage {
        prompt: 1,
        cached: 2,
        output: 3,
        thoughts: 4,
    };
    let cut = Cut {
        after_bytes: 5,
        connection: true,
    };
    let opinion = Opinion {
        says: Says::Abort,
        confidence: 70,
        ..Opinion::default()
    };
    let limit = RateLimit {
        quota: Quota::PerDay,
        retry_delay_ms: Some(17_500),
        in_array: true,
    };
    let fault = Fault {
        status: 502,
        body: "bad gateway".to_owned(),
        headers: [("x".to_owned(), "y".to_owned())].into(),
    };
    let calls = vec![ToolCall::new("f", json!({"n": 1})), ToolCall::raw("g", "{")];
    let mut expected = Script::new([
        Rule::new(Answer::text("hello"))
            .api(Api::OpenAi)
            .model("m")
            .contains("crash")
            .times(2)
            .delay_ms(10)
            .pause_ms(20)
            .finish("length")
            .thoughts("hm")
            .usage(usage)
            .cut(cut),
        Rule::new(Answer::ToolCalls(calls)),
        Rule::new(Answer::Opinion(opinion)),
        Rule::new(Answer::RateLimit(limit)),
        Rule::new(Answer::Fault(fault)),
        Rule::new(Answer::Status(503)),
        Rule::new(Answer::Blocked("SAFETY".to_owned())),
        Rule::new(Answer::Obey),
    ]);
    expected.require_key = Some("k".to_owned());
    expected.models = vec!["m".to_owned()];
    assert_eq!(script, expected);
}

#[test]
fn what_cannot_be_is_refused() {
    let rules = "[[rule]]\nanswer = \"hang\"\n".repeat(MAX_RULES + 1);
    for (text, words) in [
        ("[[rule]]\nanswer = \"sulk\"", "cannot read the script"),
        (
            "[[rule]]\ntimse = 1\nanswer = \"hang\"",
            "cannot read the script",
        ),
        ("rules = []", "cannot read the script"),
        (
            "[[rule]]\nanswer.status = 200",
            "rule 1 of the script: a status",
        ),
        (
            "[[rule]]\nanswer.fault = { status = 99 }",
            "rule 1 of the script: a fault's status",
        ),
        (
            "[[rule]]\nanswer = \"hang\"\n[[rule]]\nanswer.tool_calls = []",
            "rule 2 of the script",
        ),
        ("[[rule]]\ndelay_ms = 600001\nanswer = \"obey\"", "delay_ms"),
        ("[[rule]]\npause_ms = 600001\nanswer = \"obey\"", "pause_ms"),
        (rules.as_str(), "1001 rules"),
        (&"#".repeat(MAX_SCRIPT_BYTES + 1), "are the most"),
    ] {
        let error = Script::from_toml(text).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn the_first_rule_that_matches_answers_until_it_is_used_up() {
    let script = Script::new([
        Rule::new(Answer::Status(500)).api(Api::OpenAi),
        Rule::new(Answer::Status(501)).model("another"),
        Rule::new(Answer::Status(502)).contains("not said"),
        Rule::new(Answer::Status(503)).contains("hello").times(2),
        Rule::new(Answer::text("ok")),
    ]);
    let server = StandIn::serve(script).await.expect("a port");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(post(&server, GENERATE, &gemini("hello")).await.status);
    }
    assert_eq!(statuses, [503, 503, 200, 200]);
    server.change(|script| script.rules.clear());
    assert_eq!(post(&server, GENERATE, &gemini("hello")).await.status, 400);
}
