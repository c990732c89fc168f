//! One file of `examples/scenarios`, played on the cluster: the demo's page
//! and `make test` play the same files without one.

use anyhow::{Context as _, ensure};
use demo::{Expect, Fault, ProcessFault, RequestFault, Scenario};
use serde_json::{Value, json};

use crate::app::{App, Environment, Measurement, Setup, Strategy, with_app};
use crate::message::{check_durations, check_injected, check_share, errors_so_far};
use crate::scenarios::{models, steps};
use crate::stage::{Operator, Stage};
use crate::verdicts;

/// What the names of these begin with; the file's name follows.
pub(crate) const PREFIX: &str = "scenario-";

/// Pods, of which one is the canary at first: its weight is the demo's first.
const REPLICAS: u32 = 5;
const FIRST_WEIGHT_PERCENT: u64 = 20;
/// Names of the two versions; the file may say how the canary's begins.
const STABLE_COLOR: &str = "blue";
const CANARY_COLOR: &str = "yellow";
/// The model that would promote whatever it reads.
const MODEL: &str = "gemini-credulous";

/// Who has to have set up the controller for it.
pub(crate) fn operator(file: &Scenario) -> Operator {
    if file.model_obeys {
        Operator::WithKeys
    } else {
        Operator::Plain
    }
}

/// Plays the file that this scenario is named after.
pub(crate) fn play(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let file = demo::own()?
        .into_iter()
        .find(|file| name.strip_prefix(PREFIX) == Some(file.name.as_str()))
        .with_context(|| format!("no scenario file for {name}"))?;
    check_playable(&file)?;
    with_app(stage, name, &setup(&file, name), |app| {
        if file.failing_neighbour {
            steps::add_second(app)?;
        }
        app.release(&canary(&file))?;
        let verdict = verdict(app, &file)?;
        check(&file, &verdict).with_context(|| format!("{}: {verdict:?}", file.why.as_str()))?;
        app.only_run().map(drop)
    })
}

/// Fails for what would be played only in part: none of ours says it.
fn check_playable(file: &Scenario) -> anyhow::Result<()> {
    ensure!(
        file.during.is_empty(),
        "what happens in the middle is not played on the cluster: {:?}",
        file.during
    );
    // Whoever is not promoted is held to have had no more than the first
    // weight, so that a larger limit holds as well.
    let most = file.most_weight.map_or(100, |most| u64::from(most.0));
    ensure!(
        most >= FIRST_WEIGHT_PERCENT,
        "the first weight is {FIRST_WEIGHT_PERCENT} %, the file allows {most} %"
    );
    ensure!(
        file.expect == Expect::Abort || !ends_by_itself(file),
        "a canary whose processes end is watched until it is aborted"
    );
    Ok(())
}

fn setup(file: &Scenario, name: &str) -> Setup {
    let strategy = if ends_by_itself(file) {
        Strategy::Watched
    } else {
        Strategy::Step
    };
    let rate_per_s = file.requests_per_s.map(|rate| f64::from(rate.0));
    Setup {
        replicas: REPLICAS,
        first_weight_percent: FIRST_WEIGHT_PERCENT,
        stable: environment(
            STABLE_COLOR.to_owned(),
            file.stable.fault.map(Fault::Request),
            file.stable.latency_ms.map_or(0, |latency| latency.0),
        ),
        rate_per_s: rate_per_s.unwrap_or(Setup::default().rate_per_s),
        strategy,
        plugin: plugin(file, name),
        ..Setup::default()
    }
}

/// Whether the canary's processes end, so that a step's analysis might never
/// begin: the controller waits for its pods.
fn ends_by_itself(file: &Scenario) -> bool {
    matches!(
        file.canary.fault,
        Some(Fault::Process(
            ProcessFault::Crash | ProcessFault::MemoryLeak
        ))
    )
}

/// The template as the demo has it.
fn plugin(file: &Scenario, name: &str) -> Value {
    let mut plugin = if file.model_obeys {
        models::setup(name, &[MODEL]).plugin
    } else {
        json!({})
    };
    plugin["judgePolicy"] = json!({"latencyWarmupMs": 0});
    if let Some(wait) = file.max_wait_s {
        plugin["maxWait"] = json!(format!("{}s", wait.0));
    }
    plugin
}

fn canary(file: &Scenario) -> Environment {
    let latency_ms = file.canary.latency_ms.map_or(0, |latency| latency.0);
    let version = file.canary.version(CANARY_COLOR);
    environment(version, file.canary.fault, latency_ms)
}

/// A version that does what it is told and, whatever it is called, no more.
fn environment(version: String, fault: Option<Fault>, latency_ms: u16) -> Environment {
    let latency_s = f64::from(latency_ms) / 1000.0;
    vec![
        ("COLOR", version),
        ("ERROR_RATE", "0".to_owned()),
        ("LATENCY", latency_s.to_string()),
        ("SCENARIO", fault.map_or("none", Fault::as_str).to_owned()),
    ]
}

/// The verdict, once the rollout has come to the end that is right for it.
fn verdict(app: &App<'_>, file: &Scenario) -> anyhow::Result<Measurement> {
    match file.expect {
        Expect::Abort if ends_by_itself(file) => verdicts::vetoed(app),
        Expect::Abort => verdicts::aborted(app),
        Expect::Inconclusive => verdicts::paused(app),
        Expect::Promote => verdicts::promoted(app),
    }
}

/// Holds what the verdict says against the file.
fn check(file: &Scenario, verdict: &Measurement) -> anyhow::Result<()> {
    let message = verdict.message.as_str();
    for words in &file.says {
        let words = words.as_str();
        ensure!(message.contains(words), "it does not say {words:?}");
    }
    if let Some(points) = file.error_points {
        check_injected(message, f64::from(points.0))?;
    }
    if file.expect == Expect::Promote {
        let (canary, stable) = errors_so_far(message)?;
        check_share(canary, injected_percent(file.canary.fault))?;
        check_share(
            stable,
            injected_percent(file.stable.fault.map(Fault::Request)),
        )?;
    }
    if let (Expect::Abort, Some(stable), Some(canary)) =
        (file.expect, file.stable.latency_ms, file.canary.latency_ms)
    {
        check_durations(message, canary.0, stable.0)?;
    }
    if file.model_obeys {
        let words = format!("model {MODEL} would promote");
        ensure!(message.contains(&words), "it does not say {words:?}");
    }
    Ok(())
}

/// How many percent of a version's requests fail by a fault that may be
/// promoted.
fn injected_percent(fault: Option<Fault>) -> f64 {
    match fault {
        Some(Fault::Request(RequestFault::AlreadyBroken)) => 10.0,
        _ => 0.0,
    }
}
