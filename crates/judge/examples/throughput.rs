//! Profiles one file and prints bytes per second and the table's size:
//! `throughput FILE`.

use std::fs;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use judge::{ProfileOptions, Profiler};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: throughput FILE")?;
    let bytes = fs::read(path)?;
    let mut out = std::io::stdout().lock();
    for _ in 0..3 {
        let start = Instant::now();
        let mut profiler = Profiler::new(ProfileOptions::default());
        for piece in bytes.chunks(64 * 1024) {
            profiler.push(piece);
        }
        let profile = profiler.finish();
        let seconds = start.elapsed().as_secs_f64();
        writeln!(
            out,
            "{:.0} MB/s, {} lines, {} events, {} templates, {} evicted events",
            bytes.len() as f64 / seconds / 1e6,
            profile.lines,
            profile.events,
            profile.templates.len(),
            profile.evicted_events
        )?;
    }
    Ok(())
}
