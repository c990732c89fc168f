//! The judge's figures: every number that is asked of it, beside its target
//! and its rival.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use judge::{Decision, Policy};

use crate::figure::{Figure, Target, Value, median};
use crate::pairs::{self, Label};
use crate::{accuracy, engine, memory, power, splits};

/// Bytes of each log that `analyze` is timed on.
const ANALYZED_BYTES: usize = 120_000_000;
/// Runs of it; the median counts.
const ANALYSES: usize = 3;
/// Bytes by which an endless stream may raise memory from its tenth to its
/// end: what the allocator rounds.
const FLAT_BYTES: u64 = 1 << 20;

/// What is needed to measure.
#[derive(Clone, Debug)]
pub struct Subjects<'a> {
    /// Folder with recorded logs; without it nothing is said about them.
    pub shared: Option<&'a Path>,
    /// The log that speed is measured on; simulated when there is none.
    pub corpus: Option<&'a Path>,
    /// The command line, built for release.
    pub program: Option<&'a Path>,
    /// Repetitions of what is timed.
    pub repetitions: usize,
    /// Seeds of the simulated splits.
    pub seeds: u64,
    /// Runs of each fault that has a target.
    pub runs: u64,
    /// Only these groups; all of [`GROUPS`] when there are none.
    pub only: &'a [String],
}

/// What is measured together.
pub const GROUPS: [&str; 7] = [
    "speed",
    "analyze",
    "memory",
    "templates",
    "pairs",
    "splits",
    "power",
];

impl Subjects<'_> {
    fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == group)
    }
}

/// Measures all that can be.
///
/// # Errors
/// When a file cannot be read or a program not be started.
pub fn measure(subjects: &Subjects<'_>, mut said: impl FnMut(&str)) -> Result<Vec<Figure>> {
    let policy = Policy::default();
    let mut figures = Vec::new();
    if subjects.wants("speed") {
        figures.extend(speed(subjects)?);
    }
    if let Some(program) = subjects.program.filter(|_| subjects.wants("analyze")) {
        said("analyze: two logs of 120 MB");
        figures.push(analyze(program, subjects.corpus)?);
    }
    if subjects.wants("memory") {
        figures.extend(of_memory(said)?);
    }
    if let Some(shared) = subjects.shared.filter(|_| subjects.wants("templates")) {
        figures.extend(templates(shared)?);
    }
    if let Some(shared) = subjects.shared.filter(|_| subjects.wants("pairs")) {
        figures.extend(verdicts(shared, &policy)?);
    }
    if subjects.wants("splits") {
        figures.extend(false_alarms(subjects, &policy)?);
    }
    if subjects.wants("power") {
        figures.extend(faults(subjects.runs, &policy));
    }
    Ok(figures)
}

fn figure(name: &str, target: Option<Target>, ours: Value, rival: Option<Value>) -> Figure {
    Figure {
        name: name.to_owned(),
        target,
        ours,
        rival,
    }
}

fn speed(subjects: &Subjects<'_>) -> Result<Vec<Figure>> {
    let given = subjects.corpus.map(pairs::read).transpose()?;
    let mut figures = Vec::new();
    for (place, corpus) in engine::corpora(given).iter().enumerate() {
        let speeds = engine::measure(corpus, subjects.repetitions);
        let rival = speeds.rival.max(speeds.masked);
        figures.push(figure(
            &format!("speed: whole engine, one core, {}", corpus.name),
            None,
            Value::MbPerS(speeds.ours),
            Some(Value::MbPerS(rival)),
        ));
        // The target is for the first, ordinary corpus.
        if place == 0 {
            figures.push(figure(
                "speed: times as fast as drain3, same run",
                Some(Target::AtLeast(Value::Times(6.0))),
                Value::Times(speeds.times()),
                Some(Value::Times(1.0)),
            ));
        }
    }
    Ok(figures)
}

/// From starting the program to its end, over two logs.
fn analyze(program: &Path, corpus: Option<&Path>) -> Result<Figure> {
    let mut log = match corpus {
        Some(path) => pairs::read(path)?,
        None => crate::corpus::ordinary(16 << 20),
    };
    let length = log.len();
    ensure!(length > 0, "the corpus is empty");
    while log.len() < ANALYZED_BYTES {
        log.extend_from_within(..length.min(ANALYZED_BYTES - log.len()));
    }
    log.truncate(ANALYZED_BYTES);
    let folder = tempfile::tempdir().context("cannot make a folder for two logs")?;
    let [stable, canary] = ["stable.log", "canary.log"].map(|name| folder.path().join(name));
    for path in [&stable, &canary] {
        std::fs::write(path, &log).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut took = Vec::new();
    for _ in 0..ANALYSES {
        let begun = Instant::now();
        let output = Command::new(program)
            .arg("analyze")
            .arg("--stable")
            .arg(&stable)
            .arg("--canary")
            .arg(&canary)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        took.push(begun.elapsed());
        // The exit code is the verdict; what is said tells that there is one.
        ensure!(
            !output.stdout.is_empty(),
            "{} said nothing: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let most = Value::duration(Duration::from_millis(1_200));
    Ok(figure(
        "analyze: 2 x 120 MB, process start to verdict, median of 3",
        Some(Target::AtMost(most)),
        Value::duration(median(&took)),
        None,
    ))
}

fn of_memory(said: impl FnMut(&str)) -> Result<Vec<Figure>> {
    let peaks = memory::measure(said)?;
    let mut figures: Vec<Figure> = peaks
        .iter()
        .map(|peak| {
            figure(
                &format!("memory: engine after 1.2 GB, {}", peak.name),
                Some(Target::AtMost(Value::MiB(16.0))),
                Value::bytes(peak.risen_bytes[1]),
                None,
            )
        })
        .collect();
    let growth = |peak: &memory::Peak| peak.risen_bytes[1].saturating_sub(peak.risen_bytes[0]);
    figures.push(figure(
        "memory: growth from 120 MB to 1.2 GB, most of all streams",
        Some(Target::AtMost(Value::bytes(FLAT_BYTES))),
        Value::bytes(peaks.iter().map(growth).max().unwrap_or(0)),
        None,
    ));
    Ok(figures)
}

fn templates(shared: &Path) -> Result<Vec<Figure>> {
    let scores = accuracy::measure(&shared.join("loghub-2k"))?.average;
    let rows = [
        (
            "templates: GA, one configuration for 16 logs",
            0.86,
            scores.grouping,
            0.753,
        ),
        ("templates: FGA", 0.82, scores.grouping_f1, 0.742),
        ("templates: PA", 0.49, scores.parsing, 0.490),
        ("templates: FTA", 0.48, scores.template_f1, 0.480),
    ];
    Ok(rows
        .map(|(name, least, ours, rival)| {
            let target = Target::AtLeast(Value::Score(least));
            figure(
                name,
                Some(target),
                Value::Score(ours),
                Some(Value::Score(rival)),
            )
        })
        .into())
}

fn verdicts(shared: &Path, policy: &Policy) -> Result<Vec<Figure>> {
    let score = pairs::judge_all(&shared.join("pairs"), policy)?;
    let count = |label, decision| score.count(label, decision) as u64;
    let none = Some(Target::AtMost(Value::Count(0)));
    let part = |of: usize, n: usize| Value::Share(of as f64 / n.max(1) as f64);
    let (enough, promoted) = score.promoted_of_enough();
    let strong = (
        score.count(Label::Strong, Decision::Abort),
        score.of(Label::Strong),
    );
    Ok(vec![
        figure(
            "pairs: healthy ones aborted",
            none,
            Value::Count(count(Label::Healthy, Decision::Abort)),
            None,
        ),
        figure(
            "pairs: healthy ones with enough exposure promoted",
            Some(Target::AtLeast(Value::Share(0.9))),
            part(promoted, enough),
            None,
        ),
        figure(
            "pairs: strong faults aborted",
            Some(Target::AtLeast(Value::Share(0.95))),
            part(strong.0, strong.1),
            None,
        ),
        figure(
            "pairs: strong faults promoted",
            none,
            Value::Count(count(Label::Strong, Decision::Promote)),
            None,
        ),
        figure(
            "pairs: Brier score of the decided",
            Some(Target::AtMost(Value::Score(0.06))),
            Value::Score(score.brier),
            None,
        ),
        figure(
            "pairs: expected calibration error of the decided",
            None,
            Value::Score(score.calibration_error),
            None,
        ),
    ])
}

fn false_alarms(subjects: &Subjects<'_>, policy: &Policy) -> Result<Vec<Figure>> {
    let options = splits::Options {
        shared: subjects.shared,
        looks: 20,
        seeds: subjects.seeds,
        only: None,
        policy,
    };
    let totals = splits::run(&options)?.totals;
    let (_, aborted, _) = splits::healthy_changes(&options);
    let part = |of: usize, n: usize| Value::Share(of as f64 / n.max(1) as f64);
    let alarms = Some(Target::AtMost(Value::Share(0.01)));
    Ok(vec![
        figure(
            "A/A splits: how many",
            Some(Target::AtLeast(Value::Count(1_000))),
            Value::Count(totals.n as u64),
            None,
        ),
        figure(
            "A/A splits: aborted at one look",
            alarms,
            part(totals.aborted_once, totals.n),
            None,
        ),
        figure(
            "A/A splits: aborted at any of 20 looks",
            alarms,
            part(totals.aborted_ever, totals.n),
            None,
        ),
        figure(
            "A/A splits: promoted, of those with enough exposure",
            Some(Target::AtLeast(Value::Share(0.8))),
            part(totals.enough_promoted, totals.enough),
            None,
        ),
        figure(
            "healthy changes at 5, 10, 50 %: aborted",
            Some(Target::AtMost(Value::Count(0))),
            Value::Count(aborted as u64),
            None,
        ),
    ])
}

fn faults(runs: u64, policy: &Policy) -> Vec<Figure> {
    let targets = power::targets();
    let scenarios: Vec<_> = targets
        .iter()
        .map(|target| target.scenario.clone())
        .collect();
    let powers = power::measure("faults with a target", &scenarios, runs, policy);
    let caught = Target::AtLeast(Value::Share(power::CAUGHT));
    targets
        .iter()
        .zip(&powers)
        .map(|(target, power)| {
            figure(
                &format!("power: {}: by look {}", target.scenario.name, target.look),
                target.must.then_some(caught),
                Value::Share(power.by(target.look)),
                None,
            )
        })
        .collect()
}
