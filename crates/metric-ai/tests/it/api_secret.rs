//! The operator's Secret, read through the API where the operator says so.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::fs;

use kube_stand_in::{Act, Fault, Resource};
use model_stand_in::{Answer, Script, StandIn};
use rollouts_plugin::{Measurement, Phase};
use serde_json::json;

use crate::bench::{Asked, Bench, metric, run};

const BLOCK: &str = r#"{"model":"gemini-2.5-flash"}"#;

/// What one analysis of a good canary gives, with the key of each call to the
/// model, and the Secrets that were asked for.
struct Analysed {
    answer: Measurement,
    keys: Vec<Option<String>>,
    asked: Vec<(String, u16)>,
    log: String,
}

async fn analysed(bench: &Bench, arguments: &[&str], variable: Option<&str>) -> Analysed {
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 600, 1_000);
    bench.stand_in.change(|world| {
        world.add_secret(json!({
            "metadata": {"namespace": "ops", "name": "keys"},
            "data": {"google_api_key": "ZnJvbS10aGUtc2VjcmV0Cg==", "other": "/w=="}
        }));
    });
    let models = StandIn::serve(Script::always(Answer::Agree)).await.unwrap();
    let mut launch = bench.launch().arg(format!("--gemini-url={}", models.url()));
    for argument in arguments {
        launch = launch.arg(argument);
    }
    if let Some(key) = variable {
        launch = launch.env("GOOGLE_API_KEY", key);
    }
    let mut plugin = Asked::start(&launch).await;
    let answer = plugin.measure(&run(), &metric(BLOCK)).await;
    let keys = models.calls();
    let seen = bench.stand_in.seen();
    Analysed {
        answer,
        keys: keys
            .iter()
            .map(|call| call.header("x-goog-api-key").map(str::to_owned))
            .collect(),
        asked: seen
            .into_iter()
            .filter(|seen| seen.resource == Resource::Secret)
            .map(|seen| (seen.uri, seen.status))
            .collect(),
        log: plugin.plugin.output().lines().join("\n"),
    }
}

#[tokio::test]
async fn a_key_in_the_secret_is_used_and_shown_to_nobody_else() {
    let bench = Bench::new().await;
    let it = analysed(&bench, &["--secret=ops/keys"], Some("from-a-variable")).await;
    assert_eq!(it.answer.phase, Phase::Successful, "{:?}", it.answer);
    assert_eq!(it.keys, [Some("from-the-secret".to_owned())]);
    assert_eq!(
        it.asked,
        [("/api/v1/namespaces/ops/secrets/keys".to_owned(), 200)]
    );
    for shown in [format!("{:?}", it.answer), it.log] {
        assert!(!shown.contains("from-"), "{shown}");
    }
}

#[tokio::test]
async fn a_mounted_file_wins_over_the_secret() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("google_api_key"), "from-a-file\n").unwrap();
    let mounted = format!("--secrets-dir={}", folder.path().display());
    let it = analysed(&bench, &["--secret=ops/keys", &mounted], None).await;
    assert_eq!(it.keys, [Some("from-a-file".to_owned())]);
}

#[tokio::test]
async fn no_secret_is_read_unless_the_operator_names_it() {
    let bench = Bench::new().await;
    let it = analysed(&bench, &[], Some("from-a-variable")).await;
    assert_eq!(it.keys, [Some("from-a-variable".to_owned())]);
    assert_eq!(it.asked, []);
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_costs_no_verdict() {
    let bench = Bench::new().await;
    bench.stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Secret, Act::Forbidden));
    });
    let it = analysed(&bench, &["--secret=ops/keys"], None).await;
    assert_eq!(it.answer.phase, Phase::Successful, "{:?}", it.answer);
    assert!(it.keys.is_empty(), "{:?}", it.keys);
    assert_eq!(it.asked.len(), 1, "{:?}", it.asked);
    assert!(
        it.log.contains("the Secret of `--secret` is not used")
            && it.log.contains("may not get secrets in namespace ops"),
        "{}",
        it.log
    );
}
