//! What a server answered → samples, or why there are none. Pure.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::range::Range;
use super::trouble::{ErrorType, Trouble};

/// Samples of one query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answered {
    /// Milliseconds since the Unix epoch and value: at least one, finite all,
    /// in order of time.
    pub(super) values: Vec<(i64, f64)>,
    /// Whether Prometheus warned, mostly that the samples are not all.
    pub(super) warned: bool,
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: ResultType,
    result: Vec<Series>,
}

/// A range query has no other.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ResultType {
    Matrix,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<IgnoredAny>,
}

/// Samples in an answer of status 200.
pub(super) fn samples(body: &[u8], range: Range) -> Result<Answered, Trouble> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Trouble::NotPrometheus)?;
    if answer.status == Status::Error {
        return Err(Trouble::Execution(kind(&answer)));
    }
    let warned = answer.warnings.is_some_and(|warnings| !warnings.is_empty());
    let Data {
        result_type: ResultType::Matrix,
        result,
    } = answer.data.ok_or(Trouble::NotPrometheus)?;
    let mut result = result.into_iter();
    let series = result.next().ok_or(Trouble::NoSeries)?;
    if result.next().is_some() {
        return Err(Trouble::ManySeries);
    }
    if !series.histograms.is_empty() {
        return Err(Trouble::Histograms);
    }
    if series.values.len() > range.samples() {
        return Err(Trouble::NotPrometheus);
    }
    let mut values = Vec::with_capacity(series.values.len());
    for (at_s, value) in series.values {
        let value: f64 = value.parse().map_err(|_| Trouble::NotPrometheus)?;
        let at_ms = milliseconds(at_s, range).ok_or(Trouble::NotPrometheus)?;
        // NaN and the infinities are no measurements: no sample, not health.
        if value.is_finite() {
            values.push((at_ms, value));
        }
    }
    values.sort_by_key(|(at_ms, _)| *at_ms);
    if values.is_empty() {
        return Err(Trouble::NoNumber);
    }
    Ok(Answered { values, warned })
}

/// A sample's time, if it was asked for.
fn milliseconds(at_s: f64, range: Range) -> Option<i64> {
    let at_ms = (at_s * 1_000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and what does not fit is outside the range"
    )]
    let at_ms = at_ms as i64;
    (range.first_ms..=range.end_ms)
        .contains(&at_ms)
        .then_some(at_ms)
}

/// What another status than 200 means. Whether a credential was sent tells who
/// can mend a refusal.
pub(super) fn refusal(status: u16, body: &[u8], sent: Sent) -> Trouble {
    // Only Prometheus says what kind of error it is: a 404 or 400 without it
    // comes from something else.
    let kind = serde_json::from_slice(body).map_or_else(|_| ErrorType::default(), |a| kind(&a));
    match status {
        300..=399 => Trouble::Redirect,
        400 if kind.is_known() => Trouble::BadQuery(kind),
        422 if kind.is_known() => Trouble::Execution(kind),
        401 | 403 if sent.credential => Trouble::Refused { status },
        401 | 403 => Trouble::WantsCredential { status },
        405 | 501 if sent.post => Trouble::NoPost,
        429 => Trouble::TooManyRequests,
        500..=599 => Trouble::Server { status, kind },
        400..=499 => Trouble::NoApi { status },
        _ => Trouble::NotPrometheus,
    }
}

/// How a query was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// With a credential, whoever's.
    pub(super) credential: bool,
    /// With POST, as it was long.
    pub(super) post: bool,
}

fn kind(answer: &Answer) -> ErrorType {
    answer
        .error_type
        .as_deref()
        .map_or_else(ErrorType::default, ErrorType::of)
}
