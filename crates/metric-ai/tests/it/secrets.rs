//! No secret that is in a log, a template, the environment, a file of the
//! operator, or in what a model or an agent answers, is in anything that the
//! plugin says, keeps or asks.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::fs;
use std::path::Path;

use agent_stand_in::AgentStandIn;
use kube_stand_in::{Log, LogOf};
use model_stand_in::{Answer, Api, Opinion, Rule, Says, Script, Server, StandIn};
use rollouts_plugin::host::Launch;
use rollouts_plugin::{Measurement, Phase};
use serde_json::json;

use crate::bench::{Asked, Bench, NAMESPACE, metric, run};
use crate::planted::{self, Form, LEAST_KINDS, Planted};

/// Secrets of the operator that no redaction knows by their look.
const OPERATORS: [&str; 8] = [
    "key-of-gemini-xyz",
    "key-of-openai-xyz",
    "token-of-github-xyz",
    "token-of-agents-xyz",
    "password-of-metrics-xyz",
    "user-of-metrics-xyz",
    "project-of-google-xyz",
    "password-of-proxy-xyz",
];

/// What must not show any of it.
struct Shown {
    what: &'static str,
    text: String,
}

fn assert_hidden(shown: &[Shown], planted: &[Planted]) {
    for Shown { what, text } in shown {
        for planted in planted {
            let leak = planted.leak(text);
            assert_eq!(leak, None, "{} in {what}:\n{text}", planted.kind);
        }
        for secret in OPERATORS {
            assert!(!text.contains(secret), "{secret} in {what}:\n{text}");
        }
    }
}

/// The texts of all that was planted, each once.
fn told(planted: &[Planted]) -> String {
    let texts: Vec<&str> = planted.iter().map(|one| one.text.as_str()).collect();
    texts.join("\n")
}

/// A canary of which every pod logs all of it as errors, after its requests.
fn logs(bench: &Bench, planted: &[Planted]) {
    let mut lines: Vec<String> = vec!["200 - blue".to_owned(); 600];
    for one in planted {
        // An uncaught exception is a veto, about which no model is asked.
        for form in Form::ALL.into_iter().filter(|form| *form != Form::Trace) {
            lines.extend(one.logged(form).lines().map(str::to_owned));
        }
    }
    for pod in bench.canary_pods() {
        let log = Log::lines(bench.now_ms - 280_000, 100, lines.clone());
        bench.stand_in.change(|world| {
            world.set_log(LogOf::current(NAMESPACE, &pod, "web"), log);
        });
    }
}

/// A template with something of it in every text.
fn block(planted: &[Planted]) -> String {
    let text = |at: usize| planted[at % planted.len()].text.as_str();
    json!({
        "model": "gemini-2.5-flash",
        "extraPrompt": told(planted),
        "githubUrl": text(1),
        "baseBranch": text(2),
        "colour": text(3),
        "podName": text(4),
        "apiKey": text(5),
        "caFile": text(6),
        "analysisMode": "default",
        "agentUrl": format!("http://bob:{}@agent:8080", planted[7].secrets[0]),
        "judgePolicy": {"ignore": [{
            "template": text(9), "reason": text(8), "until": "2099-12-31",
        }]},
        "prometheus": {
            "address": "http://bob:password-of-metrics-xyz@127.0.0.1:9",
            "pairs": [{"name": "errors", "worse": "higher",
                "stable": format!("x{{a=\"{}\"}}", OPERATORS[0]),
                "canary": format!("y{{a=\"{}\"}}", OPERATORS[1])}],
        },
    })
    .to_string()
}

/// A model that tells what it was sent, and all that was planted.
fn telling(planted: &[Planted]) -> Script {
    let opinion = |from: usize| Opinion {
        says: Says::Agree,
        text: format!(
            "because of {}\n{}",
            OPERATORS[0],
            told(&planted[from..(from + 20).min(planted.len())])
        ),
        ..Opinion::default()
    };
    Script::new([
        // A key in an error, then answers.
        Rule::new(Answer::EchoKey).api(Api::OpenAi),
        Rule::new(Answer::Opinion(opinion(0))),
    ])
}

/// An operator whose every credential is a secret, in files, arguments and
/// variables.
fn launch(bench: &Bench, models: &Server, (folder, bundles): (&Path, &Path)) -> Launch {
    for (name, secret) in [
        ("google_api_key", OPERATORS[0]),
        ("openai_api_key", OPERATORS[1]),
        ("github_token", OPERATORS[2]),
        ("agent", OPERATORS[3]),
        ("metrics", OPERATORS[4]),
        ("google_cloud_project", OPERATORS[6]),
    ] {
        fs::write(folder.join(name), secret).unwrap();
    }
    let file = |flag: &str, name: &str| format!("{flag}={}", folder.join(name).display());
    bench
        .launch()
        .env("LOG_LEVEL", "trace")
        .env("NO_PROXY", "127.0.0.1")
        .env(
            "HTTPS_PROXY",
            format!("http://bob:{}@127.0.0.1:9", OPERATORS[7]),
        )
        .arg(format!("--gemini-url={}", models.url()))
        .arg(format!("--openai-url={}", models.openai_url()))
        .arg(format!("--bundle-dir={}", bundles.display()))
        .arg(file("--secrets-dir", ""))
        .arg("--agent-origin=https://agent.example")
        .arg(file("--agent-token-file", "agent"))
        .arg("--prometheus-origin=https://prometheus.example")
        .arg(format!("--prometheus-user={}", OPERATORS[5]))
        .arg(file("--prometheus-password-file", "metrics"))
}

#[tokio::test]
async fn nothing_planted_is_in_what_a_look_says_keeps_or_asks() {
    let planted = planted::all(23);
    assert!(planted.len() >= LEAST_KINDS);
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000);
    logs(&bench, &planted);
    let models = StandIn::serve(telling(&planted)).await.unwrap();
    let (folder, bundles) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut launch = launch(&bench, &models, (folder.path(), bundles.path()));
    for (number, one) in planted.iter().enumerate() {
        // As the controller passes its whole environment on.
        launch = launch.env(format!("PLANTED_{number}"), one.text.replace('\n', " "));
    }
    let mut plugin = Asked::start(&launch).await;
    for models in [
        r#"["gemini-2.5-flash"]"#,
        r#"["gemini-2.5-flash","openai/gpt-4o"]"#,
    ] {
        let block = block(&planted).replace(
            r#""model":"gemini-2.5-flash""#,
            &format!(r#""models":{models}"#),
        );
        let mut run = run();
        run.metadata.uid = models.into();
        let answer = plugin.measure(&run, &metric(&block)).await;
        assert_eq!(answer.phase, Phase::Failed, "{answer:?}");
        assert!(answer.metadata["modelResults"].contains("because of"));
        let described = plugin.plugin.metadata(&metric(&block)).await.unwrap();
        let mut shown = said(&answer, &plugin);
        shown.push(Shown {
            what: "GetMetadata",
            text: format!("{described:?}"),
        });
        assert_hidden(&shown, &planted);
    }
    let prompts: Vec<String> = models
        .calls()
        .iter()
        .map(|call| call.text.clone())
        .collect();
    // What the first said of the same evidence is remembered; a bucket that has
    // ended meanwhile makes it another.
    assert!((2..=3).contains(&prompts.len()), "{}", prompts.len());
    assert!(prompts[0].contains("handler failed"));
    let mut shown = vec![Shown {
        what: "prompts",
        text: prompts.join("\n"),
    }];
    for file in fs::read_dir(bundles.path()).unwrap() {
        let bundle = analysis::bundle::read(&file.unwrap().path()).unwrap();
        let (bytes, _) = bundle.to_bytes().unwrap();
        shown.push(Shown {
            what: "bundle",
            text: String::from_utf8(bytes).unwrap(),
        });
    }
    assert_eq!(shown.len(), 3, "a bundle for each verdict");
    assert_hidden(&shown, &planted);
}

/// What is read of a measurement and of the log.
fn said(answer: &Measurement, plugin: &Asked) -> Vec<Shown> {
    let lines = plugin.plugin.output().lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("\"@level\":\"debug\""))
    );
    vec![
        Shown {
            what: "message",
            text: answer.message.clone(),
        },
        Shown {
            what: "measurement",
            text: format!("{answer:?}"),
        },
        Shown {
            what: "log",
            text: lines.join("\n"),
        },
    ]
}

#[tokio::test]
async fn nothing_that_an_agent_quotes_is_said() {
    let planted = planted::all(29);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, OPERATORS[3]).unwrap();
    let bench = Bench::new().await;
    for (number, some) in planted.chunks(8).enumerate() {
        let text = format!("because of {}\n{}", OPERATORS[3], told(some));
        let model = json!({"modelName": "m", "analysis": text, "rootCause": text,
            "remediation": text, "promote": false, "confidence": 90, "executionTimeMs": 5,
            "error": text});
        let verdict = json!({"analysis": text, "rootCause": text, "remediation": text,
            "prLink": format!("https://git.example/?{text}"), "promote": false, "confidence": 90,
            "modelResults": [model], "votingRationale": text, "verdict": "abort",
            "state": format!("saw {}", OPERATORS[3]), "issueLink": text});
        for (answer, phase) in [
            (
                agent_stand_in::Answer::body(verdict.to_string()),
                Phase::Failed,
            ),
            (agent_stand_in::Answer::status(500, &text), Phase::Error),
            (
                agent_stand_in::Answer::body(json!(text).to_string()),
                Phase::Error,
            ),
            (
                agent_stand_in::Answer::status(401, &verdict.to_string()),
                Phase::Error,
            ),
        ] {
            let script = agent_stand_in::Script::always(answer);
            let agent = AgentStandIn::serve(script).await.unwrap();
            let launch = bench
                .launch()
                .env("LOG_LEVEL", "trace")
                .arg(format!("--agent-origin={}", agent.url()))
                .arg(format!("--agent-token-file={}", token.display()));
            let mut plugin = Asked::start(&launch).await;
            let block = json!({"agentUrl": agent.url(), "extraPrompt": text}).to_string();
            let answer = plugin.measure(&run(), &metric(&block)).await;
            assert_eq!(answer.phase, phase, "{number}: {answer:?}");
            assert_hidden(&said(&answer, &plugin), some);
        }
    }
}
