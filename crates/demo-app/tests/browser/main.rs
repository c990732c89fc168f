//! The page in a real Chromium, driven by Playwright. `scripts/setup
//! playwright` installs both; what is looked at stands in `page.py`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod split;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::split::Split;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rollouts-demo");
/// Longest that one script may take: a browser starts, and a dozen conditions
/// come true, on a machine that runs other tests beside it.
const LIMIT: Duration = Duration::from_secs(300);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

fn python() -> OsString {
    env::var_os("CANARY_JUDGE_PLAYWRIGHT").expect(
        "CANARY_JUDGE_PLAYWRIGHT names a Python with Playwright: `make test` sets it up, or \
         `export CANARY_JUDGE_PLAYWRIGHT=$(scripts/setup playwright)`",
    )
}

/// Runs a test of `page.py` against two versions behind one address.
async fn passes(test: &str) {
    let split = Split::start(PROGRAM).await;
    let home = tempfile::tempdir().unwrap();
    let script = folder().join("page.py");
    let output = Command::new(python())
        // Whoever runs this has folders and proxies that are none of its
        // business.
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1")
        .arg(script)
        .args([test, &split.url(), PROGRAM])
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, output).await.expect("in time");
    let output = output.expect("CANARY_JUDGE_PLAYWRIGHT can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    assert_eq!(said.trim(), format!("{test}: passed"), "{error}");
}

macro_rules! pages {
    ($($test:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                passes(stringify!($test)).await;
            }
        )*
    };
}

pages! {
    squares_are_requests
    sliders_travel_with_each_request
    chaos_reaches_the_version_it_names
    a_crash_is_asked_for_and_told
    a_reload_in_the_middle_changes_nothing
    the_server_goes_and_comes_back
    axe_finds_nothing_serious
    it_fits_a_phone_and_a_hall
    the_keyboard_reaches_everything
}
