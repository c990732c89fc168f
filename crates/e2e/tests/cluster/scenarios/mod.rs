//! The scenarios, and on which version each is run.

mod background;
mod refusals;
mod restarts;
mod steps;
mod unclean;

use crate::runner::{Company, Scenario};
use crate::stage::Argo;

/// All of them, in the order in which they start: the longest first.
pub(crate) fn all() -> Vec<Scenario> {
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
    for (group, argo, company) in [
        (beside, Argo::V1_10, Company::Beside),
        (alone, Argo::V1_10, Company::Alone),
        (smoke, Argo::V1_8, Company::Beside),
    ] {
        all.extend(group.iter().map(|(name, run)| Scenario {
            name,
            argo,
            company,
            run: *run,
        }));
    }
    all
}

type Run = fn(&crate::stage::Stage<'_>, &str) -> anyhow::Result<()>;
