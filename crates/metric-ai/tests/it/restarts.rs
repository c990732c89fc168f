//! Whatever happens to the process, a measurement has one outcome.

use kube_stand_in::{Act, Fault, Resource};
use rollouts_plugin::{AnalysisRun, MetricResult, Phase};

use crate::bench::{Bench, metric, run};

/// Looks that gather at the same time.
const PARALLEL_LOOKS: usize = 4;

#[tokio::test]
async fn a_killed_plugin_is_continued_by_one_that_has_never_seen_the_run() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    bench.stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Log, Act::Hang));
    });
    let plugin = bench.plugin().await;
    let first = plugin.run(&run(), &metric("{}")).await;
    assert_eq!(first.phase, Phase::Running);
    plugin
        .logs(|line| line.contains("looking at the canary"))
        .await;
    plugin.plugin.kill().await.unwrap();

    bench.stand_in.change(|world| {
        world.clear_faults();
    });
    let mut plugin = bench.plugin().await;
    let second = plugin.resume(&metric("{}"), &first).await;
    assert_eq!(second.phase, Phase::Running);
    assert_eq!(second.started_at, first.started_at);
    plugin.looked().await;
    let answer = plugin.resume(&metric("{}"), &second).await;
    assert_eq!(answer.phase, Phase::Failed, "{answer:?}");
    assert_eq!(answer.started_at, first.started_at);
}

#[tokio::test]
async fn what_one_process_counted_is_carried_to_the_next_and_to_the_next_measurement() {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 20, 1_000);
    let mut plugin = bench.plugin().await;
    let waiting = plugin.measure(&run(), &metric("{}")).await;
    assert_eq!(waiting.phase, Phase::Running);
    let state = waiting.metadata["state"].clone();
    plugin.plugin.kill().await.unwrap();

    // The next process resumes it, with what it carries.
    let mut plugin = bench.plugin().await;
    let resumed = plugin.resume(&metric("{}"), &waiting).await;
    assert_eq!(resumed.metadata["state"], state);
    assert_eq!(
        resumed.message, waiting.message,
        "people see what is missing"
    );
    plugin.looked().await;

    // Another measurement of the same metric takes it over as well.
    let mut later = run();
    later.status.metric_results.push(MetricResult {
        name: "canary-health".into(),
        count: 1,
        measurements: vec![waiting],
        ..MetricResult::default()
    });
    let next = plugin.run(&later, &metric("{}")).await;
    let carried = |state: &str| -> serde_json::Value {
        let state: serde_json::Value = serde_json::from_str(state).unwrap();
        state["carried"].clone()
    };
    assert_eq!(carried(&next.metadata["state"]), carried(&state));
    assert!(carried(&state).is_string());
}

#[tokio::test]
async fn a_state_that_someone_edited_counts_as_none() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    for state in [
        "",
        "{",
        r#"{"v":1,"carried":"x","start_ms":-1}"#,
        &"x".repeat(9_000),
    ] {
        let mut plugin = bench.plugin().await;
        let mut first = crate::bench::begun_ago(2);
        first.metadata.insert("state".into(), state.to_owned());
        plugin.resume(&metric("{}"), &first).await;
        plugin.looked().await;
        let answer = plugin.resume(&metric("{}"), &first).await;
        assert_eq!(answer.phase, Phase::Failed, "{answer:?}");
    }
}

#[tokio::test]
async fn run_twice_looks_once_and_answers_once() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    let (block, run) = (metric("{}"), run());
    let (first, second) = tokio::join!(plugin.run(&run, &block), plugin.run(&run, &block));
    assert_eq!(
        (first.phase, second.phase),
        (Phase::Running, Phase::Running)
    );
    plugin.looked().await;
    let answer = plugin.resume(&block, &first).await;
    assert_eq!(answer.phase, Phase::Failed);
    // The controller acts on a stale copy now and then: the answer stands.
    assert_eq!(plugin.resume(&block, &second).await, answer);
    assert_eq!(plugin.run(&run, &block).await, answer);
    let lists = |seen: &kube_stand_in::Seen| seen.uri.contains("role%3Dcanary");
    assert_eq!(
        bench
            .stand_in
            .seen()
            .iter()
            .filter(|seen| lists(seen))
            .count(),
        1
    );
}

#[tokio::test]
async fn terminate_ends_a_look_at_once_and_for_good() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    bench.stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Pods, Act::Hang));
    });
    let plugin = bench.plugin().await;
    let (block, run) = (metric("{}"), run());
    let first = plugin.run(&run, &block).await;
    plugin
        .logs(|line| line.contains("looking at the canary"))
        .await;
    let ended = plugin.plugin.terminate(&run, &block, &first).await.unwrap();
    assert_eq!(
        (ended.phase, ended.value.as_str()),
        (Phase::Inconclusive, "0")
    );
    assert!(
        ended.message.starts_with("terminated before a verdict"),
        "{}",
        ended.message
    );
    assert!(ended.finished_at.is_some());
    assert_eq!(plugin.resume(&block, &first).await, ended);
}

#[tokio::test]
async fn terminate_fails_what_has_fired() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let mut plugin = bench.plugin().await;
    let (block, run) = (metric("{}"), run());
    let first = plugin.run(&run, &block).await;
    plugin.looked().await;
    let ended = plugin.plugin.terminate(&run, &block, &first).await.unwrap();
    assert_eq!(ended.phase, Phase::Failed);
    assert!(
        ended.message.starts_with("canary aborted"),
        "{}",
        ended.message
    );

    // A new process knows of nothing that fired.
    let plugin = bench.plugin().await;
    let ended = plugin.plugin.terminate(&run, &block, &first).await.unwrap();
    assert_eq!(ended.phase, Phase::Inconclusive);
}

#[tokio::test]
async fn two_controllers_come_to_one_outcome() {
    let bench = Bench::new().await;
    bench.serves("stable", 600, 1_000).serves("canary", 600, 3);
    let (mut one, mut two) = (bench.plugin().await, bench.plugin().await);
    let block = metric("{}");
    let (a, b) = (
        one.measure(&run(), &block).await,
        two.measure(&run(), &block).await,
    );
    assert_eq!((a.phase, b.phase), (Phase::Failed, Phase::Failed));
}

#[tokio::test]
async fn a_look_that_is_terminated_gives_its_turn_to_the_next() {
    let bench = Bench::new().await;
    bench.stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Rollout, Act::Hang));
    });
    let plugin = bench.plugin().await;
    let block = metric("{}");
    let runs: Vec<_> = (0..12)
        .map(|n| {
            let mut run = run();
            run.metadata.uid = format!("run-{n}");
            run.metadata.name = format!("run-{n}");
            run
        })
        .collect();
    let mut begun = Vec::new();
    for run in &runs {
        begun.push(plugin.run(run, &block).await);
    }
    // As many begin as have a turn; each that ends gives its turn to the next.
    // Which of those that were asked for at once begin first is open.
    for ended in 0..runs.len() {
        let wanted = (PARALLEL_LOOKS + ended).min(runs.len());
        let mut looking = Vec::new();
        plugin
            .logs(|line| {
                if line.contains("looking at the canary") {
                    looking.push(line.to_owned());
                }
                looking.len() == wanted
            })
            .await;
        let is_next = |run: &AnalysisRun| {
            let name = format!("\"{}\"", run.metadata.name);
            looking[ended].contains(&name)
        };
        let next = runs.iter().position(is_next).unwrap();
        let (run, first) = (&runs[next], &begun[next]);
        plugin.plugin.terminate(run, &block, first).await.unwrap();
    }
}
