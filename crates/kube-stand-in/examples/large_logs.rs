//! Serves a rollout with large logs until its standard input ends, and writes
//! the path of a kubeconfig for it to standard output.
//!
//! `large_logs FOLDER [PODS_PER_ARM] [MIB_PER_LOG]` (5 and 5 by default: ten
//! pods of 5 MiB, as the figures ask for)

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use kube_stand_in::objects::{self, RolloutPod};
use kube_stand_in::{Line, Log, LogOf, StandIn, World};

/// Ten minutes of log up to now.
const SPAN_MS: u64 = 600_000;

/// Words of a line's variable part: enough for many distinct lines.
const COLOURS: [&str; 4] = ["blue", "green", "yellow", "red"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("large_logs FOLDER [PODS] [MIB]")?);
    let pods: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mib: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let stand_in = StandIn::new(world(pods, mib << 20, now_ms));
    let server = stand_in.serve().await?;
    let path = folder.join("kubeconfig");
    std::fs::write(&path, server.kubeconfig(None))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", path.display())?;
    stdout.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

fn world(pods: u32, bytes: u64, now_ms: i64) -> World {
    let start_ms = now_ms - SPAN_MS.cast_signed();
    let mut world = World::default();
    world.add_rollout(objects::rollout("shop", "web", "aaa", "ccc"));
    let lines = lines();
    let sizes: u64 = lines.iter().map(|line| line.len() as u64 + 32).sum();
    let count = bytes * lines.len() as u64 / sizes;
    let lines = Arc::new(lines);
    for (hash, role) in [("aaa", "stable"), ("ccc", "canary")] {
        for n in 0..pods {
            let pod = RolloutPod {
                namespace: "shop",
                rollout: "web",
                hash,
                suffix: &n.to_string(),
                role,
                start_ms,
            };
            let lines = Arc::clone(&lines);
            let log = Log::generated(count, move |index| Line {
                time_ms: start_ms + (SPAN_MS * index / count).cast_signed(),
                text: usize::try_from(index)
                    .map(|index| lines[index % lines.len()].clone())
                    .unwrap_or_default(),
            });
            world
                .add_pod(pod.json())
                .set_log(LogOf::current("shop", &pod.name(), "web"), log);
        }
    }
    world
}

/// A few hundred lines of a web application, with ids and durations in them.
fn lines() -> Vec<String> {
    (0..400_u32)
        .map(|n| {
            let colour = COLOURS[(n % 4) as usize];
            let id = n.wrapping_mul(2_654_435_761);
            match n % 10 {
                0 => format!("INFO request {id:08x} took {} ms, user={n}", id % 900),
                1 => format!(
                    "DEBUG cache miss for key session:{id:08x} in shard {}",
                    n % 16
                ),
                2 if n % 100 == 2 => {
                    format!("WARN slow query {} ms: select from basket", id % 9_000)
                }
                _ => format!("200 - {colour} (0.{:06}s)", id % 1_000_000),
            }
        })
        .collect()
}
