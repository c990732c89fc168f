//! A demo to be tested.

use std::path::PathBuf;

use demo::{Config, Demo, ModelChoice, Programs};
use jiff::Timestamp;

/// Requests a second: enough for a verdict within three buckets of the judge's
/// time, and what two cores can do beside other tests.
pub const RATE: u32 = 300;

/// The programs, which `cargo test --workspace` builds before it runs a test.
pub fn programs() -> Programs {
    let tests = std::env::current_exe().unwrap();
    let programs = Programs::in_folder(tests.ancestors().nth(2).unwrap());
    if let Err(error) = programs.check() {
        panic!("{error}: run `cargo build -p demo-app -p metric-ai`");
    }
    programs
}

/// How the tests' demos are run, in a folder of their own.
pub fn config(folder: &tempfile::TempDir) -> Config {
    Config {
        programs: programs(),
        temp_folder: PathBuf::from(folder.path()),
        keep: false,
        rate: RATE,
        seed: 7,
        model: ModelChoice::None,
        scenarios: demo::own().unwrap(),
        clock: Timestamp::now,
    }
}

/// A demo that runs, and the folder that it is in.
pub async fn started() -> (Demo, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(config(&folder)).await.unwrap();
    (demo, folder)
}
