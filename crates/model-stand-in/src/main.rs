//! `model-stand-in`: the scripted stand-in of the model APIs as a program.

mod args;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context as _;
use model_stand_in::{Call, MAX_SCRIPT_BYTES, OnCall, Options, Script, StandIn};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;

/// Bytes of standard input that are read at a time, and thrown away.
const INPUT_BYTES: usize = 4 << 10;

fn main() -> ExitCode {
    match run(&args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let script = read_script(&args.script)?;
    let options = Options {
        listen: args.listen,
        on_call: args.record.as_deref().map(recorder).transpose()?,
        // Nobody asks for them here.
        keep_calls: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let outcome = runtime.block_on(serve(script, options, args.until_eof));
    // A read of standard input may still be under way.
    runtime.shutdown_background();
    outcome
}

async fn serve(script: Script, options: Options, until_eof: bool) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let listen = options.listen;
    let server = StandIn::serve_with(script, options)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let urls = json!({
        "url": server.url(),
        "gemini": server.gemini_url(),
        "openai": server.openai_url(),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{urls}")
        .and_then(|()| out.flush())
        .context("cannot write the URLs")?;
    drop(out);
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
        ended = input_ends(), if until_eof => ended.context("cannot read standard input"),
    }
}

async fn input_ends() -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut unread = [0; INPUT_BYTES];
    while input.read(&mut unread).await? > 0 {}
    Ok(())
}

fn read_script(path: &Path) -> anyhow::Result<Script> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| {
            file.take(MAX_SCRIPT_BYTES as u64 + 1)
                .read_to_string(&mut text)
        })
        .with_context(|| format!("cannot read {}", path.display()))?;
    Script::from_toml(&text).with_context(|| path.display().to_string())
}

fn recorder(path: &Path) -> anyhow::Result<OnCall> {
    let file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot append to {}", path.display()))?;
    let file = Mutex::new(file);
    Ok(Box::new(move |call: &Call| {
        let line = format!("{}\n", call.to_json_line());
        // One write a line, so that several of us may share a file. A full disk
        // costs a line of the record, not the answer.
        if let Ok(mut file) = file.lock() {
            let _ = file.write_all(line.as_bytes());
        }
    }))
}
