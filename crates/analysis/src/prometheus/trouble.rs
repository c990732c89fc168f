//! Why a query gave no samples, in words for people that name the mend. What a
//! server says is never part of them.

use std::time::Duration;

use thiserror::Error;

/// Why a query gave no samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Trouble {
    #[error("no sample yet: the canary is younger than the time between two samples")]
    TooEarly,
    #[error("no data: the query gives no series; check its labels on Prometheus' own page")]
    NoSeries,
    #[error(
        "no data: the query gives NaN or infinity throughout, as a division does without traffic"
    )]
    NoNumber,
    #[error("the query gives several series: aggregate them with sum() or avg()")]
    ManySeries,
    #[error("the query gives histograms: take a number from them with histogram_quantile()")]
    Histograms,
    #[error("Prometheus refused the query{}: try it on Prometheus' own page", .0.words())]
    BadQuery(ErrorType),
    #[error("Prometheus could not run the query{}: try it on Prometheus' own page", .0.words())]
    Execution(ErrorType),
    #[error(
        "the query is long, so it was sent with POST, which the server does not take: shorten it"
    )]
    NoPost,
    #[error("the server refused the credential ({status})")]
    Refused { status: u16 },
    #[error(
        "the server wants a credential ({status}): the operator's goes only to origins that the \
         operator lists; list this one there"
    )]
    WantsCredential { status: u16 },
    #[error("the operator's credential cannot be sent: it has characters that no header may have")]
    Unsendable,
    #[error("the operator allows listed servers only, and this one is not listed")]
    NotListed,
    #[error("there is no Prometheus API at this address ({status}): check host, port and path")]
    NoApi { status: u16 },
    #[error("the address redirects, which is not followed: write the address it leads to")]
    Redirect,
    #[error("Prometheus limits requests (429): ask for fewer queries, or less often")]
    TooManyRequests,
    #[error("Prometheus answered {status}{}: is it overloaded, or the query too dear?", .kind.words())]
    Server { status: u16, kind: ErrorType },
    #[error("no answer within {} s: is Prometheus overloaded, or the query too dear?", seconds(.0))]
    TimedOut(Duration),
    #[error("no answer within the {} s that all queries have: ask for fewer, or cheaper ones", seconds(.0))]
    NotInTime(Duration),
    #[error("the server cannot be reached: check the address, and network policies between")]
    Unreachable,
    #[error("its certificate is not trusted: the operator can name its authority's file")]
    Untrusted,
    #[error("the answer is larger than {} KiB: aggregate the query with sum() or avg()", .limit_bytes / 1024)]
    TooLarge { limit_bytes: usize },
    #[error("the answer broke off")]
    BrokeOff,
    #[error("the answer is not what Prometheus says: check host, port and path of the address")]
    NotPrometheus,
}

fn seconds(limit: &Duration) -> f64 {
    limit.as_secs_f64()
}

impl Trouble {
    /// Whether somebody has something to mend; else there is no data (yet).
    pub(super) fn is_failure(self) -> bool {
        !matches!(self, Self::TooEarly | Self::NoSeries | Self::NoNumber)
    }
}

/// Prometheus' `errorType`, of which only known words are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorType(Option<&'static str>);

impl ErrorType {
    const KNOWN: [&str; 8] = [
        "bad_data",
        "execution",
        "timeout",
        "canceled",
        "internal",
        "unavailable",
        "not_found",
        "not_acceptable",
    ];

    pub(super) fn of(text: &str) -> Self {
        Self(Self::KNOWN.into_iter().find(|known| *known == text))
    }

    pub(super) fn is_known(self) -> bool {
        self.0.is_some()
    }

    fn words(self) -> String {
        self.0.map_or(String::new(), |word| format!(" ({word})"))
    }
}
