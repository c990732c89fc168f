//! What the page costs a browser: Chromium's own account of its main thread.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::{Bound, Figure, Server};

/// Script and layout in a frame, in milliseconds.
const TARGET_MS: f64 = 8.0;

#[derive(Deserialize)]
struct Cost {
    frames: u64,
    answers_a_second: f64,
    median_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

/// Lets `cost.py` look at the page at full rate.
pub(crate) fn figures(python: &Path, program: &Path) -> anyhow::Result<Vec<Figure>> {
    let server = Server::ours(program)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let output = Command::new(python)
        .arg(folder.join("cost.py"))
        .arg(format!("http://{}/", server.address))
        .output()
        .context("run Playwright's Python")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let cost: Cost = serde_json::from_slice(&output.stdout)?;
    let figure = |name: String, target, unit, ours| Figure {
        name,
        target,
        unit,
        ours,
        rival: None,
    };
    let frames = cost.frames;
    Ok(vec![
        figure(
            "page: requests a second meanwhile".to_owned(),
            Some((Bound::Least, 90.0)),
            "/s",
            cost.answers_a_second,
        ),
        figure(
            format!("page: script and layout a frame, median of {frames}"),
            Some((Bound::Most, TARGET_MS)),
            "ms",
            cost.median_ms,
        ),
        figure(
            "page: script and layout a frame, 95 % within".to_owned(),
            Some((Bound::Most, TARGET_MS)),
            "ms",
            cost.p95_ms,
        ),
        figure(
            "page: script and layout a frame, 99 % within".to_owned(),
            Some((Bound::Most, TARGET_MS)),
            "ms",
            cost.p99_ms,
        ),
    ])
}
