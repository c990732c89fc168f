//! Sends requests at a constant or a ramped rate, within limits, until told to
//! stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::args::Format;
use crate::client::{Answer, Client, Target, Unanswered};
use crate::color::Slider;
use crate::log::Log;
use crate::summary::Summary;

/// How often the sender looks what is due: at the highest rate that is two
/// requests at a time.
const TICK_MS: u64 = 1;

/// How a load is made.
#[derive(Debug)]
pub struct LoadConfig {
    /// Where requests go.
    pub target: Target,
    /// When requests are due.
    pub ramp: Ramp,
    /// How long to go on; `None` until told to stop.
    pub duration: Option<Duration>,
    /// What travels with each request.
    pub sliders: Vec<Slider>,
    /// Most requests in flight at once.
    pub in_flight: usize,
    /// Most requests in all.
    pub max_requests: u64,
    /// How long one request may take.
    pub timeout: Duration,
    /// How often to say how it goes.
    pub report_every: Option<Duration>,
    /// How it is said.
    pub format: Format,
}

/// Why there was no load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// SIGTERM could not be caught.
    #[error("cannot catch signals")]
    Signals(#[source] std::io::Error),
    /// The sliders could not be written as JSON.
    #[error("cannot write the sliders as JSON")]
    Sliders(#[source] serde_json::Error),
    /// The summary was written; this is for the exit code.
    #[error("not one of the requests was answered (is {0} the right address?)")]
    NothingAnswered(String),
}

/// Sends requests until the duration or their number is reached, or SIGTERM or
/// SIGINT arrives; then waits for those in flight and writes the summary.
///
/// # Errors
/// Signals cannot be caught, or nothing was answered.
pub async fn load(config: LoadConfig, log: Log) -> Result<ExitCode, LoadError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(LoadError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(LoadError::Signals)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let url = config.target.url();
    let format = config.format;
    let (summary, elapsed) = send(config, &log, stop).await?;
    log.write(&match format {
        Format::Text => summary.table(elapsed),
        Format::Json => summary.json(elapsed),
    });
    if summary.answered() == 0 {
        return Err(LoadError::NothingAnswered(url));
    }
    Ok(ExitCode::SUCCESS)
}

type Outcome = (Result<Answer, Unanswered>, Duration);

async fn send(
    config: LoadConfig,
    log: &Log,
    stop: impl Future<Output = ()>,
) -> Result<(Summary, Duration), LoadError> {
    let body = serde_json::to_vec(&config.sliders).map_err(LoadError::Sliders)?;
    let client = Arc::new(Client::new(config.target, body));
    let start = Instant::now();
    let mut schedule = Schedule {
        ramp: config.ramp,
        duration: config.duration,
        max_requests: config.max_requests,
        due: 0,
    };
    let mut summary = Summary::new();
    let mut requests: JoinSet<Outcome> = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // `interval` wants a period; the year is for "never".
    let period = config
        .report_every
        .unwrap_or(Duration::from_secs(31_536_000));
    let mut report = tokio::time::interval_at(start + period, period);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(outcome) = requests.join_next() => count(&mut summary, outcome),
            _ = report.tick() => log.write(&match config.format {
                Format::Text => summary.line(start.elapsed()),
                Format::Json => summary.json(start.elapsed()),
            }),
            _ = tick.tick() => {
                let (due, over) = schedule.due(start.elapsed());
                for due_at in due {
                    if requests.len() >= config.in_flight {
                        summary.count_not_sent(1);
                        continue;
                    }
                    let (client, timeout) = (Arc::clone(&client), config.timeout);
                    let due_at = start + due_at;
                    requests.spawn(async move {
                        let outcome = client.ask(timeout).await;
                        (outcome, due_at.elapsed())
                    });
                }
                if over {
                    break;
                }
            }
        }
    }
    let elapsed = start.elapsed();
    // Each has its own time limit: this ends.
    while let Some(outcome) = requests.join_next().await {
        count(&mut summary, outcome);
    }
    Ok((summary, elapsed))
}

fn count(summary: &mut Summary, outcome: Result<Outcome, tokio::task::JoinError>) {
    match outcome {
        Ok((outcome, took)) => summary.count(&outcome, took),
        // A request's task is never aborted, so it has panicked.
        Err(_) => summary.count(&Err(Unanswered::Broken), Duration::ZERO),
    }
}

/// A rate that changes evenly into another, which then stays.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    /// Requests a second at the start.
    from: f64,
    /// How much it changes each second.
    change: f64,
    /// When it has become what it stays, in seconds, and requests until then.
    over: (f64, f64),
    /// Requests a second from then on.
    to: f64,
}

impl Ramp {
    /// From one rate to another, both above zero, within `time`.
    pub fn new(from: f64, to: f64, time: Duration) -> Self {
        let seconds = time.as_secs_f64();
        if seconds == 0.0 {
            return Self::new(to, to, Duration::from_secs(1));
        }
        Self {
            from,
            change: (to - from) / seconds,
            over: (seconds, (from + to) / 2.0 * seconds),
            to,
        }
    }

    /// When the n-th request is due, counted from the start.
    fn due_at(&self, n: u64) -> Duration {
        let n = n as f64;
        let (seconds, requests) = self.over;
        Duration::from_secs_f64(if n <= requests {
            // Where from t + change t^2 / 2 is n, in the form that also holds
            // without a change.
            let root = (self.from * self.from + 2.0 * self.change * n).max(0.0);
            2.0 * n / (self.from + root.sqrt())
        } else {
            seconds + (n - requests) / self.to
        })
    }
}

/// Which requests are due.
#[derive(Debug)]
struct Schedule {
    ramp: Ramp,
    duration: Option<Duration>,
    max_requests: u64,
    /// How many were due so far.
    due: u64,
}

impl Schedule {
    /// The times of those that have become due since the last call, counted
    /// from the start, and whether there will be no more.
    fn due(&mut self, elapsed: Duration) -> (Vec<Duration>, bool) {
        let time_up = self.duration.is_some_and(|duration| elapsed >= duration);
        let until = self
            .duration
            .map_or(elapsed, |duration| elapsed.min(duration));
        let mut times = Vec::new();
        while self.due < self.max_requests {
            let at = self.ramp.due_at(self.due);
            if at > until || (time_up && at == until) {
                break;
            }
            times.push(at);
            self.due += 1;
        }
        (times, time_up || self.due >= self.max_requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: f64, seconds: Option<u64>, max_requests: u64) -> Schedule {
        Schedule {
            ramp: Ramp::new(rate, rate, Duration::from_secs(1)),
            duration: seconds.map(Duration::from_secs),
            max_requests,
            due: 0,
        }
    }

    #[test]
    fn requests_are_due_at_the_rate_and_not_past_the_duration() {
        let mut schedule = schedule(10.0, Some(2), 1_000);
        let ms = Duration::from_millis;
        assert_eq!(schedule.due(ms(0)), (vec![ms(0)], false));
        assert_eq!(schedule.due(ms(50)), (vec![], false));
        assert_eq!(schedule.due(ms(250)), (vec![ms(100), ms(200)], false));
        let (rest, over) = schedule.due(ms(60_000));
        assert_eq!(
            (rest.len(), rest.last(), over),
            (17, Some(&ms(1_900)), true)
        );
    }

    #[test]
    fn a_rate_rises_and_falls_evenly_and_then_stays() {
        for (from, to) in [(10.0, 50.0), (50.0, 10.0)] {
            let ramp = Ramp::new(from, to, Duration::from_secs(10));
            let by = |second: u64| {
                let until = Duration::from_secs(second);
                (0..10_000).filter(|n| ramp.due_at(*n) < until).count()
            };
            assert_eq!(by(10), 300, "30 a second on average");
            let (half, after) = if from < to { (100, 100) } else { (200, 20) };
            assert_eq!(by(5), half);
            assert_eq!(by(12) - by(10), after);
        }
        let at_once = Ramp::new(1.0, 4.0, Duration::ZERO);
        assert_eq!(at_once.due_at(4), Duration::from_secs(1));
    }

    #[test]
    fn the_number_of_requests_is_a_limit() {
        let mut schedule = schedule(1_000.0, None, 5);
        let (times, over) = schedule.due(Duration::from_secs(1));
        assert_eq!((times.len(), over), (5, true));
        assert_eq!(schedule.due(Duration::from_secs(2)), (vec![], true));
    }
}
