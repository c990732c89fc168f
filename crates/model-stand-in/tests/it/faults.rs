//! Delays, hangs, and connections that break.

use std::time::Duration;

use model_stand_in::{Answer, Cut, Fault, Rule, Script, Server, StandIn};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::client::{GENERATE, STREAM, gemini, post, send};

/// Longest that a test waits for what has to happen.
const LIMIT: Duration = Duration::from_secs(20);

async fn serve(rule: Rule) -> Server {
    StandIn::serve(Script::new([rule])).await.expect("a port")
}

async fn ask(server: &Server, path: &str) -> Option<crate::client::Answer> {
    let body = gemini("hello").to_string();
    send(server, &format!("POST {path}"), body.as_bytes()).await
}

#[tokio::test]
async fn a_hang_ends_when_the_client_goes() {
    let server = serve(Rule::new(Answer::Hang)).await;
    let asking = ask(&server, GENERATE);
    tokio::select! {
        answer = asking => panic!("answered: {answer:?}"),
        calls = timeout(LIMIT, server.wait_for_calls(1)) => {
            assert_eq!(calls.expect("a call")[0].status, None);
            assert_eq!(server.open_now(), 1);
        }
    }
    // The client was dropped with its socket.
    timeout(LIMIT, server.wait_until_idle())
        .await
        .expect("it saw that");
    assert_eq!((server.open_now(), server.most_at_once()), (0, 1));
}

#[tokio::test]
async fn a_reset_answers_nothing() {
    let server = serve(Rule::new(Answer::Reset).times(1)).await;
    assert!(ask(&server, GENERATE).await.is_none());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_connection_is_cut_after_what_was_sent() {
    let cut = Cut {
        after_bytes: 30,
        connection: true,
    };
    let server = serve(Rule::new(Answer::text("all good")).cut(cut)).await;
    for path in [GENERATE, STREAM] {
        let answer = ask(&server, path).await.expect("a head");
        assert_eq!((answer.status, answer.body.len()), (200, 30), "{path}");
        assert!(!answer.complete, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn delays_and_pauses_take_their_time() {
    let text = "two pieces and a bit of a text that is sent in a stream";
    let rule = Rule::new(Answer::text(text))
        .delay_ms(60_000)
        .pause_ms(5_000);
    let server = serve(rule).await;
    let started = Instant::now();
    let pieces = post(&server, STREAM, &gemini("hello")).await.events().len() as u64;
    assert_eq!(pieces, 4);
    let expected = 60_000 + pieces * 5_000;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(expected), "{took:?}");
}

#[tokio::test]
async fn garbage_and_faults_are_sent_as_they_are() {
    let server = serve(Rule::new(Answer::Garbage)).await;
    let answer = ask(&server, GENERATE).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_str::<Value>(&answer.body).is_err());

    let fault = Fault {
        status: 418,
        body: "short and stout".to_owned(),
        headers: [("x-kind".to_owned(), "teapot".to_owned())].into(),
    };
    let server = serve(Rule::new(Answer::Fault(fault))).await;
    let answer = ask(&server, GENERATE).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (418, "short and stout")
    );
    assert_eq!(answer.header("x-kind"), Some("teapot"));
}
