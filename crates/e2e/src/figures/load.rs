//! Many measurements at once, each over ten pods with large logs: what the
//! plugin holds, and whether it still answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rollouts_plugin::host::{Launch, MetricPlugin};
use rollouts_plugin::{Measurement, Phase};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Programs;
use super::cluster::{Analysis, Cluster, Health, PODS_PER_ARM};
use super::launch::started;
use super::resident::{Resident, resident};
use bench::figure::{Figure, Target, Value};

/// How many measurements at once, and what is asked of the plugin then.
pub struct Load {
    name: &'static str,
    /// Measurements at once, each of a rollout of its own.
    measurements: usize,
    /// The most that the plugin may hold of its controller's pod, in MiB.
    peak_limit_mib: f64,
    /// When a measurement without a verdict counts as lost.
    verdict_limit: Duration,
}

/// As many as a busy controller has.
pub const LOAD: Load = Load {
    name: "load",
    measurements: 20,
    peak_limit_mib: 128.0,
    verdict_limit: Duration::from_secs(180),
};

/// More than the controller's 30 workers would ever begin at once.
pub const CROWD: Load = Load {
    name: "crowd",
    measurements: 200,
    peak_limit_mib: 256.0,
    verdict_limit: Duration::from_secs(600),
};

/// Bytes of each pod's log.
const LOG_BYTES: u64 = 5 << 20;
/// The longest that a ping may wait: the controller kills what does not answer.
const PING_LIMIT_MS: f64 = 100.0;
/// Time between pings, far shorter than the controller's.
const PING_EVERY: Duration = Duration::from_millis(25);
/// Memory, pings and verdicts under load. The rival reads no logs: it is only
/// pinged as well, to tell how long the machine makes anybody wait.
pub async fn figures(programs: &Programs, load: &Load) -> Result<Vec<Figure>> {
    let Load {
        name,
        measurements,
        verdict_limit,
        ..
    } = *load;
    let cluster = Cluster::start(measurements, LOG_BYTES)?;
    let plugin = Arc::new(started(&cluster.launch(&programs.ours)).await?);
    let rival = started(&Launch::new(&programs.rival)).await?;
    let begun = Instant::now();
    let mut verdicts = JoinSet::new();
    for number in 0..measurements {
        let plugin = Arc::clone(&plugin);
        verdicts.spawn(async move {
            let verdict = timeout(verdict_limit, verdict(&plugin, number)).await;
            (number, verdict)
        });
    }
    let mut wrong = 0;
    let (mut slowest_ping, mut rival_ping) = (Duration::ZERO, Duration::ZERO);
    while !verdicts.is_empty() {
        slowest_ping = slowest_ping.max(ping(&plugin).await?);
        rival_ping = rival_ping.max(ping(&rival).await?);
        while let Some(joined) = verdicts.try_join_next() {
            let (number, verdict) = joined?;
            wrong += u64::from(!is_right(number, verdict, verdict_limit));
        }
        sleep(PING_EVERY).await;
    }
    let took = begun.elapsed();
    let pid = plugin.id().context("the plugin has ended")?;
    let peak = resident(pid, Resident::Peak)?;
    let all_bytes = LOG_BYTES * (measurements * 2 * PODS_PER_ARM) as u64;
    if let Some(plugin) = Arc::into_inner(plugin) {
        plugin.quit().await?;
    }
    rival.quit().await?;
    let figure = |what: String, at_most: Option<Value>, ours| Figure {
        name: format!("{name}{what}"),
        target: at_most.map(Target::AtMost),
        ours,
        rival: None,
    };
    Ok(vec![
        figure(
            format!(" ({measurements} at once, 10 pods x 5 MiB each): peak resident (VmHWM)"),
            Some(Value::MiB(load.peak_limit_mib)),
            peak,
        ),
        Figure {
            name: format!("{name}: slowest ping meanwhile (rival: idle beside it)"),
            target: Some(Target::AtMost(Value::Ms(PING_LIMIT_MS))),
            ours: Value::duration(slowest_ping),
            rival: Some(Value::duration(rival_ping)),
        },
        figure(
            format!(": verdicts that are wrong or missing, of {measurements}"),
            Some(Value::Count(0)),
            Value::Count(wrong),
        ),
        figure(
            format!(": logs that were never read, of {} MiB", all_bytes >> 20),
            Some(Value::MiB(0.0)),
            Value::bytes(all_bytes.saturating_sub(cluster.bytes_read())),
        ),
        figure(
            ": until the last verdict".to_owned(),
            None,
            Value::duration(took),
        ),
    ])
}

async fn ping(plugin: &MetricPlugin) -> Result<Duration> {
    let asked = Instant::now();
    plugin.ping().await.context("a ping under load")?;
    Ok(asked.elapsed())
}

/// Runs a measurement to its end, as the controller does.
async fn verdict(plugin: &MetricPlugin, number: usize) -> Result<Measurement> {
    let analysis = Analysis::new(number, 0);
    let mut measurement = plugin.run(&analysis.run, &analysis.metric).await?;
    while !measurement.phase.is_completed() {
        if let Some(resume_at) = measurement.resume_at {
            let wait = resume_at.duration_since(Timestamp::now());
            // A time that has passed is no wait.
            sleep(Duration::try_from(wait).unwrap_or_default()).await;
        }
        measurement = plugin
            .resume(&analysis.run, &analysis.metric, &measurement)
            .await?;
    }
    Ok(measurement)
}

fn is_right(
    number: usize,
    verdict: Result<Result<Measurement>, tokio::time::error::Elapsed>,
    limit: Duration,
) -> bool {
    let health = Health::of(number);
    let wanted = match health {
        Health::Good => Phase::Successful,
        Health::Bad => Phase::Failed,
    };
    let said = match verdict {
        Ok(Ok(measurement)) if measurement.phase == wanted => return true,
        Ok(Ok(measurement)) => format!("{:?}: {}", measurement.phase, measurement.message),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no verdict within {} s", limit.as_secs()),
    };
    e2e::progress::say(&format!(
        "measurement {number}, a {health:?} canary: {said}"
    ));
    false
}
