//! One measurement over ten pods with large logs, beside `kubectl logs` reading
//! the same ten logs from the same server: how much longer a verdict takes than
//! only reading.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::tools::{self, KUBERNETES};
use rollouts_plugin::Phase;
use rollouts_plugin::host::MetricPlugin;
use tokio::time::sleep;

use super::Programs;
use super::cluster::{Analysis, Cluster, PODS_PER_ARM};
use super::launch::started;
use bench::figure::{Figure, Target, Value, median};

/// Bytes of each pod's log.
const LOG_BYTES: u64 = 5 << 20;
/// How often each reads them, by turns so that both meet the same machine; an
/// odd number has a middle.
const READINGS: usize = 9;
/// Readings before those that count.
const WARM_UP: usize = 1;
/// The most that a verdict may take of what reading takes.
const TIMES_LIMIT: f64 = 1.5;
/// How often is asked for the verdict: its time is to be the plugin's, and not
/// that of the controller's next visit.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// The median of both, and how many times as long ours takes.
pub async fn figures(programs: &Programs, cache: &Path) -> Result<Vec<Figure>> {
    let kubectl = tools::build_only(cache, &[KUBERNETES])?.path(&KUBERNETES, "kubectl");
    let cluster = Cluster::start(1, LOG_BYTES)?;
    let plugin = started(&cluster.launch(&programs.ours)).await?;
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + READINGS {
        let analysis = whole(&cluster, analysis(&plugin, number)).await?;
        let reading = whole(&cluster, async { reading(&cluster, &kubectl) }).await?;
        if number >= WARM_UP {
            ours.push(analysis);
            rival.push(reading);
        }
    }
    plugin.quit().await?;
    let (ours, rival) = (median(&ours), median(&rival));
    Ok(vec![
        Figure {
            name: "logs (10 x 5 MiB): verdict (rival: kubectl logs), median of 9".to_owned(),
            target: None,
            ours: Value::duration(ours),
            rival: Some(Value::duration(rival)),
        },
        Figure {
            name: "logs: times as long as kubectl logs takes to read them".to_owned(),
            target: Some(Target::AtMost(Value::Times(TIMES_LIMIT))),
            ours: Value::Times(ours.as_secs_f64() / rival.as_secs_f64()),
            rival: Some(Value::Times(1.0)),
        },
    ])
}

/// How long something takes that has read all logs to their ends.
async fn whole(cluster: &Cluster, reads: impl Future<Output = Result<()>>) -> Result<Duration> {
    let before = cluster.bytes_read();
    let begun = Instant::now();
    reads.await?;
    let took = begun.elapsed();
    let read = cluster.bytes_read() - before;
    let all = LOG_BYTES * 2 * PODS_PER_ARM as u64;
    ensure!(read >= all, "only {read} of {all} bytes were read");
    Ok(took)
}

async fn analysis(plugin: &MetricPlugin, number: usize) -> Result<()> {
    let analysis = Analysis::new(0, number);
    let mut measurement = plugin.run(&analysis.run, &analysis.metric).await?;
    while !measurement.phase.is_completed() {
        sleep(ASK_EVERY).await;
        measurement = plugin
            .resume(&analysis.run, &analysis.metric, &measurement)
            .await?;
    }
    // The first namespace's canary is a good one.
    ensure!(
        measurement.phase == Phase::Successful,
        "{:?}: {}",
        measurement.phase,
        measurement.message
    );
    Ok(())
}

/// As a person would: all logs of the rollout's pods in one command.
fn reading(cluster: &Cluster, kubectl: &Path) -> Result<()> {
    let ended = Command::new(kubectl)
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args(["--namespace", "shop-0", "logs", "--selector", "app=shop"])
        .args(["--tail=-1", "--timestamps"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    ensure!(ended.success(), "kubectl logs ended with {ended}");
    Ok(())
}
