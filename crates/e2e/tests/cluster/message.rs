//! The numbers in a verdict's message, to be held against what was injected.

use anyhow::{Context as _, bail};

/// `+39.4 pp errors (123/312 requests, stable 0/936)`, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// Percentage points between the arms.
    pub(crate) points: f64,
    pub(crate) canary: Share,
    pub(crate) stable: Share,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    pub(crate) part: f64,
    pub(crate) whole: f64,
}

impl Share {
    pub(crate) fn percent(self) -> f64 {
        100.0 * self.part / self.whole
    }

    fn parse(text: &str) -> Option<Self> {
        let (part, whole) = text.split_once('/')?;
        let number = |text: &str| text.replace(',', "").parse().ok();
        Some(Self {
            part: number(part)?,
            whole: number(whole)?,
        })
    }
}

/// The difference that a message names.
pub(crate) fn difference(message: &str) -> anyhow::Result<Difference> {
    parse(message).with_context(|| format!("no numbers in {message:?}"))
}

fn parse(message: &str) -> Option<Difference> {
    let (before, after) = message.split_once(" pp ")?;
    let points = before.rsplit(|c: char| c.is_whitespace()).next()?;
    let (_, numbers) = after.split_once('(')?;
    let (numbers, _) = numbers.split_once(')')?;
    let (canary, stable) = numbers.split_once(", stable ")?;
    Some(Difference {
        points: points.parse().ok()?,
        canary: Share::parse(canary.split_whitespace().next()?)?,
        stable: Share::parse(stable.split_whitespace().next()?)?,
    })
}

/// `0/412 errors (stable 0/1,233)`, taken apart: the canary's share and
/// stable's.
pub(crate) fn errors_so_far(message: &str) -> anyhow::Result<(Share, Share)> {
    let found = message
        .split_once(" errors (stable ")
        .and_then(|(before, after)| {
            let canary = before.rsplit(|c: char| c.is_whitespace()).next()?;
            let (stable, _) = after.split_once(')')?;
            Some((Share::parse(canary)?, Share::parse(stable)?))
        });
    found.with_context(|| format!("no numbers in {message:?}"))
}

/// Fails unless the numbers agree with each other and with an injected share
/// of errors in the canary, by chance within four standard deviations.
pub(crate) fn check_injected(message: &str, injected_percent: f64) -> anyhow::Result<Difference> {
    let found = difference(message)?;
    check_share(found.canary, injected_percent).with_context(|| message.to_owned())?;
    let percent = found.canary.percent();
    if (found.points - (percent - found.stable.percent())).abs() > 0.06 {
        bail!("the points are not the difference of the shares: {message}");
    }
    if found.stable.part != 0.0 || found.stable.whole == 0.0 {
        bail!("stable had traffic and no errors, the message says otherwise: {message}");
    }
    Ok(found)
}

/// Fails unless a share is the injected one, by chance within four standard
/// deviations.
pub(crate) fn check_share(found: Share, injected_percent: f64) -> anyhow::Result<()> {
    let share = injected_percent / 100.0;
    let deviation = 100.0 * (share * (1.0 - share) / found.whole).sqrt();
    let percent = found.percent();
    // No requests are no share.
    if found.whole == 0.0 || (percent - injected_percent).abs() > 4.0 * deviation + 0.1 {
        bail!("{percent:.1} % is not the {injected_percent} % that were injected");
    }
    Ok(())
}

/// The judge counts durations in bins, and shows the middle of one: this far
/// from what was injected at most.
const HALF_A_BIN: f64 = 0.125;

/// Fails unless `requests take 61 ms, stable 18 ms` is in a message, for what
/// was injected.
pub(crate) fn check_durations(message: &str, canary_ms: u16, stable_ms: u16) -> anyhow::Result<()> {
    let (canary, stable) = message
        .split_once("requests take ")
        .and_then(|(_, after)| after.split_once(" ms, stable "))
        .and_then(|(canary, after)| Some((canary, after.split_once(" ms")?.0)))
        .with_context(|| format!("no durations in {message:?}"))?;
    for (found, injected_ms) in [(canary, canary_ms), (stable, stable_ms)] {
        let (found_ms, injected_ms): (f64, _) = (found.parse()?, f64::from(injected_ms));
        // Shown in whole milliseconds.
        if (found_ms - injected_ms).abs() > injected_ms * HALF_A_BIN + 0.5 {
            bail!("{found_ms} ms are not the {injected_ms} ms that were injected: {message}");
        }
    }
    Ok(())
}
