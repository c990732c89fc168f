//! `bench`: prints what is measured; tables to stdout, progress to stderr.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use bench::{accuracy, engine, memory, pairs, power, splits};
use clap::{Args, Parser, Subcommand};
use judge::Policy;

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
    /// What `memory` starts.
    #[command(hide = true)]
    MemoryChild {
        /// Which stream.
        stream: String,
        /// How much of it.
        bytes: u64,
    },
}

#[derive(Debug, Args)]
struct Splits {
    /// Folder with recorded logs: `loghub-2k` and `pairs` in it.
    #[arg(long, value_name = "FOLDER")]
    shared: Option<PathBuf>,
    /// Looks at each split, beside the one at everything.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    looks: u32,
    /// Seeds of each kind of simulated split.
    #[arg(long, default_value_t = 15)]
    seeds: u64,
    /// Only splits whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Debug, Args)]
struct Power {
    /// Runs of each fault that has a target.
    #[arg(long, default_value_t = 200)]
    runs: u64,
    /// Runs of each point of the curve and of each other fault.
    #[arg(long, default_value_t = 40)]
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
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    match cli.command {
        Command::Splits(args) => run_splits(&args, &mut out)?,
        Command::Power(args) => run_power(&args, &mut out)?,
        Command::Engine(args) => run_engine(&args, &mut out)?,
        Command::Accuracy(args) => {
            let accuracy = accuracy::measure(&args.shared.join("loghub-2k"))?;
            writeln!(out, "{}", accuracy::table(&accuracy))?;
        }
        Command::Pairs(args) => {
            let score = pairs::judge_all(&args.shared.join("pairs"), &Policy::default())?;
            let (table, notes) = pairs::table(&score);
            writeln!(out, "{table}")?;
            for note in &notes {
                writeln!(out, "- {note}")?;
            }
        }
        Command::Memory => {
            let say = |text: &str| {
                // Nobody may be listening; the work goes on.
                let _ = writeln!(io::stderr(), "{text}");
            };
            writeln!(out, "{}", memory::table(&memory::measure(say)?))?;
        }
        Command::MemoryChild { stream, bytes } => {
            let (risen, templates) = memory::child(&stream, bytes)?;
            writeln!(out, "{risen} {templates}")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn run_splits(args: &Splits, out: &mut impl Write) -> Result<()> {
    let policy = Policy::default();
    let options = splits::Options {
        shared: args.shared.as_deref(),
        looks: args.looks,
        seeds: args.seeds,
        only: args.only.as_deref(),
        policy: &policy,
    };
    let report = splits::run(&options)?;
    writeln!(out, "{}", report.table)?;
    for note in &report.notes {
        writeln!(out, "- {note}")?;
    }
    let (table, _, notes) = splits::healthy_changes(&options);
    writeln!(out, "\n{table}")?;
    for note in &notes {
        writeln!(out, "- {note}")?;
    }
    Ok(())
}

fn run_power(args: &Power, out: &mut impl Write) -> Result<()> {
    let policy = Policy::default();
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| name.contains(only));
    let mut targets = power::targets();
    targets.retain(|target| wanted(&target.scenario.name));
    let scenarios: Vec<_> = targets.into_iter().map(|target| target.scenario).collect();
    let powers = power::measure("faults with a target", &scenarios, args.runs, &policy);
    let title = "Faults with a target, 80 requests/s in all: aborted by look";
    writeln!(out, "{}", power::table(title, &scenarios, &powers))?;
    let mut faults = power::other_faults();
    faults.retain(|scenario| wanted(&scenario.name));
    let powers = power::measure("other faults", &faults, args.curve_runs, &policy);
    let title = "Other faults, 80 requests/s in all: aborted by look";
    writeln!(out, "{}", power::table(title, &faults, &powers))?;
    if args.only.is_none() {
        for table in power::curve(args.curve_runs, &policy) {
            writeln!(out, "{table}")?;
        }
    }
    Ok(())
}

fn run_engine(args: &Engine, out: &mut impl Write) -> Result<()> {
    let given = args.corpus.as_deref().map(pairs::read).transpose()?;
    let corpora = engine::corpora(given);
    let measured: Vec<_> = corpora
        .iter()
        .map(|corpus| {
            let speeds = engine::measure(corpus, args.repetitions);
            (corpus.name.as_str(), speeds)
        })
        .collect();
    writeln!(out, "{}", engine::table(&measured))?;
    Ok(())
}
