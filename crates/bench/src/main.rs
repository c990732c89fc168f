//! `bench`: prints what is measured; tables to stdout, progress to stderr.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bench::table::Table;
use bench::{
    accuracy, calibrate, engine, figure, figures, memory, pairs, power, report, splits, unseen,
};
use clap::{Args, Parser, Subcommand};
use judge::Policy;

/// Looks at each split.
const LOOKS: u32 = 20;
/// Seeds of each kind of simulated split: more than a thousand splits in all.
const SEEDS: u64 = 15;
/// Runs of each fault that has a target.
const RUNS: u64 = 200;
/// Runs of each point of the curve, and of each other fault.
const CURVE_RUNS: u64 = 40;
/// Sections of the document, in order.
const SECTIONS: [&str; 7] = [
    "engine", "memory", "accuracy", "pairs", "unseen", "splits", "power",
];
/// Pairs of each system and cause.
const UNSEEN_SEEDS: u64 = 1;
/// Repetitions of what is timed.
const REPETITIONS: usize = 5;

/// Measures the judge. What is simulated is the same in every run.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// False alarms: A/A splits of healthy logs, and healthy changes.
    Splits(Splits),
    /// How soon faults are caught.
    Power(Power),
    /// Speed of the whole engine beside the crate drain3, in turns.
    Engine(Engine),
    /// Memory of one profiler on long streams and floods.
    Memory,
    /// Accuracy of the templates on recorded logs.
    Accuracy(Shared),
    /// Verdicts on labelled pairs of logs.
    Pairs(Shared),
    /// Verdicts on pairs of logs of systems that the judge was not made for.
    Unseen(Unseen),
    /// Writes those pairs into a folder, as `pairs` reads them.
    UnseenPairs(UnseenPairs),
    /// Fits how often a verdict like this one is right.
    Calibrate(Calibrate),
    /// Every table, written into a document as well.
    All(All),
    /// The judge's figures beside their targets; exit 1 on a miss.
    Figures(Figures),
    /// What `memory` starts.
    #[command(hide = true)]
    MemoryChild {
        /// Which stream.
        stream: String,
        /// How much of it.
        bytes: u64,
        /// The ordinary log.
        ordinary: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Splits {
    /// Folder with recorded logs: `loghub-2k` and `pairs` in it.
    #[arg(long, value_name = "FOLDER")]
    shared: Option<PathBuf>,
    /// Looks at each split, beside the one at everything.
    #[arg(long, default_value_t = LOOKS, value_parser = clap::value_parser!(u32).range(1..=1000))]
    looks: u32,
    /// Seeds of each kind of simulated split.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// Only splits whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Do not list what aborted.
    #[arg(long)]
    brief: bool,
}

#[derive(Debug, Args)]
struct Unseen {
    /// Pairs of each system and cause.
    #[arg(long, default_value_t = UNSEEN_SEEDS)]
    seeds: u64,
    /// Only systems that are held out (true), or only the others (false).
    #[arg(long, value_name = "BOOL")]
    held_out: Option<bool>,
    /// Only pairs whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Neither tables by system nor a list of what is wrong.
    #[arg(long)]
    brief: bool,
}

#[derive(Debug, Args)]
struct UnseenPairs {
    /// Folder that they are written into.
    folder: PathBuf,
    #[command(flatten)]
    which: Unseen,
}

#[derive(Debug, Args)]
struct Calibrate {
    /// Folder with recorded logs: `pairs` in it.
    #[arg(long, value_name = "FOLDER")]
    shared: Option<PathBuf>,
    /// Simulated rollouts.
    #[arg(long, default_value_t = 2_000)]
    cases: u64,
}

#[derive(Debug, Args)]
struct All {
    /// Folder with recorded logs: `loghub-2k` and `pairs` in it.
    #[arg(long, value_name = "FOLDER")]
    shared: Option<PathBuf>,
    /// A log to measure speed on [default: a simulated one].
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Document whose sections are renewed.
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Only these sections.
    #[arg(long, value_name = "SECTION", value_delimiter = ',', value_parser = SECTIONS)]
    only: Vec<String>,
}

#[derive(Debug, Args)]
struct Figures {
    /// Folder with recorded logs: `loghub-2k` and `pairs` in it.
    #[arg(long, value_name = "FOLDER")]
    shared: Option<PathBuf>,
    /// A log to measure speed on [default: a simulated one].
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// `canary-judge`, built for release, to time.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Only these groups.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = figures::GROUPS)]
    only: Vec<String>,
}

#[derive(Debug, Args)]
struct Power {
    /// Runs of each fault that has a target.
    #[arg(long, default_value_t = RUNS)]
    runs: u64,
    /// Runs of each point of the curve and of each other fault.
    #[arg(long, default_value_t = CURVE_RUNS)]
    curve_runs: u64,
    /// Only faults whose name contains this, and no curve.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Debug, Args)]
struct Shared {
    /// Folder with recorded logs: `loghub-2k` and `pairs` in it.
    #[arg(long, value_name = "FOLDER")]
    shared: PathBuf,
}

#[derive(Debug, Args)]
struct Engine {
    /// A log to measure on [default: a simulated one].
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Repetitions; the median counts.
    #[arg(long, default_value_t = REPETITIONS)]
    repetitions: usize,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Says what is being done. Nobody may be listening; the work goes on.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether every target was met, where there are any.
fn run(command: Command) -> Result<bool> {
    let mut out = io::stdout().lock();
    let text = match command {
        Command::Splits(args) => splits_section(&args)?,
        Command::Power(args) => power_section(&args)?,
        Command::Engine(args) => engine_section(&args)?,
        Command::Accuracy(args) => accuracy_section(&args)?,
        Command::Pairs(args) => pairs_section(&args, false)?,
        Command::Unseen(args) => unseen_section(&args),
        Command::UnseenPairs(args) => {
            let cases = unseen::cases(&unseen_options(&args.which));
            unseen::write_pairs(&args.folder, &cases)?;
            format!("{} pairs\n", cases.len())
        }
        Command::Memory => memory::table(&memory::measure(say)?).to_string(),
        Command::MemoryChild {
            stream,
            bytes,
            ordinary,
        } => {
            let (risen, templates) = memory::child(&stream, bytes, &ordinary)?;
            format!("{risen} {templates}\n")
        }
        Command::Calibrate(args) => {
            calibrate::run(args.shared.as_deref(), args.cases, &Policy::default())?
        }
        Command::All(args) => return all(&args, &mut out).map(|()| true),
        Command::Figures(args) => return print_figures(&args, &mut out),
    };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(true)
}

fn with_notes(table: &Table, notes: &[String]) -> String {
    let mut text = table.to_string();
    for note in notes {
        text.push_str("\n- ");
        text.push_str(note);
    }
    text.push('\n');
    text
}

fn splits_section(args: &Splits) -> Result<String> {
    let policy = Policy::default();
    let options = splits::Options {
        shared: args.shared.as_deref(),
        looks: args.looks,
        seeds: args.seeds,
        only: args.only.as_deref(),
        policy: &policy,
    };
    let report = splits::run(&options)?;
    let (changes, _, notes) = splits::healthy_changes(&options);
    let alarms = if args.brief { &[] } else { &report.notes[..] };
    let notes = if args.brief { &[] } else { &notes[..] };
    let alarms = with_notes(&report.table, alarms);
    Ok(format!("{alarms}\n{}", with_notes(&changes, notes)))
}

fn power_section(args: &Power) -> Result<String> {
    let policy = Policy::default();
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| name.contains(only));
    let mut targets = power::targets();
    targets.retain(|target| wanted(&target.scenario.name));
    let scenarios: Vec<_> = targets.into_iter().map(|target| target.scenario).collect();
    let powers = power::measure("faults with a target", &scenarios, args.runs, &policy);
    let title = "Faults with a target, a look every ten seconds: aborted by look";
    let mut text = power::table(title, &scenarios, &powers).to_string();
    let mut faults = power::other_faults();
    faults.retain(|scenario| wanted(&scenario.name));
    let powers = power::measure("other faults", &faults, args.curve_runs, &policy);
    let title = "Other faults, 80 requests/s in all: aborted by look";
    write!(text, "\n{}", power::table(title, &faults, &powers))?;
    if args.only.is_none() {
        for table in power::curve(args.curve_runs, &policy) {
            write!(text, "\n{table}")?;
        }
    }
    Ok(text)
}

fn engine_section(args: &Engine) -> Result<String> {
    let given = args.corpus.as_deref().map(pairs::read).transpose()?;
    let corpora = engine::corpora(given);
    let measured: Vec<_> = corpora
        .iter()
        .map(|corpus| {
            let speeds = engine::measure(corpus, args.repetitions);
            (corpus.name.as_str(), speeds)
        })
        .collect();
    Ok(engine::table(&measured).to_string())
}

fn accuracy_section(args: &Shared) -> Result<String> {
    let accuracy = accuracy::measure(&args.shared.join("loghub-2k"))?;
    Ok(accuracy::table(&accuracy).to_string())
}

fn pairs_section(args: &Shared, brief: bool) -> Result<String> {
    let score = pairs::judge_all(&args.shared.join("pairs"), &Policy::default())?;
    let (table, notes) = pairs::table(&score);
    Ok(with_notes(&table, if brief { &[] } else { &notes }))
}

fn unseen_options(args: &Unseen) -> unseen::Options<'_> {
    unseen::Options {
        seeds: args.seeds,
        held_out: args.held_out,
        only: args.only.as_deref(),
    }
}

fn unseen_section(args: &Unseen) -> String {
    let report = unseen::run(&unseen_options(args), &Policy::default());
    let by_system = if args.brief {
        &[][..]
    } else {
        &report.by_system
    };
    let tables = report.tables.iter().chain(by_system);
    let tables: Vec<String> = tables.map(Table::to_string).collect();
    let mut text = tables.join("\n");
    if !args.brief {
        for note in &report.notes {
            text.push_str("\n- ");
            text.push_str(note);
        }
        text.push('\n');
    }
    text
}

/// Every section, printed and put into the document as soon as it is there.
fn all(args: &All, out: &mut impl Write) -> Result<()> {
    for name in SECTIONS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        let shared = args.shared.clone().map(|shared| Shared { shared });
        let text = match (name, shared) {
            ("engine", _) => engine_section(&Engine {
                corpus: args.corpus.clone(),
                repetitions: REPETITIONS,
            })?,
            ("memory", _) => memory::table(&memory::measure(say)?).to_string(),
            ("accuracy", Some(shared)) => accuracy_section(&shared)?,
            // The table alone: what is wrong would quote the logs.
            ("pairs", Some(shared)) => pairs_section(&shared, true)?,
            ("unseen", _) => unseen_section(&Unseen {
                seeds: UNSEEN_SEEDS,
                held_out: None,
                only: None,
                brief: true,
            }),
            ("splits", _) => splits_section(&Splits {
                shared: args.shared.clone(),
                looks: LOOKS,
                seeds: SEEDS,
                only: None,
                brief: true,
            })?,
            ("power", _) => power_section(&Power {
                runs: RUNS,
                curve_runs: CURVE_RUNS,
                only: None,
            })?,
            _ => {
                say(&format!("{name}: not measured, it needs --shared FOLDER"));
                continue;
            }
        };
        writeln!(out, "{text}")?;
        out.flush()?;
        if let Some(path) = &args.document {
            let document = String::from_utf8(pairs::read(path)?)?;
            std::fs::write(path, report::renew(&document, name, &text)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Prints the judge's figures; whether all targets were met.
fn print_figures(args: &Figures, out: &mut impl Write) -> Result<bool> {
    let subjects = figures::Subjects {
        shared: args.shared.as_deref(),
        corpus: args.corpus.as_deref(),
        program: args.program.as_deref(),
        repetitions: REPETITIONS,
        seeds: SEEDS,
        runs: RUNS,
        only: &args.only,
    };
    let figures = figures::measure(&subjects, say)?;
    let rival = "crate drain3 0.3.0 in the same run (speed); the best public Drain with one configuration (templates)";
    figure::print(out, rival, &figures)?;
    if args.shared.is_none() {
        writeln!(
            out,
            "not measured without recorded logs (--shared): templates, pairs, splits of recorded logs"
        )?;
    }
    if args.program.is_none() {
        writeln!(out, "not measured without --program: analyze")?;
    }
    Ok(figures.iter().all(figure::Figure::holds))
}
