//! Memory that is kept on purpose, until the pod's limit ends the process.

use std::convert::Infallible;
use std::time::Duration;

use crate::app::App;
use crate::lines::Level;
use crate::scenario::Scenario;

/// What is kept at a time, in bytes.
const PART_BYTES: usize = 2 * 1024 * 1024;
/// How often: 8 MiB a second, so that the usual limit of 64 MiB is reached
/// within one step of a rollout.
const EVERY_MS: u64 = 250;
/// Parts kept at most, 512 MiB in all: where no limit ends the process, the
/// machine must not suffer.
const MAX_PARTS: usize = 256;
/// A warning stands in the log for so many parts.
const WARN_EVERY_PARTS: usize = 8;

/// Keeps more and more while the scenario is [`Scenario::MemoryLeak`], and
/// lets go of it when it is another.
pub async fn run(app: &App) -> Infallible {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        if app.scenario().0 != Scenario::MemoryLeak {
            kept = Vec::new();
        } else if kept.len() < MAX_PARTS {
            // Zeros alone would be promised and not given.
            kept.push(vec![1; PART_BYTES]);
            if kept.len().is_multiple_of(WARN_EVERY_PARTS) {
                let mib = kept.len() * PART_BYTES / (1024 * 1024);
                app.say_as(
                    "c.d.palette.PaletteCache",
                    Level::Warn,
                    &format!("{mib} MiB of shades are still held after a full collection"),
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(EVERY_MS)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::Stage;
    use crate::color::Behaviour;
    use crate::metrics::resident_bytes;

    /// Runs for so long; what stands in the log tells what is held.
    async fn said_after(scenario: Scenario, seconds: u64) -> Vec<String> {
        let stage = Stage::new(Behaviour::default());
        stage.app.enter(scenario);
        let limit = Duration::from_secs(seconds);
        let _ = tokio::time::timeout(limit, run(&stage.app)).await;
        stage.lines_with("still held")
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_to_its_bound_and_no_further() {
        let before = resident_bytes().unwrap();
        let said = said_after(Scenario::MemoryLeak, 9).await;
        assert!(said[0].contains("16 MiB of shades"), "{said:?}");
        assert_eq!(said.len(), 4, "{said:?}");
        let said = said_after(Scenario::MemoryLeak, 600).await;
        assert!(said.last().unwrap().contains("512 MiB"), "{said:?}");
        let after = resident_bytes().unwrap();
        assert!(after < before + 256 * 1024 * 1024, "it is given back");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_otherwise() {
        assert!(said_after(Scenario::Exception, 60).await.is_empty());
    }
}
