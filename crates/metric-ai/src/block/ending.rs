//! What a measurement without a verdict ends as, where a template says so.

use super::error::BlockError;
use super::part::Part;

/// What an error, or a measurement without a verdict, ends as. Success is no
/// value: nothing but a promote verdict is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Phase `Error`: Argo asks again after 10 s; the fifth in a row aborts.
    Error,
    /// Phase `Inconclusive`: the rollout pauses for a person.
    Inconclusive,
    /// Phase `Failed`: the rollout is aborted.
    Fail,
}

/// What a template says of endings; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endings {
    /// Of what would be an error.
    pub on_error: Option<Ending>,
    /// Of an inconclusive measurement for want of any data.
    pub on_no_data: Option<Ending>,
    /// Of any other inconclusive measurement.
    pub on_inconclusive: Option<Ending>,
}

/// Reads the three keys.
pub(super) fn endings(block: &Part<'_>) -> Result<Endings, BlockError> {
    Ok(Endings {
        on_error: ending(block, "onError")?,
        on_no_data: ending(block, "onNoData")?,
        on_inconclusive: ending(block, "onInconclusive")?,
    })
}

/// Reads one of them.
pub(super) fn ending(block: &Part<'_>, key: &'static str) -> Result<Option<Ending>, BlockError> {
    let text = block.text(key)?.to_ascii_lowercase();
    Ok(Some(match text.as_str() {
        "" => return Ok(None),
        "error" => Ending::Error,
        "inconclusive" => Ending::Inconclusive,
        "fail" => Ending::Fail,
        "success" | "successful" | "succeed" | "pass" | "promote" => {
            return Err(BlockError::NoSuccess { key });
        }
        _ => {
            return Err(BlockError::Value {
                key: key.to_owned(),
                needed: "must be `error`, `inconclusive` or `fail`",
            });
        }
    }))
}
