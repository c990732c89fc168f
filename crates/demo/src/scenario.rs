//! Scenario files: what is released, what is wrong with it, and which verdict
//! is right. Strict: what is not known or not possible is an error that names
//! its line.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arm::Both;
use crate::state::MAX_LATENCY_MS;

/// Weights of the steps, in percent.
pub(crate) const WEIGHTS: [u8; 5] = [20, 40, 60, 80, 100];

/// Largest scenario file, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Longest text in a scenario, in bytes: it is shown on a page.
const MAX_TEXT_BYTES: usize = 400;

/// Most requests a second that a scenario may ask for.
pub const MAX_RATE: u32 = 2_000;

/// Longest that a scenario's measurements may wait, in seconds.
const MAX_WAIT_S: u16 = 600;

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than a scenario can be.
    #[error("the scenario {} has more than {MAX_FILE_BYTES} bytes", file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
    /// It says what no scenario says; the cause names the line.
    #[error("cannot use the scenario {}", file.display())]
    Parse {
        /// Which.
        file: PathBuf,
        /// Why.
        source: toml::de::Error,
    },
}

/// The verdict that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// The canary serves all traffic in the end.
    Promote,
    /// It is taken back.
    Abort,
    /// There is no verdict, and the rollout pauses.
    Inconclusive,
}

impl Expect {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What is released, and what comes of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Its name: the file's, without its ending.
    #[serde(skip)]
    pub name: String,
    /// What happens, in some words.
    pub title: Text,
    /// Why the verdict is right.
    pub why: Text,
    /// The verdict that is right.
    pub expect: Expect,
    /// What the deciding message must say.
    #[serde(default)]
    pub says: Vec<Text>,
    /// How many percentage points of errors the canary has more than stable:
    /// what the message must show, within what chance allows.
    pub error_points: Option<Percent>,
    /// The largest weight that a canary may have had when it was stopped.
    pub most_weight: Option<Percent>,
    /// Requests a second, where it is not the demo's own rate.
    pub requests_per_s: Option<Rate>,
    /// How long a measurement may wait for its verdict, in seconds.
    pub max_wait_s: Option<WaitSeconds>,
    /// Whether another rollout with the same labels fails beside this one.
    #[serde(default)]
    pub failing_neighbour: bool,
    /// Whether a scripted model does whatever its prompt says, instead of
    /// repeating the judge.
    #[serde(default)]
    pub model_obeys: bool,
    /// What is wrong with each version.
    #[serde(default)]
    pub stable: StableSetup,
    /// What is wrong with the version being tried.
    #[serde(default)]
    pub canary: CanarySetup,
    /// What happens in the middle.
    #[serde(default)]
    pub during: Vec<During>,
}

/// How the version that serves behaves.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StableSetup {
    /// What goes wrong with its requests.
    pub fault: Option<RequestFault>,
    /// How long its answers take longer, in milliseconds.
    pub latency_ms: Option<LatencyMs>,
}

/// How the version being tried behaves.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CanarySetup {
    /// What its name begins with, before its colour.
    pub prefix: Option<Prefix>,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
    /// How long its answers take longer, in milliseconds.
    pub latency_ms: Option<LatencyMs>,
}

impl CanarySetup {
    /// The version's name, which ends in this colour.
    #[must_use]
    pub fn version(&self, color: &str) -> String {
        match self.prefix {
            None => color.to_owned(),
            Some(Prefix::Bad) => format!("bad-{color}"),
            Some(Prefix::Slow) => format!("slow-{color}"),
        }
    }
}

/// What a version's name begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefix {
    /// `bad-`.
    Bad,
    /// `slow-`.
    Slow,
}

/// What may be wrong with requests: it travels with them, so that it ends with
/// the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestFault {
    /// Nothing.
    ColorOnly,
    /// A fifth fails with a NullPointerException.
    Exception,
    /// A tenth fails, as it does in the other version.
    AlreadyBroken,
    /// Answers take three times as long.
    LatencyX3,
    /// Answers are fine, and the work is not done.
    SilentFailure,
    /// Errors, and log lines that are written to deceive.
    LogInjection,
    /// Now and then all are slow, whatever the version.
    NoisyNeighbour,
}

/// What may be wrong with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessFault {
    /// It is ready late.
    SlowStart,
    /// It takes ever more memory.
    MemoryLeak,
    /// It ends after two seconds, again and again.
    Crash,
}

/// What may be wrong with the version being tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Fault {
    /// With its requests.
    Request(RequestFault),
    /// With its processes.
    Process(ProcessFault),
}

impl Fault {
    /// The application's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request(fault) => fault.as_str(),
            Self::Process(fault) => fault.as_str(),
        }
    }
}

impl RequestFault {
    /// The application's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ColorOnly => "color-only",
            Self::Exception => "exception",
            Self::AlreadyBroken => "already-broken",
            Self::LatencyX3 => "latency-x3",
            Self::SilentFailure => "silent-failure",
            Self::LogInjection => "log-injection",
            Self::NoisyNeighbour => "noisy-neighbour",
        }
    }
}

impl ProcessFault {
    /// The application's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlowStart => "slow-start",
            Self::MemoryLeak => "memory-leak",
            Self::Crash => "crash",
        }
    }
}

/// What happens once a step's analysis has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct During {
    /// The step, the first being 1.
    pub step: Step,
    /// What happens.
    pub event: Happening,
}

/// What may happen in the middle of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// The plugin's process is killed, after its first answer.
    KillPlugin,
    /// The model is cut off.
    CutModel,
    /// The model can be reached again.
    RestoreModel,
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident($kind:ty), $least:expr, $most:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "i64")]
        pub struct $name(pub $kind);

        impl TryFrom<i64> for $name {
            type Error = String;

            fn try_from(value: i64) -> Result<Self, String> {
                <$kind>::try_from(value)
                    .ok()
                    .filter(|value| ($least..=$most).contains(value))
                    .map(Self)
                    .ok_or_else(|| format!("must be a whole number from {} to {}", $least, $most))
            }
        }
    };
}

bounded!(
    /// A share in percent.
    Percent(u8), 0, 100
);
bounded!(
    /// Requests a second.
    Rate(u32), 0, MAX_RATE
);
bounded!(
    /// How long a measurement waits, in seconds.
    WaitSeconds(u16), 1, MAX_WAIT_S
);
bounded!(
    /// How long answers are held back, in milliseconds.
    LatencyMs(u16), 0, MAX_LATENCY_MS
);
bounded!(
    /// A step, the first being 1.
    Step(u8), 1, 5
);

/// One line of text for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.contains(char::is_control);
        if fits {
            Ok(Self(text))
        } else {
            Err(format!("must be one line of 1 to {MAX_TEXT_BYTES} bytes"))
        }
    }
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// It cannot be read, or says what no scenario says.
    pub fn read(file: &Path) -> Result<Self, ScenarioError> {
        let failed = |source| ScenarioError::Read {
            file: file.to_owned(),
            source,
        };
        let mut text = String::new();
        fs::File::open(file)
            .map_err(failed)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(failed)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(ScenarioError::TooLarge {
                file: file.to_owned(),
            });
        }
        Self::parse(file, &text)
    }

    /// Reads a scenario whose file would be this.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text).map_err(|source| ScenarioError::Parse {
            file: file.to_owned(),
            source,
        })?;
        let name = file.file_stem().unwrap_or_default();
        scenario.name = name.to_string_lossy().into_owned();
        Ok(scenario)
    }

    /// The faults that travel with requests.
    pub(crate) fn request_faults(&self) -> Both<Option<RequestFault>> {
        let canary = match self.canary.fault {
            Some(Fault::Request(fault)) => Some(fault),
            Some(Fault::Process(_)) | None => None,
        };
        Both {
            stable: self.stable.fault,
            canary,
        }
    }

    /// The fault of the canary's processes.
    pub(crate) fn process_fault(&self) -> Option<ProcessFault> {
        match self.canary.fault {
            Some(Fault::Process(fault)) => Some(fault),
            Some(Fault::Request(_)) | None => None,
        }
    }

    /// How long answers take longer, in milliseconds.
    pub(crate) fn latencies_ms(&self) -> Both<u16> {
        let ms = |latency: Option<LatencyMs>| latency.map_or(0, |latency| latency.0);
        Both {
            stable: ms(self.stable.latency_ms),
            canary: ms(self.canary.latency_ms),
        }
    }
}

macro_rules! own {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../examples/scenarios/", $name, ".toml")))),*]
    };
}

/// The scenarios of `examples/scenarios`, which the program carries.
const OWN: &[(&str, &str)] = own![
    "good",
    "bad",
    "latency",
    "memory-leak",
    "crash-loop",
    "silent-failure",
    "color-only",
    "no-traffic",
    "already-broken",
    "noisy-neighbour",
    "log-injection",
];

/// The scenarios that the program carries, the good release and the bad one
/// first.
///
/// # Errors
/// One of them cannot be used: a defect that a test would find.
pub fn own() -> Result<Vec<Scenario>, ScenarioError> {
    OWN.iter()
        .map(|(name, text)| Scenario::parse(&PathBuf::from(format!("{name}.toml")), text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Scenario, String> {
        Scenario::parse(Path::new("x/some.toml"), text).map_err(|error| match error {
            ScenarioError::Parse { source, .. } => source.to_string(),
            other => other.to_string(),
        })
    }

    const LEAST: &str = "title = \"t\"\nwhy = \"w\"\nexpect = \"abort\"\n";

    #[test]
    fn a_scenario_needs_a_title_a_reason_and_a_verdict() {
        let scenario = parsed(LEAST).unwrap();
        assert_eq!(scenario.name, "some");
        assert_eq!(scenario.expect, Expect::Abort);
        for line in LEAST.lines() {
            let without = LEAST.replace(&format!("{line}\n"), "");
            assert!(parsed(&without).is_err(), "{without}");
        }
    }

    #[test]
    fn what_is_unknown_or_impossible_is_named_with_its_line() {
        let table = [
            ("colour = 1", "line 4", "colour"),
            ("expect = \"fail\"", "line 4", "duplicate key"),
            ("requests-per-s = 2001", "line 4", "0 to 2000"),
            ("max-wait-s = 0", "line 4", "1 to 600"),
            ("most-weight = 101", "line 4", "0 to 100"),
            ("[canary]\nlatency-ms = 9000", "line 5", "0 to 5000"),
            ("[canary]\nfault = \"sleepy\"", "line 5", "fault"),
            ("[stable]\nfault = \"crash\"", "line 5", "unknown variant"),
            (
                "[[during]]\nstep = 6\nevent = \"kill-plugin\"",
                "line 5",
                "1 to 5",
            ),
            (
                "[[during]]\nstep = 1\nevent = \"kill\"",
                "line 6",
                "kill-plugin",
            ),
            ("says = [\"\"]", "line 4", "one line"),
        ];
        for (added, line, named) in table {
            let error = parsed(&format!("{LEAST}{added}\n")).unwrap_err();
            assert!(
                error.contains(line) && error.contains(named),
                "{added}: {error}"
            );
        }
    }

    #[test]
    fn a_file_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.toml");
        let padding = "#".repeat(usize::try_from(MAX_FILE_BYTES).unwrap());
        fs::write(&file, format!("{LEAST}{padding}\n")).unwrap();
        let error = Scenario::read(&file).unwrap_err();
        assert!(matches!(error, ScenarioError::TooLarge { .. }), "{error}");
        fs::write(&file, LEAST).unwrap();
        assert!(Scenario::read(&file).is_ok());
    }

    #[test]
    fn our_own_scenarios_can_be_used_and_are_all_that_there_are() {
        let own = own().unwrap();
        assert_eq!(
            (own[0].name.as_str(), own[1].name.as_str()),
            ("good", "bad")
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/scenarios");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|file| file.extension().is_some_and(|end| end == "toml"))
            .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let mut names: Vec<String> = own.into_iter().map(|scenario| scenario.name).collect();
        files.sort();
        names.sort();
        assert_eq!(names, files);
    }

    #[test]
    fn a_request_s_fault_has_one_word() {
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};
        for word in [
            "color-only",
            "exception",
            "already-broken",
            "latency-x3",
            "silent-failure",
            "log-injection",
            "noisy-neighbour",
        ] {
            let read: StrDeserializer<'_, Error> = word.into_deserializer();
            assert_eq!(RequestFault::deserialize(read).unwrap().as_str(), word);
        }
    }

    #[test]
    fn faults_of_requests_travel_and_those_of_processes_do_not() {
        let scenario = parsed(&format!("{LEAST}[canary]\nfault = \"memory-leak\"\n")).unwrap();
        assert_eq!(scenario.process_fault(), Some(ProcessFault::MemoryLeak));
        assert_eq!(scenario.request_faults(), Both::default());
        let scenario = parsed(&format!("{LEAST}[canary]\nfault = \"exception\"\n")).unwrap();
        assert_eq!(scenario.process_fault(), None);
        assert_eq!(
            scenario.request_faults().canary,
            Some(RequestFault::Exception)
        );
    }
}
