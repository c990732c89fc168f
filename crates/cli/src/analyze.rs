//! `canary-judge analyze`: two sets of files in, one verdict out.

use std::collections::BTreeSet;
use std::process::ExitCode;

use analysis::Rules;
use analysis::bundle::{self, About, Bundle, Terms};
use analysis::files::{self, Sources};
use analysis::judge_gathered;
use analysis::report::{self, Page};
use judge::Decision;

use crate::args::{AnalyzeConfig, Format, Input, Output};
use crate::mend::Failure;
use crate::{input, json, mend, output, policy, progress, style};

/// Reads, judges, writes the verdict; the exit code says it as well.
///
/// # Errors
/// Something could not be read or written.
pub fn analyze(config: AnalyzeConfig) -> Result<ExitCode, Failure> {
    refuse_twice_given(&config)?;
    let policy = policy::load(config.policy.as_deref())?;
    let sources = Sources {
        stable: input::logs(config.stable.logs),
        canary: input::logs(config.canary.logs),
        stable_pods: config.stable.pods,
        canary_pods: config.canary.pods,
        events: config.events,
    };
    let gathered = progress::while_working(
        || "reading the logs …".to_owned(),
        config.progress,
        || files::read(sources),
    )?;
    let verdict = judge_gathered(&gathered, &policy.policy);
    if let Some(file) = &config.bundle {
        let terms = Terms {
            policy: &policy.policy,
            rules: &Rules::default(),
        };
        let at_ms = jiff::Timestamp::now().as_millisecond();
        Bundle::of(About::default(), at_ms, &gathered, terms, &verdict)
            .and_then(|bundle| bundle::save(file, &bundle))
            .map_err(|error| mend::bundle(file, &error))?;
    }
    output::write(
        &config.out,
        &rendered(
            &Page {
                verdict: &verdict,
                evidence: &gathered.evidence,
                policy: &policy,
                made_by: concat!("canary-judge ", env!("CARGO_PKG_VERSION")),
            },
            config.format,
            config.color,
        )?,
    )?;
    if let Output::File(_) = config.out {
        output::stdout(&format!("{}\n", verdict.message))?;
    }
    Ok(ExitCode::from(match verdict.decision {
        Decision::Promote => 0,
        Decision::Abort => 1,
        Decision::Inconclusive => 3,
    }))
}

/// A log on both sides would compare a version with itself, and call any
/// canary good; twice on one side, it would count double.
fn refuse_twice_given(config: &AnalyzeConfig) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for input in config.stable.logs.iter().chain(&config.canary.logs) {
        let Input::File(path) = input else { continue };
        // What is not there is reported when it is opened.
        let Ok(real) = path.canonicalize() else {
            continue;
        };
        if !seen.insert(real) {
            return Err(Failure::new(
                format!("{} is given twice", path.display()),
                "give each log once, stable's after --stable, the canary's after --canary",
            ));
        }
    }
    Ok(())
}

fn rendered(page: &Page<'_>, format: Format, color: bool) -> Result<String, Failure> {
    let verdict = page.verdict;
    match format {
        Format::Html => Ok(report::html(page)),
        Format::Json => json::json(page).map_err(|error| Failure::defect(&error)),
        Format::Text => {
            let text = report::text(verdict) + &report::policy_text(page.policy);
            Ok(if color {
                style::paint(&text, verdict.decision)
            } else {
                text
            })
        }
    }
}
