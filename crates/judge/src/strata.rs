//! Evidence → counts for each bucket of time: what the gates test.
//!
//! Each bucket is a stratum with its own share of the exposure; buckets that
//! are cut short do not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::Traffic;
use crate::evidence::{ArmEvidence, Evidence};
use crate::judgement::ExposureUnit;
use crate::level::Level;
use crate::table::{ArmCells, Row};

/// Episodes of stable from which its dispersion can be estimated; below, the
/// episodes themselves are counted.
const MIN_DISPERSION_EPISODES: u64 = 5;

/// Buckets of stable from which the spread between them is an estimate.
const MIN_DISPERSION_BUCKETS: u32 = 6;

/// Which errors are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Events at ERROR and above.
    Errors,
    /// Requests answered with 5xx.
    ServerErrors,
}

/// One arm's counts in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub requests: u64,
    /// Events of templates that both arms share.
    pub events: u64,
    errors: Errors,
    server_errors: Errors,
    /// Episodes of events that report a failure.
    pub failure_episodes: u64,
}

/// Errors of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    pub count: u64,
    pub episodes: u64,
    pub squares: u64,
}

impl Errors {
    fn add(&mut self, count: u64, episodes: u64, squares: u64) {
        self.count += count;
        self.episodes += episodes;
        self.squares = self.squares.saturating_add(squares);
    }
}

impl Counts {
    pub(crate) fn of(&self, measure: Measure) -> Errors {
        match measure {
            Measure::Errors => self.errors,
            Measure::ServerErrors => self.server_errors,
        }
    }

    /// Exposure that shows service: without what only failed.
    pub(crate) fn served(&self, unit: ExposureUnit) -> u64 {
        match unit {
            ExposureUnit::Requests => self.requests,
            ExposureUnit::Events => self.events,
            ExposureUnit::None => 0,
        }
    }
}

/// Both arms in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stratum {
    pub stable: Counts,
    pub canary: Counts,
}

/// All complete buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Strata {
    pub unit: ExposureUnit,
    pub buckets: BTreeMap<u32, Stratum>,
    /// Stable's dispersion of each measure; `None` where it has too few
    /// episodes, so that episodes are counted.
    dispersion: [Option<f64>; 2],
}

impl Strata {
    pub(crate) fn new(evidence: &Evidence, rows: &[Row]) -> Self {
        let complete = evidence.window.complete_buckets();
        let mut all: BTreeMap<u32, Stratum> = BTreeMap::new();
        let mut seen_requests = false;
        for (arm, of) in [
            (&evidence.stable, stable_of as ArmOf),
            (&evidence.canary, canary_of as ArmOf),
        ] {
            seen_requests |= add_tallies(arm, complete, &mut all, of);
        }
        let mut seen_events = false;
        for row in rows.iter().filter(|row| is_exposure(row)) {
            for (cells, of) in [
                (&row.stable, stable_of as ArmOf),
                (&row.canary, canary_of as ArmOf),
            ] {
                for (bucket, (count, _)) in cells.cells.range(..complete) {
                    of(all.entry(*bucket).or_default()).events += count;
                    seen_events = true;
                }
            }
        }
        let unit = match (seen_requests, seen_events) {
            (true, _) => ExposureUnit::Requests,
            (false, true) => ExposureUnit::Events,
            (false, false) => ExposureUnit::None,
        };
        let mut strata = Self {
            unit,
            buckets: all,
            dispersion: [None; 2],
        };
        strata.dispersion =
            [Measure::Errors, Measure::ServerErrors].map(|measure| strata.dispersion(measure));
        strata
    }

    /// How much more stable's errors vary than independent ones would: its
    /// dispersion, of stable alone, for a sparse canary has none to estimate.
    ///
    /// Over enough buckets it is Pearson's χ² over its degrees of freedom, as
    /// in quasi-Poisson models (P. McCullagh and J. Nelder, "Generalized Linear
    /// Models", 2nd ed., section 6.2); over fewer the size of the episode that
    /// the average error is in.
    fn dispersion(&self, measure: Measure) -> Option<f64> {
        let mut total = Errors::default();
        let (mut exposure, mut buckets) = (0.0, 0_u32);
        for stratum in self.buckets.values() {
            let errors = stratum.stable.of(measure);
            total.add(errors.count, errors.episodes, errors.squares);
            let exposed = self.exposed(&stratum.stable, measure);
            exposure += exposed;
            buckets += u32::from(exposed > 0.0);
        }
        if total.episodes < MIN_DISPERSION_EPISODES || exposure <= 0.0 {
            return None;
        }
        if buckets < MIN_DISPERSION_BUCKETS {
            return Some((total.squares as f64 / total.count as f64).max(1.0));
        }
        let rate = total.count as f64 / exposure;
        let mut pearson = 0.0;
        for stratum in self.buckets.values() {
            let expected = rate * self.exposed(&stratum.stable, measure);
            if expected > 0.0 {
                pearson += (stratum.stable.of(measure).count as f64 - expected).powi(2) / expected;
            }
        }
        Some((pearson / f64::from(buckets - 1)).max(1.0))
    }

    /// What a bucket's errors are among, before anything is known of bursts.
    fn exposed(&self, counts: &Counts, measure: Measure) -> f64 {
        counts.served(self.unit).max(counts.of(measure).count) as f64
    }

    /// Errors of an arm as so many independent ones: divided by stable's
    /// dispersion, or counted in episodes where stable has too few to tell.
    pub(crate) fn independent(&self, counts: &Counts, measure: Measure) -> f64 {
        let errors = counts.of(measure);
        match self.dispersion[measure as usize] {
            Some(dispersion) => errors.count as f64 / dispersion,
            None => errors.episodes as f64,
        }
    }

    /// Exposure of an arm for the gates: what was served, and what failed
    /// before it could be logged as served.
    pub(crate) fn exposure(&self, counts: &Counts) -> f64 {
        let errors = self.independent(counts, Measure::Errors);
        match self.unit {
            ExposureUnit::Requests => (counts.requests as f64).max(errors),
            ExposureUnit::Events => counts.events as f64 + errors,
            ExposureUnit::None => 0.0,
        }
    }

    /// The canary's share of a bucket's exposure; `None` where one arm had none.
    pub(crate) fn share(&self, stratum: &Stratum) -> Option<f64> {
        let (canary, stable) = (
            self.exposure(&stratum.canary),
            self.exposure(&stratum.stable),
        );
        (canary > 0.0 && stable > 0.0).then(|| canary / (canary + stable))
    }

    /// Exposure of stable and of the canary over all complete buckets.
    pub(crate) fn served(&self) -> (u64, u64) {
        self.buckets
            .values()
            .fold((0, 0), |(stable, canary), stratum| {
                (
                    stable + stratum.stable.served(self.unit),
                    canary + stratum.canary.served(self.unit),
                )
            })
    }

    /// Errors of stable and of the canary.
    pub(crate) fn errors(&self, measure: Measure) -> (u64, u64) {
        self.buckets
            .values()
            .fold((0, 0), |(stable, canary), stratum| {
                (
                    stable + stratum.stable.of(measure).count,
                    canary + stratum.canary.of(measure).count,
                )
            })
    }
}

type ArmOf = fn(&mut Stratum) -> &mut Counts;

fn stable_of(stratum: &mut Stratum) -> &mut Counts {
    &mut stratum.stable
}

fn canary_of(stratum: &mut Stratum) -> &mut Counts {
    &mut stratum.canary
}

/// Adds an arm's tallies; whether it showed any request at all.
fn add_tallies(
    arm: &ArmEvidence,
    complete: u32,
    all: &mut BTreeMap<u32, Stratum>,
    of: ArmOf,
) -> bool {
    let mut seen = false;
    for tally in arm.logs.iter().flat_map(|log| &log.profile.tallies) {
        seen |= tally.requests > 0;
        if tally.bucket >= complete {
            continue;
        }
        let counts = of(all.entry(tally.bucket).or_default());
        counts.requests += tally.requests;
        counts
            .errors
            .add(tally.errors, tally.error_episodes, tally.error_squares);
        counts.server_errors.add(
            tally.server_errors,
            tally.server_error_episodes,
            tally.server_error_squares,
        );
        counts.failure_episodes += tally.failure_episodes;
    }
    seen
}

/// Whether a row's events are exposure where there are no requests: both arms
/// have it, it is no debugging, no error, no probe and no heartbeat.
fn is_exposure(row: &Row) -> bool {
    let shared = !row.stable.cells.is_empty() && !row.canary.cells.is_empty();
    shared
        && (Level::Info..=Level::Warn).contains(&row.level)
        && row.traffic != Traffic::Probe
        && row.regular != Some(true)
}

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
    for (bucket, stratum) in &strata.buckets {
        let (mut stable, mut canary) = (0.0, 0.0);
        let mut seen = Vec::new();
        for (row, hash) in failures.iter().filter(|(_, hash)| !known.contains(hash)) {
            let (of_stable, of_canary) = (
                episodes(&row.stable, *bucket),
                episodes(&row.canary, *bucket),
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
