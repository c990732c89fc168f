//! What was typed and what the environment says, as typed configuration.
//!
//! The only place that reads either.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::{Parser, Subcommand, ValueEnum};

use crate::mend::Failure;

mod demo;
mod replay;
mod report;

pub use demo::{DemoConfig, DemoMode};
pub use replay::{ModelsArgs, ReplayConfig, ReplayFormat};
pub use report::{ReportConfig, ReportFormat};

/// Most logs of one arm: more pods do not make a verdict surer, and each is a
/// file to read.
const MAX_LOGS: usize = 1_000;

/// What stands for standard input or standard output where a file is named.
const STANDARD: &str = "-";

/// What `--version` says: the version, and the commit that a release was built
/// from. A build by hand does not name one: it would link everything again at
/// each commit.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("CANARY_JUDGE_COMMIT").unwrap_or("unknown");
    format!("{} (commit {commit})", env!("CARGO_PKG_VERSION"))
});

/// Judge a canary from the command line.
#[derive(Debug, Parser)]
#[command(name = "canary-judge", version = VERSION.as_str(), about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: TypedCommand,
}

#[derive(Debug, Subcommand)]
enum TypedCommand {
    Analyze(AnalyzeArgs),
    Demo(demo::DemoArgs),
    Replay(replay::ReplayArgs),
    Report(report::ReportArgs),
    Eval(EvalArgs),
    Templates(TemplatesArgs),
    ExplainPolicy(ExplainPolicyArgs),
}

/// Compare the logs of two versions and say promote, abort or inconclusive.
///
/// Logs are read as they are: plain or gzip, with or without the timestamps of
/// `kubectl logs --timestamps`, of any framework. Nothing leaves this machine,
/// and secrets in log lines are not shown.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "canary-judge analyze --stable FILE... --canary FILE... [OPTIONS]",
    after_help = "\
Exit code: 0 promote, 1 abort, 3 inconclusive, 2 error.

Examples:
  canary-judge analyze --stable stable.log --canary canary.log
  canary-judge analyze --stable logs/stable-*.log.gz --canary logs/canary-*.log.gz
  kubectl logs -l role=canary --tail=-1 --timestamps |
      canary-judge analyze --stable stable.log --canary -
  canary-judge analyze --stable stable.log --canary canary.log \\
      --format html --out verdict.html
  kubectl get pods -l role=canary -o json > canary-pods.json
  canary-judge analyze --stable stable.log --canary canary.log \\
      --canary-pods canary-pods.json --format json | jq .message
  canary-judge analyze --stable stable.log --canary canary.log \\
      --bundle verdict.bundle.json.gz"
)]
struct AnalyzeArgs {
    /// Logs of the version that serves now; `-` reads standard input
    #[arg(long, num_args = 1.., value_name = "FILE")]
    stable: Vec<PathBuf>,
    /// Logs of the version being tried; `-` reads standard input
    #[arg(long, num_args = 1.., value_name = "FILE")]
    canary: Vec<PathBuf>,
    /// Stable's pods, from `kubectl get pods … -o json`
    #[arg(long, value_name = "FILE")]
    stable_pods: Option<PathBuf>,
    /// The canary's pods, in the same form: a crash loop aborts at once
    #[arg(long, value_name = "FILE")]
    canary_pods: Option<PathBuf>,
    /// Events, from `kubectl get events -o json`; those about these pods count
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
    /// How the verdict is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where to; `-` is standard output. With a file, the reason in one line
    /// still goes to standard output
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: PathBuf,
    /// Also write the verdict with all that it was made from, redacted, as a
    /// bundle that `replay` decides again; gzip if the name ends in .gz
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Whether to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
}

/// Judge many pairs of logs and count how often the verdict is right.
///
/// Each pair is a folder of its own: FOLDER/ID/stable.log and canary.log,
/// plain or gzip (`.log.gz`), and label.json where the truth is known:
/// {"promote": true}, or {"promote": false, "evidence_in_log": "strong"}
/// (or weak, pod-state, none).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 all pairs are judged, rightly or wrongly, 2 error.

Examples:
  canary-judge eval pairs
  canary-judge eval pairs --out verdicts.jsonl
  canary-judge eval pairs --out - | jq -r 'select(.verdict == \"abort\").id'")]
struct EvalArgs {
    /// The folder of pairs
    folder: PathBuf,
    /// Write {"id", "verdict", "confidence"} here, a line a pair in the order
    /// of their ids; `-` is standard output, and the table then goes to
    /// standard error
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// Show the templates of logs: what their events have in common.
///
/// Variable parts, and what is redacted, are written <*>. Logs are read as one
/// stream, in the order given, plain or gzip.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Formats:
  text  a table, the most frequent template first, with its level and a sample
  tsv   a line an event, in their order: group, TAB, template
  json  one object: {\"events\", \"templates\": [{\"group\", \"template\", \"level\", \"count\", \"sample\"}]}

Exit code: 0 done, 2 error.

Examples:
  canary-judge templates app.log
  kubectl logs POD | canary-judge templates - --format json | jq '.templates[].template'
  canary-judge templates messages.txt --one-event-per-line --format tsv")]
struct TemplatesArgs {
    /// Logs; `-` reads standard input
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    logs: Vec<PathBuf>,
    /// How they are written; by default text on a terminal, else tsv
    #[arg(long, value_enum)]
    format: Option<TemplatesFormat>,
    /// Take each line as an event as it stands: no timestamp or framing is
    /// taken off, and stack traces are not joined with the line before them
    #[arg(long)]
    one_event_per_line: bool,
}

/// Show every threshold in force: its default, its range, what it means and
/// whether a policy file sets it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Formats:
  text  a list for people
  toml  a policy file to start from, every default as a comment
  json  one object: {\"thresholds\": [{\"name\", \"value\", \"default\", \"min\", \"max\", \"unit\", \"meaning\", \"from\"}],
        \"ignore\": [{\"what\", \"pattern\", \"reason\", \"until\", \"expired\"}]}

Exit code: 0 done, 2 the policy file has mistakes.

Examples:
  canary-judge explain-policy
  canary-judge explain-policy --policy policy.toml
  canary-judge explain-policy --format toml > policy.toml")]
struct ExplainPolicyArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// How it is written
    #[arg(long, value_enum, default_value_t = PolicyFormat::Text)]
    format: PolicyFormat,
}

/// How a policy is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyFormat {
    /// A list for people.
    Text,
    /// A policy file.
    Toml,
    /// One JSON object.
    Json,
}

#[derive(Debug, clap::Args)]
struct PolicyArgs {
    /// Thresholds, and what to ignore, as TOML; `explain-policy` shows them
    // Not a path to clap: an empty variable is as good as none.
    #[arg(
        long = "policy",
        env = "CANARY_JUDGE_POLICY",
        value_name = "FILE",
        value_parser = clap::value_parser!(OsString)
    )]
    file: Option<OsString>,
}

impl PolicyArgs {
    fn path(self) -> Option<PathBuf> {
        self.file.filter(|file| !file.is_empty()).map(PathBuf::from)
    }
}

/// How templates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TemplatesFormat {
    /// A table for people.
    Text,
    /// A line an event.
    Tsv,
    /// One JSON object.
    Json,
}

/// How a verdict is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A page for people.
    Text,
    /// One JSON object.
    Json,
    /// One self-contained page for a browser.
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Judge files.
    Analyze(AnalyzeConfig),
    /// Show a whole rollout.
    Demo(DemoConfig),
    /// Decide bundles again.
    Replay(ReplayConfig),
    /// Count how often verdicts were right.
    Report(ReportConfig),
    /// Judge labelled pairs of files.
    Eval(EvalConfig),
    /// Show what the lines of logs have in common.
    Templates(TemplatesConfig),
    /// Show the thresholds in force.
    ExplainPolicy(ExplainPolicyConfig),
}

/// What to judge, and how to say it.
#[derive(Debug)]
pub struct AnalyzeConfig {
    /// The version that serves now.
    pub stable: ArmFiles,
    /// The version being tried.
    pub canary: ArmFiles,
    /// Events of either.
    pub events: Option<PathBuf>,
    /// The policy file, if there is one.
    pub policy: Option<PathBuf>,
    /// How the verdict is written.
    pub format: Format,
    /// Where to.
    pub out: Output,
    /// Where its bundle goes, if anywhere.
    pub bundle: Option<PathBuf>,
    /// Whether the verdict is written in colours.
    pub color: bool,
    /// Whether somebody watches who wants to know that work goes on.
    pub progress: bool,
}

/// What to evaluate.
#[derive(Debug)]
pub struct EvalConfig {
    /// The folder of pairs.
    pub folder: PathBuf,
    /// Where the verdicts go, if anywhere.
    pub out: Option<Output>,
    /// The policy file, if there is one.
    pub policy: Option<PathBuf>,
    /// Whether somebody watches who wants to know that work goes on.
    pub progress: bool,
}

/// What to mine.
#[derive(Debug)]
pub struct TemplatesConfig {
    /// The logs, read one after the other.
    pub logs: Vec<Input>,
    /// How the templates are written.
    pub format: TemplatesFormat,
    /// Whether each line is an event as it stands.
    pub one_event_per_line: bool,
    /// Whether somebody watches who wants to know that work goes on.
    pub progress: bool,
}

/// What to explain.
#[derive(Debug)]
pub struct ExplainPolicyConfig {
    /// The policy file, if there is one.
    pub policy: Option<PathBuf>,
    /// How it is written.
    pub format: PolicyFormat,
}

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file, which is replaced.
    File(PathBuf),
}

impl Output {
    fn of(path: PathBuf) -> Self {
        if path == Path::new(STANDARD) {
            Self::Stdout
        } else {
            Self::File(path)
        }
    }
}

/// What was given of one version.
#[derive(Debug)]
pub struct ArmFiles {
    /// Its logs.
    pub logs: Vec<Input>,
    /// Its pods.
    pub pods: Option<PathBuf>,
}

/// Where one log comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// What the process stands in.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    no_color: bool,
}

/// Reads the command line and the environment; ends the process where clap
/// has said all there is to say (`--help`, an unknown flag).
///
/// # Errors
/// What was typed makes no sense.
pub fn parse() -> Result<Command, Failure> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let surroundings = Surroundings {
        stdin_is_terminal: std::io::stdin().is_terminal(),
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
        no_color: set("NO_COLOR"),
    };
    resolve(Args::parse(), surroundings)
}

fn resolve(args: Args, surroundings: Surroundings) -> Result<Command, Failure> {
    match args.command {
        TypedCommand::Analyze(args) => args.resolve(surroundings).map(Command::Analyze),
        TypedCommand::Demo(args) => args.resolve(surroundings).map(Command::Demo),
        TypedCommand::Replay(args) => Ok(Command::Replay(args.resolve(surroundings))),
        TypedCommand::Report(args) => args.resolve(surroundings).map(Command::Report),
        TypedCommand::Eval(args) => Ok(Command::Eval(EvalConfig {
            folder: args.folder,
            out: args.out.map(Output::of),
            policy: args.policy.path(),
            progress: surroundings.stderr_is_terminal,
        })),
        TypedCommand::Templates(args) => args.resolve(surroundings).map(Command::Templates),
        TypedCommand::ExplainPolicy(args) => Ok(Command::ExplainPolicy(ExplainPolicyConfig {
            policy: args.policy.path(),
            format: args.format,
        })),
    }
}

impl AnalyzeArgs {
    fn resolve(self, surroundings: Surroundings) -> Result<AnalyzeConfig, Failure> {
        let stable = arm("stable", self.stable, self.stable_pods)?;
        let canary = arm("canary", self.canary, self.canary_pods)?;
        one_stdin(
            stable.logs.iter().chain(&canary.logs),
            surroundings,
            "kubectl logs POD | canary-judge analyze --stable FILE --canary -",
        )?;
        if self.events.is_some() && stable.pods.is_none() && canary.pods.is_none() {
            return Err(Failure::new(
                "--events without pods: events belong to a version by the pods they are about",
                "add --canary-pods FILE and --stable-pods FILE from `kubectl get pods -o json`",
            ));
        }
        let out = Output::of(self.out);
        Ok(AnalyzeConfig {
            stable,
            canary,
            events: self.events,
            policy: self.policy.path(),
            format: self.format,
            bundle: self.bundle,
            color: match self.color {
                When::Always => true,
                When::Never => false,
                When::Auto => {
                    surroundings.stdout_is_terminal
                        && !surroundings.no_color
                        && out == Output::Stdout
                }
            },
            out,
            progress: surroundings.stderr_is_terminal,
        })
    }
}

impl TemplatesArgs {
    fn resolve(self, surroundings: Surroundings) -> Result<TemplatesConfig, Failure> {
        if self.logs.len() > MAX_LOGS {
            return Err(Failure::new(
                format!("{} logs are named, more than {MAX_LOGS}", self.logs.len()),
                "concatenate them: `cat FILE... | canary-judge templates -`",
            ));
        }
        let logs = inputs(self.logs);
        one_stdin(
            logs.iter(),
            surroundings,
            "kubectl logs POD | canary-judge templates -",
        )?;
        let by_default = if surroundings.stdout_is_terminal {
            TemplatesFormat::Text
        } else {
            TemplatesFormat::Tsv
        };
        Ok(TemplatesConfig {
            logs,
            format: self.format.unwrap_or(by_default),
            one_event_per_line: self.one_event_per_line,
            progress: surroundings.stderr_is_terminal,
        })
    }
}

/// Refuses standard input where it cannot be read: twice, or a terminal.
fn one_stdin<'a>(
    inputs: impl Iterator<Item = &'a Input>,
    surroundings: Surroundings,
    example: &str,
) -> Result<(), Failure> {
    match inputs.filter(|input| **input == Input::Stdin).count() {
        0 => Ok(()),
        1 if surroundings.stdin_is_terminal => Err(Failure::new(
            "`-` reads standard input, which is this terminal",
            format!("pipe a log into it: `{example}`"),
        )),
        1 => Ok(()),
        _ => Err(Failure::new(
            "`-` is given more than once, and there is one standard input",
            "save all logs but one to files: `kubectl logs POD --timestamps > FILE`",
        )),
    }
}

fn inputs(paths: Vec<PathBuf>) -> Vec<Input> {
    paths
        .into_iter()
        .map(|path| match path {
            path if path == Path::new(STANDARD) => Input::Stdin,
            path => Input::File(path),
        })
        .collect()
}

fn arm(name: &str, logs: Vec<PathBuf>, pods: Option<PathBuf>) -> Result<ArmFiles, Failure> {
    if logs.is_empty() && pods.is_none() {
        return Err(Failure::new(
            format!("nothing is given of the {name} version"),
            format!("add --{name} FILE, saved by `kubectl logs POD --timestamps > FILE`"),
        ));
    }
    if logs.len() > MAX_LOGS {
        return Err(Failure::new(
            format!("--{name} names {} files, more than {MAX_LOGS}", logs.len()),
            "name the logs of some of the pods",
        ));
    }
    Ok(ArmFiles {
        logs: inputs(logs),
        pods,
    })
}

#[cfg(test)]
mod tests;
