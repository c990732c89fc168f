//! What was typed and what the environment says, as typed configuration.
//!
//! The only place that reads either.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::client::Target;
use crate::color::{Behaviour, MAX_DELAY_S, Slider};
use crate::load::LoadConfig;
use crate::serve::ServeConfig;

/// Longest that a load may be asked to run by `--duration`: a day.
const MAX_DURATION_S: f64 = 86_400.0;
/// Highest rate of `load`: twice what one core of a laptop answers is no
/// demonstration any more, and at this rate ports are used up within a minute.
const MAX_RATE: f64 = 2_000.0;
/// Most requests in flight: each holds a socket, and the usual limit of a
/// process is 1,024 files.
const MAX_IN_FLIGHT: u64 = 512;
/// Most requests of one `load`: a run that nobody stops must end.
const MAX_REQUESTS: u64 = 100_000_000;
/// Most sliders in one request.
const MAX_SLIDERS: usize = 16;

/// What `--version` says: the version, and the commit that a release was built
/// from. A build by hand does not name one: it would link everything again at
/// each commit.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("CANARY_JUDGE_COMMIT").unwrap_or("unknown");
    format!("{} (commit {commit})", env!("CARGO_PKG_VERSION"))
});

/// The application being rolled out, and its load.
#[derive(Debug, Parser)]
#[command(name = "rollouts-demo", version = VERSION.as_str(), about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: TypedCommand,
}

#[derive(Debug, Subcommand)]
enum TypedCommand {
    Serve(ServeArgs),
    Load(LoadArgs),
}

/// Serve the application: /color, /healthz, /readyz and a page at /.
///
/// Log lines go to standard output, one `200 - blue` or `500 - blue
/// (1.000000s)` for each request of /color, and what else a service says
/// between them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rollouts-demo serve
  COLOR=yellow ERROR_RATE=40 rollouts-demo serve --listen-addr :8081
  rollouts-demo serve --color bad-yellow --crash-after 2")]
struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "LISTEN_ADDR",
        default_value = ":8080",
        value_name = "[ADDRESS]:PORT"
    )]
    listen_addr: String,
    /// Colour of this version: what /color answers
    #[arg(long, env = "COLOR", default_value = "blue")]
    color: String,
    /// Share of requests that fail with 500, in percent
    #[arg(long, env = "ERROR_RATE", default_value = "0", value_name = "PERCENT")]
    error_rate: String,
    /// How long each answer is held back, in seconds
    #[arg(long, env = "LATENCY", default_value = "0", value_name = "SECONDS")]
    latency: String,
    /// Crash with exit code 1 this many seconds after the start; 0 crashes
    /// before listening
    #[arg(long, env = "CRASH_AFTER", value_name = "SECONDS")]
    crash_after: Option<String>,
    /// How long to go on accepting after SIGTERM, while the pod's address is
    /// still being taken out of its service; a second signal cuts it short
    #[arg(
        long,
        env = "TERMINATION_DELAY",
        default_value = "3",
        value_name = "SECONDS"
    )]
    termination_delay: String,
}

/// Send a bounded stream of requests and say what came back.
///
/// Each request has a connection of its own, so that a Kubernetes service
/// spreads them over its pods by their number. The rate is held whether or
/// not answers come (a request that finds the in-flight limit reached is
/// counted as not sent). Exits with 0 when at least one request was answered,
/// whatever the answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rollouts-demo load --url http://127.0.0.1:8080 --rate 50 --duration 20
  rollouts-demo load --url http://rollouts-demo.canary --duration 0 \\
      --color yellow:return500=40,delayLength=0.2")]
struct LoadArgs {
    /// Where to send them; /color is added when there is no path
    #[arg(long, value_name = "URL")]
    url: String,
    /// Requests a second, at most 2000
    #[arg(long, default_value = "10", value_name = "PER_SECOND")]
    rate: f64,
    /// How long to go on, in seconds; 0 goes on until SIGTERM or Ctrl-C, or
    /// until --max-requests
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    duration: f64,
    /// A slider that travels with each request; may be repeated
    #[arg(long, value_name = "COLOR[:return500=PERCENT][,delayLength=SECONDS]")]
    color: Vec<Slider>,
    /// Most requests in flight at once
    #[arg(long, default_value_t = 64, value_name = "COUNT",
          value_parser = clap::value_parser!(u64).range(1..=MAX_IN_FLIGHT))]
    in_flight: u64,
    /// Most requests in all
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u64).range(1..=MAX_REQUESTS))]
    max_requests: u64,
    /// How long one request may take, from connecting to the answer's end
    #[arg(long, default_value = "10", value_name = "SECONDS")]
    timeout: f64,
    /// How often to say how it goes, in seconds; 0 says it only at the end
    #[arg(long, default_value = "5", value_name = "SECONDS")]
    report_every: f64,
    /// How the summary is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How `load` writes its summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line: one at each report, the last is the summary.
    Json,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Be the application.
    Serve(ServeConfig),
    /// Be its users.
    Load(LoadConfig),
}

/// Reads the command line and the environment; ends the process with a
/// message where they make no sense.
pub fn parse() -> Command {
    let args = Args::parse();
    resolve(args).unwrap_or_else(|message| {
        use clap::CommandFactory as _;
        Args::command()
            .error(clap::error::ErrorKind::ValueValidation, message)
            .exit()
    })
}

fn resolve(args: Args) -> Result<Command, String> {
    match args.command {
        TypedCommand::Serve(args) => args.resolve().map(Command::Serve),
        TypedCommand::Load(args) => args.resolve().map(Command::Load),
    }
}

impl ServeArgs {
    fn resolve(self) -> Result<ServeConfig, String> {
        let color = match self.color.trim() {
            // Manifests write `COLOR: ""` for "the default".
            "" => "blue".parse(),
            typed => typed.parse(),
        };
        Ok(ServeConfig {
            listen_addr: listen_addr(&self.listen_addr)?,
            color: color.map_err(|error| format!("--color (COLOR): {error}"))?,
            own: Behaviour {
                error_percent: number(&self.error_rate, "--error-rate (ERROR_RATE)", 100.0)?,
                delay: seconds(&self.latency, "--latency (LATENCY)", MAX_DELAY_S)?,
            },
            crash_after: match self.crash_after.as_deref().map(str::trim) {
                None | Some("") => None,
                Some(typed) => Some(seconds(typed, "--crash-after (CRASH_AFTER)", 3_600.0)?),
            },
            termination_delay: seconds(
                &self.termination_delay,
                "--termination-delay (TERMINATION_DELAY)",
                300.0,
            )?,
        })
    }
}

impl LoadArgs {
    fn resolve(self) -> Result<LoadConfig, String> {
        if !(self.rate > 0.0 && self.rate <= MAX_RATE) {
            return Err(format!("--rate: {} is not in 0..{MAX_RATE}", self.rate));
        }
        if self.color.len() > MAX_SLIDERS {
            return Err(format!("--color: more than {MAX_SLIDERS} of them"));
        }
        let duration = bounded(self.duration, "--duration", MAX_DURATION_S)?;
        let report_every = bounded(self.report_every, "--report-every", MAX_DURATION_S)?;
        let timeout = bounded(self.timeout, "--timeout", 300.0)?;
        if timeout.is_zero() {
            return Err("--timeout: 0 leaves no time for an answer".to_owned());
        }
        Ok(LoadConfig {
            target: Target::parse(&self.url).map_err(|error| format!("--url: {error}"))?,
            rate: self.rate,
            duration: (!duration.is_zero()).then_some(duration),
            sliders: self.color,
            in_flight: usize::try_from(self.in_flight).unwrap_or(1),
            max_requests: self.max_requests,
            timeout,
            report_every: (!report_every.is_zero()).then_some(report_every),
            format: self.format,
        })
    }
}

/// `:8080`, `127.0.0.1:8080`, `[::]:8080`; an absent address means all, IPv4
/// and IPv6 where there is one.
fn listen_addr(typed: &str) -> Result<SocketAddr, String> {
    let typed = typed.trim();
    if let Some(port) = typed.strip_prefix(':')
        && let Ok(port) = port.parse::<u16>()
    {
        return Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    typed.parse().map_err(|_| {
        format!("--listen-addr (LISTEN_ADDR): `{typed}` is not an address and a port, like :8080 or 127.0.0.1:8080")
    })
}

/// A number of at least 0 from the environment, where an empty value means 0
/// (a manifest's `value: ""`).
fn number(typed: &str, name: &str, most: f64) -> Result<f64, String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(0.0);
    }
    match typed.parse::<f64>() {
        Ok(value) if (0.0..=most).contains(&value) => Ok(value),
        _ => Err(format!("{name}: `{typed}` is not a number in 0..{most}")),
    }
}

fn seconds(typed: &str, name: &str, most: f64) -> Result<Duration, String> {
    number(typed, name, most).map(Duration::from_secs_f64)
}

fn bounded(value: f64, name: &str, most: f64) -> Result<Duration, String> {
    if (0.0..=most).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(format!("{name}: {value} is not in 0..{most} seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(typed: &[&str]) -> Result<Command, String> {
        let words = std::iter::once("rollouts-demo").chain(typed.iter().copied());
        resolve(Args::try_parse_from(words).map_err(|error| error.to_string())?)
    }

    fn serve(typed: &[&str]) -> ServeConfig {
        match resolved(&[&["serve"], typed].concat()) {
            Ok(Command::Serve(config)) => config,
            other => panic!("{other:?}"),
        }
    }

    fn load(typed: &[&str]) -> LoadConfig {
        match resolved(&[&["load", "--url", "http://h"], typed].concat()) {
            Ok(Command::Load(config)) => config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_grammar_holds_together() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn an_address_may_be_a_port_alone() {
        assert_eq!(
            serve(&["--listen-addr", ":81"]).listen_addr.to_string(),
            "[::]:81"
        );
        assert_eq!(
            serve(&["--listen-addr", "127.0.0.1:0"])
                .listen_addr
                .to_string(),
            "127.0.0.1:0"
        );
        assert!(resolved(&["serve", "--listen-addr", "8080x"]).is_err());
    }

    #[test]
    fn empty_values_of_a_manifest_mean_the_default() {
        let config = serve(&[
            "--color",
            "",
            "--error-rate",
            "",
            "--latency",
            " ",
            "--crash-after",
            "",
        ]);
        assert_eq!(config.color.as_str(), "blue");
        assert_eq!(config.own.error_percent, 0.0);
        assert_eq!(config.crash_after, None);
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (typed, named) in [
            (["serve", "--error-rate", "101"], "ERROR_RATE"),
            (["serve", "--error-rate", "x"], "ERROR_RATE"),
            (["serve", "--latency", "NaN"], "LATENCY"),
            (["serve", "--latency", "31"], "LATENCY"),
            (["serve", "--color", "a b"], "COLOR"),
            (["serve", "--crash-after", "3601"], "--crash-after"),
            (["load", "--url", "https://x"], "--url"),
        ] {
            let error = resolved(&typed).unwrap_err();
            assert!(error.contains(named), "{typed:?}: {error}");
        }
        for typed in [
            ["--rate", "0"],
            ["--rate", "2001"],
            ["--duration", "86401"],
            ["--timeout", "0"],
            ["--in-flight", "0"],
            ["--in-flight", "513"],
            ["--max-requests", "0"],
        ] {
            let words = [&["load", "--url", "http://h"][..], &typed[..]].concat();
            assert!(resolved(&words).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn zero_seconds_of_load_mean_until_stopped() {
        assert_eq!(load(&["--duration", "0"]).duration, None);
        assert_eq!(
            load(&["--duration", "2.5"]).duration,
            Some(Duration::from_millis(2_500))
        );
        assert_eq!(load(&["--report-every", "0"]).report_every, None);
    }

    #[test]
    fn sliders_are_limited_in_number() {
        let mut typed = Vec::new();
        for _ in 0..MAX_SLIDERS {
            typed.extend(["--color", "red"]);
        }
        assert_eq!(load(&typed).sliders.len(), MAX_SLIDERS);
        typed.extend(["--color", "red"]);
        assert!(resolved(&[&["load", "--url", "http://h"][..], &typed].concat()).is_err());
    }
}
