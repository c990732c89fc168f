//! Profiles one file and prints bytes per second and the table's size:
//! `throughput FILE` reads it three times, each as a log of its own;
//! `throughput FILE TIMES` reads it again and again as one log, from disk, so
//! that what the process takes is the engine's.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result};
use judge::{Profile, ProfileOptions, Profiler};

const PIECE_BYTES: usize = 64 * 1024;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("usage: throughput FILE [TIMES]")?;
    let times: Option<usize> = args.next().map(|times| times.parse()).transpose()?;
    if let Some(times) = times {
        let start = Instant::now();
        let mut profiler = Profiler::new(ProfileOptions::default());
        let mut piece = vec![0; PIECE_BYTES];
        for _ in 0..times {
            let mut file = fs::File::open(&path)?;
            loop {
                let len = file.read(&mut piece)?;
                if len == 0 {
                    break;
                }
                profiler.push(&piece[..len]);
            }
        }
        return print(&profiler.finish(), start);
    }
    let bytes = fs::read(&path)?;
    for _ in 0..3 {
        let start = Instant::now();
        let mut profiler = Profiler::new(ProfileOptions::default());
        for piece in bytes.chunks(PIECE_BYTES) {
            profiler.push(piece);
        }
        print(&profiler.finish(), start)?;
    }
    Ok(())
}

fn print(profile: &Profile, start: Instant) -> Result<()> {
    let seconds = start.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout().lock(),
        "{:.0} MB/s, {} lines, {} events, {} templates, {} evicted events",
        profile.bytes as f64 / seconds / 1e6,
        profile.lines,
        profile.events,
        profile.templates.len(),
        profile.evicted_events
    )?;
    Ok(())
}
