//! What `demo` is told.

use std::env;
use std::path::PathBuf;

use demo::{MAX_RATE, ModelChoice, Programs};

use super::{Surroundings, When};
use crate::mend::Failure;

/// Most releases of each kind that `--play` plays.
const MAX_PLAYED: u16 = 1_000;

/// Most demos that play side by side: each is four processes and its traffic.
const MAX_SIDE_BY_SIDE: u8 = 16;

/// See a canary being judged: a whole rollout on this machine, without a
/// cluster.
///
/// Two groups of local `rollouts-demo` processes stand for pods, a weighted
/// proxy shares traffic between them, and the plugin that an Argo Rollouts
/// controller would load judges the canary at 20, 40, 60, 80 and 100 %. A page
/// in the browser shows it; all of it is on loopback, and ends with Ctrl-C.
///
/// Without a browser and a terminal, or with --terminal, one good and one bad
/// release are played as text.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: with --script that of the verdict (0 promote, 1 abort, 3 inconclusive, 2 error); with
--terminal and --play 0 when all came out as it should, else 1; 2 error.

Examples:
  canary-judge demo
  canary-judge demo --model scripted
  canary-judge demo --terminal
  canary-judge demo --script examples/scenarios/memory-leak.toml
  canary-judge demo --play 50 --side-by-side 4")]
pub struct DemoArgs {
    /// Play one good and one bad release as text
    #[arg(long, conflicts_with_all = ["script", "play"])]
    terminal: bool,
    /// Play a scenario file as text, and exit with its verdict's code
    #[arg(long, value_name = "FILE", conflicts_with = "play")]
    script: Option<PathBuf>,
    /// Play so many good and so many bad releases, print the table, and exit
    /// with 1 where a promise was not held
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_PLAYED)))]
    play: Option<u16>,
    /// How many demos share the releases of --play
    #[arg(long, value_name = "N", default_value_t = 1, requires = "play",
          value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_SIDE_BY_SIDE)))]
    side_by_side: u8,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RATE)))]
    rate: u32,
    /// Port of the page; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// What the dice begin with, so that who gets which version comes again
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Ask a model as well: `scripted` is a stand-in on this machine, any other
    /// name a real one, with the key in GOOGLE_API_KEY or OPENAI_API_KEY
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Do not open a browser
    #[arg(long)]
    no_browser: bool,
    /// Leave the temporary folder, with each verdict as a bundle, and say where
    #[arg(long)]
    keep: bool,
    /// The program `rollouts-demo`, where it is not beside this one
    #[arg(long, value_name = "FILE")]
    app: Option<PathBuf>,
    /// The program `rollouts-plugin-metric-ai`, where it is not beside this one
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Whether to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
}

/// What to show.
#[derive(Debug)]
pub struct DemoConfig {
    /// How it is shown.
    pub mode: DemoMode,
    /// What it is made of.
    pub programs: Programs,
    /// Where temporary folders are made.
    pub temp_folder: PathBuf,
    /// Whether its folder stays.
    pub keep: bool,
    /// Requests a second.
    pub rate: u32,
    /// What the dice begin with.
    pub seed: u64,
    /// Which model is asked.
    pub model: ModelChoice,
    /// Whether text is in colours.
    pub color: bool,
    /// Whether a person watches a terminal.
    pub moving: bool,
}

/// How a demo is shown.
#[derive(Debug, PartialEq, Eq)]
pub enum DemoMode {
    /// As a page.
    Page {
        /// On which port; 0 is a free one.
        port: u16,
        /// What opens a browser.
        browser: Option<PathBuf>,
    },
    /// As text: one good and one bad release.
    Terminal,
    /// As text: a scenario file.
    Script(PathBuf),
    /// As a table.
    Play {
        /// How many of each.
        count: usize,
        /// How many demos share them.
        side_by_side: usize,
    },
}

impl DemoArgs {
    pub(super) fn resolve(self, surroundings: Surroundings) -> Result<DemoConfig, Failure> {
        let own = env::current_exe().map_err(|error| {
            Failure::caused(&error, "name the programs with --app and --plugin")
        })?;
        let beside = Programs::in_folder(own.parent().unwrap_or(&own));
        let color = match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => surroundings.stdout_is_terminal && !surroundings.no_color,
        };
        let mode = match (self.script, self.play) {
            (Some(file), _) => DemoMode::Script(file),
            (None, Some(count)) => DemoMode::Play {
                count: usize::from(count),
                side_by_side: usize::from(self.side_by_side),
            },
            (None, None) => mode(self.terminal, self.port, self.no_browser, surroundings),
        };
        Ok(DemoConfig {
            mode,
            programs: Programs {
                app: self.app.unwrap_or(beside.app),
                plugin: self.plugin.unwrap_or(beside.plugin),
            },
            temp_folder: env::temp_dir(),
            keep: self.keep,
            rate: self.rate,
            seed: self.seed,
            model: match self.model.as_deref() {
                None => ModelChoice::None,
                Some("scripted") => ModelChoice::Scripted,
                Some(name) => ModelChoice::Real(name.to_owned()),
            },
            color,
            moving: surroundings.stdout_is_terminal,
        })
    }
}

/// A page where somebody can look at it, else text.
fn mode(terminal: bool, port: u16, no_browser: bool, surroundings: Surroundings) -> DemoMode {
    let browser = if no_browser { None } else { browser() };
    if terminal || (browser.is_none() && !surroundings.stdout_is_terminal && !no_browser) {
        DemoMode::Terminal
    } else {
        DemoMode::Page { port, browser }
    }
}

/// What opens a browser, where there is a display to open it on.
fn browser() -> Option<PathBuf> {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let name = if cfg!(target_os = "macos") {
        "open"
    } else if set("DISPLAY") || set("WAYLAND_DISPLAY") {
        "xdg-open"
    } else {
        return None;
    };
    let path = env::var_os("PATH")?;
    let mut found = env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|file| file.is_file())
}
