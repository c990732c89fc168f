//! The command line and the environment, as one typed configuration.
//!
//! The only place that reads either.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use analysis::cluster::Access;
use analysis::message::one_line;
use clap::{Parser, Subcommand};
use rollouts_plugin::HANDSHAKE;
use tracing::level_filters::LevelFilter;

use crate::proxies::Proxies;

/// How much of a bad `LOG_LEVEL` is shown.
const SHOWN_LEVEL_BYTES: usize = 40;

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
    after_help = "Started by the Argo Rollouts controller it serves measurements; by hand it has \
                  the commands above.\n\nEnvironment: LOG_LEVEL (panic, fatal, error, warn, info, \
                  debug, trace; default info), KUBECONFIG (outside a cluster), SSL_CERT_FILE \
                  (authorities that are trusted), HTTPS_PROXY, HTTP_PROXY, NO_PROXY."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<CliCommand>,
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
    Serve(ServeConfig),
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
    Ok(match Cli::try_parse_from(args)?.command {
        Some(CliCommand::Install { path }) => Command::Install(path),
        Some(CliCommand::Check { url, timeout }) => Command::Check(CheckConfig {
            url,
            step_limit: Duration::from_secs(timeout),
            proxies: proxies(&env),
        }),
        None if env(HANDSHAKE.cookie_key).is_none_or(|cookie| cookie != HANDSHAKE.cookie_value) => {
            Command::Explain
        }
        None => Command::Serve(serve_config(&env)),
    })
}

fn serve_config(env: &impl Fn(&str) -> Option<OsString>) -> ServeConfig {
    let text = env("LOG_LEVEL").unwrap_or_default();
    let text = text.to_string_lossy();
    let level = log_level(text.trim());
    ServeConfig {
        access: access(env),
        log_level: level.unwrap_or(LevelFilter::INFO),
        bad_log_level: level.is_none().then(|| one_line(&text, SHOWN_LEVEL_BYTES)),
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

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: (&str, &str) = (HANDSHAKE.cookie_key, HANDSHAKE.cookie_value);

    fn parsed(args: &[&str], env: &[(&str, &str)]) -> Result<Command, clap::Error> {
        let args = ["rollouts-plugin-metric-ai"].iter().chain(args);
        parse(args.map(OsString::from), |name| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn it_serves_only_with_the_cookie() {
        let serve = parsed(&[], &[COOKIE]).unwrap();
        assert!(matches!(serve, Command::Serve(_)));
        for env in [&[] as &[_], &[(COOKIE.0, "other")], &[(COOKIE.0, "")]] {
            assert!(matches!(parsed(&[], env).unwrap(), Command::Explain));
        }
    }

    #[test]
    fn log_levels_are_logrus_names() {
        let table = [
            ("panic", LevelFilter::OFF, None),
            ("FATAL", LevelFilter::OFF, None),
            ("error", LevelFilter::ERROR, None),
            ("warn", LevelFilter::WARN, None),
            ("Warning", LevelFilter::WARN, None),
            ("info", LevelFilter::INFO, None),
            ("", LevelFilter::INFO, None),
            ("DEBUG", LevelFilter::DEBUG, None),
            (" trace ", LevelFilter::TRACE, None),
            ("verbose", LevelFilter::INFO, Some("verbose")),
            ("a\nb", LevelFilter::INFO, Some("a b")),
        ];
        for (text, level, bad) in table {
            let env = [COOKIE, ("LOG_LEVEL", text)];
            let Command::Serve(config) = parsed(&[], &env).unwrap() else {
                panic!("{text:?} does not serve")
            };
            assert_eq!(config.log_level, level, "{text:?}");
            assert_eq!(config.bad_log_level.as_deref(), bad, "{text:?}");
        }
    }

    #[test]
    fn the_way_into_the_cluster() {
        let table = [
            (
                &[("KUBECONFIG", "/a:/b"), ("HOME", "/h")] as &[_],
                Some("/a"),
            ),
            (
                &[
                    ("KUBECONFIG", "/a"),
                    ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
                ],
                Some("/a"),
            ),
            (
                &[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("HOME", "/h")],
                None,
            ),
            (
                &[("KUBECONFIG", ""), ("HOME", "/h")],
                Some("/h/.kube/config"),
            ),
            (&[], None),
        ];
        for (env, kubeconfig) in table {
            let env: Vec<_> = env.iter().copied().chain([COOKIE]).collect();
            let Command::Serve(config) = parsed(&[], &env).unwrap() else {
                panic!("{env:?} does not serve")
            };
            match (config.access, kubeconfig) {
                (Access::InCluster, None) => {}
                (Access::Kubeconfig(path), Some(expected)) if path == *expected => {}
                other => panic!("{env:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn commands() {
        let env = [
            ("HTTPS_PROXY", "http://p"),
            ("https_proxy", "http://other"),
            ("HTTP_PROXY", ""),
            ("http_proxy", "http://not-reached"),
            ("no_proxy", "cluster.local"),
        ];
        let Command::Check(check) = parsed(&["check", "http://a"], &env).unwrap() else {
            panic!("it does not check")
        };
        assert_eq!(
            check,
            CheckConfig {
                url: "http://a".into(),
                step_limit: Duration::from_secs(5),
                proxies: Proxies {
                    https: "http://p".into(),
                    no: "cluster.local".into(),
                    ..Proxies::default()
                },
            }
        );
        let install = parsed(&["install", "/plugins/"], &[COOKIE]).unwrap();
        assert!(matches!(install, Command::Install(path) if path == *"/plugins/"));
        for wrong in [
            &["check"] as &[&str],
            &["check", "http://a", "--timeout", "0"],
            &["check", "http://a", "--timeout", "600"],
            &["serve"],
            &["--help"],
        ] {
            assert!(parsed(wrong, &[COOKIE]).is_err(), "{wrong:?}");
        }
    }
}
