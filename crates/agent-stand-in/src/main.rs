//! `agent-stand-in`: serves a script, for the tests on a real cluster.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent_stand_in::{AgentStandIn, Call, MAX_SCRIPT_BYTES, Options, Script, Tls};
use anyhow::Context as _;
use clap::Parser;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser, Debug)]
#[command(version, about = "A scripted stand-in of an agent, for tests.")]
struct Args {
    /// The script (TOML): which analysis gets which answer.
    #[arg(long)]
    script: PathBuf,
    /// Where to serve it.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve TLS with this certificate (PEM).
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let script = Script::from_toml(&read(&args.script)?)
        .with_context(|| format!("in {}", args.script.display()))?;
    let tls = match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::from_pem(&read(certificate)?, &read(key)?)?),
        _ => None,
    };
    let options = Options {
        listen: args.listen,
        tls,
        on_call: Some(Box::new(say)),
    };
    // As process 1 of a pod it would get no signal that it does not ask for.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = AgentStandIn::serve_with(script, options)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    write_line(&format!("agent-stand-in listens on {}", server.url()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("cannot read {}", path.display());
    let bytes = std::fs::metadata(path).with_context(failed)?.len();
    anyhow::ensure!(
        bytes <= MAX_SCRIPT_BYTES as u64,
        "{} is larger than any script",
        path.display()
    );
    std::fs::read_to_string(path).with_context(failed)
}

/// One JSON line a request, without its headers: one may be a token.
fn say(call: &Call) {
    let line = json!({"method": call.method, "uri": call.uri, "status": call.status,
        "memoryId": call.body["memoryId"], "context": call.body["context"]});
    write_line(&line.to_string());
}

fn write_line(line: &str) {
    // Who closed stdout does not want to know.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
