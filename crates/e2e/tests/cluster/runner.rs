//! Chooses scenarios, runs them, and says truly how they went.

use std::collections::VecDeque;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::bail;
use e2e::progress;

use crate::stage::{Argo, Operator, Stage};

/// Most scenarios at a time: they mostly wait, but two cores carry all of
/// Kubernetes and the load beside them.
const PARALLEL_LIMIT: usize = 5;

/// One thing that is shown end to end.
#[derive(Clone)]
pub(crate) struct Scenario {
    /// What it shows; also the name of its namespace.
    pub(crate) name: String,
    /// The controller it runs on.
    pub(crate) argo: Argo,
    /// What the operator of the controller has set.
    pub(crate) operator: Operator,
    /// Whether others may run beside it.
    pub(crate) company: Company,
    /// The scenario: leaves its app for the report when it fails.
    pub(crate) run: fn(&Stage<'_>, &str) -> anyhow::Result<()>,
}

/// Whether a scenario bears others beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// It does not disturb the controller.
    Beside,
    /// It disturbs the controller, or needs the machine to itself.
    Alone,
}

/// How many went well, and how many did not.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// The scenarios whose names hold one of the given parts; all without parts.
pub(crate) fn choose(all: Vec<Scenario>, parts: &[String]) -> anyhow::Result<Vec<Scenario>> {
    let wanted = |scenario: &Scenario| {
        parts.is_empty()
            || parts
                .iter()
                .any(|part| scenario.name.contains(part.as_str()))
    };
    let chosen: Vec<_> = all.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        // Nothing run is nothing shown: not a success.
        bail!(
            "no scenario's name holds any of {parts:?}\nhint: --list shows the names, with --full all"
        );
    }
    Ok(chosen)
}

/// Lists them.
pub(crate) fn list(all: &[Scenario], parts: &[String]) {
    for scenario in all {
        if parts.is_empty()
            || parts
                .iter()
                .any(|part| scenario.name.contains(part.as_str()))
        {
            print(&format!(
                "{} (Argo Rollouts {})\n",
                scenario.name,
                scenario.argo.version()
            ));
        }
    }
}

/// Writes to stdout. A reader who has gone does not stop the tests.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ignored = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Runs them: one version after the other, in each one operator after the
/// other, and there first those that bear company, then the others one by one.
pub(crate) fn run(stage: &Stage<'_>, chosen: &[Scenario], tally: &mut Tally) -> anyhow::Result<()> {
    for (argo, operator) in [
        (Argo::V1_10, Operator::Plain),
        (Argo::V1_10, Operator::WithKeys),
        (Argo::V1_8, Operator::WithKeys),
        (Argo::V1_8, Operator::Plain),
    ] {
        let of_both: Vec<_> = chosen
            .iter()
            .filter(|scenario| scenario.argo == argo && scenario.operator == operator)
            .cloned()
            .collect();
        if of_both.is_empty() {
            continue;
        }
        stage.install(argo, operator)?;
        let (beside, alone): (Vec<_>, Vec<_>) = of_both
            .into_iter()
            .partition(|scenario| scenario.company == Company::Beside);
        run_beside(stage, beside, tally);
        for scenario in alone {
            run_beside(stage, vec![scenario], tally);
        }
    }
    Ok(())
}

fn run_beside(stage: &Stage<'_>, scenarios: Vec<Scenario>, tally: &mut Tally) {
    let workers = scenarios.len().min(PARALLEL_LIMIT);
    let waiting = Mutex::new(VecDeque::from(scenarios));
    let counted = Mutex::new(tally);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(scenario) = next(&waiting) {
                    let went_well = run_one(stage, &scenario);
                    if let Ok(mut tally) = counted.lock() {
                        if went_well {
                            tally.passed += 1;
                        } else {
                            tally.failed += 1;
                        }
                    }
                }
            });
        }
    });
}

fn next(waiting: &Mutex<VecDeque<Scenario>>) -> Option<Scenario> {
    waiting.lock().ok()?.pop_front()
}

fn run_one(stage: &Stage<'_>, scenario: &Scenario) -> bool {
    let start = Instant::now();
    progress::say(&format!("start  {}", scenario.name));
    let result = catch_unwind(AssertUnwindSafe(|| (scenario.run)(stage, &scenario.name)));
    let seconds = start.elapsed().as_secs();
    let error = match result {
        Ok(Ok(())) => {
            print(&format!("ok     {} ({seconds} s)\n", scenario.name));
            return true;
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "it panicked; the message is above".to_owned(),
    };
    print(&format!(
        "FAILED {} ({seconds} s)\n{error}\n",
        scenario.name
    ));
    false
}
