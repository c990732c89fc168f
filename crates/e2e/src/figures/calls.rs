//! How fast `Run` and `Terminate` return: the controller holds a worker
//! meanwhile, and all metrics of a run wait for each other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rollouts_plugin::Phase;
use rollouts_plugin::host::{Launch, MetricPlugin};

use super::Programs;
use super::cluster::{Analysis, Cluster, SMALL_LOG_BYTES};
use super::launch::started;
use bench::figure::{Figure, Target, Value, median};

/// Calls of each method, one after another.
const CALLS: usize = 200;
/// The most that any of them may take.
const CALL_LIMIT_MS: f64 = 20.0;

/// How long each call of a method took.
#[derive(Default)]
struct Took {
    run: Vec<Duration>,
    terminate: Vec<Duration>,
}

/// `Run` and `Terminate`, each time of a new measurement: the analysis that
/// `Run` begins is still under way when `Terminate` comes.
pub async fn figures(programs: &Programs) -> Result<Vec<Figure>> {
    let cluster = Cluster::start(1, SMALL_LOG_BYTES)?;
    let ours = started(&cluster.launch(&programs.ours)).await?;
    let rival = started(&Launch::new(&programs.rival)).await?;
    let (mut by_ours, mut by_rival) = (Took::default(), Took::default());
    for number in 0..CALLS {
        let analysis = Analysis::new(0, number);
        one(&ours, &analysis, &mut by_ours).await?;
        one(&rival, &analysis, &mut by_rival).await?;
    }
    ours.quit().await?;
    rival.quit().await?;
    let figure =
        |name: &str, of: fn(&[Duration]) -> Duration, what: fn(&Took) -> &Vec<Duration>| Figure {
            name: name.to_owned(),
            target: Some(Target::AtMost(Value::Ms(CALL_LIMIT_MS))),
            ours: Value::duration(of(what(&by_ours))),
            rival: Some(Value::duration(of(what(&by_rival)))),
        };
    Ok(vec![
        figure("calls: Run returns, median of 200", median, |t| &t.run),
        figure("calls: Run returns, slowest of 200", slowest, |t| &t.run),
        figure("calls: Terminate returns, median of 200", median, |t| {
            &t.terminate
        }),
        figure("calls: Terminate returns, slowest of 200", slowest, |t| {
            &t.terminate
        }),
    ])
}

async fn one(plugin: &MetricPlugin, analysis: &Analysis, took: &mut Took) -> Result<()> {
    let begun_at = Instant::now();
    let begun = plugin.run(&analysis.run, &analysis.metric).await?;
    took.run.push(begun_at.elapsed());
    let said = || format!("{:?}: {}", begun.phase, begun.message);
    ensure!(begun.phase == Phase::Running, "Run answered {}", said());

    let ending_at = Instant::now();
    let ended = plugin
        .terminate(&analysis.run, &analysis.metric, &begun)
        .await
        .with_context(said)?;
    took.terminate.push(ending_at.elapsed());
    ensure!(
        ended.phase.is_completed(),
        "Terminate answered {:?}: {}",
        ended.phase,
        ended.message
    );
    Ok(())
}

fn slowest(values: &[Duration]) -> Duration {
    values.iter().max().copied().unwrap_or_default()
}
