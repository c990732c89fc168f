//! The plugin `argoproj-labs/metric-ai` for Argo Rollouts: started by the
//! controller it serves measurements, by hand it explains itself.

mod agent_mode;
mod args;
mod block;
mod condition;
mod duration;
mod errand;
mod hclog;
mod install;
mod look;
mod looks;
mod memo;
mod operator;
mod outgoing;
mod provider;
mod proxies;
mod reach;
mod reply;
mod said;
mod schedule;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use analysis::Cluster;
use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::layer::SubscriberExt;

use crate::args::{CheckConfig, Command, ServeConfig};
use crate::hclog::Hclog;
use crate::look::Analyst;
use crate::operator::{Given, Operator};
use crate::outgoing::Outgoing;
use crate::provider::MetricAi;
use analysis::cluster::SecretData;

/// The kind of provider, as Argo shows it.
const PROVIDER_TYPE: &str = "MetricAI";

/// Threads that read and judge. Two keep up with an API server, and leave the
/// controller, which shares our cores, its own.
const WORKER_THREADS: usize = 2;

/// How long the last log lines may take at the end.
const LAST_LINES: Duration = Duration::from_millis(200);

/// What someone reads who starts the program by hand.
const EXPLANATION: &str = "\
This is a metric plugin for Argo Rollouts: the controller starts it. Register it in the ConfigMap
argo-rollouts-config, under metricProviderPlugins, with the name argoproj-labs/metric-ai and the
location of this file. See --help for what it does by hand.
";

fn main() -> ExitCode {
    let done = match args::read() {
        Ok(Command::Serve(config)) => serve(*config),
        Ok(Command::Explain) => {
            say(io::stderr(), EXPLANATION);
            Ok(ExitCode::FAILURE)
        }
        Ok(Command::Check(config)) => check(&config),
        Ok(Command::Install(path)) => copy_itself(&path),
        Err(usage) => {
            let text = usage.render().to_string();
            if usage.use_stderr() {
                say(io::stderr(), &text);
            } else {
                say(io::stdout(), &text);
            }
            // 0 for --help, 2 for what is not understood.
            Ok(ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2)))
        }
    };
    done.unwrap_or_else(|error| {
        say(io::stderr(), &format!("error: {error:#}\n"));
        ExitCode::FAILURE
    })
}

/// Writes text for a person. Where nobody listens there is nobody to tell, so
/// a failure changes nothing.
fn say(mut out: impl Write, text: &str) {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

fn serve(config: ServeConfig) -> Result<ExitCode> {
    // One of two places that read the clock; below, time is handed in.
    let clock: fn() -> Timestamp = Timestamp::now;
    let log = Hclog::start(io::stderr(), config.log_level, clock)
        .context("failed to start the log's thread")?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone()))
        .context("failed to install the log")?;
    log_panics(log.clone());
    if let Some(level) = &config.bad_log_level {
        tracing::warn!("Invalid log level '{level}': using info");
    }

    // Looks have threads of their own: no log, however long, may hold up the
    // answers to the controller, which come from this thread.
    let workers = Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("look")
        .enable_all()
        .build()
        .context("failed to start the threads that look at canaries")?;
    let operator = operator(config.operator, clock());
    let analyst = Analyst::new(
        Cluster::new(config.access),
        workers.handle().clone(),
        operator
            .as_ref()
            .map_or(1, |operator| operator.max_analyses),
        clock,
    );
    let plugin = MetricAi::new(analyst, operator.map(Outgoing::new), clock);
    let served = calls()?.block_on(rollouts_plugin::serve(plugin));
    // A look under way has nobody to answer to any more.
    workers.shutdown_background();
    let code = match served {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("serving ended: {}", words::chain(&error));
            ExitCode::FAILURE
        }
    };
    log.flush(LAST_LINES);
    Ok(code)
}

/// The operator's settings, or why they cannot be used: the controller would
/// show of a plugin that ends only that it ended, so it serves, and says it.
fn operator(given: Result<Given, String>, now: Timestamp) -> Result<Operator, String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let operator = given
        .and_then(|given| Operator::new(given, today).map_err(|error| words::chain(&error)))?;
    for warning in operator.policy_warnings() {
        tracing::warn!("{warning}");
    }
    for trouble in operator.credentials(&SecretData::default()).troubles {
        tracing::warn!("{trouble}");
    }
    tracing::debug!(?operator, "the operator's settings");
    Ok(operator)
}

/// The threads for calls and for checks: one, this one.
fn calls() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the input and output")
}

/// A panic is a line in the log like any other, where the default writes text
/// of its own.
fn log_panics(log: Hclog) {
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("a panic without a message");
        log.panicked(&format!("the plugin panicked: {message}"), &place);
    }));
}

fn check(config: &CheckConfig) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let reachable = calls()?
        .block_on(reach::check(config, &mut out))
        .context("failed to write what was found")?;
    Ok(if reachable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn copy_itself(path: &std::path::Path) -> Result<ExitCode> {
    let program = std::env::current_exe().context("failed to find this program's own file")?;
    let (file, bytes) = install::install(&program, path)?;
    say(
        io::stdout(),
        &format!("installed {} ({bytes} bytes)\n", file.display()),
    );
    Ok(ExitCode::SUCCESS)
}
