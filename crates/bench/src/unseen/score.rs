//! How the pairs are judged, by system and by cause.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use judge::{Decision, Policy};

use super::cause::CAUSES;
use super::story::{Case, tell};
use super::systems::SYSTEMS;
use crate::look::{enough, judge_files, why};
use crate::many;
use crate::pairs::brier;
use crate::table::{Table, share};

/// Which pairs are made.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Pairs of each system and cause.
    pub seeds: u64,
    /// Only systems that are held out, or only those that are not.
    pub held_out: Option<bool>,
    /// Only pairs whose name contains this.
    pub only: Option<&'a str>,
}

/// The name of a pair, as its folder is called.
fn id(case: &Case) -> String {
    format!(
        "{}-{}-{:02}",
        case.system.name,
        case.cause.name(),
        case.seed
    )
    .replace([' ', '/'], "-")
}

/// All pairs that are asked for.
#[must_use]
pub fn cases(options: &Options<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for system in SYSTEMS {
        if options
            .held_out
            .is_some_and(|held_out| held_out != system.held_out())
        {
            continue;
        }
        for (cause, _) in CAUSES.iter().filter(|(cause, _)| cause.fits(system)) {
            for seed in 0..options.seeds {
                let case = Case {
                    system,
                    cause: *cause,
                    seed,
                };
                if options.only.is_none_or(|only| id(&case).contains(only)) {
                    cases.push(case);
                }
            }
        }
    }
    cases
}

/// Writes pairs as `pairs` reads them.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_pairs(folder: &Path, cases: &[Case]) -> Result<()> {
    for case in cases {
        let (told, pair) = (tell(case), folder.join(id(case)));
        let label = serde_json::json!({
            "promote": case.cause.is_healthy(),
            "evidence_in_log": if case.cause.is_healthy() { None } else { Some(if told.strong { "strong" } else { "weak" }) },
            "root_cause": case.cause.name(),
            "source": format!("bench unseen: {}", case.system.name),
            "note": told.note,
        });
        let write = |name: &str, bytes: &[u8]| {
            fs::create_dir_all(&pair)
                .and_then(|()| fs::write(pair.join(name), bytes))
                .with_context(|| format!("cannot write {}", pair.display()))
        };
        write("stable.log", &told.stable)?;
        write("canary.log", &told.canary)?;
        write("label.json", label.to_string().as_bytes())?;
    }
    Ok(())
}

/// One pair, judged.
struct Outcome {
    case: Case,
    strong: bool,
    decision: Decision,
    confidence: f64,
    enough: bool,
    why: String,
}

impl Outcome {
    /// Whether it must not be so.
    fn is_wrong(&self) -> bool {
        match self.decision {
            Decision::Abort => self.case.cause.is_healthy(),
            Decision::Promote => !self.case.cause.is_healthy(),
            Decision::Inconclusive => false,
        }
    }

    /// Whether more was to be expected.
    fn is_missed(&self) -> bool {
        self.decision == Decision::Inconclusive
            && (self.strong || self.case.cause.is_healthy() && self.enough)
    }
}

/// Tables, and a line for each pair that is wrong or missed.
pub struct Report {
    /// Scores of all, and by cause.
    pub tables: Vec<Table>,
    /// Scores by system, and every verdict.
    pub by_system: Vec<Table>,
    /// What is wrong, then what is missed.
    pub notes: Vec<String>,
}

/// Judges the pairs as `canary-judge analyze` would.
#[must_use]
pub fn run(options: &Options<'_>, policy: &Policy) -> Report {
    let cases = cases(options);
    let outcomes = many::map("unseen pairs", &cases, |case| {
        let told = tell(case);
        let judgement = judge_files(&told.stable, &told.canary, policy);
        Outcome {
            case: *case,
            strong: told.strong,
            decision: judgement.decision,
            confidence: judgement.confidence,
            enough: enough(&judgement),
            why: format!("{} ({})", why(&judgement), told.note),
        }
    });
    let mut notes = Vec::new();
    for (word, of) in [
        ("WRONG", Outcome::is_wrong as fn(&Outcome) -> bool),
        ("missed", Outcome::is_missed),
    ] {
        notes.extend(
            outcomes
                .iter()
                .filter(|outcome| of(outcome))
                .map(|outcome| {
                    format!(
                        "{word} {}: {:?} at {:.2}: {}",
                        id(&outcome.case),
                        outcome.decision,
                        outcome.confidence,
                        outcome.why
                    )
                }),
        );
    }
    Report {
        tables: vec![
            totals(&outcomes),
            by("cause", &outcomes, |outcome| {
                (outcome.case.cause, outcome.case.cause.name())
            }),
        ],
        by_system: vec![
            by("system", &outcomes, |outcome| {
                (outcome.case.system.held_out(), outcome.case.system.name)
            }),
            verdicts(&outcomes),
        ],
        notes,
    }
}

/// Columns of every table.
const HEAD: [&str; 7] = [
    "",
    "healthy",
    "aborted",
    "promoted of enough",
    "strong",
    "aborted",
    "promoted of all faulty",
];

fn row(name: &str, outcomes: &[&Outcome]) -> Vec<String> {
    let count = |wanted: &dyn Fn(&Outcome) -> bool| {
        outcomes.iter().filter(|outcome| wanted(outcome)).count()
    };
    let healthy = |outcome: &Outcome| outcome.case.cause.is_healthy();
    let decided = |outcome: &Outcome, decision| outcome.decision == decision;
    let enough = count(&|o| healthy(o) && o.enough);
    let promoted = count(&|o| healthy(o) && o.enough && decided(o, Decision::Promote));
    let strong = count(&|o| o.strong);
    let caught = count(&|o| o.strong && decided(o, Decision::Abort));
    let slipped = count(&|o| !healthy(o) && decided(o, Decision::Promote));
    vec![
        name.to_owned(),
        count(&healthy).to_string(),
        count(&|o| healthy(o) && decided(o, Decision::Abort)).to_string(),
        format!("{promoted}/{enough} {}", share(promoted, enough)),
        strong.to_string(),
        format!("{caught} {}", share(caught, strong)),
        format!("{slipped}/{}", count(&|o| !healthy(o))),
    ]
}

fn totals(outcomes: &[Outcome]) -> Table {
    let decided: Vec<(f64, bool)> = outcomes
        .iter()
        .filter(|outcome| outcome.decision != Decision::Inconclusive)
        .map(|outcome| (outcome.confidence, !outcome.is_wrong()))
        .collect();
    let title = format!(
        "Pairs of unseen systems: Brier of the decided {:.4}",
        brier(&decided)
    );
    let mut table = Table::new(&title, &HEAD);
    for (name, held_out) in [
        ("systems that the judge was mended by", false),
        ("systems held out", true),
    ] {
        let of: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.case.system.held_out() == held_out)
            .collect();
        table.row(row(name, &of));
    }
    table
}

fn by<K: Ord>(
    what: &str,
    outcomes: &[Outcome],
    key: impl Fn(&Outcome) -> (K, &'static str),
) -> Table {
    let mut groups: BTreeMap<(K, &str), Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        groups.entry(key(outcome)).or_default().push(outcome);
    }
    let mut table = Table::new(&format!("By {what}"), &HEAD);
    for ((_, name), of) in groups {
        let mark = if of.iter().all(|outcome| outcome.case.system.held_out()) {
            " (held out)"
        } else {
            ""
        };
        table.row(row(&format!("{name}{mark}"), &of));
    }
    table
}

/// Every verdict: a letter a pair, in capitals where it must not be so.
fn verdicts(outcomes: &[Outcome]) -> Table {
    let head: Vec<String> = (1..=CAUSES.len())
        .map(|number| number.to_string())
        .collect();
    let head: Vec<&str> = std::iter::once("")
        .chain(head.iter().map(String::as_str))
        .collect();
    let legend: Vec<String> = (1..)
        .zip(CAUSES)
        .map(|(number, (_, name))| format!("{number} {name}"))
        .collect();
    let title = format!(
        "Verdicts: p promote, a abort, i inconclusive, capital where it is wrong, - where too little was to be expected. {}",
        legend.join(", ")
    );
    let mut table = Table::new(&title, &head);
    for system in SYSTEMS {
        let of = |cause| {
            outcomes
                .iter()
                .filter(move |o| o.case.system.name == system.name && o.case.cause == cause)
        };
        if CAUSES.iter().all(|(cause, _)| of(*cause).next().is_none()) {
            continue;
        }
        let cells = CAUSES
            .iter()
            .map(|(cause, _)| of(*cause).map(letter).collect::<String>());
        table.row(std::iter::once(system.name.to_owned()).chain(cells));
    }
    table
}

fn letter(outcome: &Outcome) -> char {
    let letter = match outcome.decision {
        Decision::Promote => 'p',
        Decision::Abort => 'a',
        Decision::Inconclusive if outcome.is_missed() => 'i',
        Decision::Inconclusive => '-',
    };
    if outcome.is_wrong() {
        letter.to_ascii_uppercase()
    } else {
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::super::pen::UNKNOWN;
    use super::*;

    fn all() -> Vec<Case> {
        let options = Options {
            seeds: 1,
            held_out: None,
            only: None,
        };
        cases(&options)
    }

    #[test]
    fn a_case_is_told_the_same_again_and_has_no_unknown_field() {
        let cases = all();
        assert!(cases.len() > 1_500, "{}", cases.len());
        for case in cases.iter().step_by(151) {
            let (told, again) = (tell(case), tell(case));
            assert!(
                told.stable == again.stable && told.canary == again.canary,
                "{}",
                id(case)
            );
            for log in [&told.stable, &told.canary] {
                let text = std::str::from_utf8(log).unwrap();
                assert!(
                    !text.contains(UNKNOWN) && !text.contains('~'),
                    "{}",
                    id(case)
                );
            }
        }
    }

    #[test]
    fn a_part_of_the_systems_is_held_out() {
        let held_out = SYSTEMS.iter().filter(|system| system.held_out()).count();
        assert!(
            (SYSTEMS.len() / 4..=SYSTEMS.len() / 2).contains(&held_out),
            "{held_out} of {}",
            SYSTEMS.len()
        );
    }

    #[test]
    fn pairs_are_written_as_pairs_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            seeds: 1,
            held_out: None,
            only: Some("go-std-5xx"),
        };
        write_pairs(folder.path(), &cases(&options)).unwrap();
        let found = crate::pairs::find(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_ne!(found[0].label, crate::pairs::Label::Healthy);
    }
}
