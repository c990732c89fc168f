//! Power: how soon faults of a known size are caught.
//!
//! A web service is rolled out with a fault and looked at every ten seconds;
//! what counts is the share of runs that were aborted by each look.

use judge::{Decision, Policy};

use crate::look::Watched;
use crate::many;
use crate::simulate::{Kind, Rollout, Share, Version};
use crate::table::{Table, share};

/// Looks at each run.
pub const LOOKS: u32 = 10;
/// Time from one look to the next, in seconds.
pub const LOOK_S: u32 = 10;
/// Requests per second, both arms together: a busy service and a quiet one.
const RATES: [f64; 2] = [80.0, 10.0];
/// A service so busy that a tenth of it shows in a few looks what is asked.
const BUSIEST: f64 = 400.0;
/// Error rates of stable.
const BASES: [f64; 4] = [0.005, 0.01, 0.02, 0.05];
/// How many times as many errors the canary has.
const FACTORS: [f64; 5] = [1.5, 2.0, 3.0, 5.0, 10.0];
/// Shares of the traffic.
const SHARES: [f64; 4] = [0.05, 0.1, 0.3, 0.5];
/// Share of runs in which a fault must be caught to count as caught.
pub const CAUGHT: f64 = 0.95;

/// A fault, in a rollout of its own.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What is wrong with the canary.
    pub name: String,
    /// What is rolled out; each run has a seed of its own.
    pub rollout: Rollout,
}

/// What came of the runs of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Power {
    /// Runs.
    pub runs: usize,
    /// Runs aborted by each look, the first one first.
    pub aborted: Vec<usize>,
    /// Runs promoted before anything aborted them.
    pub promoted: usize,
}

impl Power {
    /// Share of the runs aborted by a look, counted from 1.
    #[must_use]
    pub fn by(&self, look: u32) -> f64 {
        let aborted = self.aborted.get(look.saturating_sub(1) as usize);
        aborted.map_or(0.0, |count| *count as f64 / self.runs.max(1) as f64)
    }

    /// The first look by which the fault counts as caught.
    #[must_use]
    pub fn caught_by(&self) -> Option<u32> {
        (1..=LOOKS).find(|look| self.by(*look) >= CAUGHT)
    }
}

/// A web service of four pods and its canary of one.
#[must_use]
pub fn scenario(
    name: impl Into<String>,
    per_second: f64,
    share: f64,
    change: impl FnOnce(&mut Rollout),
) -> Scenario {
    let mut rollout = Rollout {
        kind: Kind::Web,
        stable: Version::default(),
        canary: Version::default(),
        per_second,
        span_s: LOOKS * LOOK_S,
        share: Share::Fixed(share),
        stable_pods: 4,
        canary_pods: 1,
        seed: 0,
    };
    change(&mut rollout);
    Scenario {
        name: name.into(),
        rollout,
    }
}

/// Runs each scenario so many times.
#[must_use]
pub fn measure(what: &str, scenarios: &[Scenario], runs: u64, policy: &Policy) -> Vec<Power> {
    let all: Vec<(&Scenario, u64)> = scenarios
        .iter()
        .flat_map(|scenario| (0..runs).map(move |seed| (scenario, seed)))
        .collect();
    let outcomes = many::map(what, &all, |(scenario, seed)| {
        let mut rollout = scenario.rollout.clone();
        rollout.seed = *seed;
        run(&rollout, policy)
    });
    outcomes
        .chunks(usize::try_from(runs).unwrap_or(usize::MAX).max(1))
        .map(|runs| Power {
            runs: runs.len(),
            aborted: (1..=LOOKS)
                .map(|look| {
                    let by = |at: Option<u32>| at.is_some_and(|at| at <= look);
                    runs.iter().filter(|(at, _)| by(*at)).count()
                })
                .collect(),
            promoted: runs.iter().filter(|(_, promoted)| *promoted).count(),
        })
        .collect()
}

/// The look that aborts, and whether one before it promoted.
fn run(rollout: &Rollout, policy: &Policy) -> (Option<u32>, bool) {
    let (mut aborted, mut promoted) = (None, false);
    Watched::new(rollout.simulate()).looks(LOOKS, policy, |look, judgement| {
        match judgement.decision {
            Decision::Abort => aborted = Some(look),
            Decision::Promote => promoted = true,
            Decision::Inconclusive => {}
        }
        aborted.is_some()
    });
    (aborted, promoted)
}

/// An error rate of stable, and the canary's so many times as high.
#[must_use]
pub fn more_errors(base: f64, factor: f64, per_second: f64, share: f64) -> Scenario {
    let name = format!("{} % errors × {factor}", base * 100.0);
    scenario(name, per_second, share, |rollout| {
        rollout.stable.errors = Some(base);
        rollout.canary.errors = Some(base * factor);
    })
}

/// The curve: error rates, factors and shares of the traffic.
#[must_use]
pub fn curve(runs: u64, policy: &Policy) -> Vec<Table> {
    RATES
        .into_iter()
        .map(|rate| {
            let mut cells = Vec::new();
            for base in BASES {
                for factor in FACTORS {
                    cells.extend(SHARES.map(|share| more_errors(base, factor, rate, share)));
                }
            }
            let what = format!("power at {rate} requests/s");
            let powers = measure(&what, &cells, runs, policy);
            let title = format!(
                "More errors, {rate} requests/s in all, {runs} runs each: aborted by look 5 and 10"
            );
            let mut head = vec!["stable's errors and how many times the canary's".to_owned()];
            head.extend(SHARES.map(|share| format!("at {:.0} %", share * 100.0)));
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            let mut table = Table::new(&title, &head);
            for (row, powers) in cells.chunks(SHARES.len()).zip(powers.chunks(SHARES.len())) {
                let mut line = vec![row[0].name.clone()];
                line.extend(powers.iter().map(|power| {
                    let percent = |look| format!("{:.0} %", power.by(look) * 100.0);
                    format!("{}, {}", percent(5), percent(LOOKS))
                }));
                table.row(line);
            }
            table
        })
        .collect()
}

/// Every other fault, at 10 and at 50 % of a busy service's traffic.
#[must_use]
pub fn other_faults() -> Vec<Scenario> {
    type Change = fn(&mut Version);
    let faults: [(&str, Change); 15] = [
        ("nothing: a healthy canary", |_| {}),
        ("new exception in 0.5 %", |v| v.new_exceptions = 0.005),
        ("new exception in 1 %", |v| v.new_exceptions = 0.01),
        ("new exception in 2 %", |v| v.new_exceptions = 0.02),
        ("new exception in 5 %", |v| v.new_exceptions = 0.05),
        ("crash at once", |v| v.panics_after_ms = Some(1_000)),
        ("crash after 30 s", |v| v.panics_after_ms = Some(30_000)),
        ("latency × 1.5", |v| v.slower = 1.5),
        ("latency × 2", |v| v.slower = 2.0),
        ("latency × 5", |v| v.slower = 5.0),
        ("latency × 20 in 10 % (tail)", |v| v.tail = 0.1),
        ("an INFO line is gone", |v| v.audit = false),
        ("two INFO lines are gone", |v| {
            (v.audit, v.notices) = (false, false);
        }),
        ("silent after 30 s", |v| v.silent_after_ms = Some(30_000)),
        ("WARN × 5", |v| v.warnings *= 5.0),
    ];
    let mut scenarios = Vec::new();
    for share in [0.1, 0.5] {
        for (name, change) in faults {
            let name = format!("{name}, at {:.0} %", share * 100.0);
            scenarios.push(scenario(name, RATES[0], share, |rollout| {
                change(&mut rollout.canary);
            }));
        }
        let name = format!(
            "half of the requests' lines are gone, at {:.0} %",
            share * 100.0
        );
        scenarios.push(scenario(name, RATES[0], share, |rollout| {
            rollout.canary.dropped = 0.5;
        }));
    }
    scenarios
}

/// A fault, and the look by which it is to be caught.
#[derive(Clone, Debug)]
pub struct Target {
    /// The fault.
    pub scenario: Scenario,
    /// By which look.
    pub look: u32,
    /// Whether that must be so. Otherwise no test that keeps its false alarms
    /// could: by then a canary this small has too few errors, often none.
    pub must: bool,
}

/// What is to be caught, and by when.
#[must_use]
pub fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    // At 80 requests/s a canary at 10 % answers 360 requests in five looks: of
    // 2 % that is 22 errors instead of 7, which even a test that knew both rates
    // beforehand tells apart in four runs of five only.
    for (rate, base, must) in [
        (RATES[0], 0.01, false),
        (RATES[0], 0.02, false),
        (RATES[0], 0.05, true),
        (BUSIEST, 0.01, true),
        (BUSIEST, 0.02, true),
    ] {
        let mut scenario = more_errors(base, 3.0, rate, 0.1);
        scenario.name += &format!(", 10 % of {rate}/s");
        targets.push(Target {
            scenario,
            look: 5,
            must,
        });
    }
    // In two looks that canary has answered 130: two or three exceptions.
    for (rate, share, must) in [
        (RATES[0], 0.1, false),
        (RATES[0], 0.5, false),
        (BUSIEST, 0.1, true),
    ] {
        let name = format!("new exception in 2 %, {} % of {rate}/s", share * 100.0);
        let scenario = scenario(name, rate, share, |rollout| {
            rollout.canary.new_exceptions = 0.02;
        });
        targets.push(Target {
            scenario,
            look: 2,
            must,
        });
    }
    let crash = scenario("crash at once, 10 % of 80/s", RATES[0], 0.1, |rollout| {
        rollout.canary.panics_after_ms = Some(1_000);
    });
    targets.push(Target {
        scenario: crash,
        look: 1,
        must: true,
    });
    targets
}

/// A row a scenario: the share of runs aborted by some looks.
#[must_use]
pub fn table(title: &str, scenarios: &[Scenario], powers: &[Power]) -> Table {
    let head = [
        "fault",
        "runs",
        "look 1",
        "2",
        "3",
        "5",
        "10",
        "caught by",
        "promoted before",
    ];
    let mut table = Table::new(title, &head);
    for (scenario, power) in scenarios.iter().zip(powers) {
        let mut row = vec![scenario.name.clone(), power.runs.to_string()];
        row.extend([1, 2, 3, 5, 10].map(|look| format!("{:.1} %", power.by(look) * 100.0)));
        row.push(
            power
                .caught_by()
                .map_or("-".to_owned(), |look| format!("look {look}")),
        );
        row.push(share(power.promoted, power.runs));
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_read_by_look() {
        let mut power = Power {
            runs: 20,
            aborted: vec![1, 10, 19, 19, 20],
            promoted: 0,
        };
        assert!((power.by(2) - 0.5).abs() < 1e-9);
        assert_eq!(power.caught_by(), Some(3));
        power.aborted[2] = 18;
        power.aborted[3] = 18;
        assert_eq!(power.caught_by(), Some(5));
        assert!(power.by(9).abs() < 1e-9, "no such look");
    }

    #[test]
    fn a_crash_at_once_is_measured_as_such() {
        let crash = scenario("crash", 20.0, 0.5, |rollout| {
            rollout.canary.panics_after_ms = Some(1_000);
        });
        let healthy = scenario("healthy", 20.0, 0.5, |_| {});
        let powers = measure("test", &[crash, healthy], 2, &Policy::default());
        assert_eq!(powers[0].caught_by(), Some(1));
        assert_eq!(powers[0].promoted, 0);
        assert_eq!(powers[1].aborted.last(), Some(&0));
    }
}
