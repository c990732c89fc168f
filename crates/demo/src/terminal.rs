//! A release as text: a line for what has happened, and on a terminal one that
//! moves for what happens.

use std::io::Write;
use std::sync::Arc;

use crate::engine::Demo;
use crate::error::DemoError;
use crate::release::{Outcome, Verdict};
use crate::scenario::Scenario;
use crate::state::{ArmState, MeasurementState, State};

/// How wide the bar of the weight is, in characters.
const BAR: usize = 20;

/// Longest line that moves, in characters: one that wraps cannot be taken back.
const MAX_MOVING: usize = 100;

/// Findings that are shown of a release.
const MAX_FINDINGS: usize = 3;

/// How text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether in colours.
    pub color: bool,
    /// Whether a line may be written over: a person watches a terminal.
    pub moving: bool,
}

/// A page of text that grows.
pub struct Screen<W> {
    out: W,
    style: Style,
    /// Whether the last line is one that moves.
    is_moving: bool,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";
const BOLD: &str = "1";

impl<W: Write> Screen<W> {
    /// Writes to `out`.
    pub fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            is_moving: false,
        }
    }

    /// A line that stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn line(&mut self, text: &str) -> Result<(), DemoError> {
        let clear = if std::mem::take(&mut self.is_moving) {
            "\r\u{1b}[K"
        } else {
            ""
        };
        writeln!(self.out, "{clear}{text}")
            .and_then(|()| self.out.flush())
            .map_err(DemoError::Show)
    }

    /// A line that the next one takes the place of; nothing where none moves.
    fn moving(&mut self, text: &str) -> Result<(), DemoError> {
        if !self.style.moving {
            return Ok(());
        }
        self.is_moving = true;
        let text: String = text.chars().take(MAX_MOVING).collect();
        write!(self.out, "\r\u{1b}[K{text}")
            .and_then(|()| self.out.flush())
            .map_err(DemoError::Show)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.style.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Plays one scenario on a demo, and says how it goes.
    ///
    /// # Errors
    /// A release is under way, or nothing can be written.
    pub async fn play(&mut self, demo: &Demo, scenario: &Scenario) -> Result<Outcome, DemoError> {
        let mut states = demo.states();
        demo.release(scenario)?;
        let mut shown = Shown::default();
        let verdict = demo.verdict();
        tokio::pin!(verdict);
        let outcome = loop {
            tokio::select! {
                outcome = &mut verdict => break outcome,
                changed = states.changed() => {
                    if changed.is_err() {
                        break None;
                    }
                    states.mark_unchanged();
                    self.news(&demo.state().await, scenario, &mut shown)?;
                }
            }
        };
        let outcome = outcome.ok_or(crate::error::Refusal::NothingToRollBack)?;
        let state = demo.state().await;
        self.news(&state, scenario, &mut shown)?;
        self.end(&state, scenario, &outcome)?;
        Ok(outcome)
    }

    /// What is new since the last time.
    fn news(
        &mut self,
        state: &State,
        scenario: &Scenario,
        shown: &mut Shown,
    ) -> Result<(), DemoError> {
        let Some(release) = &state.release else {
            return Ok(());
        };
        if !shown.begun {
            shown.begun = true;
            let head = format!(
                "release {}: {} -> {}",
                release.number, release.from, release.version
            );
            let head = self.paint(BOLD, &head);
            let (title, right) = (scenario.title.as_str(), scenario.expect.as_str());
            self.line(&format!("{head}  {title} (right: {right})"))?;
        }
        for measurement in state.measurements.iter().skip(shown.ended) {
            if shown.step != Some((measurement.step, measurement.weight)) {
                shown.step = Some((measurement.step, measurement.weight));
                let (step, of) = (measurement.step + 1, release.steps.len());
                let bar = bar(measurement.weight);
                let weight = measurement.weight;
                self.line(&format!("  step {step}/{of}  {bar} {weight:>3} %"))?;
            }
            if measurement.phase == "Running" {
                if *measurement.message != *shown.waits && !self.style.moving {
                    shown.waits = Arc::from(measurement.message.as_str());
                    let text = clean(&measurement.message);
                    self.line(&format!("    {:<12} {text}", "waits"))?;
                }
            } else {
                shown.ended += 1;
                self.measured(measurement)?;
            }
        }
        if release.ended_ms.is_none() {
            self.moving(&moving_line(state))?;
        }
        Ok(())
    }

    fn measured(&mut self, measurement: &MeasurementState) -> Result<(), DemoError> {
        let color = match measurement.phase.as_str() {
            "Successful" => GREEN,
            "Inconclusive" => YELLOW,
            _ => RED,
        };
        let phase = self.paint(color, &format!("{:<12}", measurement.phase));
        let text = clean(&measurement.message);
        self.line(&format!("    {phase} {text}"))
    }

    fn end(
        &mut self,
        state: &State,
        scenario: &Scenario,
        outcome: &Outcome,
    ) -> Result<(), DemoError> {
        if outcome.verdict == Verdict::Aborted {
            for finding in state.findings.iter().take(MAX_FINDINGS) {
                let (class, what) = (clean(&finding.class), clean(&finding.what));
                let (canary, stable) = (clean(&finding.canary), clean(&finding.stable));
                let text = format!("    {class}: {what} (canary {canary}, stable {stable})");
                self.line(&text)?;
                if !finding.sample.is_empty() {
                    let sample = self.paint(DIM, &clean(&finding.sample));
                    self.line(&format!("      | {sample}"))?;
                }
            }
        }
        let (color, word) = match outcome.verdict {
            Verdict::Promoted => (GREEN, "promoted"),
            Verdict::Aborted => (RED, "aborted, stable keeps serving"),
            Verdict::Paused => (YELLOW, "paused: there is no verdict"),
            Verdict::Unjudged => (RED, "aborted: it could not be judged"),
            Verdict::RolledBack => (RED, "rolled back by hand"),
        };
        let word = self.paint(color, word);
        self.line(&format!(
            "  {word} after {:.1} s; the canary had at most {} % of the traffic, {} of {} requests",
            outcome.took.as_secs_f64(),
            outcome.highest_weight,
            outcome.canary_requests,
            outcome.canary_requests + outcome.stable_requests,
        ))?;
        if outcome.verdict.is(scenario.expect) {
            Ok(())
        } else {
            let text = format!("  not what is right: {}", scenario.why.as_str());
            let text = self.paint(RED, &text);
            self.line(&text)
        }
    }
}

/// What has been said of a release.
#[derive(Debug)]
struct Shown {
    begun: bool,
    step: Option<(usize, u8)>,
    /// Measurements that have ended and were said.
    ended: usize,
    waits: Arc<str>,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            begun: false,
            step: None,
            ended: 0,
            waits: Arc::from(""),
        }
    }
}

fn bar(weight: u8) -> String {
    let full = usize::from(weight) * BAR / 100;
    let (full, empty) = ("█".repeat(full), "░".repeat(BAR - full));
    format!("{full}{empty}")
}

/// What happens now, in one line.
fn moving_line(state: &State) -> String {
    let arm = |arm: &Option<ArmState>| match arm {
        Some(arm) => format!("{}/{}", arm.errors, arm.requests),
        None => "-".to_owned(),
    };
    let waits = state.measurements.last().map_or("", |last| &last.message);
    format!(
        "    errors: canary {}, stable {}; {}",
        arm(&state.arms.canary),
        arm(&state.arms.stable),
        clean(waits)
    )
}

/// Text from logs, as it is fit for a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(style: Style) -> Screen<Vec<u8>> {
        Screen::new(Vec::new(), style)
    }

    fn written(screen: Screen<Vec<u8>>) -> String {
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn a_pipe_gets_neither_colours_nor_lines_that_move() {
        let mut plain = screen(Style::default());
        plain.moving("now").unwrap();
        let painted = plain.paint(RED, "bad");
        plain.line(&painted).unwrap();
        assert_eq!(written(plain), "bad\n");
    }

    #[test]
    fn a_line_that_moves_is_taken_back_and_never_wraps() {
        let mut live = screen(Style {
            color: true,
            moving: true,
        });
        live.moving(&"x".repeat(500)).unwrap();
        live.line("done").unwrap();
        let text = written(live);
        assert_eq!(text.matches('x').count(), MAX_MOVING);
        assert!(text.ends_with("\r\u{1b}[Kdone\n"), "{text:?}");
    }

    #[test]
    fn text_of_logs_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a?[2Jb?c");
    }

    #[test]
    fn the_bar_is_as_full_as_the_weight() {
        assert_eq!(bar(0), "░".repeat(20));
        assert_eq!(bar(20).matches('█').count(), 4);
        assert_eq!(bar(100), "█".repeat(20));
    }
}
