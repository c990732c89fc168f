//! Prints the templates of a log: `dump FILE`.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use judge::{ProfileOptions, Profiler};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: dump FILE")?;
    let mut profiler = Profiler::new(ProfileOptions::default());
    profiler.push(&std::fs::read(path)?);
    let profile = profiler.finish();
    let mut out = std::io::stdout().lock();
    for template in &profile.templates {
        writeln!(
            out,
            "{:6} {:?} {} {:?} {} {} | {}",
            template.total(),
            template.level,
            template.status_class,
            template.traffic,
            template.exception,
            template.frame,
            template.text
        )?;
    }
    Ok(())
}
