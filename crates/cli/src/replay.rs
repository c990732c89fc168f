//! `canary-judge replay`: bundles in, the same verdicts out, or where they
//! differ.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use analysis::bundle::{self, About, Bundle, Difference, Said, With};
use analysis::message::{MAX_MESSAGE_BYTES, one_line};
use analysis::opinion::Explained;
use judge::{Decision, Policy};
use serde::Serialize;

use crate::args::{ReplayConfig, ReplayFormat};
use crate::mend::{self, Failure};
use crate::models::Models;
use crate::{DIFFERENT, FAILED, output, policy, progress};

/// Bundles at once: two full folders of the plugin.
const MAX_BUNDLES: usize = 4_000;

/// Files of a folder that are looked at.
const MAX_LISTED: usize = 100_000;

/// Fields that are named without `--diff`.
const SHOWN: usize = 3;

/// The longest file name, and the longest name of what a bundle is about, in
/// an answer, in bytes.
const MAX_NAME_BYTES: usize = 400;

/// Everything as JSON: names that scripts may rely on.
#[derive(Serialize)]
struct Report {
    bundles: Vec<Replay>,
    /// Verdicts that came out as they were.
    same: usize,
    /// Verdicts that did not.
    different: usize,
    /// Bundles that cannot be used.
    unusable: usize,
}

/// One bundle.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replay {
    file: String,
    /// Why it cannot be used; all else is then `null`.
    error: Option<String>,
    /// Whether the verdict came out as it was: byte for byte (but for the last
    /// digits of numbers), or under another policy, the same decision.
    same: Option<bool>,
    /// Whether every byte is the same.
    identical: Option<bool>,
    /// The version that made it.
    tool: Option<String>,
    /// When the verdict was made, RFC 3339 in UTC.
    at: Option<String>,
    about: Option<AboutReport>,
    /// The verdict as it was.
    recorded: Option<Short>,
    /// The verdict as it is now.
    now: Option<Short>,
    /// Fields that differ, as JSON values.
    differences: Vec<DifferenceReport>,
}

#[derive(Serialize)]
struct AboutReport {
    namespace: String,
    rollout: String,
    run: String,
    metric: String,
    measurement: String,
}

/// A verdict in short.
#[derive(Serialize)]
struct Short {
    verdict: Decision,
    confidence: u8,
    message: String,
}

#[derive(Serialize)]
struct DifferenceReport {
    field: String,
    recorded: String,
    now: String,
}

/// Decides every bundle again.
///
/// # Errors
/// A folder cannot be listed, nothing is in it, the policy cannot be used, or
/// the answer not be written. A bundle that cannot be used is part of the
/// answer, since the others still can.
pub fn replay(config: &ReplayConfig) -> Result<ExitCode, Failure> {
    let files = files(&config.bundles)?;
    let policy = match config.policy.as_deref() {
        Some(path) => Some(policy::load(Some(path))?.policy),
        None => None,
    };
    let models = config.models.as_ref().map(Models::new).transpose()?;
    let again = Again { policy, models };
    let done = AtomicUsize::new(0);
    let all = files.len();
    let bundles: Vec<Replay> = progress::while_working(
        || format!("replaying … {} of {all}", done.load(Ordering::Relaxed)),
        config.progress,
        || {
            let each = files.iter().map(|file| {
                let one = replay_one(file, &again);
                done.fetch_add(1, Ordering::Relaxed);
                one
            });
            each.collect::<Result<_, _>>()
        },
    )?;
    let count = |same: Option<bool>| bundles.iter().filter(|one| one.same == same).count();
    let report = Report {
        same: count(Some(true)),
        different: count(Some(false)),
        unusable: count(None),
        bundles,
    };
    match config.format {
        ReplayFormat::Text => output::stdout(&text(&report, &Telling::of(config)))?,
        ReplayFormat::Json => {
            let json = serde_json::to_string_pretty(&report);
            output::stdout(&(json.map_err(|error| Failure::defect(&error))? + "\n"))?;
        }
    }
    Ok(ExitCode::from(if report.unusable > 0 {
        FAILED
    } else if report.different > 0 {
        DIFFERENT
    } else {
        0
    }))
}

/// Every file, those of a folder in the order of their names.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let own = in_folder(path)?;
            if own.is_empty() {
                return Err(Failure::new(
                    format!("{}: no bundle is in this folder", path.display()),
                    "bundles end in .json or .json.gz; folders in it are not looked into",
                ));
            }
            files.extend(own);
        } else {
            files.push(path.clone());
        }
    }
    if files.len() > MAX_BUNDLES {
        return Err(Failure::new(
            format!("{} bundles are named, more than {MAX_BUNDLES}", files.len()),
            "replay some of them: their names begin with the time, `canary-judge replay bundles/202611*`",
        ));
    }
    Ok(files)
}

/// The files of a folder that may be bundles, in the order of their names.
///
/// # Errors
/// It cannot be listed.
pub fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unlisted = |error: std::io::Error| {
        Failure::new(
            format!("failed to list {}: {error}", folder.display()),
            "let this user read the folder",
        )
    };
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unlisted)?.take(MAX_LISTED) {
        let path = entry.map_err(unlisted)?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if (name.ends_with(".json") || name.ends_with(".json.gz")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// With what bundles are decided again.
struct Again {
    policy: Option<Policy>,
    models: Option<Models>,
}

impl Again {
    /// What its models say of a bundle's evidence.
    fn explained(&self, bundle: &Bundle) -> Option<Explained> {
        let models = self.models.as_ref()?;
        let policy = self.policy.as_ref().unwrap_or(&bundle.policy);
        let judgement = judge::judge(&bundle.gathered.evidence, policy);
        Some(models.opinions(&judgement, &bundle.gathered, &bundle.rules))
    }

    fn is_otherwise(&self) -> bool {
        self.policy.is_some() || self.models.is_some()
    }
}

/// # Errors
/// A defect of ours: what is wrong with a bundle is part of the answer.
fn replay_one(file: &Path, again: &Again) -> Result<Replay, Failure> {
    let name = one_line(&file.display().to_string(), MAX_NAME_BYTES);
    let bundle = match bundle::read(file) {
        Ok(bundle) => bundle,
        Err(error) => {
            let failure = mend::bundle(file, &error).to_string();
            return Ok(Replay {
                error: Some(failure),
                ..Replay::of(name)
            });
        }
    };
    let explained = again.explained(&bundle);
    let with = With {
        policy: again.policy.as_ref(),
        explained: explained.as_ref(),
    };
    let replayed = bundle::replay(&bundle, with).map_err(|error| Failure::defect(&error))?;
    let recorded = bundle.verdict.said().map(short);
    let now = Short {
        verdict: replayed.verdict.decision,
        confidence: replayed.verdict.confidence,
        message: replayed.verdict.message.clone(),
    };
    let same = match &recorded {
        Some(recorded) if again.is_otherwise() => recorded.verdict == now.verdict,
        _ => replayed.is_same_but_for_rounding(),
    };
    Ok(Replay {
        same: Some(same),
        identical: Some(replayed.is_same()),
        tool: Some(one_line(&bundle.tool, MAX_NAME_BYTES)),
        at: at(&bundle),
        about: Some(about(&bundle.about)),
        recorded,
        now: Some(now),
        differences: replayed.differences.into_iter().map(difference).collect(),
        ..Replay::of(name)
    })
}

impl Replay {
    fn of(file: String) -> Self {
        Self {
            file,
            error: None,
            same: None,
            identical: None,
            tool: None,
            at: None,
            about: None,
            recorded: None,
            now: None,
            differences: Vec::new(),
        }
    }
}

/// What a file says is shown in one line: anybody may have made it.
fn short(said: Said) -> Short {
    Short {
        verdict: said.decision,
        confidence: said.confidence,
        message: one_line(&said.message, MAX_MESSAGE_BYTES),
    }
}

fn about(about: &About) -> AboutReport {
    let name = |text: &str| one_line(text, MAX_NAME_BYTES);
    AboutReport {
        namespace: name(&about.namespace),
        rollout: name(&about.rollout),
        run: name(&about.run),
        metric: name(&about.metric),
        measurement: name(&about.measurement),
    }
}

fn at(bundle: &Bundle) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(bundle.at_ms).ok()?;
    Some(format!("{at:.3}"))
}

fn difference(difference: Difference) -> DifferenceReport {
    DifferenceReport {
        field: difference.field,
        recorded: difference.recorded,
        now: difference.now,
    }
}

/// What is told of each bundle.
struct Telling {
    /// Whether thresholds or models are not the bundle's own.
    otherwise: bool,
    /// Whether every difference is shown.
    diff: bool,
}

impl Telling {
    fn of(config: &ReplayConfig) -> Self {
        Self {
            otherwise: config.policy.is_some() || config.models.is_some(),
            diff: config.diff,
        }
    }

    /// How many differences of a bundle are shown.
    fn shown(&self, one: &Replay) -> usize {
        if self.diff {
            usize::MAX
        } else if self.otherwise || one.same == Some(true) {
            0
        } else {
            SHOWN
        }
    }
}

fn text(report: &Report, telling: &Telling) -> String {
    let mut out = String::new();
    for one in &report.bundles {
        lines(one, telling, &mut out);
    }
    if report.bundles.len() > 1 {
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "\n{} bundles: {} the same, {} not, {} not usable",
            report.bundles.len(),
            report.same,
            report.different,
            report.unusable
        );
    }
    out
}

fn lines(one: &Replay, telling: &Telling, out: &mut String) {
    let (Some(recorded), Some(now)) = (&one.recorded, &one.now) else {
        let error = one.error.as_deref().unwrap_or_default();
        let _ = writeln!(out, "{}: not usable", one.file);
        for line in error.lines() {
            let _ = writeln!(out, "  {line}");
        }
        return;
    };
    let file = &one.file;
    let _ = match (telling.otherwise, one.same, one.identical) {
        (false, _, Some(true)) => {
            writeln!(out, "{file}: replayed: same verdict, byte for byte")
        }
        (false, Some(true), _) => writeln!(
            out,
            "{file}: replayed: same verdict but for the last digits of numbers, which another build's arithmetic makes"
        ),
        (false, ..) => writeln!(out, "{file}: replayed: NOT the same verdict"),
        (true, Some(true), _) => writeln!(out, "{file}: {} as before", word(now.verdict)),
        (true, ..) => writeln!(
            out,
            "{file}: {} → {}",
            word(recorded.verdict),
            word(now.verdict)
        ),
    };
    if one.tool.as_deref() != Some(bundle::TOOL_VERSION) {
        let _ = writeln!(
            out,
            "  made by version {}, this is {}: it may judge otherwise",
            one.tool.as_deref().unwrap_or("?"),
            bundle::TOOL_VERSION
        );
    }
    if recorded.message == now.message && recorded.confidence == now.confidence {
        let _ = writeln!(out, "  {} ({} %)", now.message, now.confidence);
    } else {
        let _ = writeln!(
            out,
            "  then: {} ({} %)",
            recorded.message, recorded.confidence
        );
        let _ = writeln!(out, "  now:  {} ({} %)", now.message, now.confidence);
    }
    let shown = telling.shown(one);
    for difference in one.differences.iter().take(shown) {
        let _ = writeln!(
            out,
            "  {}: {} → {}",
            difference.field, difference.recorded, difference.now
        );
    }
    if shown > 0 && one.differences.len() > shown {
        let more = one.differences.len() - shown;
        let _ = writeln!(out, "  and {more} more: `--diff` shows them");
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Promote => "promote",
        Decision::Abort => "abort",
        Decision::Inconclusive => "inconclusive",
    }
}
