//! What was typed and what the environment says, as typed configuration.
//!
//! The only place that reads either.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::client::Target;
use crate::color::{Behaviour, Color, MAX_DELAY_S, Slider};
use crate::lines;
use crate::load::{LoadConfig, Ramp};
use crate::scenario::Scenario;
use crate::serve::ServeConfig;

/// Longest that a load may be asked to run by `--duration`: a day.
const MAX_DURATION_S: f64 = 86_400.0;
/// How long a ramp takes of a load that has no end.
const USUAL_RAMP_S: u64 = 60;
/// Highest rate of `load`: twice what one core of a laptop answers is no
/// demonstration any more, and at this rate ports are used up within a minute.
const MAX_RATE: f64 = 2_000.0;
/// Most requests in flight: each holds a socket, and the usual limit of a
/// process is 1,024 files.
const MAX_IN_FLIGHT: u64 = 512;
/// Most requests of one `load`: a run that nobody stops must end.
const MAX_REQUESTS: u64 = 100_000_000;
/// When the scenario `crash` ends a version, counted from its start: it has
/// answered a little before.
const CRASH_AFTER_MS: u64 = 2_000;
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

/// Serve the application: /color, /api/status, /api/scenario, /healthz,
/// /readyz, /metrics and a page at /.
///
/// Log lines go to standard output, one `200 - blue` or `500 - blue
/// (1.000000s)` for each request of /color, and what else a service says
/// between them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rollouts-demo serve
  COLOR=yellow ERROR_RATE=40 rollouts-demo serve --listen-addr :8081
  rollouts-demo serve --color bad-yellow --log-format json
  SCENARIO=memory-leak rollouts-demo serve --color green")]
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
    /// Share of requests that fail with 500, in percent [default: 0; 15 for a
    /// colour like bad-yellow]
    #[arg(long, env = "ERROR_RATE", value_name = "PERCENT")]
    error_rate: Option<String>,
    /// How long each answer is held back, in seconds [default: 0; 0.25 for a
    /// colour like slow-yellow]
    #[arg(long, env = "LATENCY", value_name = "SECONDS")]
    latency: Option<String>,
    /// What goes wrong on purpose: none, color-only, exception,
    /// already-broken, latency-x3, silent-failure, log-injection,
    /// noisy-neighbour, slow-start, memory-leak or crash
    #[arg(long, env = "SCENARIO", default_value = "none", value_name = "NAME")]
    scenario: String,
    /// How log lines are written: plain or json
    #[arg(
        long,
        env = "LOG_FORMAT",
        default_value = "plain",
        value_name = "FORMAT"
    )]
    log_format: String,
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
    /// End when standard input does: whoever started this is gone then
    #[arg(long)]
    end_with_stdin: bool,
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
  rollouts-demo load --url http://127.0.0.1:8080 --rate 5 --ramp-to 100
  rollouts-demo load --url http://rollouts-demo.canary --duration 0 \\
      --color yellow:return500=40,delayLength=0.2")]
struct LoadArgs {
    /// Where to send them; /color is added when there is no path
    #[arg(long, value_name = "URL")]
    url: String,
    /// Requests a second, at most 2000
    #[arg(long, default_value = "10", value_name = "PER_SECOND")]
    rate: f64,
    /// Change the rate evenly to this one
    #[arg(long, value_name = "PER_SECOND")]
    ramp_to: Option<f64>,
    /// How long that takes, in seconds [default: the duration, or 60]
    #[arg(long, value_name = "SECONDS", requires = "ramp_to")]
    ramp_for: Option<f64>,
    /// How long to go on, in seconds; 0 goes on until SIGTERM or Ctrl-C, or
    /// until --max-requests
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    duration: f64,
    /// A slider that travels with each request; may be repeated
    #[arg(
        long,
        value_name = "COLOR[:return500=PERCENT][,delayLength=SECONDS][,scenario=NAME]"
    )]
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
        // Manifests write `COLOR: ""` for "the default".
        let color: Color = match self.color.trim() {
            "" => "blue".parse(),
            typed => typed.parse(),
        }
        .map_err(|error| format!("--color (COLOR): {error}"))?;
        let usual = color.usual();
        let scenario = match self.scenario.trim() {
            "" => Ok(Scenario::None),
            typed => typed.parse(),
        }
        .map_err(|error| format!("--scenario (SCENARIO): {error}"))?;
        let crash_after = match given(self.crash_after.as_deref()) {
            Some(typed) => Some(seconds(typed, "--crash-after (CRASH_AFTER)", 3_600.0)?),
            None => (scenario == Scenario::Crash).then_some(Duration::from_millis(CRASH_AFTER_MS)),
        };
        Ok(ServeConfig {
            listen_addr: listen_addr(&self.listen_addr)?,
            own: Behaviour {
                error_percent: match given(self.error_rate.as_deref()) {
                    Some(typed) => number(typed, "--error-rate (ERROR_RATE)", 100.0)?,
                    None => usual.error_percent,
                },
                delay: match given(self.latency.as_deref()) {
                    Some(typed) => seconds(typed, "--latency (LATENCY)", MAX_DELAY_S)?,
                    None => usual.delay,
                },
            },
            color,
            scenario,
            format: match self.log_format.trim() {
                "" | "plain" => lines::Format::Plain,
                "json" => lines::Format::Json,
                other => {
                    return Err(format!(
                        "--log-format (LOG_FORMAT): `{other}` is neither plain nor json"
                    ));
                }
            },
            crash_after,
            termination_delay: seconds(
                &self.termination_delay,
                "--termination-delay (TERMINATION_DELAY)",
                300.0,
            )?,
            end_with_stdin: self.end_with_stdin,
        })
    }
}

impl LoadArgs {
    fn resolve(self) -> Result<LoadConfig, String> {
        let rate = rate_of(self.rate, "--rate")?;
        if self.color.len() > MAX_SLIDERS {
            return Err(format!("--color: more than {MAX_SLIDERS} of them"));
        }
        let duration = bounded(self.duration, "--duration", MAX_DURATION_S)?;
        let report_every = bounded(self.report_every, "--report-every", MAX_DURATION_S)?;
        let timeout = bounded(self.timeout, "--timeout", 300.0)?;
        if timeout.is_zero() {
            return Err("--timeout: 0 leaves no time for an answer".to_owned());
        }
        let ramp_for = match self.ramp_for {
            Some(typed) => bounded(typed, "--ramp-for", MAX_DURATION_S)?,
            None if duration.is_zero() => Duration::from_secs(USUAL_RAMP_S),
            None => duration,
        };
        let ramp_to = match self.ramp_to {
            Some(typed) => rate_of(typed, "--ramp-to")?,
            None => self.rate,
        };
        Ok(LoadConfig {
            target: Target::parse(&self.url).map_err(|error| format!("--url: {error}"))?,
            ramp: Ramp::new(rate, ramp_to, ramp_for),
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

fn rate_of(typed: f64, name: &str) -> Result<f64, String> {
    if typed > 0.0 && typed <= MAX_RATE {
        Ok(typed)
    } else {
        Err(format!("{name}: {typed} is not in 0..{MAX_RATE}"))
    }
}

/// What was given; empty means the default (a manifest's `value: ""`).
fn given(typed: Option<&str>) -> Option<&str> {
    typed.map(str::trim).filter(|typed| !typed.is_empty())
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
    fn a_version_s_name_is_the_default_and_what_is_given_wins() {
        let own = |typed: &[&str]| serve(typed).own.error_percent;
        assert_eq!(own(&["--color", "bad-red"]), 15.0);
        assert_eq!(own(&["--color", "bad-red", "--error-rate", ""]), 15.0);
        assert_eq!(own(&["--color", "bad-red", "--error-rate", "0"]), 0.0);
        let slow = serve(&["--color", "slow-red"]).own.delay;
        assert_eq!(slow, Duration::from_millis(250));
    }

    #[test]
    fn a_crash_has_its_time_and_another_one_wins() {
        let after = |typed: &[&str]| serve(typed).crash_after.map(|after| after.as_millis());
        assert_eq!(after(&["--scenario", "crash"]), Some(2_000));
        assert_eq!(
            after(&["--scenario", "crash", "--crash-after", "0"]),
            Some(0)
        );
        assert_eq!(after(&["--scenario", "exception"]), None);
        assert_eq!(serve(&["--scenario", " "]).scenario, Scenario::None);
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
            (["serve", "--scenario", "explode"], "SCENARIO"),
            (["serve", "--log-format", "xml"], "LOG_FORMAT"),
            (["load", "--url", "https://x"], "--url"),
        ] {
            let error = resolved(&typed).unwrap_err();
            assert!(error.contains(named), "{typed:?}: {error}");
        }
        for typed in [
            ["--rate", "0"],
            ["--rate", "2001"],
            ["--ramp-to", "2001"],
            ["--ramp-for", "5"],
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
