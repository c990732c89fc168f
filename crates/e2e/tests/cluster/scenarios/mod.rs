//! The scenarios, and on which version each is run.

mod agents;
mod background;
mod files;
mod full_disk;
mod models;
mod refusals;
mod restarts;
mod steps;
mod unclean;

use anyhow::Context as _;

use crate::args::Extent;
use crate::runner::{Company, Scenario};
use crate::stage::{Argo, Operator};

/// All of them, in the order in which they start: the longest first.
pub(crate) fn all(extent: Extent) -> anyhow::Result<Vec<Scenario>> {
    let mut all = Vec::new();
    let beside: &[(&'static str, Run)] = &[
        ("talk-good-is-promoted", background::good),
        ("talk-all-errors-is-aborted", background::all_errors),
        ("talk-no-traffic-pauses", background::no_traffic),
        (
            "broken-configuration-aborts",
            refusals::broken_configuration,
        ),
        ("crash-loop-is-vetoed", background::crash_loop),
        ("good-is-promoted", steps::good),
        ("errors-are-aborted", steps::errors),
        ("second-rollout-changes-nothing", steps::second_rollout),
        ("forbidden-logs-are-named", refusals::forbidden_logs),
        ("box-refuses-a-full-disk", full_disk::refused),
    ];
    let alone: &[(&'static str, Run)] = &[
        ("plugin-killed-while-measuring", restarts::plugin_killed),
        (
            "controller-deleted-while-measuring",
            restarts::controller_deleted,
        ),
        ("box-survives-an-unclean-end", unclean::end),
    ];
    let smoke: &[(&'static str, Run)] = &[
        ("v1-8-talk-all-errors-is-aborted", background::all_errors),
        ("v1-8-crash-loop-is-vetoed", background::crash_loop),
        ("v1-8-good-is-promoted", steps::good),
        ("v1-8-errors-are-aborted", steps::errors),
    ];
    let asking: &[(&'static str, Run)] = &[
        ("agent-down-is-an-error", agents::is_down),
        ("model-down-judge-decides", models::down),
        ("model-obeys-injected-log", models::obeys),
        ("model-objects-is-aborted", models::objects),
        ("agent-aborts", agents::aborts),
        ("agent-promotes", agents::promotes),
        ("model-agrees-is-promoted", models::agrees),
        ("models-busy-and-gone", models::busy_and_gone),
        ("model-doubts-pauses", models::doubts),
        ("model-is-not-asked-of-a-crash", models::crashes),
        ("model-is-not-asked-without-traffic", models::no_traffic),
    ];
    let asking_alone: &[(&'static str, Run)] =
        &[("plugin-killed-while-asking", restarts::killed_while_asking)];
    let asking_smoke: &[(&'static str, Run)] = &[
        ("v1-8-agent-down-is-an-error", agents::is_down),
        ("v1-8-model-objects-is-aborted", models::objects),
        ("v1-8-model-doubts-pauses", models::doubts),
    ];
    let (plain, keys) = (Operator::Plain, Operator::WithKeys);
    for (group, argo, operator, company) in [
        (beside, Argo::V1_10, plain, Company::Beside),
        (alone, Argo::V1_10, plain, Company::Alone),
        (asking, Argo::V1_10, keys, Company::Beside),
        (asking_alone, Argo::V1_10, keys, Company::Alone),
        (asking_smoke, Argo::V1_8, keys, Company::Beside),
        (smoke, Argo::V1_8, plain, Company::Beside),
    ] {
        all.extend(group.iter().map(|(name, run)| Scenario {
            name: (*name).to_owned(),
            argo,
            operator,
            company,
            run: *run,
        }));
    }
    all.extend(of_files(extent)?);
    Ok(all)
}

/// Scenario files that are always played: one of each kind of evidence, and
/// one in which stable is what the file says as well.
const USUAL_FILES: &[&str] = &[
    "scenario-bad",
    "scenario-silent-failure",
    "scenario-already-broken",
];

fn of_files(extent: Extent) -> anyhow::Result<Vec<Scenario>> {
    let mut all = demo::own()?
        .into_iter()
        .map(|file| Scenario {
            name: format!("{}{}", files::PREFIX, file.name),
            argo: Argo::V1_10,
            operator: files::operator(&file),
            company: Company::Beside,
            run: files::play,
        })
        .collect::<Vec<_>>();
    for usual in USUAL_FILES {
        let there = all.iter().any(|scenario| scenario.name == *usual);
        there
            .then_some(())
            .with_context(|| format!("no scenario file is called {usual}"))?;
    }
    if extent == Extent::Usual {
        all.retain(|scenario| USUAL_FILES.contains(&scenario.name.as_str()));
    }
    Ok(all)
}

type Run = fn(&crate::stage::Stage<'_>, &str) -> anyhow::Result<()>;
