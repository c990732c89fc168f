//! Starts a program of a release, under an emulator where it is for another
//! machine, and sees whether it does its work.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::command::{Outcome, outcome};
use rollouts_plugin::host::{Launch, MetricPlugin};

use crate::release::{Arch, Program};

/// How long a program may take by hand: an emulator is some 20 times slower
/// than the machine.
const BY_HAND_LIMIT: Duration = Duration::from_secs(60);
/// What the plugin says of itself over the wire.
const PROVIDER_TYPE: &str = "MetricAI";
/// The exit code of `canary-judge analyze` for an abort.
const ABORTED: i32 = 1;

/// Starts a program in every way that needs no cluster, and says what it did.
///
/// # Errors
/// The first thing that it did wrong.
pub(crate) fn started(arch: Arch, program: &Program, path: &Path, commit: &str) -> Result<String> {
    let path = path.canonicalize()?;
    let by_hand = ByHand { arch, path };
    by_hand.version(program, commit)?;
    match program.package {
        "metric-ai" => {
            by_hand.explains_itself()?;
            by_hand.serves()
        }
        "cli" => by_hand.judges(),
        _ => Ok(by_hand.done("--version")),
    }
}

struct ByHand {
    arch: Arch,
    path: PathBuf,
}

impl ByHand {
    fn done(&self, what: &str) -> String {
        match self.arch.emulator() {
            None => what.to_owned(),
            Some(emulator) => format!("{what} ({emulator})"),
        }
    }

    fn run(&self, args: &[&str]) -> Result<Outcome> {
        let mut words: Vec<OsString> = self.arch.emulator().map(Into::into).into_iter().collect();
        words.push(self.path.clone().into());
        words.extend(args.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        let ended = outcome(command.args(&words[1..]), &[], BY_HAND_LIMIT);
        ended.with_context(|| self.hint())
    }

    fn hint(&self) -> String {
        match self.arch.emulator() {
            None => format!("cannot start {}", self.path.display()),
            Some(emulator) => {
                format!("cannot start it under {emulator} (scripts/setup emulator installs that)")
            }
        }
    }

    fn version(&self, program: &Program, commit: &str) -> Result<()> {
        let said = self.run(&["--version"])?;
        ensure!(
            said.status.success(),
            "--version: {}: {}",
            said.status,
            said.stderr
        );
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!("{} {version} (commit {commit})\n", program.name);
        ensure!(said.stdout == expected, "--version says {:?}", said.stdout);
        ensure!(commit != "unknown", "it does not know its commit");
        Ok(())
    }

    /// By hand, a plugin explains itself on stderr and exits 1.
    fn explains_itself(&self) -> Result<()> {
        let said = self.run(&[])?;
        ensure!(said.status.code() == Some(1), "by hand: {}", said.status);
        ensure!(said.stdout.is_empty(), "by hand it writes to stdout");
        ensure!(
            said.stderr.contains("argo-rollouts-config"),
            "by hand it does not explain itself: {}",
            said.stderr
        );
        Ok(())
    }

    /// Loads the plugin as the controller does.
    fn serves(&self) -> Result<String> {
        let launch = match self.arch.emulator() {
            None => Launch::new(&self.path),
            Some(emulator) => Launch::new(emulator).arg(&self.path),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let kind = runtime.block_on(async {
            let plugin = MetricPlugin::start(&launch)
                .await
                .with_context(|| self.hint())?;
            plugin.init().await?.context("InitPlugin")?;
            plugin.ping().await?;
            let kind = plugin.provider_type().await?;
            let status = plugin.quit().await?;
            ensure!(status.success(), "told to quit it ended with {status}");
            anyhow::Ok(kind)
        })?;
        ensure!(kind == PROVIDER_TYPE, "its Type is {kind:?}");
        Ok(self.done(&format!(
            "--version, by hand, handshake, InitPlugin, Type {kind}, Quit"
        )))
    }

    fn judges(&self) -> Result<String> {
        let logs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/logs");
        let (stable, canary) = (
            format!("{logs}/stable.log"),
            format!("{logs}/canary-broken.log"),
        );
        let said = self.run(&["analyze", "--stable", &stable, "--canary", &canary])?;
        if said.status.code() != Some(ABORTED) {
            bail!(
                "a broken canary: {}: {}{}",
                said.status,
                said.stdout,
                said.stderr
            );
        }
        Ok(self.done("--version, aborts a broken canary"))
    }
}
