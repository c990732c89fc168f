//! `canary-judge eval`: many labelled pairs of logs in, a verdict for each and
//! a table of how good they are out.

mod pairs;
mod score;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use analysis::files::{self, Log, Sources};
use analysis::judge_gathered;
use judge::Policy;
use serde::Serialize;

use crate::args::{EvalConfig, Output};
use crate::mend::Failure;
use crate::{output, policy, progress};

use pairs::Pair;
use score::{Outcome, Table};

/// Pairs that are judged at the same time: each keeps a core busy.
const MAX_THREADS: usize = 8;

/// One line of the file of verdicts.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    verdict: judge::Decision,
    /// Probability that the verdict is right, three decimals.
    confidence: f64,
}

/// Judges every pair, writes a verdict for each in the order of their ids, and
/// the table.
///
/// # Errors
/// The folder holds no pair, or something could not be read or written.
pub fn eval(config: &EvalConfig) -> Result<ExitCode, Failure> {
    let policy = policy::load(config.policy.as_deref())?.policy;
    let pairs = pairs::find(&config.folder)?;
    let done = AtomicUsize::new(0);
    let outcomes = progress::while_working(
        || {
            let done = done.load(Ordering::Relaxed);
            format!("judging pairs … {done}/{}", pairs.len())
        },
        config.progress,
        || judge_all(&pairs, &policy, &done),
    )?;
    let table = Table::of(&outcomes).to_string();
    match &config.out {
        None => output::stdout(&table)?,
        Some(out @ Output::File(_)) => {
            output::write(out, &lines(&outcomes)?)?;
            output::stdout(&table)?;
        }
        // Standard output is the verdicts' then, for the next program to read.
        Some(Output::Stdout) => {
            output::stdout(&lines(&outcomes)?)?;
            output::stderr(&table);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All outcomes, in the order of the pairs; the failure of the first pair that
/// has one.
fn judge_all(pairs: &[Pair], policy: &Policy, done: &AtomicUsize) -> Result<Vec<Outcome>, Failure> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
        .min(pairs.len());
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(pairs.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Pairs are taken in order, so that when one fails all before
                // it are taken: the first failure is always the same.
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(pair) = pairs.get(index) else { return };
                    let outcome = judge_one(pair, policy);
                    failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                    // A poisoned lock means that another thread panicked; the
                    // scope passes that on.
                    if let Ok(mut results) = results.lock() {
                        results.push((index, outcome));
                    }
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, outcome)| outcome).collect()
}

fn judge_one(pair: &Pair, policy: &Policy) -> Result<Outcome, Failure> {
    let gathered = files::read(Sources {
        stable: vec![Log::File(pair.stable.clone())],
        canary: vec![Log::File(pair.canary.clone())],
        ..Sources::default()
    })?;
    let verdict = judge_gathered(&gathered, policy);
    Ok(Outcome {
        id: pair.id.clone(),
        decision: verdict.decision,
        confidence: verdict.judgement.confidence,
        message: verdict.message,
        truth: pair.truth()?,
    })
}

fn lines(outcomes: &[Outcome]) -> Result<String, Failure> {
    let mut text = String::new();
    for outcome in outcomes {
        let line = serde_json::to_string(&Line {
            id: &outcome.id,
            verdict: outcome.decision,
            confidence: (outcome.confidence * 1_000.0).round() / 1_000.0,
        })
        .map_err(|error| Failure::defect(&error))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}
