use std::time::Duration;

use agent_api::{ANALYSIS_LIMIT, AgentError, AgentUrl, Cause, Client, Limits, Unreadable};
use agent_stand_in::{AgentStandIn, Answer, Script};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{AMPLE, at_its_end, client, http, question};

async fn failure(answer: Answer) -> AgentError {
    let agent = AgentStandIn::serve(Script::always(answer)).await.unwrap();
    let asked = client(&agent.url()).analyze(&question(), AMPLE).await;
    let error = asked.unwrap_err();
    assert!(
        !error.to_string().contains("127.0.0.1"),
        "no address: {error}"
    );
    error
}

#[tokio::test]
async fn each_status_has_its_words() {
    // Whatever the body says: some agents say promote in it.
    let promote = json!({"analysis": "Error:\n  quota\u{1b}[31m", "promote": true,
        "confidence": 99, "verdict": "promote"});
    let table = [
        (201, "status 201"),
        (204, "status 204"),
        (307, "not followed"),
        (400, "status 400"),
        (401, "authentication failed"),
        (403, "authentication failed"),
        (404, "agentUrl"),
        (405, "agentUrl"),
        (429, "status 429"),
        (500, "status 500"),
        (502, "status 502"),
        (504, "context deadline exceeded"),
    ];
    for (code, words) in table {
        let error = failure(Answer::status(code, &promote.to_string())).await;
        let text = error.to_string();
        assert!(
            text.starts_with("Failed to analyze with kubernetes-agent: ") && text.contains(words),
            "{code}: {text}"
        );
        // The agent's own words are apart, for whoever redacts them.
        assert!(!text.contains("quota"), "{code}: {text}");
    }
    let error = failure(Answer::status(500, &promote.to_string())).await;
    assert_eq!(error.says(), Some("Error: quota [31m"));
    let long = json!({"analysis": "x".repeat(10_000)}).to_string();
    let error = failure(Answer::status(500, &long)).await;
    assert_eq!(error.says().map(str::len), Some(200));
    let error = failure(Answer::Failure).await;
    assert_eq!(
        error.says(),
        Some("agent-stand-in: the script says to fail")
    );
}

#[tokio::test]
async fn what_is_no_answer() {
    let unreadable = |why| Cause::Unreadable(why);
    let table = [
        (Answer::body(""), unreadable(Unreadable::NotAnAnalysis)),
        (
            Answer::body("<html>promote</html>"),
            unreadable(Unreadable::NotAnAnalysis),
        ),
        (Answer::body("{}"), unreadable(Unreadable::Promote)),
        (
            Answer::Large(2 << 20),
            Cause::TooLarge {
                limit_bytes: 1 << 20,
            },
        ),
    ];
    for (answer, cause) in table {
        assert_eq!(failure(answer).await, AgentError::Analyze(cause));
    }
    for answer in [Answer::Reset, Answer::CutAfter(0), Answer::CutAfter(100)] {
        let error = failure(answer).await;
        assert!(matches!(error.cause(), Cause::Broken { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_large_answer_within_the_limit_is_read() {
    let answer = json!({"analysis": "x".repeat(900 << 10), "promote": false, "confidence": 60});
    let script = Script::always(Answer::body(answer.to_string()));
    let agent = AgentStandIn::serve(script).await.unwrap();
    let limits = Limits::default();
    let url = AgentUrl::parse(&agent.url()).unwrap();
    let read = Client::new(http(), url.clone(), None, limits)
        .analyze(&question(), AMPLE)
        .await;
    assert_eq!(read.unwrap().confidence, 60);
    let tight = Limits {
        answer_bytes: 1_000,
        ..limits
    };
    let refused = Client::new(http(), url, None, tight)
        .analyze(&question(), AMPLE)
        .await;
    let cause = Cause::TooLarge { limit_bytes: 1_000 };
    assert_eq!(refused, Err(AgentError::Analyze(cause)));
}

#[tokio::test]
async fn past_the_deadline_the_connection_ends() {
    let agent = AgentStandIn::serve(Script::always(Answer::Hang))
        .await
        .unwrap();
    let limit = Duration::from_millis(30);
    let (client, question) = (client(&agent.url()), question());
    let asked = tokio::time::timeout(AMPLE, client.analyze(&question, limit)).await;
    let error = asked.unwrap().unwrap_err();
    assert_eq!(error.cause(), &Cause::Deadline { after: limit });
    let text = error.to_string();
    assert!(text.contains("context deadline exceeded"), "{text}");
    agent.wait_until_idle().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_clients_in_use() {
    let agent = AgentStandIn::serve(Script::always(Answer::Hang))
        .await
        .unwrap();
    let (day, after) = (Duration::from_secs(86_400), ANALYSIS_LIMIT);
    let client = client(&agent.url());
    let asked = at_its_end(after, client.analyze(&question(), day)).await;
    assert_eq!(asked.unwrap_err().cause(), &Cause::Deadline { after });
}

#[tokio::test]
async fn who_stops_waiting_ends_the_connection() {
    let agent = AgentStandIn::serve(Script::always(Answer::Hang))
        .await
        .unwrap();
    let url = agent.url();
    let waiting = tokio::spawn(async move { client(&url).analyze(&question(), AMPLE).await });
    agent.wait_for_calls(1).await;
    assert_eq!(agent.open_now(), 1);
    waiting.abort();
    agent.wait_until_idle().await;
}

#[tokio::test]
async fn nobody_there() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:hunter2@{}", closed.local_addr().unwrap());
    drop(closed);
    let asked = client(&url).analyze(&question(), AMPLE).await.unwrap_err();
    let health = client(&url).health().await.unwrap_err();
    for error in [asked, health] {
        let text = error.to_string();
        assert!(matches!(error.cause(), Cause::Connect { .. }), "{text}");
        assert!(
            text.contains("refused") && text.contains("rollouts-plugin-metric-ai check URL"),
            "{text}"
        );
        assert!(!format!("{error:?} {text}").contains("hunter2"), "{text}");
    }
}
