//! Every trouble that models and agents can have, whatever the canary does:
//! phase, value and the whole message, against what was injected.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use agent_stand_in::AgentStandIn;
use kube_stand_in::objects;
use model_stand_in::{Answer, Script, StandIn};
use rollouts_plugin::host::Launch;
use rollouts_plugin::{Measurement, Phase};
use tokio::net::TcpListener;

use crate::bench::{Asked, Bench, NAMESPACE, metric, run};

/// How the canary does. Each pod of stable and of a good canary serves 600
/// requests without an error; of a bad one every third fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canary {
    Good,
    Bad,
    Crashes,
    Silent,
}

const ALL: [Canary; 4] = [Canary::Good, Canary::Bad, Canary::Crashes, Canary::Silent];

async fn bench(canary: Canary) -> Bench {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000);
    match canary {
        Canary::Good => bench.serves("canary", 600, 1_000),
        Canary::Bad => bench.serves("canary", 600, 3),
        Canary::Crashes | Canary::Silent => &bench,
    };
    if canary == Canary::Crashes {
        for pod in bench.canary_pods() {
            let now_ms = bench.now_ms;
            bench.stand_in.change(|world| {
                world.change_pod(NAMESPACE, &pod, |pod| {
                    pod["status"]["containerStatuses"][0] = objects::crash_loop(4, 1, now_ms);
                    pod["status"]["conditions"][0]["status"] = "False".into();
                });
            });
        }
    }
    bench
}

/// An address at which nobody listens: it was free just now.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A server with a certificate that nobody vouches for.
async fn untrusted(script: agent_stand_in::Script) -> agent_stand_in::Server {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = made.signing_key.serialize_pem();
    let tls = agent_stand_in::Tls::from_pem(&made.cert.pem(), &key).unwrap();
    let options = agent_stand_in::Options {
        tls: Some(tls),
        ..agent_stand_in::Options::default()
    };
    AgentStandIn::serve_with(script, options).await.unwrap()
}

/// The answer, and what was logged. A canary without traffic has waited for its
/// whole time: else it would be asked again.
async fn answered(launch: &Launch, canary: Canary, block: &str) -> (Measurement, Vec<String>) {
    let mut plugin = Asked::start(launch).await;
    let (run, metric) = (run(), metric(block));
    let answer = match canary {
        Canary::Silent => plugin.measure_late(&run, &metric).await,
        _ => plugin.measure(&run, &metric).await,
    };
    (answer, lines(&plugin).await)
}

/// All that was logged of a measurement that has ended.
async fn lines(plugin: &Asked) -> Vec<String> {
    plugin
        .logs(|line| line.contains("AI metric analysis finished"))
        .await;
    plugin.plugin.output().lines()
}

/// Whether these words stand in lines of the log in this order.
fn assert_in_order(lines: &[String], words: &[&str]) {
    let mut rest = lines.iter();
    for word in words {
        assert!(
            rest.any(|line| line.contains(word)),
            "{word:?} is missing or too early:\n{}",
            lines.join("\n")
        );
    }
}

/// The count that stands in a message behind `before`.
fn count(message: &str, before: &str) -> u64 {
    let (_, rest) = message.split_once(before).expect(message);
    let digits: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(|c| *c != ',')
        .collect();
    digits.parse().expect(message)
}

/// `1,767`.
fn thousands(count: u64) -> String {
    format!("{},{:03}", count / 1_000, count % 1_000)
}

/// Three pods that served 600 requests each; those of a bucket that is not over
/// yet do not count.
fn assert_served(count: u64) {
    assert!((1_650..=1_800).contains(&count), "{count}");
}

/// The judge's own answer about a canary, word for word; `note` is what is said
/// of models where they were to be asked.
fn assert_judged(canary: Canary, answer: &Measurement, note: &str) {
    let message = &answer.message;
    let (phase, expected) = match canary {
        Canary::Good => {
            let all = count(message, "promoted: 0/");
            assert_served(all);
            let all = thousands(all);
            (
                Phase::Successful,
                format!("canary promoted: 0/{all} errors (stable 0/{all}), 3/3 pods ready; {note}"),
            )
        }
        Canary::Bad => {
            let (failed, all) = (count(message, "responses ("), count(message, "/"));
            assert_served(all);
            // Every third but the first.
            assert!((all / 3 - 3..=all / 3 + 3).contains(&failed), "{message}");
            let points = 100.0 * failed as f64 / all as f64;
            let all = thousands(all);
            (
                Phase::Failed,
                format!(
                    "canary aborted: +{points:.1} pp 5xx responses ({failed}/{all} requests, \
                     stable 0/{all}), 5xx - canary in 3/3 pods, 0 in stable; {note}"
                ),
            )
        }
        Canary::Crashes => (
            Phase::Failed,
            "canary aborted: CrashLoopBackOff in 3/3 pods, 0 in stable, exit code 1 in 3/3 pods, \
             0 in stable"
                .to_owned(),
        ),
        Canary::Silent => {
            let waited = count(message, "after ");
            assert!((3_600..3_660).contains(&waited), "{message}");
            (
                Phase::Inconclusive,
                format!(
                    "no verdict after {waited} s: the canary's logs show no traffic yet: no \
                     request, and no line that stable also shows"
                ),
            )
        }
    };
    assert_eq!((answer.phase, message), (phase, &expected), "{canary:?}");
    if canary == Canary::Good {
        let value: f64 = answer.value.parse().unwrap();
        assert!((0.51..=0.99).contains(&value), "{value}");
    } else {
        assert_eq!(answer.value, "0", "{canary:?}");
    }
}

/// Without its model, which may take so many seconds, the judge decides alone,
/// and says why the model is missing where it would have been asked.
async fn judged_without(url: &str, seconds: u32, why: &str) {
    let note = format!("model gemini-2.5-flash gave no opinion: {why}; extraPrompt was not used");
    for canary in ALL {
        let bench = bench(canary).await;
        let launch = bench
            .launch()
            .env("GOOGLE_API_KEY", "a-key")
            .arg(format!("--gemini-url={url}"));
        let block = format!(
            r#"{{"model":"gemini-2.5-flash","extraPrompt":"x","budget":{{"seconds":{seconds}}}}}"#
        );
        let (answer, lines) = answered(&launch, canary, &block).await;
        assert_judged(canary, &answer, &note);
        let mut words = vec![
            "AI metric analysis started",
            "\"configuration\"",
            "fetching logs",
        ];
        if matches!(canary, Canary::Good | Canary::Bad) {
            assert_eq!(answer.metadata["modelCount"], "1");
            assert!(answer.metadata["modelResults"].contains(why), "{answer:?}");
            words.push("model request");
        }
        words.extend(["\"looked at the canary\"", "AI metric analysis finished"]);
        assert_in_order(&lines, &words);
    }
}

/// More than all attempts at a model take, also on a slow machine: else it would
/// be its time that is up.
const AMPLE_S: u32 = 20;

/// What is said of a model that no request reaches.
const UNREACHED: &str = "its provider could not be reached: check the base URL and the network";

#[tokio::test]
async fn with_a_model_that_is_down_the_judge_decides_alone() {
    judged_without(&nobody().await, AMPLE_S, UNREACHED).await;
}

#[tokio::test]
async fn with_a_model_that_hangs_the_judge_decides_alone() {
    let models = StandIn::serve(Script::always(Answer::Hang)).await.unwrap();
    judged_without(&models.url(), 2, "no answer in time").await;
    assert_eq!(models.calls().len(), 2, "of the good and of the bad canary");
    models.wait_until_idle().await;
}

#[tokio::test]
async fn with_a_model_that_is_not_trusted_the_judge_decides_alone() {
    let good = agent_stand_in::Script::always(agent_stand_in::Answer::Good);
    let server = untrusted(good).await;
    judged_without(&server.url(), AMPLE_S, UNREACHED).await;
    assert!(server.requests().is_empty(), "it was shown nothing");
}

/// The same error of every canary: nobody but the agent looks.
async fn refused_with(url: &str, message: &str) {
    for canary in ALL {
        let bench = bench(canary).await;
        let block = format!(r#"{{"agentUrl":"{url}"}}"#);
        let mut plugin = Asked::start(&bench.launch()).await;
        let answer = plugin.measure(&run(), &metric(&block)).await;
        assert_eq!((answer.phase, answer.value.as_str()), (Phase::Error, ""));
        assert_eq!(answer.message, message, "{canary:?}");
        assert!(bench.stand_in.seen().is_empty(), "{canary:?}");
        assert_in_order(
            &lines(&plugin).await,
            &[
                "AI metric analysis started",
                "\"configuration\"",
                "A2A call failed",
                "Kubernetes Agent health check failed",
                "not falling back to default mode",
                "looked in vain",
                "AI metric analysis finished",
            ],
        );
    }
}

#[tokio::test]
async fn an_agent_that_is_down_is_an_error_whatever_the_canary_does() {
    refused_with(
        &nobody().await,
        "Kubernetes Agent health check failed: agent health check failed: no connection: \
         Connection refused (os error 111); is the agent running and agentUrl right? \
         `rollouts-plugin-metric-ai check URL` in the controller's pod tells",
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_is_not_trusted_is_an_error_whatever_the_canary_does() {
    let good = agent_stand_in::Script::always(agent_stand_in::Answer::Good);
    let server = untrusted(good).await;
    refused_with(
        &server.url(),
        "Kubernetes Agent health check failed: agent health check failed: its certificate is not \
         trusted: invalid peer certificate: UnknownIssuer; name its authority's file in \
         SSL_CERT_FILE or to the plugin, `rollouts-plugin-metric-ai check URL` tries it",
    )
    .await;
    assert!(server.requests().is_empty(), "it was shown nothing");
}

/// A background run at the end of its steps: five seconds are left for the
/// agent, and an error would let the canary pass.
async fn hangs(canary: Canary, url: &str) {
    let bench = bench(canary).await;
    bench.stand_in.change(|world| {
        world.change_rollout(NAMESPACE, "web", |rollout| {
            rollout["status"]["currentStepIndex"] = 4.into();
        });
    });
    let metric = metric(&format!(r#"{{"agentUrl":"{url}"}}"#));
    let mut background = run();
    let labels = &mut background.metadata.labels;
    labels.insert("rollout-type".into(), "Background".into());
    let mut plugin = Asked::start(&bench.launch()).await;
    // The first look reads when the steps end.
    let read = plugin.measure(&background, &metric).await;
    let mut asked = crate::bench::begun_ago(1);
    asked.metadata = read.metadata;
    background.metadata.uid = "other".into();
    let resume = async |of: &Measurement| plugin.plugin.resume(&background, &metric, of).await;
    let waits = resume(&asked).await.unwrap();
    assert_eq!(waits.phase, Phase::Running, "{waits:?}");
    plugin.logs(|line| line.contains("looked in vain")).await;
    let answer = resume(&waits).await.unwrap();
    assert_eq!(
        (answer.phase, answer.value.as_str()),
        (Phase::Inconclusive, "0"),
        "{canary:?}: {answer:?}"
    );
    let seconds = answer
        .message
        .strip_prefix(
            "no attempt is left before the rollout's steps end: Failed to analyze with \
             kubernetes-agent: context deadline exceeded after ",
        )
        .and_then(|rest| {
            rest.strip_suffix(
                " s; is the agent reachable from the controller (`rollouts-plugin-metric-ai check \
                 URL` there), and its model quick enough?",
            )
        });
    let seconds: f64 = seconds.expect(&answer.message).parse().unwrap();
    assert!((1.0..=5.1).contains(&seconds), "{}", answer.message);
    let said = plugin.logs(|line| line.contains("no attempt is left"));
    said.await;
    assert_in_order(
        &plugin.plugin.output().lines(),
        &[
            "\"configuration\"",
            "A2A",
            "Failed to analyze with kubernetes-agent",
            "not falling back to default mode",
            "looked in vain",
            "AI metric analysis finished",
        ],
    );
}

#[tokio::test]
async fn an_agent_that_hangs_pauses_a_background_run_whatever_the_canary_does() {
    let agent = agent_stand_in::Script::always(agent_stand_in::Answer::Hang);
    let agent = AgentStandIn::serve(agent).await.unwrap();
    let url = agent.url();
    let [a, b, c, d] = ALL;
    tokio::join!(
        hangs(a, &url),
        hangs(b, &url),
        hangs(c, &url),
        hangs(d, &url)
    );
    assert_eq!(agent.calls().len(), 4, "each was asked once");
    agent.wait_until_idle().await;
}
