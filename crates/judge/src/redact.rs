//! Secrets → `***`: the one function that everything passes before it is kept,
//! shown, sent or written.
//!
//! Logs hold passwords, tokens and personal data that nobody meant to write.
//! Three things give a secret away: the form that its maker gave it (a prefix,
//! three dotted parts, a block between dashes), the key that it is the value
//! of, and that it looks like chance. [`redact`] errs on the side of taking too
//! much: a reader can do without a value, and its key stays readable. What
//! people follow a fault by (trace ids, digests, UUIDs, paths, numbers) stays.
//! It is idempotent, so that passing text through it twice, at two choke
//! points, changes nothing.

mod cards;
mod forms;
mod keys;
mod names;
mod random;
#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::ops::Range;

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Rounds that [`redact`] makes at most. Text of people needs one or two; text
/// made to need more (quotes within quotes) stays masked in part.
const MAX_ROUNDS: usize = 16;

/// Replaces secrets and personal data in `text`; borrowed when there is none.
///
/// Handles private keys, cookies, credentials in URLs and connection strings,
/// bearer, basic and other authorisation, JSON web tokens, keys of the large
/// providers, webhooks, hashes of passwords, values of keys that name a secret
/// (`password=`, `"token": "…"`, `--api-key …`), e-mail addresses, numbers of
/// payment cards, and long strings that look random. Cannot fail; idempotent.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut current = Cow::Borrowed(text);
    // A replacement can make a neighbour readable as a key's value, which the
    // next round then masks as well; it settles at once or after one more.
    for _ in 0..MAX_ROUNDS {
        match round(&current) {
            Some(next) if next != *current => current = Cow::Owned(next),
            _ => break,
        }
    }
    current
}

/// One pass of all rules; `None` when none of them found anything.
///
/// The order matters: whole forms first, then keys, then what looks random.
fn round(text: &str) -> Option<String> {
    let mut current = Cow::Borrowed(text);
    forms::mask(&mut current);
    for rule in [keys::mask, cards::mask, random::mask] {
        if let Some(next) = rule(&current) {
            current = Cow::Owned(next);
        }
    }
    match current {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
    }
}

/// A text of which parts are being masked, from left to right.
struct Masked<'t> {
    text: &'t str,
    out: String,
    done: usize,
}

impl<'t> Masked<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            out: String::new(),
            done: 0,
        }
    }

    /// Masks a part that lies behind all before it. One that is masked already,
    /// or that does not lie on the borders of characters, stays as it is.
    fn mask(&mut self, at: Range<usize>) {
        let (Some(before), Some(part)) = (
            self.text.get(self.done..at.start),
            self.text.get(at.clone()),
        ) else {
            return;
        };
        if part == MASK || part.is_empty() {
            return;
        }
        self.out.push_str(before);
        self.out.push_str(MASK);
        self.done = at.end;
    }

    fn finish(mut self) -> Option<String> {
        if self.done == 0 {
            return None;
        }
        self.out.push_str(&self.text[self.done..]);
        Some(self.out)
    }
}
