//! The file itself: its size, and that it needs nothing beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Programs;
use bench::figure::{Figure, Target, Value};
use e2e::elf;

/// Largest file that a controller should have to copy.
const SIZE_LIMIT_MIB: f64 = 16.0;

/// Size, and interpreters and libraries needed.
pub fn figures(programs: &Programs) -> Result<Vec<Figure>> {
    let ours = read(&programs.ours)?;
    let rival = read(&programs.rival)?;
    Ok(vec![
        Figure {
            name: "binary: size".to_owned(),
            target: Some(Target::AtMost(Value::MiB(SIZE_LIMIT_MIB))),
            ours: ours.0,
            rival: Some(rival.0),
        },
        Figure {
            name: "binary: interpreters and libraries needed (static: 0)".to_owned(),
            target: Some(Target::AtMost(Value::Count(0))),
            ours: ours.1,
            rival: Some(rival.1),
        },
    ])
}

fn read(path: &Path) -> Result<(Value, Value)> {
    let file = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let needed = elf::needed_beside_itself(&file).with_context(|| path.display().to_string())?;
    Ok((
        Value::bytes(u64::try_from(file.len())?),
        Value::Count(needed),
    ))
}
