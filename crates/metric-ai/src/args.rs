//! The command line and the environment, as one typed configuration.
//!
//! The only place that reads either.

mod flags;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use analysis::cluster::Access;
use analysis::message::one_line;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use rollouts_plugin::HANDSHAKE;
use tracing::level_filters::LevelFilter;

use crate::operator::Given;
use crate::proxies::Proxies;
use flags::Flags;

/// How much of a bad `LOG_LEVEL` is shown.
const SHOWN_LEVEL_BYTES: usize = 40;

/// What the variables that stand for arguments begin with, as the command
/// line's do: `CANARY_JUDGE_POLICY` is `--policy`.
const PREFIX: &str = "CANARY_JUDGE_";

const AFTER_HELP: &str = "\
Started by the Argo Rollouts controller it serves measurements; by hand it has the commands above.
Arguments for the controller's plugin stand in the ConfigMap argo-rollouts-config:

  metricProviderPlugins: |-
    - name: argoproj-labs/metric-ai
      location: file:///plugins/rollouts-plugin-metric-ai
      args: [\"--models=gemini-2.5-flash\", \"--max-budget-calls=10\",
             \"--agent-origin=https://agent.example:8443\", \"--agent-token-file=/etc/agent/token\"]

Each argument has a variable that stands for it where it is not given: CANARY_JUDGE_POLICY for
--policy, and so on; several values are separated by commas.

Environment: LOG_LEVEL (panic, fatal, error, warn, info, debug, trace; default info), KUBECONFIG
(outside a cluster), SSL_CERT_FILE (authorities), HTTPS_PROXY, HTTP_PROXY, NO_PROXY;
GOOGLE_API_KEY, OPENAI_API_KEY, GITHUB_TOKEN (mounted files win), OPENAI_BASE_URL, GEMINI_MODEL,
OPENAI_MODEL.";
/// What `--version` says: the version, and the commit that a release was built
/// from. A build by hand does not name one: it would link everything again at
/// each commit.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("CANARY_JUDGE_COMMIT").unwrap_or("unknown");
    format!("{} (commit {commit})", env!("CARGO_PKG_VERSION"))
});

#[derive(Parser, Debug)]
#[command(
    name = "rollouts-plugin-metric-ai",
    version = VERSION.as_str(),
    about = "The Argo Rollouts metric plugin that judges canaries by their logs and pod states.",
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Option<CliCommand>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand, Debug)]
enum CliCommand {
    /// Tell whether an address is reachable from here: proxy, DNS, connection,
    /// TLS, HTTP status. Exit code 0 if it is, 1 if it is not.
    Check {
        /// The address, http:// or https://.
        url: String,
        /// How long each step may take, in seconds (1 to 60).
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
        timeout: u64,
    },
    /// Copy this program to a folder or a file, as an init container does.
    Install {
        /// A folder (its name ending in `/`, or existing), or a file.
        path: PathBuf,
    },
}

/// What the program is to do.
#[derive(Debug)]
pub enum Command {
    /// Serve measurements to the controller.
    Serve(Box<ServeConfig>),
    /// Explain itself: someone started it by hand.
    Explain,
    /// Tell whether an address is reachable.
    Check(CheckConfig),
    /// Copy this program.
    Install(PathBuf),
}

/// How measurements are served.
#[derive(Debug)]
pub struct ServeConfig {
    /// The way into the cluster.
    pub access: Access,
    /// What is logged.
    pub log_level: LevelFilter,
    /// A `LOG_LEVEL` that there is none of, fit to be shown.
    pub bad_log_level: Option<String>,
    /// The operator's arguments; or which of them cannot be understood, in
    /// words for people.
    pub operator: Result<Given, String>,
}

/// How an address is checked.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// The address.
    pub url: String,
    /// How long each step may take.
    pub step_limit: Duration,
    /// The proxies that it is reached through.
    pub proxies: Proxies,
}

/// Reads the command line and the environment.
///
/// Started by the controller, a wrong argument is no error: who is served can
/// then be told.
///
/// # Errors
/// What to print, and where, when the command line is not understood or asks
/// for help.
pub fn read() -> Result<Command, clap::Error> {
    parse(std::env::args_os(), |name| std::env::var_os(name))
}

fn parse(
    args: impl Iterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, clap::Error> {
    let args: Vec<OsString> = args.collect();
    let is_started_by_hand =
        env(HANDSHAKE.cookie_key).is_none_or(|cookie| cookie != HANDSHAKE.cookie_value);
    Ok(match Cli::try_parse_from(&args) {
        Err(error) if is_started_by_hand => return Err(error),
        Err(error) => Command::Serve(serve_config(&env, Err(trouble(&error)))),
        Ok(cli) => match cli.command {
            Some(CliCommand::Install { path }) => Command::Install(path),
            Some(CliCommand::Check { url, timeout }) => Command::Check(CheckConfig {
                url,
                step_limit: Duration::from_secs(timeout),
                proxies: proxies(&env),
            }),
            None if is_started_by_hand => Command::Explain,
            None => Command::Serve(serve_config(&env, operator(args, &env))),
        },
    })
}

fn serve_config(
    env: &impl Fn(&str) -> Option<OsString>,
    operator: Result<Given, String>,
) -> Box<ServeConfig> {
    let text = env("LOG_LEVEL").unwrap_or_default();
    let text = text.to_string_lossy();
    let level = log_level(text.trim());
    Box::new(ServeConfig {
        access: access(env),
        log_level: level.unwrap_or(LevelFilter::INFO),
        bad_log_level: level.is_none().then(|| one_line(&text, SHOWN_LEVEL_BYTES)),
        operator,
    })
}

/// The operator's arguments, with the variables that stand for those that are
/// not given.
fn operator(
    mut args: Vec<OsString>,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Given, String> {
    let given: Vec<String> = args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let is_given = |flag: &str| {
        given.iter().any(|arg| {
            arg.strip_prefix(flag)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    let mut given_by_variable = Vec::new();
    for arg in Cli::command().get_arguments() {
        let Some(name) = arg.get_long() else { continue };
        let (flag, variable) = (format!("--{name}"), variable(name));
        let value = env(&variable).filter(|value| !value.is_empty());
        let Some(value) = value.filter(|_| !is_given(&flag)) else {
            continue;
        };
        let mut flag = OsString::from(flag);
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            match value.to_str() {
                Some("true" | "1") => given_by_variable.push(flag),
                Some("false" | "0") => {}
                _ => return Err(format!("variable `{variable}`: must be true or false")),
            }
        } else {
            flag.push("=");
            flag.push(value);
            given_by_variable.push(flag);
        }
    }
    // Behind the program's name, since what follows `--` is no argument.
    let at = args.len().min(1);
    args.splice(at..at, given_by_variable);
    let cli = Cli::try_parse_from(&args).map_err(|error| trouble(&error))?;
    let text = |name: &str| env(name)?.into_string().ok();
    Ok(cli.flags.given(&text))
}

/// The names of the operator's arguments.
#[cfg(test)]
pub fn arguments() -> Vec<String> {
    let command = Cli::command();
    let names = command.get_arguments().filter_map(|arg| arg.get_long());
    names.map(str::to_owned).collect()
}

/// The variable that stands for an argument.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// What is wrong with the arguments, without a value: one may be a secret that
/// was meant for a file.
fn trouble(error: &clap::Error) -> String {
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => Some(arg.as_str()),
        Some(ContextValue::Strings(args)) => args.first().map(String::as_str),
        _ => None,
    };
    let flag = named
        .and_then(|arg| arg.split(['=', ' ']).next())
        .filter(|flag| flag.starts_with("--"))
        .map(|flag| one_line(flag, SHOWN_LEVEL_BYTES));
    let why = match (error.kind(), flag.is_some()) {
        (ErrorKind::UnknownArgument, true) => "there is none of that name",
        (ErrorKind::ArgumentConflict, true) => "it is given more than once",
        (_, true) => "its value is missing or cannot be used",
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, false) => {
            "`--help` and `--version` are for people, not for the controller"
        }
        (_, false) => "one of them is not an argument at all",
    };
    match flag {
        Some(flag) => match flag.strip_prefix("--") {
            Some(name) if error.kind() != ErrorKind::UnknownArgument => {
                format!(
                    "argument `{flag}` (or variable `{}`): {why}",
                    variable(name)
                )
            }
            _ => format!("argument `{flag}`: {why}"),
        },
        None => why.to_owned(),
    }
}

/// As our requests read them: the first name that is set counts, also if it is
/// set to nothing.
fn proxies(env: &impl Fn(&str) -> Option<OsString>) -> Proxies {
    let value = |upper, lower| {
        let found = [upper, lower].into_iter().find_map(env);
        found.and_then(|v| v.into_string().ok()).unwrap_or_default()
    };
    Proxies {
        all: value("ALL_PROXY", "all_proxy"),
        http: value("HTTP_PROXY", "http_proxy"),
        https: value("HTTPS_PROXY", "https_proxy"),
        no: value("NO_PROXY", "no_proxy"),
    }
}

/// A kubeconfig that someone named, else the pod's service account, else the
/// kubeconfig of whoever runs a controller by hand.
fn access(env: &impl Fn(&str) -> Option<OsString>) -> Access {
    let path = |name| env(name).filter(|value| !value.is_empty());
    if let Some(list) = path("KUBECONFIG") {
        // kubectl takes a list and merges it; its first file is the one it
        // writes to, and the one that stands alone most often.
        let first = std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty());
        return Access::Kubeconfig(first.unwrap_or_else(|| list.into()));
    }
    match path("HOME") {
        Some(home) if path("KUBERNETES_SERVICE_HOST").is_none() => {
            Access::Kubeconfig(PathBuf::from(home).join(".kube/config"))
        }
        _ => Access::InCluster,
    }
}

/// logrus' names, as the Go plugin took them, in any case.
fn log_level(name: &str) -> Option<LevelFilter> {
    Some(match name.to_ascii_lowercase().as_str() {
        // We log no event of these two; a panic is logged past the filter.
        "panic" | "fatal" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" | "warning" => LevelFilter::WARN,
        "" | "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}
