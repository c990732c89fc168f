//! Measures what is claimed of rollouts-demo, beside its targets: requests a
//! second against a bare route of axum, memory, size, and what its page costs
//! a browser. `make figures` calls it; the last run stands in
//! `docs/figures.md`.

mod bare;
mod browser;
mod client;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

/// Rounds of each server, in turn: what else the machine does meets both.
const ROUNDS: usize = 9;
/// How long a round takes.
const ROUND: Duration = Duration::from_millis(1_500);

/// Measures the figures of rollouts-demo, prints them beside their targets,
/// and exits with 1 on a miss.
#[derive(Debug, Parser)]
struct Args {
    /// The static binary
    #[arg(long, default_value = "dist/rollouts-demo")]
    program: PathBuf,
    /// A Python with Playwright: `scripts/setup playwright` prints one
    #[arg(long, env = "CANARY_JUDGE_PLAYWRIGHT")]
    playwright: PathBuf,
    #[command(subcommand)]
    rival: Option<Rival>,
}

#[derive(Debug, Subcommand)]
enum Rival {
    /// Be the bare route that is compared with
    Bare,
}

/// A line of the table.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) target: Option<(Bound, f64)>,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) rival: Option<f64>,
}

/// Which side of its target a figure may be on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Most,
    Least,
}

impl Figure {
    fn holds(&self) -> bool {
        match self.target {
            Some((Bound::Most, target)) => self.ours <= target,
            Some((Bound::Least, target)) => self.ours >= target,
            None => true,
        }
    }

    fn line(&self) -> String {
        let unit = self.unit;
        let target = match self.target {
            Some((Bound::Most, target)) => format!("≤ {target:.2} {unit}"),
            Some((Bound::Least, target)) => format!("≥ {target:.2} {unit}"),
            None => "-".to_owned(),
        };
        let ours = format!("{:.2} {unit}", self.ours);
        let rival = self
            .rival
            .map_or("-".to_owned(), |rival| format!("{rival:.2} {unit}"));
        let ok = if self.holds() { "yes" } else { "NO" };
        format!(
            "{:<64} | {target:>12} | {ours:>12} | {rival:>12} | {ok}",
            self.name
        )
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.rival.is_some() {
        bare::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.program.is_file() {
        bail!(
            "there is no program at {}: run `make build`, or name one with --program",
            args.program.display()
        );
    }
    let mut figures = vec![size(&args.program)?];
    figures.extend(speed(&args)?);
    figures.extend(browser::figures(&args.playwright, &args.program)?);
    let mut out = std::io::stdout().lock();
    let head = ["figure", "target", "ours", "rival"];
    writeln!(
        out,
        "{:<64} | {:>12} | {:>12} | {:>12} | ok",
        head[0], head[1], head[2], head[3]
    )?;
    for figure in &figures {
        writeln!(out, "{}", figure.line())?;
    }
    writeln!(
        out,
        "rival: a route of axum that answers the same and does nothing else, same run"
    )?;
    Ok(if figures.iter().all(Figure::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn size(program: &Path) -> anyhow::Result<Figure> {
    let bytes = std::fs::metadata(program)?.len();
    Ok(Figure {
        name: "rollouts-demo: static binary, all that its image holds".to_owned(),
        target: Some((Bound::Most, 6.0)),
        unit: "MiB",
        ours: bytes as f64 / 1_048_576.0,
        rival: None,
    })
}

/// A server in a process of its own, with a reader of its log as a container
/// runtime is.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it; the first line that names an address is where it listens.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a server")?;
        let mut log = BufReader::new(child.stdout.take().context("its log")?);
        let mut line = String::new();
        while !line.contains("Started server on ") {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                bail!("the server did not start");
            }
        }
        let (_, address) = line.trim().rsplit_once(' ').context("an address")?;
        let address = address.parse()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while log.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        Ok(Self { child, address })
    }

    /// rollouts-demo, on a free port.
    pub(crate) fn ours(program: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen-addr", "127.0.0.1:0"])
            .env_clear();
        Self::start(command)
    }

    /// A line of `/proc/PID/status`, in MiB.
    fn memory(&self, name: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib: f64 = line
            .and_then(|line| line.trim_start_matches(':').trim().strip_suffix("kB"))
            .and_then(|kib| kib.trim().parse().ok())
            .with_context(|| format!("{name} of the process"))?;
        Ok(kib / 1_024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has usually ended with its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn speed(args: &Args) -> anyhow::Result<Vec<Figure>> {
    let ours = Server::ours(&args.program)?;
    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg("--playwright").arg(&args.playwright).arg("bare");
    let bare = Server::start(bare)?;
    let idle = ours.memory("VmRSS")?;
    let (mut mine, mut rivals) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let rates = [
            client::rate(ours.address, ROUND)?,
            client::rate(bare.address, ROUND)?,
        ];
        // The first is for both to warm up.
        if round > 0 {
            mine.push(rates[0]);
            rivals.push(rates[1]);
        }
    }
    let (mine, rivals) = (median(&mut mine), median(&mut rivals));
    Ok(vec![
        Figure {
            name: format!("rollouts-demo: requests a second, median of {ROUNDS} rounds"),
            target: None,
            unit: "/s",
            ours: mine,
            rival: Some(rivals),
        },
        Figure {
            name: "rollouts-demo: of those of a bare route of axum, logs written".to_owned(),
            target: Some((Bound::Least, 80.0)),
            unit: "%",
            ours: 100.0 * mine / rivals,
            rival: None,
        },
        Figure {
            name: "rollouts-demo: resident when idle (VmRSS)".to_owned(),
            target: Some((Bound::Most, 8.0)),
            unit: "MiB",
            ours: idle,
            rival: None,
        },
        Figure {
            name: "rollouts-demo: most resident under that load (VmHWM)".to_owned(),
            target: Some((Bound::Most, 8.0)),
            unit: "MiB",
            ours: ours.memory("VmHWM")?,
            rival: Some(bare.memory("VmHWM")?),
        },
    ])
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
