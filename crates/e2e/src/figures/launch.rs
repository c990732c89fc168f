//! From exec to the answer of `InitPlugin`, and what the idle plugin holds.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rollouts_plugin::host::{Launch, MetricPlugin};

use super::Programs;
use super::resident::{Resident, resident};
use bench::figure::{Figure, Target, Value, median};

/// Launches of each program; an odd number has a middle.
const LAUNCHES: usize = 41;
/// Launches before those that count: the first finds no file in memory.
const WARM_UP: usize = 3;
/// The most that a launch may take: the controller waits for it in a worker.
const LAUNCH_LIMIT_MS: f64 = 5.0;
/// The most that an idle plugin may hold of its controller's pod.
const IDLE_LIMIT_MIB: f64 = 8.0;
/// Idle processes looked at, and how long they have been left alone by then.
const IDLE_LOOKS: usize = 3;
const IDLE_FOR: Duration = Duration::from_secs(1);

/// Launch and idle memory, ours and the rival's by turns so that both meet the
/// same machine.
pub async fn figures(programs: &Programs) -> Result<Vec<Figure>> {
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + LAUNCHES {
        let pair = (
            launch(&programs.ours).await?,
            launch(&programs.rival).await?,
        );
        if number >= WARM_UP {
            ours.push(pair.0);
            rival.push(pair.1);
        }
    }
    let (mut idle_ours, mut idle_rival) = (Value::MiB(0.0), Value::MiB(0.0));
    for _ in 0..IDLE_LOOKS {
        idle_ours = larger(idle_ours, idle(&programs.ours).await?);
        idle_rival = larger(idle_rival, idle(&programs.rival).await?);
    }
    Ok(vec![
        Figure {
            name: "launch: exec to InitPlugin, median of 41".to_owned(),
            target: Some(Target::AtMost(Value::Ms(LAUNCH_LIMIT_MS))),
            ours: Value::duration(median(&ours)),
            rival: Some(Value::duration(median(&rival))),
        },
        Figure {
            name: "launch: resident when idle (VmRSS), most of 3".to_owned(),
            target: Some(Target::AtMost(Value::MiB(IDLE_LIMIT_MIB))),
            ours: idle_ours,
            rival: Some(idle_rival),
        },
    ])
}

/// Starts a plugin and waits for `InitPlugin`.
///
/// # Errors
/// When it does not start, or says that it cannot.
pub async fn started(launch: &Launch) -> Result<MetricPlugin> {
    let program = || launch.program.display().to_string();
    let plugin = MetricPlugin::start(launch).await.with_context(program)?;
    plugin
        .init()
        .await
        .with_context(program)?
        .with_context(program)?;
    Ok(plugin)
}

async fn launch(program: &Path) -> Result<Duration> {
    let launch = Launch::new(program);
    let begun = Instant::now();
    let plugin = started(&launch).await?;
    let took = begun.elapsed();
    plugin.quit().await?;
    Ok(took)
}

async fn idle(program: &Path) -> Result<Value> {
    let plugin = started(&Launch::new(program)).await?;
    tokio::time::sleep(IDLE_FOR).await;
    let pid = plugin.id().context("the plugin has ended")?;
    let held = resident(pid, Resident::Now)?;
    plugin.quit().await?;
    Ok(held)
}

fn larger(a: Value, b: Value) -> Value {
    if b > a { b } else { a }
}
