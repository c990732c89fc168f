//! Plays good and bad releases, many of each, and holds the outcomes against
//! what the demo promises.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::engine::{Config, Demo, FIRST_SQUARE_LIMIT};
use crate::error::DemoError;
use crate::release::{Outcome, Verdict};
use crate::scenario::Scenario;

/// A bad release is stopped within this time.
pub const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A bad release gets no more than this share of the traffic, in percent.
pub const MOST_WEIGHT: u8 = 40;

/// What to play.
#[derive(Clone, Debug)]
pub struct Series {
    /// How the demos are run.
    pub config: Config,
    /// The good release.
    pub good: Scenario,
    /// The bad one.
    pub bad: Scenario,
    /// How many of each.
    pub count: usize,
    /// How many demos play them side by side.
    pub side_by_side: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    good: Vec<Outcome>,
    bad: Vec<Outcome>,
    first_squares: Vec<Duration>,
}

impl Series {
    /// Plays all of them.
    ///
    /// # Errors
    /// A demo cannot be started, or a release not be made.
    pub async fn play(&self) -> Result<Table, DemoError> {
        let lanes = self.side_by_side.clamp(1, self.count.max(1));
        let mut playing = JoinSet::new();
        for lane in 0..lanes {
            // As evenly as it goes.
            let count = self.count / lanes + usize::from(lane < self.count % lanes);
            let (config, good, bad) = (self.config.clone(), self.good.clone(), self.bad.clone());
            let config = Config {
                seed: config.seed.wrapping_add(1_000 * lane as u64),
                ..config
            };
            playing.spawn(async move { play_lane(config, [good, bad], count).await });
        }
        let mut table = Table::default();
        while let Some(played) = playing.join_next().await {
            // A lane that panicked has said so.
            let Ok(played) = played else { continue };
            let played = played?;
            table.good.extend(played.good);
            table.bad.extend(played.bad);
            table.first_squares.extend(played.first_squares);
        }
        Ok(table)
    }
}

async fn play_lane(
    config: Config,
    [good, bad]: [Scenario; 2],
    count: usize,
) -> Result<Table, DemoError> {
    let begun = Instant::now();
    let demo = Demo::start(config).await?;
    demo.first_answer().await;
    let mut table = Table {
        first_squares: vec![begun.elapsed()],
        ..Table::default()
    };
    for _ in 0..count {
        table.good.push(play_one(&demo, &good).await?);
        table.bad.push(play_one(&demo, &bad).await?);
    }
    demo.stop().await;
    Ok(table)
}

/// Plays one, and leaves nothing of it.
async fn play_one(demo: &Demo, scenario: &Scenario) -> Result<Outcome, DemoError> {
    demo.release(scenario)?;
    let outcome = demo.verdict().await;
    let outcome = outcome.ok_or(crate::error::Refusal::NothingToRollBack)?;
    if outcome.verdict == Verdict::Paused {
        demo.roll_back().await?;
    }
    demo.settled().await;
    Ok(outcome)
}

impl Table {
    /// What the demo promises and did not hold, a line each.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let mut miss = |what: String| misses.push(what);
        let count = |outcomes: &[Outcome], verdict| {
            outcomes.iter().filter(|o| o.verdict == verdict).count()
        };
        let (aborted, promoted) = (
            count(&self.good, Verdict::Aborted) + count(&self.good, Verdict::Unjudged),
            count(&self.bad, Verdict::Promoted),
        );
        if aborted > 0 {
            miss(format!("{aborted} good releases were aborted; none may be"));
        }
        if promoted > 0 {
            miss(format!(
                "{promoted} bad releases were promoted; none may be"
            ));
        }
        let slowest = slowest(&self.bad);
        if slowest > STOP_LIMIT {
            miss(format!(
                "a bad release was stopped after {:.1} s; {} s are the most",
                slowest.as_secs_f64(),
                STOP_LIMIT.as_secs()
            ));
        }
        let heaviest = heaviest(&self.bad);
        if heaviest > MOST_WEIGHT {
            miss(format!(
                "a bad release had {heaviest} % of the traffic; {MOST_WEIGHT} % are the most"
            ));
        }
        let first = self.first_squares.iter().max();
        if let Some(first) = first.filter(|&&first| first > FIRST_SQUARE_LIMIT) {
            miss(format!(
                "the first square came after {:.1} s; {} s are the most",
                first.as_secs_f64(),
                FIRST_SQUARE_LIMIT.as_secs()
            ));
        }
        misses
    }

    /// The table for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{:<14}{:>8}{:>10}{:>9}{:>12}{:>10}{:>10}{:>14}{:>14}\n",
            "releases",
            "played",
            "promoted",
            "aborted",
            "no verdict",
            "median s",
            "slowest s",
            "most weight %",
            "most share %"
        );
        for (name, outcomes) in [("good", &self.good), ("bad", &self.bad)] {
            let count = |verdict| outcomes.iter().filter(|o| o.verdict == verdict).count();
            // Writing into a String cannot fail.
            let _ = writeln!(
                out,
                "{name:<14}{:>8}{:>10}{:>9}{:>12}{:>10.1}{:>10.1}{:>14}{:>14.1}",
                outcomes.len(),
                count(Verdict::Promoted),
                count(Verdict::Aborted),
                count(Verdict::Paused) + count(Verdict::Unjudged),
                median(outcomes).as_secs_f64(),
                slowest(outcomes).as_secs_f64(),
                heaviest(outcomes),
                largest_share(outcomes),
            );
        }
        if let Some(first) = self.first_squares.iter().max() {
            let _ = writeln!(out, "first square after {:.2} s", first.as_secs_f64());
        }
        out
    }
}

fn median(outcomes: &[Outcome]) -> Duration {
    let mut times: Vec<Duration> = outcomes.iter().map(|outcome| outcome.took).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn slowest(outcomes: &[Outcome]) -> Duration {
    outcomes.iter().map(|o| o.took).max().unwrap_or_default()
}

fn heaviest(outcomes: &[Outcome]) -> u8 {
    let weights = outcomes.iter().map(|outcome| outcome.highest_weight);
    weights.max().unwrap_or_default()
}

/// The largest share of a whole release's requests that the canary answered, in
/// percent.
fn largest_share(outcomes: &[Outcome]) -> f64 {
    let shares = outcomes.iter().map(|outcome| {
        let all = outcome.canary_requests + outcome.stable_requests;
        #[expect(clippy::cast_precision_loss, reason = "a share with one decimal")]
        let share = 100.0 * outcome.canary_requests as f64 / all.max(1) as f64;
        share
    });
    shares.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, seconds: u64, highest_weight: u8) -> Outcome {
        Outcome {
            verdict,
            why: String::new(),
            highest_weight,
            final_weight: 0,
            took: Duration::from_secs(seconds),
            canary_requests: 10,
            stable_requests: 90,
        }
    }

    fn table(good: Outcome, bad: Outcome, first: u64) -> Table {
        Table {
            good: vec![good],
            bad: vec![bad],
            first_squares: vec![Duration::from_secs(first)],
        }
    }

    #[test]
    fn each_promise_that_is_not_held_is_a_miss() {
        let good = || outcome(Verdict::Promoted, 60, 100);
        let bad = || outcome(Verdict::Aborted, 15, 40);
        assert_eq!(table(good(), bad(), 2).misses(), [""; 0]);
        let table = [
            (table(outcome(Verdict::Aborted, 1, 20), bad(), 1), "good"),
            (table(outcome(Verdict::Unjudged, 1, 20), bad(), 1), "good"),
            (
                table(good(), outcome(Verdict::Promoted, 9, 40), 1),
                "promoted",
            ),
            (
                table(good(), outcome(Verdict::Aborted, 16, 40), 1),
                "16.0 s",
            ),
            (table(good(), outcome(Verdict::Aborted, 9, 60), 1), "60 %"),
            (table(good(), bad(), 3), "first square"),
        ];
        for (played, named) in table {
            let misses = played.misses();
            assert!(misses.len() == 1 && misses[0].contains(named), "{misses:?}");
        }
    }

    #[test]
    fn the_table_counts_verdicts() {
        let text = table(
            outcome(Verdict::Paused, 60, 20),
            outcome(Verdict::Aborted, 9, 20),
            1,
        )
        .text();
        let good: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(good[..5], ["good", "1", "0", "0", "1"]);
        let bad: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
        assert_eq!(bad, ["bad", "1", "0", "1", "0", "9.0", "9.0", "20", "10.0"]);
    }
}
