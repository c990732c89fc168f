//! What happens to both versions: traffic, work, faults, and who says what.

use super::cause::Cause;
use super::systems::System;
use super::voice::{DEBUG, ERROR, FATAL, INFO, Request, Voice, WARN};
use crate::random::Random;

/// Wednesday 2026-11-25T15:00:00Z.
const START_MS: i64 = 1_795_618_800_000;
const DAY_MS: i64 = 86_400_000;
/// Units of work of either version at most: about 100,000 lines.
const MAX_UNITS: f64 = 22_000.0;
/// The same of most.
const USUAL_UNITS: f64 = 6_000.0;
/// Faulty units of a canary from which nobody could overlook the fault.
const STRONG_UNITS: f64 = 15.0;
/// Errors of the canary from which nobody could take thrice as many for chance.
const STRONG_ERRORS: f64 = 45.0;

/// A pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Who writes.
    pub system: &'static System,
    /// What is different.
    pub cause: Cause,
    /// Seed of everything random in it.
    pub seed: u64,
}

/// Two logs, and how plain the fault is.
#[derive(Clone, Debug)]
pub struct Told {
    /// Stable's log.
    pub stable: Vec<u8>,
    /// The canary's.
    pub canary: Vec<u8>,
    /// Whether the log shows the fault beyond doubt.
    pub strong: bool,
    /// What was drawn, for people.
    pub note: String,
}

/// What is drawn for a pair.
#[derive(Clone, Debug)]
struct Plan {
    share: f64,
    units: [f64; 2],
    span_ms: i64,
    apart: bool,
    /// Share of units that fail in a healthy version, and that warn.
    errors: f64,
    warnings: f64,
    chatty: bool,
    banner: [bool; 2],
    /// Part of the canary's units that the fault befalls.
    rate: f64,
    /// Which of three exceptions.
    exception: usize,
    slower: f64,
}

impl Plan {
    fn draw(case: &Case, random: &mut Random) -> Self {
        let share = *random.pick(&[0.05, 0.1, 0.2, 0.3, 0.5]);
        let most = if random.chance(0.1) {
            MAX_UNITS
        } else {
            USUAL_UNITS
        };
        let most = (most * share / (1.0 - share)).min(most);
        let canary = random.between(60_f64.ln(), most.max(120.0).ln()).exp();
        let errors = if random.chance(0.3) {
            0.0
        } else {
            random.between(0.002, 0.012)
        };
        let rate = match case.cause {
            Cause::NewException | Cause::NewError => random.between(0.03, 0.3),
            Cause::ServerErrors | Cause::Corruption => random.between(0.06, 0.3),
            Cause::Retries | Cause::Auth => random.between(0.25, 0.6),
            Cause::WorkLost => random.between(0.85, 1.0),
            Cause::DependencyDown => random.between(0.7, 1.0),
            _ => random.between(0.12, 0.4),
        };
        let errors = if case.cause == Cause::ErrorRate {
            random.between(0.012, 0.04)
        } else {
            errors
        };
        Self {
            share,
            units: [canary * (1.0 - share) / share, canary],
            span_ms: (random.between(180.0, 2_400.0) * 1_000.0) as i64,
            apart: random.chance(0.25) && case.cause != Cause::Silence,
            errors,
            warnings: random.between(0.0, 0.02),
            chatty: random.chance(0.15),
            banner: [random.chance(0.5), random.chance(0.75)],
            rate,
            exception: random.below(3) as usize,
            slower: random.between(3.0, 5.0),
        }
    }

    /// Whether the fault cannot be overlooked.
    fn is_strong(&self, case: &Case) -> bool {
        let canary = self.units[1];
        match case.cause {
            cause if cause.is_weak() || cause.is_healthy() => false,
            Cause::ErrorRate => canary * self.errors * self.slower >= STRONG_ERRORS,
            Cause::Latency => canary >= 120.0,
            Cause::Crash | Cause::Memory | Cause::Config => true,
            Cause::WorkLost => canary >= 80.0,
            Cause::Partial => canary * 0.12 >= STRONG_UNITS,
            _ => canary * self.rate >= STRONG_UNITS,
        }
    }
}

/// Tells both versions' stories.
#[must_use]
pub fn tell(case: &Case) -> Told {
    let mut random = Random::named(
        &format!("{} {}", case.system.name, case.cause.name()),
        case.seed,
    );
    let plan = Plan::draw(case, &mut random);
    let stable = arm(case, &plan, false, &mut random);
    let canary = arm(case, &plan, true, &mut random);
    Told {
        stable,
        canary,
        strong: plan.is_strong(case),
        note: format!(
            "share {:.2}, units {:.0} against {:.0}, rate {:.2}, errors {:.3}, exception {}, apart {}",
            plan.share,
            plan.units[1],
            plan.units[0],
            plan.rate,
            plan.errors,
            plan.exception,
            plan.apart
        ),
    }
}

/// One version's log, as it is written.
struct Teller<'a> {
    case: &'a Case,
    plan: &'a Plan,
    canary: bool,
    voice: Voice,
    out: Vec<(i64, String)>,
}

fn arm(case: &Case, plan: &Plan, canary: bool, random: &mut Random) -> Vec<u8> {
    let mut teller = Teller {
        case,
        plan,
        canary,
        voice: Voice::new(case.system, canary.then_some(case.cause), random),
        out: Vec::new(),
    };
    let (from, span) = (START_MS, plan.span_ms);
    // Stable's log may be of another day.
    let from = if plan.apart && !canary {
        from - DAY_MS * 3
    } else {
        from
    };
    if plan.banner[usize::from(canary)] || teller.is(Cause::Config) || teller.is_starting() {
        teller.start(from, random);
    }
    if teller.is(Cause::Config) {
        for attempt in 0..3 {
            teller.config(from + 1_500 + attempt * 21_000, random);
        }
    } else {
        teller.units(from + 4_000, span, random);
        teller.beside(from + 4_000, span, random);
        teller.ends(from, span, random);
    }
    teller.finish(from, span)
}

impl Teller<'_> {
    fn is(&self, cause: Cause) -> bool {
        self.canary && self.case.cause == cause
    }

    fn is_starting(&self) -> bool {
        [Cause::StartBurst, Cause::Deprecation, Cause::VersionString]
            .iter()
            .any(|cause| self.is(*cause))
    }

    fn say(&mut self, ms: i64, level: usize, text: &str, random: &mut Random) {
        if !self.case.system.talks() {
            return;
        }
        let line = self.voice.say(ms, level, text, random);
        self.out.push((ms, line));
    }

    fn start(&mut self, ms: i64, random: &mut Random) {
        let version = if self.is(Cause::VersionString) {
            "2.0.0-rc.1+build.77"
        } else {
            "1.4.2"
        };
        self.say(ms, INFO, &format!("version {version}"), random);
        for (index, text) in (0..).zip(self.case.system.words.start) {
            self.say(ms + 100 + index * 350, INFO, text, random);
        }
        if self.is(Cause::StartBurst) {
            for step in 0..60 {
                self.say(
                    ms + 900 + step * 17,
                    INFO,
                    "loading plugin ~name~ from /opt/plugins/~id~",
                    random,
                );
                if step % 6 == 0 {
                    self.say(
                        ms + 905 + step * 17,
                        WARN,
                        "plugin ~name~ has no signature",
                        random,
                    );
                }
            }
        }
        if self.is(Cause::Deprecation) {
            for name in ["cache.ttl", "http.pool.size", "legacyMode"] {
                let text =
                    format!("option {name} is deprecated and will be removed in a future release");
                self.say(ms + 1_100, WARN, &text, random);
            }
        }
    }

    fn config(&mut self, ms: i64, random: &mut Random) {
        let failures = self.case.system.tongue.failures();
        self.say(ms, ERROR, failures.config, random);
        self.say(ms + 2, FATAL, "startup failed, exiting", random);
        self.start(ms + 20_000, random);
    }

    fn units(&mut self, from: i64, span: i64, random: &mut Random) {
        let count = self.plan.units[usize::from(self.canary)];
        let count = if self.is(Cause::MoreTraffic) {
            count * 1.8
        } else {
            count
        };
        let mean = span as f64 / count.max(1.0);
        let mut at = random.gap(mean);
        while at < span as f64 {
            let part = at / span as f64;
            let stuck = self.is(Cause::Deadlock) && part > 0.4;
            if !stuck {
                self.unit(from + at as i64, part, random);
            }
            at += random.gap(mean);
        }
    }

    /// One unit of work: what it says, whether it fails, how it is answered.
    fn unit(&mut self, ms: i64, part: f64, random: &mut Random) {
        let words = self.case.system.words;
        let mut request = Request::draw(words.paths, random);
        let ten = self.is(Cause::ErrorRate);
        let errors = self.plan.errors * if ten { self.plan.slower } else { 1.0 };
        let failed = random.chance(errors);
        let down = self.is(Cause::DependencyDown) && part > 0.3;
        let befallen = random.chance(self.plan.rate);
        let lost = self.is(Cause::WorkLost) && befallen;
        let steps = if down && befallen || failed {
            1
        } else {
            words.work.len()
        };
        let steps = if std::ptr::eq(words, &raw const super::words::PROXY) && !random.chance(0.1) {
            0
        } else {
            steps
        };
        for (index, text) in (0..).zip(words.work.iter().take(steps)) {
            // What is lost is lost from the second step on.
            if lost && (index > 0 || words.work.len() == 1) {
                continue;
            }
            let text = if index == 0 && self.is(Cause::Reworded) {
                words.reworded
            } else {
                text
            };
            self.say(ms + index * 3, INFO, text, random);
        }
        if self.plan.chatty || self.is(Cause::Debug) {
            self.say(ms + 1, DEBUG, "cache lookup ~id~ took ~f~ ms", random);
            self.say(ms + 2, DEBUG, "decoded ~n~ bytes", random);
        }
        if self.is(Cause::NewInfo) {
            self.say(ms + 5, INFO, words.fresh, random);
        }
        if random.chance(0.12) && !lost {
            let text = *random.pick(words.sometimes);
            self.say(ms + 6, INFO, text, random);
        }
        if random.chance(self.plan.warnings) {
            let text = *random.pick(words.warnings);
            self.say(ms + 7, WARN, text, random);
        }
        if failed {
            let text = *random.pick(words.errors);
            self.say(ms + 8, ERROR, text, random);
            request.status = 500;
        }
        if self.canary {
            self.befall(ms, befallen, down, &mut request, random);
        }
        if let Some(line) = self.voice.serve(ms + 9, &request, random) {
            self.out.push((ms + 9, line));
        }
    }

    /// What the fault does to a unit of work.
    fn befall(
        &mut self,
        ms: i64,
        befallen: bool,
        down: bool,
        request: &mut Request,
        random: &mut Random,
    ) {
        let failures = self.case.system.tongue.failures();
        let exception = failures.exceptions[self.plan.exception];
        match self.case.cause {
            Cause::NewException if befallen => {
                let line = self
                    .voice
                    .throw(ms + 8, "cannot complete unit ~n~", exception, random);
                self.out.push((ms + 8, line));
                request.status = 500;
            }
            Cause::NewError if befallen => {
                self.say(
                    ms + 8,
                    ERROR,
                    "cannot complete unit ~n~: step 2 gave nothing",
                    random,
                );
                request.status = 500;
            }
            Cause::ServerErrors if befallen => request.status = *random.pick(&[500, 502, 503]),
            Cause::Timeouts if befallen => self.say(ms + 8, WARN, failures.timeout, random),
            Cause::RefusedInfo if befallen => self.say(ms + 8, INFO, failures.refused, random),
            Cause::DependencyDown if down && befallen => {
                self.say(ms + 8, ERROR, failures.refused, random);
                request.status = 503;
            }
            Cause::Retries if befallen => {
                for attempt in 0..random.times(3) {
                    self.say(
                        ms + 4 + attempt * 200,
                        WARN,
                        "call to ~dependency~ failed, retrying (attempt ~few~)",
                        random,
                    );
                }
            }
            Cause::Corruption if befallen => {
                self.say(ms + 8, INFO, self.case.system.words.corrupt, random)
            }
            Cause::Partial if request.endpoint == 1 => {
                self.say(ms + 8, ERROR, "handler gave no answer", random);
                request.status = 500;
            }
            Cause::Auth if befallen => {
                self.say(
                    ms + 8,
                    WARN,
                    "token of client ~ip~ rejected: signature is invalid",
                    random,
                );
                request.status = *random.pick(&[401, 403]);
            }
            Cause::Latency => request.ms *= self.plan.slower,
            _ => {}
        }
    }

    /// Heartbeats, chores, probes.
    fn beside(&mut self, from: i64, span: i64, random: &mut Random) {
        let words = self.case.system.words;
        let mut at = 0;
        while at < span {
            self.say(from + at, INFO, words.beat, random);
            let probe = Request::probe();
            if let Some(line) = self.voice.serve(from + at + 3, &probe, random) {
                self.out.push((from + at + 3, line));
            }
            at += 10_000;
        }
        let mut at = random.gap(25_000.0) as i64;
        while at < span {
            let text = *random.pick(words.chores);
            self.say(from + at, INFO, text, random);
            at += 1 + random.gap(25_000.0) as i64;
        }
    }

    /// Crashes and restarts.
    fn ends(&mut self, from: i64, span: i64, random: &mut Random) {
        let failures = self.case.system.tongue.failures();
        let raw = match self.case.cause {
            Cause::Crash => failures.crash,
            Cause::Memory => failures.memory,
            _ => "",
        };
        if self.canary && !raw.is_empty() {
            for turn in 1..=2 {
                let at = from + span * turn / 3;
                // Who is dead says nothing.
                self.out.retain(|(ms, _)| !(at..at + 5_500).contains(ms));
                let text = self.voice.raw(raw, at, random);
                self.out.push((at, text));
                self.start(at + 1_500, random);
            }
        }
        if self.is(Cause::Restart) {
            let at = from + span / 2;
            self.say(
                at,
                INFO,
                "received SIGTERM, shutting down gracefully",
                random,
            );
            self.say(
                at + 400,
                INFO,
                "waited for ~few~ requests, all done",
                random,
            );
            self.say(at + 500, INFO, "bye", random);
            self.start(at + 2_000, random);
        }
    }

    fn finish(mut self, from: i64, span: i64) -> Vec<u8> {
        let end = if self.is(Cause::Silence) {
            from + span * 45 / 100
        } else {
            i64::MAX
        };
        self.out.sort_by_key(|(ms, _)| *ms);
        let mut bytes = Vec::new();
        for (_, line) in self.out.iter().filter(|(ms, _)| *ms < end) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }
}
