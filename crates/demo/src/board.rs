//! What is known of the rollout: the versions, the release, its measurements,
//! the sliders.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollouts_plugin::{Measurement, Phase as Measured};
use serde::Serialize;

use crate::arm::{Arm, Both};
use crate::cluster::Version;
use crate::error::DemoError;
use crate::findings::findings;
use crate::scenario::{RequestFault, Scenario, WEIGHTS};
use crate::state::{FindingState, MeasurementState, Phase, ReleaseState, Sliders};

/// Colours of versions, in the order in which they come.
const COLORS: [&str; 6] = ["blue", "yellow", "green", "purple", "orange", "red"];

/// Measurements of one release that are shown: steps times what the controller
/// keeps.
const MAX_MEASUREMENTS: usize = 50;

/// What is known of the rollout.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) phase: Phase,
    pub(crate) stable: Version,
    pub(crate) canary: Option<Version>,
    pub(crate) release: Option<ReleaseState>,
    pub(crate) measurements: Vec<MeasurementState>,
    pub(crate) findings: Vec<FindingState>,
    pub(crate) sliders: Both<Sliders>,
    pub(crate) rate: u32,
    faults: Both<Option<RequestFault>>,
    latencies_ms: Both<u16>,
    seed: u64,
    releases: u64,
}

/// What travels with a request about one version.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Slider<'a> {
    color: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    return500: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_length: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<RequestFault>,
}

impl Board {
    /// A version serves, and nothing was released yet.
    pub(crate) fn new(seed: u64, rate: u32) -> Self {
        let stable = Version {
            name: COLORS[0].to_owned(),
            hash: hash(seed, 0),
            environment: healthy(),
        };
        Self {
            phase: Phase::Idle,
            stable,
            canary: None,
            release: None,
            measurements: Vec::new(),
            findings: Vec::new(),
            sliders: Both::default(),
            rate,
            faults: Both::default(),
            latencies_ms: Both::default(),
            seed,
            releases: 0,
        }
    }

    /// Whether a release is under way, or waits for a person.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Progressing | Phase::Paused)
    }

    /// A release begins: its number and the version that is tried.
    pub(crate) fn begin(&mut self, scenario: &Scenario, now_ms: i64) -> (u64, Version) {
        self.releases += 1;
        let version = self.next_version(scenario);
        self.phase = Phase::Progressing;
        self.measurements.clear();
        self.findings.clear();
        self.sliders.canary = Sliders::default();
        self.faults = scenario.request_faults();
        self.latencies_ms = scenario.latencies_ms();
        self.release = Some(ReleaseState {
            number: self.releases,
            scenario: scenario.name.clone(),
            from: self.stable.name.clone(),
            version: version.name.clone(),
            steps: WEIGHTS.to_vec(),
            step: 0,
            weight: 0,
            started_ms: now_ms,
            ended_ms: None,
            why: None,
        });
        self.canary = Some(version.clone());
        (self.releases, version)
    }

    fn next_version(&self, scenario: &Scenario) -> Version {
        // The next colour that is not stable's.
        let of_stable = COLORS
            .iter()
            .position(|color| *color == self.stable.color())
            .unwrap_or_default();
        let color = COLORS[(of_stable + 1) % COLORS.len()];
        let name = scenario.canary.version(color);
        let mut environment = healthy();
        if let Some(fault) = scenario.process_fault() {
            environment.insert("SCENARIO".to_owned(), fault.as_str().to_owned());
        }
        Version {
            name,
            hash: hash(self.seed, self.releases),
            environment,
        }
    }

    pub(crate) fn set_step(&mut self, step: usize, weight: u8) {
        if let Some(release) = &mut self.release {
            release.step = step;
            release.weight = weight;
        }
    }

    /// A measurement has come on: it takes the place of the one that was under
    /// way.
    pub(crate) fn measured(&mut self, step: usize, weight: u8, measurement: &Measurement) {
        let shown = shown(step, weight, measurement);
        match self.measurements.last_mut() {
            Some(last) if last.step == step && last.phase == Measured::Running.as_str() => {
                *last = shown;
            }
            _ => self.measurements.push(shown),
        }
        let over = self.measurements.len().saturating_sub(MAX_MEASUREMENTS);
        self.measurements.drain(..over);
        if let Some(report) = measurement.metadata.get("analysis") {
            self.findings = findings(report);
        }
    }

    /// The canary serves now.
    pub(crate) fn promote(&mut self, why: String, now_ms: i64) {
        if let Some(version) = self.canary.take() {
            self.stable = Version {
                // What made its processes fail would make stable's fail.
                environment: healthy(),
                ..version
            };
        }
        self.end(Phase::Promoted, why, now_ms);
    }

    /// The canary is gone.
    pub(crate) fn abort(&mut self, why: String, now_ms: i64) {
        self.canary = None;
        self.end(Phase::Aborted, why, now_ms);
    }

    /// It waits for a person.
    pub(crate) fn pause(&mut self, why: String) {
        self.phase = Phase::Paused;
        if let Some(release) = &mut self.release {
            release.why = Some(why);
        }
    }

    fn end(&mut self, phase: Phase, why: String, now_ms: i64) {
        self.phase = phase;
        self.faults = Both::default();
        self.latencies_ms = Both::default();
        if let Some(release) = &mut self.release {
            release.weight = match phase {
                Phase::Promoted => 100,
                _ => 0,
            };
            release.ended_ms = Some(now_ms);
            release.why = Some(why);
        }
    }

    /// What travels with each request: the sliders and the scenario's own, of
    /// which the worse counts.
    pub(crate) fn body(&self) -> Result<Bytes, DemoError> {
        let versions = [
            (Arm::Stable, Some(&self.stable)),
            (Arm::Canary, self.canary.as_ref()),
        ];
        let present = versions
            .into_iter()
            .filter_map(|(arm, version)| Some((arm, version?)));
        let sliders: Vec<Slider<'_>> = present
            .map(|(arm, version)| {
                let set = self.sliders.of(arm);
                let latency_ms = set.latency_ms.max(*self.latencies_ms.of(arm));
                Slider {
                    color: &version.name,
                    return500: (set.error_percent > 0).then_some(set.error_percent),
                    delay_length: (latency_ms > 0).then(|| f64::from(latency_ms) / 1_000.0),
                    scenario: *self.faults.of(arm),
                }
            })
            .collect();
        serde_json::to_vec(&sliders)
            .map(Bytes::from)
            .map_err(DemoError::Json)
    }
}

/// The environment of a version that does what it should, whatever its name
/// would mean by itself.
fn healthy() -> BTreeMap<String, String> {
    let all = [("ERROR_RATE", "0"), ("LATENCY", "0")];
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A `rollouts-pod-template-hash`: nine or ten letters and digits.
fn hash(seed: u64, release: u64) -> String {
    let mut dice = fastrand::Rng::with_seed(seed.wrapping_add(release));
    format!("{:09x}", dice.u64(..) >> 28)
}

fn shown(step: usize, weight: u8, measurement: &Measurement) -> MeasurementState {
    let is_over = measurement.phase.is_completed();
    let confidence = measurement.metadata.get("confidence");
    let confidence = confidence.and_then(|text| text.parse::<u8>().ok());
    let ms = |time: Option<jiff::Timestamp>| time.map(jiff::Timestamp::as_millisecond);
    MeasurementState {
        step,
        weight,
        at_ms: ms(measurement.started_at).unwrap_or_default(),
        phase: measurement.phase.to_string(),
        value: measurement.value.clone(),
        message: measurement.message.clone(),
        waits_until_ms: ms(measurement.resume_at).filter(|_| !is_over),
        confidence: confidence
            .filter(|&percent| is_over && percent > 0)
            .map(|percent| f64::from(percent) / 100.0),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn scenario(more: &str) -> Scenario {
        let text = format!("title = \"t\"\nwhy = \"w\"\nexpect = \"abort\"\n{more}");
        Scenario::parse(Path::new("some.toml"), &text).unwrap()
    }

    fn body(board: &Board) -> String {
        String::from_utf8(board.body().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_wrong_travels_with_requests_until_the_release_ends() {
        let mut board = Board::new(7, 200);
        let scenario = scenario(
            "[stable]\nlatency-ms = 20\n[canary]\nprefix = \"bad\"\nfault = \"exception\"\n",
        );
        let (number, version) = board.begin(&scenario, 0);
        assert_eq!((number, version.name.as_str()), (1, "bad-yellow"));
        assert_eq!(
            body(&board),
            r#"[{"color":"blue","delayLength":0.02},{"color":"bad-yellow","scenario":"exception"}]"#
        );
        board.promote(String::new(), 1);
        assert_eq!(body(&board), r#"[{"color":"bad-yellow"}]"#);
        let (number, version) = board.begin(&scenario, 2);
        assert_eq!((number, version.name.as_str()), (2, "bad-green"));
    }

    #[test]
    fn the_worse_of_slider_and_scenario_counts_and_a_new_canary_begins_without() {
        let mut board = Board::new(7, 200);
        let scenario = scenario("[canary]\nlatency-ms = 60\n");
        board.sliders.canary.error_percent = 50;
        board.begin(&scenario, 0);
        assert_eq!(board.sliders.canary, Sliders::default());
        board.sliders.canary = Sliders {
            error_percent: 30,
            latency_ms: 10,
        };
        assert!(body(&board).contains(r#""return500":30,"delayLength":0.06"#));
    }

    #[test]
    fn a_fault_of_processes_is_in_their_environment_and_not_in_stables_later() {
        let mut board = Board::new(7, 200);
        let (_, version) = board.begin(&scenario("[canary]\nfault = \"slow-start\"\n"), 0);
        assert_eq!(version.environment["SCENARIO"], "slow-start");
        board.promote(String::new(), 1);
        assert_eq!(board.stable.environment.get("SCENARIO"), None);
    }

    #[test]
    fn hashes_differ_by_release_and_not_by_run() {
        assert_eq!(hash(7, 1), hash(7, 1));
        assert_ne!(hash(7, 1), hash(7, 2));
        assert!((9..=10).contains(&hash(7, 1).len()));
    }

    #[test]
    fn a_measurement_replaces_itself_while_it_runs() {
        let mut board = Board::new(7, 200);
        let of = |phase| Measurement {
            phase,
            ..Measurement::default()
        };
        board.measured(0, 20, &of(Measured::Running));
        board.measured(0, 20, &of(Measured::Running));
        board.measured(0, 20, &of(Measured::Error));
        board.measured(0, 20, &of(Measured::Running));
        board.measured(1, 40, &of(Measured::Running));
        let phases: Vec<&str> = board
            .measurements
            .iter()
            .map(|shown| shown.phase.as_str())
            .collect();
        assert_eq!(phases, ["Error", "Running", "Running"]);
        for _ in 0..2 * MAX_MEASUREMENTS {
            board.measured(1, 40, &of(Measured::Error));
        }
        assert_eq!(board.measurements.len(), MAX_MEASUREMENTS);
    }
}
