//! Traffic over two arms of pods, and what each pod's log says in the end.

use super::{Event, Kind, Scene, Version};
use crate::random::Random;

/// Time from a pod's start until it serves.
const START_UP_MS: i64 = 4_000;
/// Time between two rounds of housekeeping.
const HOUSEKEEPING_MS: i64 = 10_000;
/// Part of the work that fails while a dependency is down.
const STORM_ERRORS: f64 = 0.4;
/// Mean time between storms that hit every pod, and those of one pod.
const SHARED_STORM_S: f64 = 60.0;
const POD_STORM_S: f64 = 150.0;

/// The canary's share of the traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// The same all the time.
    Fixed(f64),
    /// 5, 10, 30 and 50 %, a quarter of the time each. With each step a pod of
    /// the canary comes and one of stable goes, and its log with it.
    Steps,
}

impl Share {
    const STEPS: [f64; 4] = [0.05, 0.1, 0.3, 0.5];

    /// What tables call it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Fixed(share) => format!("{:.0} %", share * 100.0),
            Self::Steps => "5 to 50 %".to_owned(),
        }
    }

    fn at(self, ms: i64, span_ms: i64) -> f64 {
        match self {
            Self::Fixed(share) => share,
            Self::Steps => {
                let step = (ms.max(0) * 4 / span_ms.max(1)).min(3);
                Self::STEPS[step as usize]
            }
        }
    }
}

/// A rollout to be simulated.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// What kind of service.
    pub kind: Kind,
    /// The version that serves now.
    pub stable: Version,
    /// The version being tried.
    pub canary: Version,
    /// Units of work per second, both arms together.
    pub per_second: f64,
    /// How long it is watched, in seconds.
    pub span_s: u32,
    /// The canary's share of the work.
    pub share: Share,
    /// Pods of stable at the start.
    pub stable_pods: u32,
    /// Pods of the canary at the start.
    pub canary_pods: u32,
    /// Seed of everything random in it.
    pub seed: u64,
}

/// One pod's log.
#[derive(Clone, Debug)]
pub struct PodLog {
    /// The pod's name.
    pub name: String,
    /// Whether it is of the canary.
    pub canary: bool,
    /// When it was started, milliseconds after the canary's start.
    pub from_ms: i64,
    /// When it was scaled away, and its log with it.
    pub gone_ms: Option<i64>,
    /// When its process crashed.
    pub crashed_ms: Option<i64>,
    /// What it wrote, in order.
    pub events: Vec<Event>,
}

/// All pods of a rollout.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// Stable's and the canary's pods.
    pub pods: Vec<PodLog>,
    /// How long the rollout was watched, in milliseconds.
    pub span_ms: i64,
}

impl Rollout {
    /// Lets it happen.
    #[must_use]
    pub fn simulate(&self) -> Simulated {
        let span_ms = i64::from(self.span_s) * 1_000;
        let mut random = Random::named(self.kind.name(), self.seed);
        let mut pods = self.pods(span_ms);
        let storms = self.storms(&pods, span_ms, &mut random);
        self.traffic(&mut pods, span_ms, &storms, &mut random);
        self.beside(&mut pods, span_ms, &mut random);
        for pod in &mut pods {
            let version = if pod.canary {
                &self.canary
            } else {
                &self.stable
            };
            finish(pod, version, span_ms);
        }
        Simulated { pods, span_ms }
    }

    fn pods(&self, span_ms: i64) -> Vec<PodLog> {
        let pod = |canary: bool, index: u32, from_ms: i64, gone_ms: Option<i64>| PodLog {
            name: format!("{}-{index}", if canary { "canary" } else { "stable" }),
            canary,
            from_ms,
            gone_ms,
            crashed_ms: None,
            events: Vec::new(),
        };
        let mut pods = Vec::new();
        let steps = self.share == Share::Steps;
        for index in 0..self.stable_pods {
            // With steps, one pod goes at each, but never the last one.
            let goes = steps && (1..self.stable_pods.min(4)).contains(&index);
            let gone_ms = goes.then(|| span_ms * i64::from(index) / 4 + 2_000);
            // Stable has been up for long: its start is before the window.
            pods.push(pod(false, index, -3_600_000, gone_ms));
        }
        let more = if steps { 3 } else { 0 };
        for index in 0..self.canary_pods + more {
            let step = i64::from((index + 1).saturating_sub(self.canary_pods));
            pods.push(pod(true, index, span_ms * step / 4, None));
        }
        pods
    }

    /// Times in which a dependency is down: for every pod, or for one.
    fn storms(&self, pods: &[PodLog], span_ms: i64, random: &mut Random) -> Vec<Storm> {
        let mut storms = Vec::new();
        if self.kind != Kind::Storms {
            return storms;
        }
        let mut add = |mean_s: f64, pod: Option<usize>, lasts: (f64, f64)| {
            let mut ms = 0.0;
            loop {
                ms += random.gap(mean_s * 1_000.0);
                if ms >= span_ms as f64 {
                    return;
                }
                let until = ms + random.between(lasts.0, lasts.1);
                storms.push(Storm {
                    from_ms: ms as i64,
                    until_ms: until as i64,
                    pod,
                });
            }
        };
        add(SHARED_STORM_S, None, (500.0, 2_500.0));
        for index in 0..pods.len() {
            add(POD_STORM_S, Some(index), (200.0, 1_500.0));
        }
        storms
    }

    fn traffic(&self, pods: &mut [PodLog], span_ms: i64, storms: &[Storm], random: &mut Random) {
        let tides = self.kind == Kind::Tides;
        let (mut ms, mut number) = (0.0, 0_u64);
        loop {
            let turn = std::f64::consts::TAU * ms / span_ms.max(1) as f64;
            let (busy, failing) = if tides {
                (1.0 + 0.6 * turn.sin(), 1.0 + 0.9 * (2.0 * turn).sin())
            } else {
                (1.0, 1.0)
            };
            ms += random.gap(1_000.0 / (self.per_second * busy));
            if ms >= span_ms as f64 {
                return;
            }
            number += 1;
            let now = ms as i64;
            let canary = random.chance(self.share.at(now, span_ms));
            let Some(index) = serving(pods, canary, now, random) else {
                continue;
            };
            let version = if canary { &self.canary } else { &self.stable };
            let mut chance = version.errors.unwrap_or(self.kind.base_errors()) * failing;
            if storms.iter().any(|storm| storm.hits(index, now)) {
                chance = STORM_ERRORS;
            }
            let failed = random.chance(chance);
            let excepted = random.chance(version.new_exceptions);
            let unsaid = random.chance(version.dropped);
            let mut scene = Scene {
                random,
                version,
                ms: now,
                number,
                out: &mut pods[index].events,
            };
            if !unsaid {
                self.kind.serve(&mut scene, failed);
            }
            if excepted {
                self.kind.new_exception(&mut scene);
            }
        }
    }

    /// Start-up of the pods that start now, and housekeeping of all.
    fn beside(&self, pods: &mut [PodLog], span_ms: i64, random: &mut Random) {
        for (index, pod) in (0_u32..).zip(pods) {
            let version = if pod.canary {
                &self.canary
            } else {
                &self.stable
            };
            let mut scene = Scene {
                random,
                version,
                ms: pod.from_ms,
                number: index.into(),
                out: &mut pod.events,
            };
            if scene.ms >= 0 {
                self.kind.start_up(&mut scene);
            }
            scene.ms = pod.from_ms.max(0) + 700 + i64::from(index) * 350;
            while scene.ms < span_ms {
                self.kind.housekeeping(&mut scene);
                scene.ms += HOUSEKEEPING_MS;
            }
        }
    }
}

/// A time in which a dependency is down.
struct Storm {
    from_ms: i64,
    until_ms: i64,
    /// The one pod that it is down for.
    pod: Option<usize>,
}

impl Storm {
    fn hits(&self, pod: usize, ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&ms) && self.pod.is_none_or(|only| only == pod)
    }
}

/// A pod of the arm that is up.
fn serving(pods: &[PodLog], canary: bool, ms: i64, random: &mut Random) -> Option<usize> {
    let up = |pod: &PodLog| {
        pod.canary == canary
            && ms >= pod.from_ms + START_UP_MS
            && pod.gone_ms.is_none_or(|gone| ms < gone)
    };
    let count = pods.iter().filter(|pod| up(pod)).count() as u64;
    let chosen = random.below(count) as usize;
    pods.iter()
        .enumerate()
        .filter(|(_, pod)| up(pod))
        .nth(chosen)
        .map(|(index, _)| index)
}

/// Puts a pod's events in order, and ends them where the version does.
fn finish(pod: &mut PodLog, version: &Version, span_ms: i64) {
    pod.events.sort_by_key(|(ms, _)| *ms);
    let gone_ms = pod.gone_ms.unwrap_or(span_ms);
    pod.events.retain(|(ms, _)| *ms < gone_ms);
    if let Some(silent_ms) = version.silent_after_ms {
        pod.events.retain(|(ms, _)| *ms < silent_ms);
    }
    if let Some(after_ms) = version.panics_after_ms {
        let crash_ms = pod.from_ms + after_ms;
        if crash_ms < span_ms {
            pod.events.retain(|(ms, _)| *ms < crash_ms);
            pod.events.push((crash_ms, "thread 'main' panicked at src/pricing.rs:57:14:\nindex out of bounds: the len is 0 but the index is 3\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace".to_owned()));
            pod.crashed_ms = Some(crash_ms);
        }
    }
}

/// The log of one process of a healthy service, about `units` units of work.
#[must_use]
pub fn one_log(kind: Kind, units: u32, seed: u64) -> Vec<Event> {
    let mut random = Random::named("one log", seed);
    let per_second = random.between(2.0, 30.0);
    let rollout = Rollout {
        kind,
        stable: Version::default(),
        canary: Version::default(),
        per_second,
        span_s: (f64::from(units) / per_second) as u32,
        share: Share::Fixed(0.0),
        stable_pods: 1,
        canary_pods: 0,
        seed,
    };
    let mut simulated = rollout.simulate();
    simulated.pods.swap_remove(0).events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(kind: Kind, share: Share) -> Rollout {
        Rollout {
            kind,
            stable: Version::default(),
            canary: Version::default(),
            per_second: 20.0,
            span_s: 120,
            share,
            stable_pods: 4,
            canary_pods: 1,
            seed: 11,
        }
    }

    fn events(simulated: &Simulated, canary: bool) -> usize {
        let pods = simulated.pods.iter().filter(|pod| pod.canary == canary);
        pods.map(|pod| pod.events.len()).sum()
    }

    #[test]
    fn the_same_seed_gives_the_same_logs() {
        for kind in Kind::ALL {
            let write = || {
                let simulated = rollout(kind, Share::Steps).simulate();
                let logs = simulated.pods.into_iter().map(|pod| pod.events);
                logs.collect::<Vec<_>>()
            };
            assert_eq!(write(), write(), "{kind:?}");
        }
    }

    #[test]
    fn the_canary_gets_its_share() {
        let simulated = rollout(Kind::Worker, Share::Fixed(0.3)).simulate();
        let share = events(&simulated, true) as f64
            / (events(&simulated, true) + events(&simulated, false)) as f64;
        assert!((0.25..0.35).contains(&share), "{share}");
    }

    #[test]
    fn with_steps_pods_come_and_go() {
        let simulated = rollout(Kind::Web, Share::Steps).simulate();
        let gone = simulated.pods.iter().filter(|pod| pod.gone_ms.is_some());
        assert_eq!(gone.count(), 3);
        let came = simulated.pods.iter().filter(|pod| pod.from_ms > 0);
        assert_eq!(came.count(), 3);
    }

    #[test]
    fn every_log_is_in_order_and_within_its_time() {
        for kind in Kind::ALL {
            for pod in rollout(kind, Share::Steps).simulate().pods {
                let times: Vec<i64> = pod.events.iter().map(|(ms, _)| *ms).collect();
                assert!(times.is_sorted(), "{kind:?}");
                assert!(times.iter().all(|ms| (0..130_000).contains(ms)), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_fault_shows_in_the_canary_only() {
        let mut rollout = rollout(Kind::Java, Share::Fixed(0.5));
        rollout.canary.new_exceptions = 0.05;
        rollout.canary.silent_after_ms = Some(60_000);
        rollout.canary.panics_after_ms = Some(50_000);
        let simulated = rollout.simulate();
        let says = |canary: bool, text: &str| {
            simulated
                .pods
                .iter()
                .filter(|pod| pod.canary == canary)
                .flat_map(|pod| &pod.events)
                .any(|(_, event)| event.contains(text))
        };
        for text in ["NullPointerException", "panicked at"] {
            assert!(says(true, text) && !says(false, text), "{text}");
        }
        let canary = simulated.pods.iter().find(|pod| pod.canary).unwrap();
        assert_eq!(canary.crashed_ms, Some(50_000));
        assert_eq!(canary.events.last().map(|(ms, _)| *ms), Some(50_000));
    }
}
