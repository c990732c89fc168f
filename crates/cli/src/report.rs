//! `canary-judge report`: AnalysisRuns, Rollouts and bundles in, how often the
//! verdicts were right out.

mod json;
mod objects;
mod outcome;
mod tally;
mod text;
mod truth;
mod verdicts;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use analysis::bundle::{self, Bundle};
use analysis::message::one_line;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::args::{ReportConfig, ReportFormat};
use crate::mend::{self, Failure};
use crate::replay::in_folder;
use crate::{output, progress};

use objects::{Objects, Rollout, Run};
use outcome::Outcomes;
use tally::Tally;
use truth::Known;
use verdicts::{Given, RunKey};

/// Bytes of one file of objects: about two thousand AnalysisRuns. What is read
/// of them takes up to four times as much.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// Files at once, those of folders counted.
const MAX_FILES: usize = 10_000;

/// Verdicts at once.
const MAX_VERDICTS: usize = 200_000;

/// Outcomes of no verdict that are named.
const MAX_NAMED: usize = 5;

/// The longest name in a note, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// What was read.
#[derive(Debug, Default)]
struct Gathered {
    runs: Vec<Run>,
    rollouts: Vec<Rollout>,
    /// Verdicts of bundles.
    bundles: Vec<Given>,
    /// Objects of other kinds.
    others: usize,
}

/// What is reported.
struct Report {
    /// Verdicts of all Rollouts.
    all: Tally,
    /// By namespace and Rollout.
    rollouts: BTreeMap<(String, String), Tally>,
    /// Metrics that were dry runs, with how many verdicts they gave.
    dry_runs: BTreeMap<(String, String, String), u64>,
    /// Time of the first verdict and of the last, milliseconds since the epoch.
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    /// AnalysisRuns with a verdict.
    runs: usize,
    /// Verdicts whose time is not known, left out since a time was asked for.
    untimed: u64,
}

/// Reads everything and writes the report.
///
/// # Errors
/// A file cannot be read or is nothing that a report is made from, or the
/// answer not be written.
pub fn report(config: &ReportConfig) -> Result<ExitCode, Failure> {
    let outcomes = match config.outcomes.as_deref() {
        Some(path) => known_outcomes(path)?,
        None => Outcomes::new(),
    };
    let files = files(&config.files)?;
    let done = AtomicUsize::new(0);
    let all = files.len();
    let mut gathered = progress::while_working(
        || format!("reading … {} of {all} files", done.load(Ordering::Relaxed)),
        config.progress,
        || gather(&files, &done),
    )?;
    newest_only(&mut gathered);
    if gathered.runs.is_empty() && gathered.bundles.is_empty() {
        return Err(Failure::new(
            format!(
                "no AnalysisRun and no bundle is in what was given ({} objects of other kinds)",
                gathered.others + gathered.rollouts.len()
            ),
            "`kubectl get analysisruns,rollouts -A -o json > runs.json` saves them",
        ));
    }
    note_unmatched(&gathered, &outcomes);
    let report = counted(&gathered, &outcomes, config);
    let answer = match config.format {
        ReportFormat::Text => text::text(&report),
        ReportFormat::Json => json::json(&report).map_err(|error| Failure::defect(&error))?,
    };
    output::stdout(&answer)?;
    Ok(ExitCode::SUCCESS)
}

fn known_outcomes(path: &Path) -> Result<Outcomes, Failure> {
    let bytes =
        bundle::bytes(path, outcome::MAX_FILE_BYTES).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::new(
            format!("failed to read {}: it is not UTF-8", path.display()),
            "save it as UTF-8",
        )
    })?;
    outcome::read(path, &text)
}

/// Every file, those of a folder in the order of their names.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            files.extend(in_folder(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.len() > MAX_FILES {
        return Err(Failure::new(
            format!("{} files are named, more than {MAX_FILES}", files.len()),
            "report on a shorter time",
        ));
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &bundle::BundleError) -> Failure {
    let name = path.display();
    let hint = match error {
        bundle::BundleError::TooLarge { .. } => {
            "save fewer in one file, by namespace or by label, and name several files"
        }
        _ => "`kubectl get analysisruns,rollouts -A -o json > runs.json` saves what is read here",
    };
    match error {
        bundle::BundleError::Read { .. } => Failure::caused(error, hint),
        _ => Failure::new(format!("failed to read {name}: {error}"), hint),
    }
}

/// What a file is known by.
#[derive(Deserialize)]
struct Peek {
    kind: Option<IgnoredAny>,
    sha256: Option<IgnoredAny>,
}

fn gather(files: &[PathBuf], done: &AtomicUsize) -> Result<Gathered, Failure> {
    let mut gathered = Gathered::default();
    for path in files {
        let bytes =
            bundle::bytes(path, MAX_FILE_BYTES).map_err(|error| unreadable(path, &error))?;
        let peek: Option<Peek> = serde_json::from_slice(&bytes).ok();
        if peek.is_some_and(|peek| peek.sha256.is_some() && peek.kind.is_none()) {
            let bundle = Bundle::from_bytes(&bytes).map_err(|error| mend::bundle(path, &error))?;
            gathered.bundles.extend(Given::of_bundle(bundle));
        } else {
            let Objects {
                runs,
                rollouts,
                others,
            } = objects::read(&bytes).map_err(|error| {
                Failure::new(
                    format!(
                        "failed to parse {}: it is neither a bundle nor what `kubectl get … -o json` or `-o yaml` writes: {error}",
                        path.display()
                    ),
                    "`kubectl get analysisruns,rollouts -A -o json > runs.json` saves what is read here",
                )
            })?;
            gathered.runs.extend(runs);
            gathered.rollouts.extend(rollouts);
            gathered.others += others;
        }
        if gathered.runs.len() + gathered.bundles.len() > MAX_VERDICTS {
            return Err(Failure::new(
                format!("more than {MAX_VERDICTS} verdicts are in these files"),
                "report on a shorter time",
            ));
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(gathered)
}

/// A run or a Rollout that is in several files counts once, as the last file
/// has it; a bundle of a metric whose run is there says nothing more than its
/// cost; several bundles of one metric are one verdict, an abort if one is.
fn newest_only(gathered: &mut Gathered) {
    let mut seen = BTreeSet::new();
    gathered.runs.reverse();
    gathered.runs.retain(|run| seen.insert(run.key.clone()));
    gathered.runs.reverse();
    let mut seen = BTreeSet::new();
    gathered.rollouts.reverse();
    gathered
        .rollouts
        .retain(|one| seen.insert((one.namespace.clone(), one.name.clone())));
    let mut bundles = std::mem::take(&mut gathered.bundles);
    bundles.sort_by_key(|given| given.at_ms);
    let mut by_metric: BTreeMap<(RunKey, String), Given> = BTreeMap::new();
    for given in bundles {
        // A verdict on files is of no run: each counts for itself.
        if given.run.name.is_empty() {
            gathered.bundles.push(given);
            continue;
        }
        match by_metric.entry((given.run.clone(), given.metric.clone())) {
            Entry::Vacant(place) => {
                place.insert(given);
            }
            Entry::Occupied(mut place) => place.get_mut().join(given),
        }
    }
    for own in gathered.runs.iter_mut().flat_map(|run| &mut run.given) {
        if let Some(bundle) = by_metric.remove(&(own.run.clone(), own.metric.clone())) {
            own.cost = own.cost.or(bundle.cost);
        }
    }
    gathered.bundles.extend(by_metric.into_values());
}

/// An outcome that no verdict is of was mistyped, or is of another time.
fn note_unmatched(gathered: &Gathered, outcomes: &Outcomes) {
    let bundles = gathered.bundles.iter().map(|given| &given.run);
    let runs = gathered.runs.iter().map(|run| &run.key).chain(bundles);
    let mut names = BTreeSet::new();
    for run in runs {
        names.insert(format!("{}/{}", run.namespace, run.name));
        names.insert(run.name.clone());
    }
    let unknown = outcomes.keys().filter(|run| !names.contains(*run));
    for run in unknown.take(MAX_NAMED) {
        output::stderr(&format!(
            "note: no AnalysisRun {} is in what was given: its outcome counts for nothing\n",
            one_line(run, MAX_NAME_BYTES)
        ));
    }
}

fn counted(gathered: &Gathered, outcomes: &Outcomes, config: &ReportConfig) -> Report {
    let known = Known::new(&gathered.runs, &gathered.rollouts, outcomes);
    let mut report = Report {
        all: Tally::default(),
        rollouts: BTreeMap::new(),
        dry_runs: BTreeMap::new(),
        first_ms: None,
        last_ms: None,
        runs: 0,
        untimed: 0,
    };
    let mut runs = BTreeSet::new();
    let of_runs = gathered.runs.iter().flat_map(|run| &run.given);
    for given in of_runs.chain(&gathered.bundles) {
        match given.at_ms {
            Some(at) => {
                if config.since_ms.is_some_and(|since| at < since)
                    || config.until_ms.is_some_and(|until| at >= until)
                {
                    continue;
                }
                report.first_ms = Some(report.first_ms.map_or(at, |first| first.min(at)));
                report.last_ms = Some(report.last_ms.map_or(at, |last| last.max(at)));
            }
            None if config.since_ms.is_some() || config.until_ms.is_some() => {
                report.untimed += 1;
                continue;
            }
            None => {}
        }
        let truth = known.truth(given);
        let place = (given.run.namespace.clone(), given.rollout.clone());
        report.all.add(given, truth);
        let own = report.rollouts.entry(place.clone()).or_default();
        own.add(given, truth);
        if given.dry_run {
            let (namespace, rollout) = place;
            let metric = (namespace, rollout, given.metric.clone());
            *report.dry_runs.entry(metric).or_default() += 1;
        }
        runs.insert(&given.run);
    }
    report.runs = runs.iter().filter(|run| !run.name.is_empty()).count();
    report
}
