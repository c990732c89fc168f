//! `canary-judge demo`: shows a whole rollout, as a page or as text.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use ::demo::{
    Config, Demo, DemoError, Outcome, PageServer, Scenario, ScenarioError, Screen, Series, Style,
    Verdict,
};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{DemoConfig, DemoMode};
use crate::mend::Failure;

/// Exit code of a demo that somebody has ended.
const INTERRUPTED: u8 = 130;

/// Exit code where something did not come out as it should.
const NOT_AS_IT_SHOULD: u8 = 1;

/// Runs until it is over, or until somebody ends it.
///
/// # Errors
/// There is no demo, or no scenario, in words that name the mend.
pub fn demo(config: DemoConfig) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused(&error, "free some memory and try again"))?;
    let code = runtime.block_on(async {
        let ended = ended()?;
        tokio::select! {
            code = show(&config) => code,
            () = ended => Ok(ExitCode::from(INTERRUPTED)),
        }
    });
    // Where somebody has ended it, what is left is dropped here, and its
    // processes with it.
    drop(runtime);
    code
}

/// Waits for Ctrl-C, for SIGTERM, or for the terminal to go.
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::caused(&error, "signals cannot be caught here"))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

async fn show(config: &DemoConfig) -> Result<ExitCode, Failure> {
    let scenarios = ::demo::own().map_err(|error| Failure::defect(&error))?;
    let style = Style {
        color: config.color,
        moving: config.moving,
    };
    let demos = Config {
        programs: config.programs.clone(),
        temp_folder: config.temp_folder.clone(),
        keep: config.keep,
        rate: config.rate,
        seed: config.seed,
        model: config.model.clone(),
        scenarios,
        clock: Timestamp::now,
    };
    match &config.mode {
        DemoMode::Page { port, browser } => page(demos, *port, browser.as_deref()).await,
        DemoMode::Terminal => terminal(demos, style).await,
        DemoMode::Script(file) => script(demos, file, style).await,
        DemoMode::Play {
            count,
            side_by_side,
        } => play(demos, *count, *side_by_side).await,
    }
}

async fn page(config: Config, port: u16, browser: Option<&Path>) -> Result<ExitCode, Failure> {
    let keep = config.keep;
    let demo = Arc::new(Demo::start(config).await?);
    let server = PageServer::start(Arc::clone(&demo), port).await?;
    let url = server.url();
    let mut screen = screen(Style::default());
    let opened = browser.is_some_and(|browser| open(browser, &url));
    let head = if opened {
        "shown in the browser"
    } else {
        "open"
    };
    screen.line(&format!("{head}: {url}"))?;
    if keep {
        screen.line(&format!("verdicts: {}", demo.folder().display()))?;
    }
    screen.line("Ctrl-C ends it and leaves nothing running.")?;
    // Until somebody ends it.
    std::future::pending().await
}

/// Whether a browser was asked to open: where it fails there is the address.
fn open(browser: &Path, url: &str) -> bool {
    Command::new(browser)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

async fn terminal(config: Config, style: Style) -> Result<ExitCode, Failure> {
    let mut screen = screen(style);
    let scenarios: Vec<Scenario> = config.scenarios.iter().take(2).cloned().collect();
    let demo = start(config, &mut screen).await?;
    let mut as_it_should = true;
    for scenario in &scenarios {
        let outcome = screen.play(&demo, scenario).await?;
        as_it_should &= outcome.verdict.is(scenario.expect);
        if outcome.verdict == Verdict::Paused {
            demo.roll_back().await.map_err(DemoError::from)?;
        }
        demo.settled().await;
    }
    demo.stop().await;
    Ok(if as_it_should {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_AS_IT_SHOULD)
    })
}

async fn script(config: Config, file: &Path, style: Style) -> Result<ExitCode, Failure> {
    let scenario = Scenario::read(file)?;
    let mut screen = screen(style);
    let config = Config {
        scenarios: vec![scenario.clone()],
        ..config
    };
    let demo = start(config, &mut screen).await?;
    let outcome = screen.play(&demo, &scenario).await?;
    demo.stop().await;
    Ok(ExitCode::from(code(&outcome)))
}

/// That of `analyze`: what the verdict is, not whether it was expected.
fn code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Promoted => 0,
        Verdict::Aborted => 1,
        Verdict::Paused => 3,
        Verdict::Unjudged | Verdict::RolledBack => crate::FAILED,
    }
}

async fn play(config: Config, count: usize, side_by_side: usize) -> Result<ExitCode, Failure> {
    let mut scenarios = config.scenarios.iter().cloned();
    let (Some(good), Some(bad)) = (scenarios.next(), scenarios.next()) else {
        return Err(Failure::new(
            "there is nothing to play",
            "this is a defect of canary-judge: please report it",
        ));
    };
    let series = Series {
        config,
        good,
        bad,
        count,
        side_by_side,
    };
    let table = series.play().await?;
    let misses = table.misses();
    let mut screen = screen(Style::default());
    screen.line(table.text().trim_end())?;
    for miss in &misses {
        screen.line(&format!("MISSED: {miss}"))?;
    }
    Ok(if misses.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_AS_IT_SHOULD)
    })
}

async fn start<W: std::io::Write>(config: Config, screen: &mut Screen<W>) -> Result<Demo, Failure> {
    let keep = config.keep;
    let demo = Demo::start(config).await?;
    if keep {
        screen.line(&format!("verdicts: {}", demo.folder().display()))?;
    }
    Ok(demo)
}

fn screen(style: Style) -> Screen<impl std::io::Write> {
    Screen::new(Unlocked, style)
}

/// Standard output, locked for each write alone: a lock that is held over an
/// await could be waited for by another thread for ever.
struct Unlocked;

impl std::io::Write for Unlocked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stdout().lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().lock().flush()
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        let hint = match &error {
            DemoError::NoProgram { program, .. } => {
                let flag = if *program == "rollouts-demo" {
                    "--app"
                } else {
                    "--plugin"
                };
                format!(
                    "build it (`make build`, or `cargo build -p demo-app -p metric-ai`), put it beside canary-judge, or name it with {flag} FILE"
                )
            }
            DemoError::Folder(_) => "make room, or name another folder in TMPDIR".to_owned(),
            DemoError::PagePort { .. } => "leave --port out: a free one is taken".to_owned(),
            DemoError::Listen(_) => "let this user listen on 127.0.0.1".to_owned(),
            DemoError::NotReady { .. } => {
                "start it by hand to see why: `rollouts-demo serve`".to_owned()
            }
            DemoError::Show(_) => "write to a terminal, a file or a pipe that is read".to_owned(),
            DemoError::Refused(_) | DemoError::Json(_) => return Self::defect(&error),
        };
        Self::caused(&error, hint)
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        let hint = match &error {
            ScenarioError::Read { .. } => "check the path; examples/scenarios has some",
            ScenarioError::TooLarge { .. } => "a scenario is a short file: see examples/scenarios",
            ScenarioError::Parse { .. } => {
                "correct that line; docs/demo.md lists what a scenario may say"
            }
        };
        Self::caused(&error, hint)
    }
}
