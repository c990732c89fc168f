use std::time::Duration;

use agent_api::{AgentUrl, Cause, Client, Limits};
use agent_stand_in::{AgentStandIn, Answer, Script};

use crate::{at_its_end, client, http};

fn missing() -> Answer {
    Answer::status(404, "")
}

/// Only this path says something else than that it is missing.
fn only(path: &str, answer: &Answer) -> Script {
    ["/a2a/health", "/q/health", "/"]
        .iter()
        .fold(Script::default(), |script, other| {
            let said = if *other == path {
                answer.clone()
            } else {
                missing()
            };
            script.health(other, said)
        })
}

#[tokio::test]
async fn the_first_that_answers_counts() {
    let up = Answer::body(r#"{"status":"UP","checks":[]}"#);
    let all = ["/a2a/health", "/q/health", "/"];
    let table = [
        (only("/a2a/health", &up), &all[..1]),
        (only("/q/health", &up), &all[..2]),
        (only("/", &up), &all[..]),
        // Agents in use answer 404 even there.
        (only("nowhere", &up), &all[..]),
        (
            only("/q/health", &up).health("/a2a/health", Answer::status(405, "")),
            &all[..2],
        ),
        // Health may want a token that the analysis does not; a redirect is no
        // answer.
        (
            only("/q/health", &up).health("/a2a/health", Answer::status(401, "")),
            &all[..2],
        ),
        (
            only("/q/health", &Answer::Redirect("/login".to_owned())),
            &all[..],
        ),
        // A page of any size.
        (only("/", &Answer::Large(10 << 20)), &all[..]),
    ];
    for (script, asked) in table {
        let agent = AgentStandIn::serve(script).await.unwrap();
        client(&agent.url()).health().await.unwrap();
        let requests = agent.requests();
        let paths: Vec<_> = requests.iter().map(|call| call.uri.as_str()).collect();
        assert_eq!(paths, asked);
    }
}

#[tokio::test]
async fn an_agent_that_is_not_well_is_not_asked_further() {
    let down = r#"{"status":"DOWN","checks":[{"name":"model","status":"DOWN"}]}"#;
    let unwell = |status| Cause::Status { status, says: None };
    let table = [
        (only("/a2a/health", &Answer::status(500, "")), unwell(500)),
        (only("/q/health", &Answer::status(503, "")), unwell(503)),
        (only("/", &Answer::status(502, "")), unwell(502)),
        (only("/a2a/health", &Answer::body(down)), Cause::Down),
        (only("/q/health", &Answer::status(503, down)), Cause::Down),
        (
            only("/a2a/health", &Answer::body(r#"{"status":"unhealthy"}"#)),
            Cause::Down,
        ),
    ];
    for (script, cause) in table {
        let agent = AgentStandIn::serve(script).await.unwrap();
        let error = client(&agent.url()).health().await.unwrap_err();
        assert_eq!(error.cause(), &cause);
        let text = error.to_string();
        let words = "Kubernetes Agent health check failed: agent health check failed: ";
        assert!(text.starts_with(words), "{text}");
        assert!(text.contains("log"), "{text}");
        let asked = agent.requests();
        assert_ne!(asked.last().unwrap().status, 404, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn health_has_an_end() {
    let script = only("/a2a/health", &Answer::Hang);
    let agent = AgentStandIn::serve(script).await.unwrap();
    let (ample, after) = (Duration::from_secs(60), Duration::from_secs(1));
    for (health_step, health_total) in [(after, ample), (ample, after)] {
        let limits = Limits {
            health_step,
            health_total,
            ..Limits::default()
        };
        let url = AgentUrl::parse(&agent.url()).unwrap();
        let client = Client::new(http(), url, None, limits);
        let error = at_its_end(after, client.health()).await.unwrap_err();
        assert_eq!(error.cause(), &Cause::Deadline { after });
    }
}
