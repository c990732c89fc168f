//! Every scenario file, played to its end.

use std::sync::Arc;

use demo::state::Phase;
use demo::{Expect, Outcome, Scenario};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::numbers;
use crate::stage::started;

/// Scenarios that are played at the same time: each is mostly waiting.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_comes_out_as_it_says() {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for scenario in demo::own().unwrap() {
        let places = Arc::clone(&places);
        playing.spawn(async move {
            let _place = places.acquire().await.unwrap();
            play(&scenario).await
        });
    }
    let wrong: Vec<String> = playing.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What came out otherwise than it should.
async fn play(scenario: &Scenario) -> Vec<String> {
    let (demo, _folder) = started().await;
    let before = demo.state().await.arms.stable.unwrap().version;
    demo.release(scenario).unwrap();
    let outcome = demo.verdict().await.unwrap();
    let mut wrong = wrong_in(scenario, &outcome);
    let mut hold = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{what}: {outcome:?}"));
        }
    };
    let paused = scenario.expect == Expect::Inconclusive;
    if paused {
        let state = demo.state().await;
        hold(state.phase == Phase::Paused, "it pauses for a person");
        hold(outcome.final_weight == 20, "its weight stays meanwhile");
        demo.roll_back().await.unwrap();
    }
    demo.settled().await;
    let state = demo.state().await;
    let stable = state.arms.stable.unwrap();
    hold(state.arms.canary.is_none(), "no canary is left");
    hold(stable.pods.len() == 3, "three pods serve");
    hold(stable.pods.iter().all(|pod| pod.ready), "all are ready");
    if scenario.name == "good" {
        // Neither weights nor the promotion cost anyone an answer.
        hold(stable.errors == 0, "every request was answered");
    }
    if scenario.expect == Expect::Promote {
        hold(
            stable.version == state.release.unwrap().version,
            "it serves now",
        );
    } else {
        hold(stable.version == before, "stable serves on");
        hold(state.phase == Phase::Aborted, "it is taken back");
    }
    demo.stop().await;
    let name = &scenario.name;
    wrong.iter().map(|what| format!("{name}: {what}")).collect()
}

fn wrong_in(scenario: &Scenario, outcome: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{what}: {outcome:?}"));
        }
    };
    let expect = scenario.expect;
    hold(outcome.verdict.is(expect), format!("expected {expect:?}"));
    for text in &scenario.says {
        let text = text.as_str();
        hold(outcome.why.contains(text), format!("says {text:?}"));
    }
    match scenario.most_weight {
        Some(most) => hold(
            outcome.highest_weight <= most.0,
            format!("had at most {} %", most.0),
        ),
        None if expect == Expect::Promote => {
            hold(outcome.highest_weight == 100, "all steps".to_owned());
        }
        None => {}
    }
    if expect != Expect::Inconclusive {
        hold(outcome.final_weight == 0, "no weight is left".to_owned());
    }
    if scenario.requests_per_s.is_none() {
        hold(
            outcome.canary_requests > 50 && outcome.stable_requests > 50,
            "both had traffic".to_owned(),
        );
    }
    if let Some(points) = scenario.error_points {
        let injected = f64::from(points.0);
        wrong.extend(numbers::wrong(&outcome.why, injected));
    }
    wrong
}
