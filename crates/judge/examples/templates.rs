//! Prints group and template of each line of files: `templates IN OUT` reads
//! each file of folder IN, a line an event, and writes `NAME.tsv` to OUT.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use judge::templates::TemplateMiner;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().context("usage: templates IN OUT")?;
    let out = args.next().context("usage: templates IN OUT")?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let mut miner = TemplateMiner::new(true);
        miner.push(&fs::read(&path)?);
        let mined = miner.finish();
        let name = path.file_stem().context("a name")?;
        let mut file = fs::File::create(Path::new(&out).join(name).with_extension("tsv"))?;
        for group in mined.events {
            let text = &mined.templates[group as usize].text;
            writeln!(file, "{group}\t{text}")?;
        }
    }
    Ok(())
}
