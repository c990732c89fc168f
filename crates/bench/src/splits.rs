//! A/A splits: one healthy service, its log cut in two, judged as if one half
//! were a canary. Whatever aborts is a false alarm.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use judge::{Decision, Judgement, Policy};

use crate::look::{Watched, enough, judge_files, why};
use crate::many;
use crate::pairs;
use crate::random::Random;
use crate::simulate::{Kind, Rollout, Share, Version, one_log};
use crate::table::{Table, share};

/// Sizes of the blocks that a log is cut into, in lines (or events).
const BLOCKS: [usize; 4] = [20, 50, 100, 200];
/// Shares of the traffic that a simulated canary gets.
const SHARES: [Share; 5] = [
    Share::Fixed(0.05),
    Share::Fixed(0.1),
    Share::Fixed(0.3),
    Share::Fixed(0.5),
    Share::Steps,
];
/// Random assignments of each file's blocks, for each block size.
const SEEDS_OF_FILES: u64 = 2;
/// False alarms that are listed one by one.
const MAX_LISTED: usize = 60;

/// Which splits are made and how often each is looked at.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Folder with recorded logs (`loghub-2k`, `pairs`).
    pub shared: Option<&'a Path>,
    /// Looks at each split, beside the one at everything.
    pub looks: u32,
    /// Seeds of each simulated kind of split.
    pub seeds: u64,
    /// Only sources whose name contains this.
    pub only: Option<&'a str>,
    /// The thresholds.
    pub policy: &'a Policy,
}

/// What came of all splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Splits.
    pub n: usize,
    /// Aborted when everything is looked at once.
    pub aborted_once: usize,
    /// Aborted at any of the looks.
    pub aborted_ever: usize,
    /// Promoted at the one look.
    pub promoted: usize,
    /// Splits with enough exposure for a promotion.
    pub enough: usize,
    /// Promoted among those.
    pub enough_promoted: usize,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.n += 1;
        self.aborted_once += usize::from(outcome.once == Decision::Abort);
        self.aborted_ever += usize::from(outcome.ever.is_some());
        self.promoted += usize::from(outcome.once == Decision::Promote);
        self.enough += usize::from(outcome.enough);
        self.enough_promoted += usize::from(outcome.enough && outcome.once == Decision::Promote);
    }

    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.n.to_string(),
            self.aborted_once.to_string(),
            self.aborted_ever.to_string(),
            self.promoted.to_string(),
            (self.n - self.promoted - self.aborted_once).to_string(),
            self.enough.to_string(),
            share(self.enough_promoted, self.enough),
        ]
    }
}

/// What the splits gave: numbers, a table, and the false alarms.
pub struct Report {
    /// Over all sources.
    pub totals: Totals,
    /// A row a source.
    pub table: Table,
    /// What aborted or was not promoted, and why, a line each.
    pub notes: Vec<String>,
}

/// One split.
struct Split {
    source: String,
    how: String,
    what: What,
}

enum What {
    /// A rollout of a version beside itself.
    Rollout(Rollout),
    /// Some pods of one version are called the canary's.
    Pods(Rollout),
    /// Blocks of one log.
    Blocks {
        pieces: Arc<Vec<Vec<u8>>>,
        block: usize,
        assign: Assign,
    },
}

/// Which blocks are the canary's.
#[derive(Clone, Copy)]
enum Assign {
    Alternate,
    Random { canary: f64, seed: u64 },
}

struct Outcome {
    once: Decision,
    enough: bool,
    why_once: String,
    /// The first look that aborted, and why.
    ever: Option<(u32, String)>,
}

/// Makes and judges all splits.
///
/// # Errors
/// When a recorded log cannot be read.
pub fn run(options: &Options<'_>) -> Result<Report> {
    let mut splits = simulated(options.seeds);
    if let Some(shared) = options.shared {
        for log in recorded(shared)? {
            of_file(&log, &mut splits);
        }
    }
    if let Some(only) = options.only {
        splits.retain(|split| format!("{} {}", split.source, split.how).contains(only));
    }
    let outcomes = many::map("A/A splits", &splits, |split| split.judge(options));
    Ok(report(&splits, &outcomes, options.looks))
}

fn report(splits: &[Split], outcomes: &[Outcome], looks: u32) -> Report {
    let mut totals = Totals::default();
    let mut by_source: BTreeMap<&str, Totals> = BTreeMap::new();
    let (mut notes, mut unpromoted) = (Vec::new(), Vec::new());
    for (split, outcome) in splits.iter().zip(outcomes) {
        totals.add(outcome);
        by_source.entry(&split.source).or_default().add(outcome);
        let name = format!("{}, {}", split.source, split.how);
        if outcome.once == Decision::Abort {
            notes.push(format!("aborted {name}: {}", outcome.why_once));
        } else if let Some((look, why)) = &outcome.ever {
            notes.push(format!("aborted at look {look} {name}: {why}"));
        } else if outcome.enough && outcome.once != Decision::Promote {
            unpromoted.push(format!("not promoted {name}: {}", outcome.why_once));
        }
    }
    notes.extend(unpromoted);
    let more = notes.len().saturating_sub(MAX_LISTED);
    notes.truncate(MAX_LISTED);
    if more > 0 {
        notes.push(format!("and {more} more"));
    }
    let ever = format!("aborted at any of {looks}");
    let head = [
        "A/A splits of",
        "n",
        "aborted at 1 look",
        &ever,
        "promoted",
        "inconclusive",
        "enough exposure",
        "of those promoted",
    ];
    let mut table = Table::new("False alarms", &head);
    for (source, totals) in &by_source {
        table.row(totals.row(source));
    }
    table.row(totals.row("all"));
    Report {
        totals,
        table,
        notes,
    }
}

fn simulated(seeds: u64) -> Vec<Split> {
    let mut splits = Vec::new();
    for kind in Kind::ALL {
        for seed in 0..seeds {
            for share in SHARES {
                splits.push(Split {
                    source: format!("{} rollouts", kind.name()),
                    how: format!("canary at {}, seed {seed}", share.name()),
                    what: What::Rollout(rollout(kind, share, seed)),
                });
            }
            let mut pods = rollout(kind, Share::Fixed(0.0), seed);
            pods.stable_pods = 4;
            pods.canary_pods = 0;
            splits.push(Split {
                source: format!("{} pods", kind.name()),
                how: format!("seed {seed}"),
                what: What::Pods(pods),
            });
            let mut random = Random::named("units", seed);
            let log = one_log(kind, 500 + random.below(3_500) as u32, seed);
            let pieces = log
                .into_iter()
                .map(|(_, text)| format!("{text}\n").into_bytes());
            let pieces = Arc::new(pieces.collect::<Vec<_>>());
            for block in BLOCKS {
                let canary = *random.pick(&[0.1, 0.3, 0.5]);
                splits.push(Split {
                    source: format!("{} blocks", kind.name()),
                    how: format!("of {block} events, {canary} the canary's, seed {seed}"),
                    what: What::Blocks {
                        pieces: Arc::clone(&pieces),
                        block,
                        assign: Assign::Random { canary, seed },
                    },
                });
            }
        }
    }
    splits
}

/// A rollout of a version beside itself, of random size.
pub(crate) fn rollout(kind: Kind, share: Share, seed: u64) -> Rollout {
    let mut random = Random::named("size", seed);
    let span_s = 120 + random.below(480) as u32;
    // Enough for a promotion at 5 %, few enough to be judged in a moment.
    let units = random.between(3_000.0, 12_000.0);
    Rollout {
        kind,
        stable: Version::default(),
        canary: Version::default(),
        per_second: units / f64::from(span_s),
        span_s,
        share,
        stable_pods: 2 + random.below(4) as u32,
        canary_pods: 1 + random.below(2) as u32,
        seed,
    }
}

/// A recorded log of a healthy process.
struct Recorded {
    source: String,
    name: String,
    bytes: Vec<u8>,
}

/// Every recorded log of a healthy process, by name.
fn recorded(shared: &Path) -> Result<Vec<Recorded>> {
    let mut logs = Vec::new();
    let folder = shared.join("loghub-2k");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    names.sort();
    for path in names {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        logs.push(Recorded {
            source: format!("recorded {name}"),
            name: "whole".to_owned(),
            bytes: pairs::read(&path)?,
        });
    }
    for pair in pairs::find(&shared.join("pairs"))? {
        if pair.label == pairs::Label::Healthy {
            // `halves-mac`, `openstack-benign`: what a number follows is one
            // source.
            let parts = pair.id.split('-');
            let parts: Vec<&str> = parts
                .take_while(|part| !part.starts_with(|c: char| c.is_ascii_digit()))
                .collect();
            for (arm, path) in [("stable", &pair.stable), ("canary", &pair.canary)] {
                logs.push(Recorded {
                    source: format!("recorded {}", parts.join("-")),
                    name: format!("{} {arm}", pair.id),
                    bytes: pairs::read(path)?,
                });
            }
        }
    }
    Ok(logs)
}

fn of_file(log: &Recorded, splits: &mut Vec<Split>) {
    let pieces: Arc<Vec<Vec<u8>>> = Arc::new(
        log.bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect(),
    );
    for block in BLOCKS {
        let mut push = |how: String, assign| {
            splits.push(Split {
                source: log.source.clone(),
                how: format!("{}, blocks of {block} lines, {how}", log.name),
                what: What::Blocks {
                    pieces: Arc::clone(&pieces),
                    block,
                    assign,
                },
            });
        };
        push("alternate".to_owned(), Assign::Alternate);
        for seed in 0..SEEDS_OF_FILES {
            let assign = Assign::Random { canary: 0.5, seed };
            push(format!("random, seed {seed}"), assign);
        }
    }
}

impl Split {
    fn judge(&self, options: &Options<'_>) -> Outcome {
        match &self.what {
            What::Rollout(rollout) => watched(&Watched::new(rollout.simulate()), options),
            What::Pods(rollout) => {
                let mut simulated = rollout.simulate();
                for pod in simulated
                    .pods
                    .iter_mut()
                    .take(1 + (rollout.seed % 2) as usize)
                {
                    pod.canary = true;
                }
                watched(&Watched::new(simulated), options)
            }
            What::Blocks {
                pieces,
                block,
                assign,
            } => blocks(pieces, *block, *assign, options),
        }
    }
}

fn watched(watched: &Watched, options: &Options<'_>) -> Outcome {
    let mut once = None;
    watched.looks(1, options.policy, |_, judgement| {
        once = Some(of_one_look(judgement));
        true
    });
    let mut outcome = once.unwrap_or_else(no_look);
    watched.looks(options.looks, options.policy, |look, judgement| {
        if judgement.decision == Decision::Abort {
            outcome.ever = Some((look, why(judgement)));
        }
        outcome.ever.is_some()
    });
    outcome
}

fn blocks(pieces: &[Vec<u8>], block: usize, assign: Assign, options: &Options<'_>) -> Outcome {
    let mut random = match assign {
        Assign::Alternate => Random::new(0),
        Assign::Random { seed, .. } => Random::named("blocks", seed ^ (block as u64) << 32),
    };
    let canary: Vec<bool> = (0..pieces.len().div_ceil(block))
        .map(|index| match assign {
            Assign::Alternate => index % 2 == 1,
            Assign::Random { canary, .. } => random.chance(canary),
        })
        .collect();
    let judge = |count: usize| {
        let (mut stable_log, mut canary_log) = (Vec::new(), Vec::new());
        for (index, piece) in pieces[..count].iter().enumerate() {
            if canary[index / block] {
                canary_log.extend_from_slice(piece);
            } else {
                stable_log.extend_from_slice(piece);
            }
        }
        judge_files(&stable_log, &canary_log, options.policy)
    };
    let mut outcome = of_one_look(&judge(pieces.len()));
    let looks = options.looks as usize;
    for look in 1..=looks {
        let judgement = judge(pieces.len() * look / looks);
        if judgement.decision == Decision::Abort {
            outcome.ever = Some((look as u32, why(&judgement)));
            break;
        }
    }
    outcome
}

fn of_one_look(judgement: &Judgement) -> Outcome {
    Outcome {
        once: judgement.decision,
        enough: enough(judgement),
        why_once: why(judgement),
        ever: None,
    }
}

fn no_look() -> Outcome {
    Outcome {
        once: Decision::Inconclusive,
        enough: false,
        why_once: "no look".to_owned(),
        ever: None,
    }
}

/// Judges the healthy changes that releases bring, at 5, 10 and 50 % of the
/// traffic; none may ever abort.
///
/// Gives the table, how many aborted, and what they aborted for. Errors while
/// a pod starts are in the table, but not in the count: a person may well want
/// to hear of them.
#[must_use]
pub fn healthy_changes(options: &Options<'_>) -> (Table, usize, Vec<String>) {
    let shares = [0.05, 0.1, 0.5];
    let mut runs = Vec::new();
    for (name, version) in Version::healthy_changes() {
        for share in shares {
            for kind in Kind::ALL {
                for seed in 0..options.seeds.div_ceil(3) {
                    let mut rollout = rollout(kind, Share::Fixed(share), 1_000 + seed);
                    rollout.canary = version.clone();
                    runs.push((name, share, rollout));
                }
            }
        }
    }
    if let Some(only) = options.only {
        runs.retain(|(name, _, rollout)| {
            format!("change: {name}, {}", rollout.kind.name()).contains(only)
        });
    }
    let outcomes = many::map("healthy changes", &runs, |(_, _, rollout)| {
        watched(&Watched::new(rollout.simulate()), options)
    });
    let head = [
        "healthy change",
        "traffic",
        "n",
        "aborted ever",
        "promoted",
        "inconclusive",
    ];
    let mut table = Table::new("Healthy changes", &head);
    let (mut aborted, mut notes) = (0, Vec::new());
    for (name, _) in Version::healthy_changes() {
        for share in shares {
            let of: Vec<_> = runs
                .iter()
                .zip(&outcomes)
                .filter(|((run, at, _), _)| *run == name && (*at - share).abs() < 1e-9)
                .collect();
            let count = |test: &dyn Fn(&Outcome) -> bool| {
                of.iter().filter(|(_, outcome)| test(outcome)).count()
            };
            let ever = count(&|outcome| outcome.ever.is_some());
            let promoted =
                count(&|outcome| outcome.ever.is_none() && outcome.once == Decision::Promote);
            if name != Version::STARTING_WITH_ERRORS {
                aborted += ever;
            }
            notes.extend(of.iter().filter_map(|((_, _, rollout), outcome)| {
                let (look, why) = outcome.ever.as_ref()?;
                let kind = rollout.kind.name();
                Some(format!(
                    "aborted at look {look}, change: {name}, {kind} at {share}, seed {}: {why}",
                    rollout.seed
                ))
            }));
            table.row([
                name.to_owned(),
                format!("{:.0} %", share * 100.0),
                of.len().to_string(),
                ever.to_string(),
                promoted.to_string(),
                (of.len() - ever - promoted).to_string(),
            ]);
        }
    }
    notes.truncate(MAX_LISTED);
    (table, aborted, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options<'a>(only: &'a str, policy: &'a Policy) -> Options<'a> {
        Options {
            shared: None,
            looks: 2,
            seeds: 1,
            only: Some(only),
            policy,
        }
    }

    #[test]
    fn what_aborts_is_counted_and_listed() {
        let policy = Policy::default();
        let healthy = run(&options("worker pods", &policy)).unwrap();
        assert_eq!((healthy.totals.n, healthy.totals.aborted_ever), (1, 0));
        let (_, aborted, _) = healthy_changes(&options("change: none, worker", &policy));
        assert_eq!(aborted, 0);

        let mut broken = rollout(Kind::Worker, Share::Fixed(0.5), 3);
        broken.canary.panics_after_ms = Some(1_000);
        let split = Split {
            source: "broken".to_owned(),
            how: "at once".to_owned(),
            what: What::Rollout(broken),
        };
        let outcome = split.judge(&options("", &policy));
        let report = report(&[split], &[outcome], 2);
        assert_eq!(
            (report.totals.aborted_once, report.totals.aborted_ever),
            (1, 1)
        );
        assert!(
            report.notes[0].starts_with("aborted broken"),
            "{:?}",
            report.notes
        );
    }

    #[test]
    fn alternate_blocks_give_both_arms_half() {
        let pieces = vec![b"GET /shop HTTP/1.1 200\n".to_vec(); 800];
        let policy = Policy::default();
        let judged = blocks(&pieces, 20, Assign::Alternate, &options("", &policy));
        assert!(judged.enough && judged.ever.is_none());
        assert!(
            judged.why_once.contains("400 against 400"),
            "{}",
            judged.why_once
        );
    }
}
