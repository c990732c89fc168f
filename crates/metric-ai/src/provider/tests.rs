//! Clocks that jump while the process lives.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use analysis::cluster::{Access, Cluster};
use jiff::SignedDuration;
use kube_stand_in::objects::{self, RolloutPod};
use kube_stand_in::{Act, Fault, Resource, StandIn, World};
use rollouts_plugin::OwnerReference;
use tokio::runtime::Handle;

use super::*;
use crate::operator::{Given, Operator};

/// What the clock shows; one test has it for itself.
static NOW_MS: AtomicI64 = AtomicI64::new(1_767_323_045_000);

fn clock() -> Timestamp {
    Timestamp::from_millisecond(NOW_MS.load(Ordering::SeqCst)).unwrap()
}

fn jump(by: SignedDuration) {
    NOW_MS.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
}

/// What does not come at all should fail and not hang.
const LIMIT: Duration = Duration::from_secs(60);

/// A canary that nobody asks for anything.
fn silent() -> StandIn {
    let mut world = World::default();
    world.add_rollout(objects::rollout("shop", "web", "aaa", "ccc"));
    for (hash, role) in [("aaa", "stable"), ("ccc", "canary")] {
        let pod = RolloutPod {
            namespace: "shop",
            rollout: "web",
            hash,
            suffix: "1",
            role,
            start_ms: NOW_MS.load(Ordering::SeqCst) - 60_000,
        };
        world.add_pod(pod.json());
    }
    StandIn::new(world)
}

fn run(uid: &str) -> AnalysisRun {
    let mut run = AnalysisRun::default();
    let meta = &mut run.metadata;
    meta.uid = uid.into();
    meta.namespace = "shop".into();
    meta.labels
        .insert("rollouts-pod-template-hash".into(), "ccc".into());
    meta.owner_references.push(OwnerReference {
        kind: "Rollout".into(),
        name: "web".into(),
        ..OwnerReference::default()
    });
    run
}

fn metric() -> Metric {
    let mut metric = Metric {
        name: "m".into(),
        ..Metric::default()
    };
    metric.provider.plugin.insert(BLOCK.into(), "{}".into());
    metric
}

/// Waits until the look that is under way has ended.
async fn looked(plugin: &MetricAi, run: &AnalysisRun) {
    let id = Identity::of(run, &metric());
    let ended = async {
        while !matches!(plugin.looks.known(&id, clock()), Known::Seen(_)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("an end");
}

/// It is asked again soon, whatever the clock showed before.
fn assert_soon(answer: &Measurement) {
    assert_eq!(answer.phase, Phase::Running, "{answer:?}");
    let (now, at) = (clock(), answer.resume_at.unwrap());
    assert!(now < at && at <= later(now, LONGEST_PAUSE), "{answer:?}");
    assert!(answer.started_at.unwrap() <= now, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_lengthens_no_wait_and_makes_no_verdict() {
    let stand_in = silent();
    let server = stand_in.serve().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig(None)).unwrap();
    let cluster = Cluster::new(Access::Kubeconfig(kubeconfig));
    let analyst = Analyst::new(cluster, Handle::current(), 1, clock);
    let operator = Operator::new(Given::default(), day(clock())).unwrap();
    let plugin = MetricAi::new(analyst, Ok(Outgoing::new(operator)), clock);
    let hours = SignedDuration::from_hours;

    for (number, far) in [hours(5), hours(72)].into_iter().enumerate() {
        let run = run(&format!("waits-{number}"));
        let first = plugin.run(run.clone(), metric()).await;
        looked(&plugin, &run).await;
        let waits = plugin.resume(run.clone(), metric(), first).await;
        assert_soon(&waits);
        // Set back: what was said would hold for days.
        jump(-far);
        let again = plugin.resume(run.clone(), metric(), waits.clone()).await;
        assert_soon(&again);
        looked(&plugin, &run).await;
        let waits = plugin.resume(run.clone(), metric(), again).await;
        assert_soon(&waits);
        // Forward: its time is up, and it takes one look before it says so.
        jump(far + far);
        let late = plugin.resume(run.clone(), metric(), waits).await;
        assert_eq!(late.phase, Phase::Running, "{late:?}");
        looked(&plugin, &run).await;
        let ended = plugin.resume(run.clone(), metric(), late.clone()).await;
        assert_eq!(ended.phase, Phase::Inconclusive, "{ended:?}");
        // And back once more: what is said is said.
        jump(-far);
        assert_eq!(plugin.resume(run, metric(), late).await, ended);
    }

    // While a look is under way.
    stand_in.change(|world| {
        world.add_fault(Fault::on(Resource::Pods, Act::Hang));
    });
    for (number, far) in [hours(-72), hours(-5), hours(5), hours(72)]
        .into_iter()
        .enumerate()
    {
        let run = run(&format!("looks-{number}"));
        let first = plugin.run(run.clone(), metric()).await;
        jump(far);
        let answer = plugin.resume(run.clone(), metric(), first).await;
        assert!(
            matches!(answer.phase, Phase::Running | Phase::Inconclusive),
            "{far:?}: {answer:?}"
        );
        if answer.phase == Phase::Running {
            assert_soon(&answer);
        }
        let ended = plugin.terminate(run, metric(), answer).await;
        assert!(ended.phase.is_completed(), "{ended:?}");
    }
}
