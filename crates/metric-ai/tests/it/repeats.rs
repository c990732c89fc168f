//! Clocks that jump, two processes at one measurement, ends in the middle of a
//! model's call: one outcome, at most one repeated call, and nothing is left
//! behind.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube_stand_in::Resource;
use model_stand_in::{Answer, Rule, Script, Server, StandIn};
use rollouts_plugin::host::Launch;
use rollouts_plugin::{AnalysisRun, MetricResult, Phase};

use crate::bench::{Asked, Bench, metric, run};

const BLOCK: &str = r#"{"model":"gemini-2.5-flash"}"#;

/// What does not come at all should fail and not hang.
const LIMIT: Duration = Duration::from_secs(60);

async fn good() -> Bench {
    let bench = Bench::new().await;
    bench
        .serves("stable", 600, 1_000)
        .serves("canary", 600, 1_000);
    bench
}

async fn models(script: Script) -> Server {
    StandIn::serve(script).await.unwrap()
}

fn launch(bench: &Bench, models: &Server) -> Launch {
    bench
        .launch()
        .arg(format!("--gemini-url={}", models.url()))
        .env("GOOGLE_API_KEY", "a-key")
}

async fn called(models: &Server, times: usize) {
    tokio::time::timeout(LIMIT, models.wait_for_calls(times))
        .await
        .expect("a call");
}

/// Waits until every client of the models has its answer, or has gone.
async fn idle(models: &Server) {
    tokio::time::timeout(LIMIT, models.wait_until_idle())
        .await
        .expect("a client has not gone");
}

/// The first call hangs, all others agree.
fn hangs_once() -> Script {
    Script::new([Rule::new(Answer::Hang).times(1), Rule::new(Answer::Agree)])
}

#[tokio::test]
async fn a_clock_that_jumps_while_the_process_is_replaced_changes_no_outcome() {
    for jump in [
        SignedDuration::from_hours(-72),
        SignedDuration::from_hours(-5),
        SignedDuration::from_hours(5),
        SignedDuration::from_hours(72),
    ] {
        let bench = good().await;
        let models = models(hangs_once()).await;
        let plugin = Asked::start(&launch(&bench, &models)).await;
        let mut measurement = plugin.run(&run(), &metric(BLOCK)).await;
        called(&models, 1).await;
        plugin.plugin.kill().await.unwrap();
        // The clock went forward by so much since then: what was written before
        // lies that much further back.
        let moved = |at: Option<Timestamp>| at.map(|at| at.checked_sub(jump).unwrap());
        measurement.started_at = moved(measurement.started_at);
        measurement.resume_at = moved(measurement.resume_at);

        let mut plugin = Asked::start(&launch(&bench, &models)).await;
        let waits = plugin.resume(&metric(BLOCK), &measurement).await;
        assert_eq!(waits.phase, Phase::Running, "{jump:?}: {waits:?}");
        assert!(waits.started_at <= Some(Timestamp::now()), "{waits:?}");
        let soon = Timestamp::now().checked_add(LIMIT).unwrap();
        assert!(waits.resume_at.unwrap() < soon, "{jump:?}: {waits:?}");
        plugin.looked().await;
        let answer = plugin.resume(&metric(BLOCK), &waits).await;
        assert_eq!(answer.phase, Phase::Successful, "{jump:?}: {answer:?}");
        assert!(answer.finished_at >= answer.started_at);
        // Late and twice, with either copy of the measurement.
        for stale in [&measurement, &waits] {
            assert_eq!(plugin.resume(&metric(BLOCK), stale).await, answer);
        }
        assert_eq!(models.calls().len(), 2, "{jump:?}: one is repeated");
        idle(&models).await;
    }
}

#[tokio::test]
async fn two_processes_at_one_measurement_repeat_one_call() {
    let bench = good().await;
    let models = models(Script::always(Answer::Agree)).await;
    let launch = launch(&bench, &models);
    let (mut one, mut two) = (Asked::start(&launch).await, Asked::start(&launch).await);
    let (run, metric) = (run(), metric(BLOCK));
    let first = one.run(&run, &metric).await;
    // The other controller continues what the first began, at the same time.
    let second = two.resume(&metric, &first).await;
    tokio::join!(one.looked(), two.looked());
    let (a, b) = tokio::join!(one.resume(&metric, &second), two.resume(&metric, &first));
    assert_eq!(a.phase, Phase::Successful, "{a:?}");
    assert_eq!(
        (a.phase, &a.value, &a.message),
        (b.phase, &b.value, &b.message)
    );
    // Each is asked again by the other's controller, late.
    assert_eq!(one.resume(&metric, &b).await, a);
    assert_eq!(two.resume(&metric, &a).await, b);
    assert_eq!(models.calls().len(), 2, "one for each process");
}

#[tokio::test]
async fn resumed_late_twice_and_at_once_it_asks_once() {
    let bench = good().await;
    let models = models(Script::always(Answer::Agree)).await;
    let mut plugin = Asked::start(&launch(&bench, &models)).await;
    let metric = metric(BLOCK);
    let first = plugin.run(&run(), &metric).await;
    plugin.looked().await;
    let (a, b) = tokio::join!(
        plugin.resume(&metric, &first),
        plugin.resume(&metric, &first)
    );
    assert_eq!(a.phase, Phase::Successful, "{a:?}");
    assert_eq!(a, b);
    assert_eq!(plugin.resume(&metric, &first).await, a, "late");
    assert_eq!(models.calls().len(), 1);
}

#[tokio::test]
async fn terminated_while_a_model_thinks_it_hangs_up() {
    let bench = good().await;
    let models = models(Script::always(Answer::Hang)).await;
    let plugin = Asked::start(&launch(&bench, &models)).await;
    let (run, metric) = (run(), metric(BLOCK));
    let first = plugin.run(&run, &metric).await;
    called(&models, 1).await;
    let ended = plugin
        .plugin
        .terminate(&run, &metric, &first)
        .await
        .unwrap();
    assert_eq!(
        (ended.phase, ended.value.as_str()),
        (Phase::Inconclusive, "0")
    );
    assert!(ended.finished_at.is_some());
    idle(&models).await;
    // Whoever asks once more hears the same, and nobody is asked again.
    assert_eq!(plugin.resume(&metric, &first).await, ended);
    assert_eq!(
        plugin
            .plugin
            .terminate(&run, &metric, &first)
            .await
            .unwrap(),
        ended
    );
    assert_eq!(models.calls().len(), 1);
}

/// The run after so many finished measurements.
fn after(finished: i32) -> AnalysisRun {
    let mut run = run();
    run.status.metric_results.push(MetricResult {
        name: "canary-health".into(),
        count: finished,
        ..MetricResult::default()
    });
    run
}

#[tokio::test]
async fn garbage_collected_it_ends_what_is_under_way_and_repeats_one_call() {
    let bench = good().await;
    let models = models(Script::always(Answer::Agree)).await;
    let mut plugin = Asked::start(&launch(&bench, &models)).await;
    let metric = metric(BLOCK);
    let answer = plugin.measure(&after(0), &metric).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    plugin
        .plugin
        .garbage_collect(&after(1), &metric, 10)
        .await
        .unwrap()
        .unwrap();
    // What is forgotten is looked at anew, if it is asked for after all. Of the
    // same evidence what the model said is still known, but a bucket may have
    // ended.
    let again = plugin
        .plugin
        .resume(&after(0), &metric, &answer)
        .await
        .unwrap();
    assert_eq!(again.phase, Phase::Running, "{again:?}");
    plugin.looked().await;
    let again = plugin
        .plugin
        .resume(&after(0), &metric, &again)
        .await
        .unwrap();
    assert_eq!(again.phase, Phase::Successful, "{again:?}");
    let calls = models.calls().len();
    assert!((1..=2).contains(&calls), "{calls}");
    // A look under way ends with what it belongs to.
    models.change(|script| *script = Script::always(Answer::Hang));
    bench.serves("canary", 601, 1_000);
    plugin.run(&after(1), &metric).await;
    called(&models, calls + 1).await;
    plugin
        .plugin
        .garbage_collect(&after(2), &metric, 10)
        .await
        .unwrap()
        .unwrap();
    idle(&models).await;
}

/// Sockets and other files that the process has open.
fn open_files(plugin: &Asked) -> usize {
    let id = plugin.plugin.id().unwrap();
    std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

/// Threads of the process.
fn threads(plugin: &Asked) -> usize {
    let id = plugin.plugin.id().unwrap();
    std::fs::read_dir(format!("/proc/{id}/task"))
        .unwrap()
        .count()
}

#[tokio::test]
async fn no_task_and_no_socket_is_left_of_many_measurements() {
    /// Measurements that are ended in the middle of a call.
    const MANY: usize = 24;
    /// Connections that are kept for the next request, to the API server and to
    /// the models, and threads that wait for a blocking call.
    const KEPT: usize = 8;
    let bench = good().await;
    let models = models(Script::always(Answer::Hang)).await;
    let plugin = Asked::start(&launch(&bench, &models)).await;
    let metric = metric(BLOCK);
    let mut calls = 0;
    let mut before = None;
    for number in 0..=MANY {
        let mut run = run();
        run.metadata.uid = format!("run-{number}");
        // Other evidence each time, or the call would be shared.
        bench.serves("canary", 600 + u64::try_from(number).unwrap(), 1_000);
        let first = plugin.run(&run, &metric).await;
        calls += 1;
        called(&models, calls).await;
        match number % 3 {
            0 => drop(
                plugin
                    .plugin
                    .terminate(&run, &metric, &first)
                    .await
                    .unwrap(),
            ),
            1 => {
                let mut next = run.clone();
                next.status = after(1).status;
                let collected = plugin.plugin.garbage_collect(&next, &metric, 10);
                collected.await.unwrap().unwrap();
            }
            _ => {
                let ended = plugin
                    .plugin
                    .terminate(&run, &metric, &first)
                    .await
                    .unwrap();
                assert_eq!(
                    plugin.plugin.resume(&run, &metric, &first).await.unwrap(),
                    ended
                );
            }
        }
        idle(&models).await;
        before.get_or_insert_with(|| (open_files(&plugin), threads(&plugin)));
    }
    let (files, tasks) = before.unwrap();
    let now = (open_files(&plugin), threads(&plugin));
    assert!(now.0 <= files + KEPT, "{files} files, then {}", now.0);
    assert!(now.1 <= tasks + KEPT, "{tasks} threads, then {}", now.1);
    assert_eq!(bench.stand_in.open_now(Resource::Log), 0);
    assert_eq!(models.open_now(), 0);
}
