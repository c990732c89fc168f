//! What asking models may cost, kept across models that are asked at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::prices::{Price, Tokens};
use super::wire::MAX_OUTPUT_TOKENS;
use crate::opinion::Spent;

/// Bytes of English or JSON that a token has at least: an estimate from above,
/// for what an answer does not say and what is not yet asked.
const BYTES_PER_TOKEN: u64 = 3;

/// What asking models may cost, over all looks at one canary together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests, repetitions and repairs included.
    pub calls: u32,
    /// Tokens, of prompts and answers.
    pub tokens: u64,
    /// Time, seconds.
    pub seconds: u64,
    /// Money, millionths of a US dollar; `None`: whatever the rest costs. A
    /// model without a known price is not asked where there is a limit.
    pub micro_usd: Option<u64>,
}

impl Default for Budget {
    /// Five models with a repair each, at prompts of the largest size, twice.
    fn default() -> Self {
        Self {
            calls: 20,
            tokens: 400_000,
            seconds: 600,
            micro_usd: None,
        }
    }
}

/// Why a call may not be made, in words that name the mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Calls,
    Tokens,
    Money,
    NoPrice,
}

impl Over {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Calls => "the budget of calls is used up: raise `budget`",
            Self::Tokens => "the budget of tokens is used up: raise `budget`",
            Self::Money => "the budget of money is used up: raise `budget`",
            Self::NoPrice => {
                "the budget is in money and its price is not known: add it to the price file"
            }
        }
    }
}

/// The budget of one `explain`, and what is used of it.
#[derive(Debug)]
pub(super) struct Ledger {
    budget: Budget,
    before: Spent,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    spent: Spent,
    /// Promised to calls that are under way.
    reserved_tokens: u64,
    reserved_micro_usd: u64,
}

impl Ledger {
    /// `before` is what earlier looks spent of the same budget.
    pub(super) fn new(budget: Budget, before: Spent) -> Self {
        Self {
            budget,
            before,
            used: Mutex::default(),
        }
    }

    /// The time that is left.
    pub(super) fn time_left(&self) -> Duration {
        let budget = Duration::from_secs(self.budget.seconds);
        budget.saturating_sub(Duration::from_millis(self.before.took_ms))
    }

    /// Makes sure that one more call fits, with an answer of the greatest
    /// length, and counts it.
    pub(super) fn reserve(
        &self,
        prompt_bytes: usize,
        price: Option<Price>,
    ) -> Result<Reserved<'_>, Over> {
        let estimate = Tokens {
            input: estimated_tokens(prompt_bytes),
            output: MAX_OUTPUT_TOKENS,
        };
        let tokens = estimate.input.saturating_add(estimate.output);
        let micro_usd = match (price, self.budget.micro_usd) {
            (Some(price), _) => price.micro_usd(estimate),
            (None, Some(_)) => return Err(Over::NoPrice),
            (None, None) => 0,
        };
        let mut used = self.lock();
        let all = self.before.plus(used.spent);
        if all.calls >= self.budget.calls {
            return Err(Over::Calls);
        }
        let after = |spent: u64, reserved: u64, more: u64| {
            spent.saturating_add(reserved).saturating_add(more)
        };
        if after(all.tokens, used.reserved_tokens, tokens) > self.budget.tokens {
            return Err(Over::Tokens);
        }
        if let Some(most) = self.budget.micro_usd
            && after(all.micro_usd, used.reserved_micro_usd, micro_usd) > most
        {
            return Err(Over::Money);
        }
        used.spent.calls += 1;
        used.reserved_tokens += tokens;
        used.reserved_micro_usd += micro_usd;
        Ok(Reserved {
            ledger: self,
            price,
            tokens,
            micro_usd,
        })
    }

    /// What was spent, without time.
    pub(super) fn spent(&self) -> Spent {
        self.lock().spent
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was counted; what it did not use is given back when this goes,
/// also when the call is given up.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    ledger: &'a Ledger,
    price: Option<Price>,
    tokens: u64,
    micro_usd: u64,
}

impl Reserved<'_> {
    /// Counts what the call did use.
    pub(super) fn used(self, tokens: Tokens) {
        let mut used = self.ledger.lock();
        let spent = &mut used.spent;
        let all = tokens.input.saturating_add(tokens.output);
        spent.tokens = spent.tokens.saturating_add(all);
        let cost = self.price.map_or(0, |price| price.micro_usd(tokens));
        spent.micro_usd = spent.micro_usd.saturating_add(cost);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut used = self.ledger.lock();
        used.reserved_tokens -= self.tokens;
        used.reserved_micro_usd -= self.micro_usd;
    }
}

/// About how many tokens a text has, from above.
pub(super) fn estimated_tokens(bytes: usize) -> u64 {
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::super::prices::Prices;
    use super::*;

    fn price() -> Option<Price> {
        Prices::default().of("gemini-2.5-pro")
    }

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input, output }
    }

    #[test]
    fn each_kind_of_budget_ends() {
        let plenty = Budget {
            micro_usd: Some(10_000_000),
            ..Budget::default()
        };
        for (budget, over) in [
            (Budget { calls: 1, ..plenty }, Over::Calls),
            (
                Budget {
                    tokens: 8_192 + 1_000,
                    ..plenty
                },
                Over::Tokens,
            ),
            (
                Budget {
                    micro_usd: Some(90_000),
                    ..plenty
                },
                Over::Money,
            ),
        ] {
            let ledger = Ledger::new(budget, Spent::default());
            let first = ledger.reserve(900, price()).unwrap();
            first.used(tokens(700, 800));
            assert_eq!(ledger.reserve(900, price()).err(), Some(over));
        }
        let ledger = Ledger::new(plenty, Spent::default());
        assert_eq!(ledger.reserve(900, None).err(), Some(Over::NoPrice));
        assert!(
            Ledger::new(Budget::default(), Spent::default())
                .reserve(900, None)
                .is_ok()
        );
    }

    #[test]
    fn what_was_spent_before_counts() {
        let before = Spent {
            calls: 20,
            took_ms: 599_000,
            ..Spent::default()
        };
        let ledger = Ledger::new(Budget::default(), before);
        assert_eq!(ledger.reserve(1, None).err(), Some(Over::Calls));
        assert_eq!(ledger.time_left(), Duration::from_secs(1));
    }

    #[test]
    fn calls_that_are_under_way_count_and_give_back() {
        let budget = Budget {
            tokens: 2 * 8_192,
            ..Budget::default()
        };
        let ledger = Ledger::new(budget, Spent::default());
        let first = ledger.reserve(3, None).unwrap();
        assert_eq!(ledger.reserve(3_000, None).err(), Some(Over::Tokens));
        drop(first);
        let second = ledger.reserve(3_000, None).unwrap();
        second.used(tokens(10, 5));
        let spent = ledger.spent();
        assert_eq!((spent.calls, spent.tokens), (2, 15));
    }
}
