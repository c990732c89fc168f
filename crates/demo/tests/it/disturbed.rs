//! What happens to a release when parts of the demo are taken away in the
//! middle, and what is left when it ends.

use std::path::Path;

use demo::state::Sliders;
use demo::{Both, Config, Demo, ModelChoice, Refusal, Scenario, Verdict};

use crate::stage::{config, started};

/// One of our own scenarios.
fn scenario(name: &str) -> Scenario {
    let own = demo::own().unwrap();
    own.into_iter().find(|known| known.name == name).unwrap()
}

/// One of our own with something that happens in its first step.
fn disturbed(name: &str, event: &str) -> Scenario {
    let mut scenario = scenario(name);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("with.toml");
    let text = format!(
        "title = \"t\"\nwhy = \"w\"\nexpect = \"abort\"\n[[during]]\nstep = 1\nevent = \"{event}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    scenario.during = Scenario::read(&file).unwrap().during;
    scenario
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_plugin_is_started_again_and_the_verdict_is_right() {
    for (name, verdict) in [("bad", Verdict::Aborted), ("good", Verdict::Promoted)] {
        let (demo, _folder) = started().await;
        demo.release(&disturbed(name, "kill-plugin")).unwrap();
        let outcome = demo.verdict().await.unwrap();
        assert_eq!(outcome.verdict, verdict, "{outcome:?}");
        let state = demo.state().await;
        assert_eq!(state.plugin.launches, 2, "{state:?}");
        demo.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_model_the_judge_decides_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        model: ModelChoice::Scripted,
        ..config(&folder)
    };
    let demo = Demo::start(config).await.unwrap();
    demo.release(&disturbed("bad", "cut-model")).unwrap();
    let outcome = demo.verdict().await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Aborted, "{outcome:?}");
    let model = demo.state().await.model;
    assert_eq!((model.kind, model.up), ("scripted", false));
    demo.set_model(true).await.unwrap();
    assert!(demo.state().await.model.up);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_does_what_logs_say_promotes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        model: ModelChoice::Scripted,
        ..config(&folder)
    };
    let demo = Demo::start(config).await.unwrap();
    let scenario = scenario("log-injection");
    assert!(scenario.model_obeys);
    demo.release(&scenario).unwrap();
    let outcome = demo.verdict().await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Aborted, "{outcome:?}");
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_release_at_a_time_and_a_person_may_take_it_back() {
    let (demo, _folder) = started().await;
    assert_eq!(demo.roll_back().await, Err(Refusal::NothingToRollBack));
    assert_eq!(demo.kill_plugin(), Err(Refusal::NoPlugin));
    assert_eq!(demo.set_model(false).await, Err(Refusal::NoModel));
    demo.release(&scenario("good")).unwrap();
    assert_eq!(demo.release(&scenario("good")), Err(Refusal::UnderWay));
    demo.roll_back().await.unwrap();
    let outcome = demo.verdict().await.unwrap();
    assert_eq!(outcome.verdict, Verdict::RolledBack, "{outcome:?}");
    let state = demo.state().await;
    assert!(state.arms.canary.is_none(), "{state:?}");
    demo.release(&scenario("good")).unwrap();
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slider_that_is_moved_in_the_middle_breaks_a_good_release() {
    let (demo, _folder) = started().await;
    demo.release(&scenario("good")).unwrap();
    demo.set_sliders(Both {
        stable: Sliders::default(),
        canary: Sliders {
            error_percent: 40,
            latency_ms: 0,
        },
    });
    let outcome = demo.verdict().await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Aborted, "{outcome:?}");
    assert!(outcome.highest_weight <= 40, "{outcome:?}");
    demo.stop().await;
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_it_ends() {
    let (demo, folder) = started().await;
    demo.release(&scenario("good")).unwrap();
    let mut states = demo.states();
    while demo.state().await.plugin.pid.is_none() {
        states.changed().await.unwrap();
    }
    let processes = demo.processes();
    assert!(
        processes.len() >= 5,
        "three, one and the plugin: {processes:?}"
    );
    assert!(processes.iter().all(|&pid| runs(pid)));
    let inside = demo.folder().to_owned();
    assert!(inside.starts_with(folder.path()) && inside.join("kubeconfig").is_file());
    demo.stop().await;
    let left: Vec<u32> = processes.into_iter().filter(|&pid| runs(pid)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!Path::new(&inside).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_is_to_stay_keeps_its_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        keep: true,
        ..config(&folder)
    };
    let demo = Demo::start(config).await.unwrap();
    demo.release(&scenario("crash-loop")).unwrap();
    demo.verdict().await.unwrap();
    let verdicts = demo.folder().join("verdicts");
    demo.stop().await;
    let kept = std::fs::read_dir(verdicts).unwrap().count();
    assert_eq!(kept, 1);
}
