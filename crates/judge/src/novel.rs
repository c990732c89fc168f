//! Failures that are new: those that stable has not shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::eprocess::{Mixture, log_mean};
use crate::level::Level;
use crate::strata::Strata;
use crate::table::{ArmCells, Row};

/// Failures that stable had not shown before, of stable and of the canary, for
/// each complete bucket.
///
/// Whether a row is new is decided by the buckets before: under equal rates a
/// failure that nobody has seen falls on either arm by its share, and once
/// stable has shown it, it is no longer new. In the bucket in which both show
/// it first, the order is unknown: the canary's part before stable's first is
/// taken as its mean over all orders, c/(s + 1), which is on the safe side, an
/// e-value being convex in the count.
pub(crate) fn novel_failures(
    strata: &Strata,
    rows: &[Row],
    known: &BTreeSet<u32>,
) -> BTreeMap<u32, (f64, f64)> {
    let mut known: BTreeSet<u32> = known.clone();
    // What stable said before the canary came, or as it started, is not new.
    known.extend(
        rows.iter()
            .filter(|row| row.stable.before + row.stable.at_start > 0)
            .map(row_hash),
    );
    let failures: Vec<(&Row, u32)> = rows
        .iter()
        .filter(|row| row.is_failure())
        .map(|row| (row, row_hash(row)))
        .collect();
    let mut novel = BTreeMap::new();
    let episodes = |cells: &ArmCells, bucket: u32| {
        cells
            .cells
            .get(&bucket)
            .map_or(0, |(_, episodes)| *episodes) as f64
    };
    let exposure = strata.exposures().1;
    for (bucket, stratum) in &strata.buckets {
        let (mut stable, mut canary) = (0.0, 0.0);
        let mut seen = Vec::new();
        for (row, hash) in failures.iter().filter(|(_, hash)| !known.contains(hash)) {
            let (of_stable, of_canary) = (
                episodes(&row.stable, *bucket),
                if is_tested(row, exposure, strata.complete) {
                    episodes(&row.canary, *bucket)
                } else {
                    0.0
                },
            );
            if of_stable > 0.0 {
                stable += 1.0;
                canary += of_canary / (of_stable + 1.0);
                seen.push(*hash);
            } else {
                canary += of_canary;
            }
        }
        known.extend(seen);
        // One cause logged as several templates is one episode of the log.
        let canary = canary.min(stratum.canary.failure_episodes as f64);
        if stable > 0.0 || canary > 0.0 {
            novel.insert(*bucket, (stable, canary));
        }
    }
    novel
}

/// Failures that are looked at each for itself, the most frequent of the canary.
const PLACES: usize = 16;

/// Logarithm of the e-value of "one failure is the canary's alone", in logs that
/// are complete: the mean of the failures' own e-values over a fixed number of
/// places, the empty ones holding their stake. Over one bucket nothing says what
/// came first, so that [`novel_failures`] must count each of stable's failures
/// against it. `None` where the canary has no failure.
pub(crate) fn alone(strata: &Strata, rows: &[Row]) -> Option<f64> {
    let (stable_exposure, canary_exposure) = strata.exposures();
    let share = canary_exposure / (canary_exposure + stable_exposure);
    let mut logs: Vec<f64> = rows
        .iter()
        .filter(|row| is_tested(row, canary_exposure, true) && row.canary.total() > 0)
        .map(|row| {
            let mut mixture = Mixture::default();
            mixture.add(
                row.canary.episodes() as f64,
                row.stable.episodes() as f64,
                share,
            );
            mixture.log_e()
        })
        .collect();
    if logs.is_empty() {
        return None;
    }
    logs.sort_by(|a, b| b.total_cmp(a));
    logs.truncate(PLACES);
    let empty = (PLACES - logs.len()) as f64 / PLACES as f64;
    let place = 1.0 / PLACES as f64;
    let places = logs.into_iter().map(|log_e| (log_e, place));
    Some(log_mean(
        places
            .chain(std::iter::once((0.0, empty)))
            .collect::<Vec<_>>()
            .into_iter(),
    ))
}

/// Share of the canary's exposure from which what reports a failure below ERROR
/// is tested: there a word may mean less than it says.
const MIN_SUSPECT_SHARE: f64 = 0.02;

/// Whether a failure speaks against the canary. What is said below ERROR must
/// be frequent and, in logs that are complete, must have gone on: as a process
/// starts much is not there yet.
pub(crate) fn is_tested(row: &Row, canary_exposure: f64, complete: bool) -> bool {
    row.level >= Level::Error
        || row.crash.is_some()
        || row.suspect
            && row.canary.total() as f64 >= MIN_SUSPECT_SHARE * canary_exposure
            && (row.goes_on || !complete)
}

/// A row's identity in 32 bits, as it is carried from look to look.
pub(crate) fn row_hash(row: &Row) -> u32 {
    let hash = fnv(&[row.text.as_bytes(), row.exception.as_bytes()]);
    (hash ^ (hash >> 32)) as u32
}

/// FNV-1a (Fowler, Noll, Vo) of some pieces of text, 64 bits.
pub(crate) fn fnv(pieces: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for piece in pieces {
        for byte in *piece {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash = (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
