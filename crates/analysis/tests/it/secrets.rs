//! No secret of a log, of an event, of a template, of a model or of the API
//! server is in anything that is shown, sent or written.

use std::convert::Infallible;
use std::error::Error as _;

use analysis::bundle::{About, Terms};
use analysis::policy_file::PolicyFile;
use analysis::report::{self, Page};
use analysis::request::Coverage;
use analysis::{Access, Ask, Bundle, Cluster, Gathered, Rules, decide, objects};
use http::Response;
use judge::evidence::{ArmEvidence, LogProfile, PodState};
use judge::profile::{ProfileOptions, Profiler};
use judge::{Evidence, Policy, Window};
use kube::client::Body;
use model_stand_in::{Answer, Api, Opinion, Rule, Says, Script, Server};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::models::{GEMINI, OPENAI, ask, serve, with_key};
use crate::planted::{self, Form, LEAST_KINDS, Planted};
use crate::scene::{Captured, request};

/// A key that no redaction knows by its look.
const KEY: &str = "our-own-server";

fn arm(log: &str) -> ArmEvidence {
    let mut profiler = Profiler::new(ProfileOptions::default());
    profiler.push(log.as_bytes());
    ArmEvidence {
        logs: vec![LogProfile {
            pod: "web".into(),
            container: "web".into(),
            previous: false,
            profile: profiler.finish(),
        }],
        pods: vec![PodState {
            name: "web".into(),
            ready: true,
            ..PodState::default()
        }],
        ..ArmEvidence::default()
    }
}

/// A canary that logs the secret in these forms, and about which an event tells
/// it.
fn gathered(planted: &Planted, forms: &[Form]) -> Gathered {
    let served = "200 - blue\n".repeat(400);
    let logged: Vec<String> = forms.iter().map(|form| planted.logged(*form)).collect();
    let failing = format!("{}\n", logged.join("\n")).repeat(20);
    let event = json!({
        "involvedObject": {"kind": "Pod", "name": "web"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": format!("Readiness probe failed: {}", planted.text),
    });
    let event: objects::Event = serde_json::from_value(event).expect("an event");
    let mut canary = arm(&format!("{served}{failing}"));
    canary.events.push(event.evidence());
    let coverage = Coverage {
        sought: "role=x".into(),
        pods: 1,
        logs_wanted: 1,
        logs_read: 1,
    };
    Gathered {
        evidence: Evidence {
            window: Window::unaligned(),
            stable: arm(&served),
            canary,
            ..Evidence::default()
        },
        stable: coverage.clone(),
        canary: coverage,
        canary_start_ms: None,
        last_step_end_ms: None,
    }
}

/// One model whose answer tells the secret and the key, one whose refusal does.
fn telling(planted: &Planted) -> Script {
    let text = format!("because of {} and {KEY}", planted.text);
    let opinion = Opinion {
        says: Says::Disagree,
        text: text.clone(),
        ..Opinion::default()
    };
    let body = json!({"error": {"message": text, "code": text, "status": text}});
    let fault = model_stand_in::Fault {
        status: 400,
        body: body.to_string(),
        headers: Default::default(),
    };
    Script::new([
        Rule::new(Answer::Opinion(opinion)).api(Api::Gemini),
        Rule::new(Answer::Fault(fault)).api(Api::OpenAi),
    ])
}

/// Everything that comes of a look, by what it is.
async fn shown(server: &Server, planted: &Planted, forms: &[Form]) -> Vec<(&'static str, String)> {
    let captured = Captured::default();
    let writer = captured.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    // No filter: trace and all above it.
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let gathered = gathered(planted, forms);
    let (policy, rules) = (Policy::default(), Rules::default());
    let judgement = judge::judge(&gathered.evidence, &policy);
    assert!(!judgement.findings.is_empty(), "{}", planted.kind);
    let ask = Ask {
        extra_prompt: Some(format!("Mind this.\n{}\nNo more.", planted.text)),
        ..ask(&[GEMINI, OPENAI])
    };
    let before = server.calls().len();
    let explained = with_key(server, KEY)
        .explain(&judgement, &gathered, &ask)
        .await;
    let calls = server.calls().split_off(before);
    // The process that an uncaught exception ends is a veto, which waits for no
    // model.
    let asked = !forms.contains(&Form::Trace);
    assert_eq!(calls.len(), if asked { 2 } else { 0 }, "{}", planted.kind);
    if asked {
        let view = explained.opinions[0].view().expect("a view");
        assert!(view.analysis.starts_with("because of"), "{view:?}");
    }
    let verdict = decide(judgement, &gathered, explained, &rules);
    let page = Page {
        verdict: &verdict,
        evidence: &gathered.evidence,
        policy: &PolicyFile::default(),
        made_by: "test",
    };
    let terms = Terms {
        policy: &policy,
        rules: &rules,
    };
    let about = About {
        namespace: "shop".into(),
        rollout: "web".into(),
        run: "web-1".into(),
        metric: "m".into(),
        measurement: "u/m/0".into(),
    };
    let bundle = Bundle::of(about, 0, &gathered, terms, &verdict).expect("a bundle");
    let (bytes, _) = bundle.to_bytes().expect("bytes");
    let prompts: Vec<&str> = calls.iter().map(|call| call.text.as_str()).collect();
    let lines = captured.lines().join("\n");
    assert!(!asked || lines.contains("model answer") && lines.contains("model refused"));
    vec![
        ("message", verdict.message.clone()),
        ("rationale", verdict.voting_rationale()),
        ("text", report::text(&verdict)),
        ("page", report::html(&page)),
        ("bundle", String::from_utf8(bytes).expect("UTF-8")),
        ("prompts", prompts.join("\n")),
        ("log", lines),
        ("opinions", format!("{:?}", verdict.model_results())),
    ]
}

#[tokio::test]
async fn no_planted_secret_is_shown_sent_or_written() {
    let all = planted::all(11);
    assert!(all.len() >= LEAST_KINDS);
    let server = serve(Script::default()).await;
    for planted in all {
        server.change(|script| *script = telling(&planted));
        let (trace, others): (Vec<Form>, Vec<Form>) =
            Form::ALL.iter().partition(|form| **form == Form::Trace);
        for forms in [trace, others] {
            for (what, text) in shown(&server, &planted, &forms).await {
                let leak = planted.leak(&text);
                assert_eq!(leak, None, "{} in {what}:\n{text}", planted.kind);
                // Only the headers of calls hold it, which are not here.
                assert!(!text.contains(KEY), "{}: key in {what}", planted.kind);
            }
        }
    }
}

/// An API server that gives this answer to everything.
fn answering(status: u16, body: String) -> Cluster {
    crate::scene::listen();
    let service = tower::service_fn(move |_: http::Request<Body>| {
        let body = Body::from(body.clone().into_bytes());
        let response = Response::builder().status(status).body(body);
        async { Ok::<_, Infallible>(response.expect("a response")) }
    });
    Cluster::new(Access::Client(kube::Client::new(service, "default")))
}

#[tokio::test(start_paused = true)]
async fn no_error_of_the_api_server_shows_a_secret() {
    for planted in planted::all(13) {
        let text = format!("admission webhook denied: {}", planted.text);
        let status = json!({"kind": "Status", "message": text}).to_string();
        for (code, body) in [
            (422, status),
            // No object at all: what a parser says of it quotes it.
            (200, json!(text).to_string()),
            (200, json!({"items": text, "metadata": text}).to_string()),
        ] {
            let error = answering(code, body).gather(&request()).await;
            let error = error.expect_err("it cannot be gathered");
            let mut shown = format!("{error} {error:?}");
            let mut cause = error.source();
            while let Some(source) = cause {
                shown.push_str(&format!(": {source}"));
                cause = source.source();
            }
            assert_eq!(planted.leak(&shown), None, "{}: {shown}", planted.kind);
        }
    }
}
