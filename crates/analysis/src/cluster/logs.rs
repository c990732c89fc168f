//! One log, profiled as it streams.

use futures::StreamExt;
use http::StatusCode;
use http_body_util::BodyExt;
use judge::evidence::Window;
use judge::profile::{Profile, ProfileOptions, Profiler};
use kube::client::Body;
use tokio::time::{Instant, sleep, timeout_at};

use super::api::{Api, CallError, GET_LOGS, query};
use super::plan::LogPlan;
use crate::error::GatherError;
use crate::limits::Limits;

/// What a kubelet writes, with status 200, where a log should be, when the
/// container has gone since the pod was listed.
const GONE: &[u8] = b"unable to retrieve container logs for ";

/// Times that a log is read again from nearer to its end, because it was
/// larger than its share.
const MAX_SHORTENINGS: u32 = 4;

/// What became of reading one log.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was read; with what is missing from it.
    Read {
        profile: Box<Profile>,
        cut: Option<String>,
    },
    /// It is not there (any more, or yet): no failure.
    Absent,
    /// The service account may not read it.
    Forbidden(GatherError),
    /// It could not be read.
    Failed(String),
}

/// What all logs of a look have in common.
#[derive(Clone, Debug)]
pub(super) struct LogRequest {
    pub(super) namespace: String,
    pub(super) window: Window,
    pub(super) bytes: u64,
    pub(super) limits: Limits,
}

/// Where a piece of reading ended.
enum End {
    Whole,
    Full,
    Broken(CallError),
    TooSlow,
}

struct Piece {
    profile: Profile,
    gone: bool,
    end: End,
}

/// Reads one log to its end, or to the limits.
pub(super) async fn read(api: &Api, plan: &LogPlan, request: &LogRequest) -> Outcome {
    let deadline = Instant::now() + request.limits.log_time;
    let mut lines = request.limits.log_lines;
    let mut shortened = 0;
    let mut attempt = 0;
    loop {
        let uri = uri(plan, request, lines);
        let opened = timeout_at(deadline, api.open(GET_LOGS, &uri, &[StatusCode::OK])).await;
        let failed = match opened {
            Err(_) => return too_slow(&request.limits),
            Ok(Ok(response)) => {
                let piece = profile(response.into_body(), request, deadline).await;
                if piece.gone {
                    return Outcome::Absent;
                }
                match piece.end {
                    End::Whole => return whole(piece.profile, shortened, lines),
                    // The newest lines matter most, and a log is served from
                    // its oldest: ask for fewer of them.
                    End::Full if shortened < MAX_SHORTENINGS && piece.profile.lines > 1 => {
                        shortened += 1;
                        lines = (piece.profile.lines * 3 / 4).max(1);
                        continue;
                    }
                    End::Full => return cut(piece.profile, "its newest lines were not read"),
                    End::TooSlow if piece.profile.bytes == 0 => return too_slow(&request.limits),
                    End::TooSlow => {
                        return cut(piece.profile, "it was too slow to be read to its end");
                    }
                    End::Broken(error) => (error, piece.profile),
                }
            }
            Ok(Err(error)) => match &error.error {
                GatherError::Forbidden { .. } => return Outcome::Forbidden(error.error),
                // 400: the container is not there yet, or not any more.
                GatherError::Refused {
                    status: 400 | 404, ..
                } => return Outcome::Absent,
                _ => (error, Profile::default()),
            },
        };
        attempt += 1;
        let (error, profile) = failed;
        let wait = error
            .wait_before(attempt, &request.limits)
            .filter(|wait| Instant::now() + *wait < deadline);
        match wait {
            Some(wait) => sleep(wait).await,
            None if profile.bytes > 0 => {
                return cut(profile, "the connection broke before its end");
            }
            None => return Outcome::Failed(error.error.to_string()),
        }
    }
}

fn whole(profile: Profile, shortened: u32, lines: u64) -> Outcome {
    let full = profile.lines >= lines;
    let cut = (shortened > 0 || full)
        .then(|| format!("only its newest {} lines were read", profile.lines));
    Outcome::Read {
        profile: Box::new(profile),
        cut,
    }
}

fn cut(profile: Profile, why: &str) -> Outcome {
    Outcome::Read {
        profile: Box::new(profile),
        cut: Some(why.to_owned()),
    }
}

fn too_slow(limits: &Limits) -> Outcome {
    Outcome::Failed(format!("no answer within {} s", limits.log_time.as_secs()))
}

/// Profiles a body until it ends, is full, breaks, or takes too long.
async fn profile(body: Body, request: &LogRequest, deadline: Instant) -> Piece {
    let mut profiler = Profiler::new(ProfileOptions {
        window: request.window,
        runtime_timestamps: true,
    });
    let mut left = request.bytes;
    let mut head: Vec<u8> = Vec::with_capacity(GONE.len());
    let mut stream = body.into_data_stream();
    let end = loop {
        let chunk = match timeout_at(deadline, stream.next()).await {
            Err(_) => break End::TooSlow,
            Ok(None) if left == 0 => break End::Full,
            Ok(None) => break End::Whole,
            Ok(Some(Err(error))) => break End::Broken(CallError::unreachable(GET_LOGS, error)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if head.len() < GONE.len() {
            let missing = GONE.len() - head.len();
            head.extend_from_slice(&chunk[..chunk.len().min(missing)]);
        }
        let taken = usize::try_from(left).map_or(chunk.len(), |left| chunk.len().min(left));
        profiler.push(&chunk[..taken]);
        left -= taken as u64;
        if left == 0 {
            break End::Full;
        }
        // Profiling is pure work: other looks and pings must get a turn.
        tokio::task::yield_now().await;
    };
    Piece {
        profile: profiler.finish(),
        gone: head == GONE,
        end,
    }
}

fn uri(plan: &LogPlan, request: &LogRequest, lines: u64) -> String {
    let since = request
        .window
        .start_ms
        .and_then(|ms| jiff::Timestamp::from_second(ms.div_euclid(1000)).ok())
        .map(|since| format!("&sinceTime={}", query(&since.to_string())))
        .unwrap_or_default();
    let previous = if plan.previous { "&previous=true" } else { "" };
    // The server stops at the same number of bytes as we do, so that no byte
    // crosses the network in vain.
    format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&timestamps=true&tailLines={lines}\
         &limitBytes={}{since}{previous}",
        query(&request.namespace),
        query(&plan.pod),
        query(&plan.container),
        request.bytes,
    )
}
