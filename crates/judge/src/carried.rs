//! What one look hands to the next, as text of at most 1 KiB.
//!
//! The text travels in a measurement's metadata. Who may write the status of
//! an AnalysisRun could change it, and could as well write the verdict itself;
//! still it is believed only in the careful direction: it can add evidence
//! against the canary, never exposure for a promotion. A gate's e-value is the
//! mean of the one that continues from here and the one of the present logs
//! alone, so that removing or zeroing this text costs it ln 2 at most. Numbers
//! and hashes only: no text of a log is in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::eprocess::{Mixture, NODES};
use crate::evidence::Window;
use crate::judgement::{Carried, ExposureUnit};
use crate::novel::fnv;

/// Longest text, in bytes: a measurement's metadata is limited, and an
/// AnalysisRun is kept many times over.
pub const MAX_CARRIED_BYTES: usize = 1_024;
/// Gates whose state is carried.
pub(crate) const CARRIED_GATES: usize = 7;
/// Failures of stable that are remembered, the first ones seen.
const MAX_KNOWN: usize = 32;
/// Which form the text has; text of another is not read.
const VERSION: &str = "j2";
/// Digits of base 64, as in file names and URLs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Digits of a log ratio, and what stands for zero: ratios have a sign.
const RATIO_DIGITS: u32 = 4;
const RATIO_ZERO: i64 = 1 << 23;
/// Digits of a remembered failure.
const HASH_DIGITS: u32 = 6;
/// Log ratios are kept in thousandths of a nat, within ± this.
const MAX_MILLINATS: f64 = 999_999.0;

/// The state after all buckets before `settled_ms`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// Start of the window it belongs to.
    pub start_ms: i64,
    /// Up to where, from the start, buckets are counted in it.
    pub settled_ms: i64,
    pub unit: ExposureUnit,
    /// Exposure of the canary, its errors and its 5xx.
    pub canary: [u64; 3],
    /// One for each gate.
    pub mixtures: [Mixture; CARRIED_GATES],
    /// Failures that stable has shown.
    pub known: BTreeSet<u32>,
}

impl State {
    /// Reads what an earlier look wrote; `None` when it is not of this window
    /// or cannot be read.
    pub(crate) fn read(carried: &Carried, window: &Window) -> Option<Self> {
        let text = &carried.0;
        if text.len() > MAX_CARRIED_BYTES {
            return None;
        }
        let (body, check) = text.rsplit_once(' ')?;
        if check != checksum(body) {
            return None;
        }
        let mut words = body.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let mut state = Self {
            start_ms: words.next()?.parse().ok()?,
            settled_ms: words.next()?.parse().ok()?,
            ..Self::default()
        };
        if window.start_ms != Some(state.start_ms) || state.settled_ms <= 0 {
            return None;
        }
        state.unit = match words.next()? {
            "r" => ExposureUnit::Requests,
            "e" => ExposureUnit::Events,
            _ => return None,
        };
        for count in &mut state.canary {
            *count = words.next()?.parse::<u32>().ok()?.into();
        }
        let mut digits = words.next()?.bytes();
        for mixture in &mut state.mixtures {
            for ratio in &mut mixture.log_ratio {
                let millinats = number(&mut digits, RATIO_DIGITS)? - RATIO_ZERO;
                *ratio = (millinats as f64).clamp(-MAX_MILLINATS, MAX_MILLINATS) / 1000.0;
            }
        }
        if digits.next().is_some() {
            return None;
        }
        let mut digits = words.next().unwrap_or_default().bytes();
        while digits.len() > 0 && state.known.len() < MAX_KNOWN {
            let hash = number(&mut digits, HASH_DIGITS)?;
            state.known.insert(u32::try_from(hash).ok()?);
        }
        Some(state)
    }

    /// Writes the state for the next look; empty when nothing has settled.
    pub(crate) fn write(&self) -> Carried {
        if self.settled_ms <= 0 || self.unit == ExposureUnit::None {
            return Carried::default();
        }
        let unit = if self.unit == ExposureUnit::Requests {
            "r"
        } else {
            "e"
        };
        let mut text = format!("{VERSION} {} {} {unit}", self.start_ms, self.settled_ms);
        // Writing to a string cannot fail.
        for count in self.canary {
            let _ = write!(text, " {}", count.min(u32::MAX.into()));
        }
        text.push(' ');
        for ratio in self.mixtures.iter().flat_map(|mixture| mixture.log_ratio) {
            let millinats = (ratio * 1000.0)
                .clamp(-MAX_MILLINATS, MAX_MILLINATS)
                .round() as i64;
            push_number(&mut text, millinats + RATIO_ZERO, RATIO_DIGITS);
        }
        if !self.known.is_empty() {
            text.push(' ');
        }
        for hash in self.known.iter().take(MAX_KNOWN) {
            push_number(&mut text, i64::from(*hash), HASH_DIGITS);
        }
        let check = checksum(&text);
        let _ = write!(text, " {check}");
        Carried(text)
    }
}

/// Writes a number as so many digits of base 64.
fn push_number(text: &mut String, number: i64, digits: u32) {
    for digit in (0..digits).rev() {
        let value = (number >> (6 * digit)) & 63;
        text.push(char::from(DIGITS[value as usize]));
    }
}

/// Reads so many digits of base 64.
fn number(text: &mut impl Iterator<Item = u8>, digits: u32) -> Option<i64> {
    let mut number = 0;
    for _ in 0..digits {
        let byte = text.next()?;
        let value = DIGITS.iter().position(|digit| *digit == byte)?;
        number = number << 6 | i64::try_from(value).ok()?;
    }
    Some(number)
}

/// Tells damage, not malice: see the module's text.
fn checksum(body: &str) -> String {
    format!("{:08x}", fnv(&[body.as_bytes()]) as u32)
}

const _: () = assert!(
    NODES * CARRIED_GATES * RATIO_DIGITS as usize + MAX_KNOWN * HASH_DIGITS as usize + 160
        <= MAX_CARRIED_BYTES,
    "the longest state must fit"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let mut state = State {
            start_ms: 1_795_316_645_000,
            settled_ms: 60_000,
            unit: ExposureUnit::Requests,
            canary: [500, 3, 2],
            ..State::default()
        };
        state.mixtures[0].add(3.0, 1.0, 0.3);
        state.known.insert(0xdead_beef);
        state
    }

    #[test]
    fn reads_what_it_wrote() {
        let window = Window::new(1_795_316_645_000, 1_795_316_705_000);
        let written = state().write();
        let read = State::read(&written, &window).unwrap();
        assert_eq!(read.known, state().known);
        assert!((read.mixtures[0].log_e() - state().mixtures[0].log_e()).abs() < 0.01);
        assert_eq!(read.write(), written);
    }

    #[test]
    fn the_longest_state_fits() {
        let mut state = State {
            start_ms: i64::MIN,
            settled_ms: i64::MAX,
            unit: ExposureUnit::Events,
            canary: [u64::MAX; 3],
            ..State::default()
        };
        for mixture in &mut state.mixtures {
            mixture.log_ratio = [f64::NEG_INFINITY; NODES];
        }
        state.known = (0..100).map(|n| u32::MAX - n).collect();
        assert!(state.write().0.len() <= MAX_CARRIED_BYTES);
    }

    #[test]
    fn what_cannot_be_read_counts_as_none() {
        let window = Window::new(1_795_316_645_000, 1_795_316_705_000);
        let good = state().write().0;
        assert!(
            State::read(&Carried(good.replace("500", "501")), &window).is_none(),
            "the checksum tells damage"
        );
        assert!(
            State::read(&Carried(good.clone()), &Window::new(5, 10)).is_none(),
            "another canary's"
        );
        assert!(State::read(&Carried(good.clone()), &Window::unaligned()).is_none());
        for end in 0..good.len() {
            let _ = State::read(&Carried(good[..end].to_owned()), &window);
        }
        for text in ["", " ", "j1", "j1 é", "\u{0}", &"j1 ".repeat(1000)] {
            assert!(
                State::read(&Carried(text.to_owned()), &window).is_none(),
                "{text}"
            );
        }
    }
}
