//! What an agent's answer amounts to.

use serde::{Deserialize, Serialize};

use crate::rest::Response;

/// What an agent says of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The canary may go on.
    Promote,
    /// The canary must go back.
    Abort,
    /// There is not enough to say either: the rollout pauses.
    Inconclusive,
}

impl Verdict {
    /// Its word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Why an answer of status 200 is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVerdict {
    /// It says to promote, with confidence 0: what agents in use say when
    /// their model is down or its answer could not be read.
    #[error("it says promote with confidence 0, as agents do whose model is down")]
    UnfoundedPromote,
    /// It says not to promote, with confidence 0, and no `verdict`: what the
    /// contract has agents say of any failure.
    #[error("it says promote: false with confidence 0, which is a failure and not a verdict")]
    UnfoundedAbort,
    /// `verdict` is `promote` and `promote` is false.
    #[error("its verdict is promote and its promote is false: which is it?")]
    Contradiction,
}

impl Response {
    /// What the answer amounts to. Neither does a failure promote, nor does it
    /// abort:
    ///
    /// | `verdict` | `promote` | `confidence` | |
    /// | --- | --- | --- | --- |
    /// | promote | true | 1 to 100 | promote |
    /// | promote | true | 0 | error |
    /// | promote | false | any | error |
    /// | abort, inconclusive | any | any | as it says |
    /// | none | true | 1 to 100 | promote |
    /// | none | true | 0 | error: the agent's model is down |
    /// | none | false | 1 to 100 | abort |
    /// | none | false | 0 | error: what the contract has agents say of a failure |
    ///
    /// An `abort` or `inconclusive` counts whatever `promote` says, since
    /// `verdict` is the preferred field and the more careful word.
    ///
    /// # Errors
    ///
    /// [`NoVerdict`], as the table says.
    pub fn verdict(&self) -> Result<Verdict, NoVerdict> {
        match (self.verdict, self.promote) {
            (Some(Verdict::Promote), false) => Err(NoVerdict::Contradiction),
            (Some(verdict @ (Verdict::Abort | Verdict::Inconclusive)), _) => Ok(verdict),
            (Some(Verdict::Promote) | None, true) if self.confidence == 0 => {
                Err(NoVerdict::UnfoundedPromote)
            }
            (Some(Verdict::Promote) | None, true) => Ok(Verdict::Promote),
            (None, false) if self.confidence == 0 => Err(NoVerdict::UnfoundedAbort),
            (None, false) => Ok(Verdict::Abort),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_promotion_nor_an_abort_without_ground() {
        use NoVerdict::{Contradiction, UnfoundedAbort, UnfoundedPromote};
        use Verdict::{Abort, Inconclusive, Promote};
        let table = [
            (Some(Promote), true, 80, Ok(Promote)),
            (Some(Promote), true, 0, Err(UnfoundedPromote)),
            (Some(Promote), false, 80, Err(Contradiction)),
            (Some(Promote), false, 0, Err(Contradiction)),
            (Some(Abort), false, 90, Ok(Abort)),
            (Some(Abort), false, 0, Ok(Abort)),
            (Some(Abort), true, 90, Ok(Abort)),
            (Some(Inconclusive), false, 0, Ok(Inconclusive)),
            (Some(Inconclusive), true, 99, Ok(Inconclusive)),
            (None, true, 1, Ok(Promote)),
            (None, true, 100, Ok(Promote)),
            (None, true, 0, Err(UnfoundedPromote)),
            (None, false, 1, Ok(Abort)),
            (None, false, 0, Err(UnfoundedAbort)),
        ];
        for (verdict, promote, confidence, expected) in table {
            let response = Response {
                verdict,
                promote,
                confidence,
                ..Response::default()
            };
            assert_eq!(
                response.verdict(),
                expected,
                "{verdict:?} {promote} {confidence}"
            );
        }
    }
}
