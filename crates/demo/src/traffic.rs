//! The users: requests at a constant rate, through the proxy, whether or not
//! answers come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::arm::Arm;
use crate::http::Client;
use crate::proxy::ARM_HEADER;
use crate::tally::{Square, Tally};

/// How often it is looked what is due.
const TICK_MS: u64 = 5;

/// Most requests in flight; one that finds no place is left out.
const MAX_IN_FLIGHT: usize = 256;

/// How long one request may take: longer than the proxy gives a pod.
const REQUEST_LIMIT_MS: u64 = 12_000;

/// What is due at once at most, in ticks: after a pause of the machine the
/// rate goes on, and what was missed is not made up for.
const MAX_BURST_TICKS: u64 = 20;

/// The traffic, until it is dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    rate: Arc<AtomicU32>,
    body: watch::Sender<Bytes>,
    task: JoinHandle<()>,
}

impl Traffic {
    /// Starts it: so many requests a second to the proxy.
    pub(crate) fn start(proxy: SocketAddr, rate: u32, tally: Arc<Tally>) -> Self {
        let (body, bodies) = watch::channel(Bytes::from_static(b"[]"));
        let rate = Arc::new(AtomicU32::new(rate));
        let sender = Sender {
            proxy,
            client: Client::new(),
            bodies,
            tally,
        };
        let task = tokio::spawn(send(sender, Arc::clone(&rate)));
        Self { rate, body, task }
    }

    /// Sends so many a second from now on.
    pub(crate) fn set_rate(&self, rate: u32) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// What travels with each request from now on.
    pub(crate) fn set_body(&self, body: Bytes) {
        self.body.send_replace(body);
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Sender {
    proxy: SocketAddr,
    client: Client,
    bodies: watch::Receiver<Bytes>,
    tally: Arc<Tally>,
}

async fn send(sender: Sender, rate: Arc<AtomicU32>) {
    let mut due = Due::default();
    let mut flying = JoinSet::new();
    let mut tick = interval(Duration::from_millis(TICK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = Instant::now();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let now = Instant::now();
                let count = due.after(now - before, rate.load(Ordering::Relaxed));
                before = now;
                for _ in 0..count {
                    if flying.len() < MAX_IN_FLIGHT {
                        flying.spawn(sender.clone().one());
                    }
                }
            }
            Some(_) = flying.join_next() => {}
        }
    }
}

/// How many requests are due, with the part of one that is not due yet.
#[derive(Debug, Default)]
struct Due(f64);

impl Due {
    fn after(&mut self, passed: Duration, rate: u32) -> u32 {
        let passed = passed.min(Duration::from_millis(MAX_BURST_TICKS * TICK_MS));
        self.0 += passed.as_secs_f64() * f64::from(rate);
        let whole = self.0.floor();
        self.0 -= whole;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a tenth of a second at a rate that fits"
        )]
        let count = whole as u32;
        count
    }
}

impl Sender {
    async fn one(self) {
        let body = self.bodies.borrow().clone();
        let begun = Instant::now();
        let limit = Duration::from_millis(REQUEST_LIMIT_MS);
        let answer = self.client.post(self.proxy, "/color", body, limit).await;
        let took_us = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        let (arm, status) = match &answer {
            Ok(answer) => {
                let is_canary = answer
                    .headers
                    .get(ARM_HEADER)
                    .is_some_and(|arm| arm == Arm::Canary.as_str());
                let arm = if is_canary { Arm::Canary } else { Arm::Stable };
                (arm, answer.status)
            }
            // The proxy itself did not answer: nobody knows which arm it was.
            Err(_) => (Arm::Stable, 504),
        };
        self.tally.count(Square {
            arm,
            status,
            took_us,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_held_over_uneven_ticks_and_bursts_are_bounded() {
        let mut due = Due::default();
        let ticks = [5, 7, 3, 5, 11, 2, 5, 5, 50, 7];
        let sent: u32 = ticks
            .iter()
            .map(|&ms| due.after(Duration::from_millis(ms), 333))
            .sum();
        assert_eq!(sent, 33, "a third of a second is a hundred ms here");
        let after_a_pause = due.after(Duration::from_secs(60), 1_000);
        assert!(after_a_pause <= 101, "{after_a_pause}");
        assert_eq!(due.after(Duration::from_secs(1), 0), 0);
    }
}
