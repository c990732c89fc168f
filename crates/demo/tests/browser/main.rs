//! The demo's page in a real Chromium, driven by Playwright. `scripts/setup
//! playwright` installs both. Each state alone is shown by script (`page.py`,
//! `fixture.py`); whole releases are the real thing (`whole.py`): this engine,
//! the plugin, pods, and the page between them and a person.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../it/stage.rs"]
mod stage;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demo::PageServer;
use tokio::process::Command;
use tokio::time::timeout;

/// Longest that one script may take: a browser starts, and some dozens of
/// conditions come true, on a machine that runs other tests beside it.
const LIMIT: Duration = Duration::from_secs(300);

fn python() -> OsString {
    env::var_os("CANARY_JUDGE_PLAYWRIGHT").expect(
        "CANARY_JUDGE_PLAYWRIGHT names a Python with Playwright: `make test` sets it up, or \
         `export CANARY_JUDGE_PLAYWRIGHT=$(scripts/setup playwright)`",
    )
}

/// Runs a test of a script, with what else it is told.
async fn passes(script: &str, test: &str, more: &[&str]) {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(python())
        // Whoever runs this has folders and proxies that are none of its
        // business.
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        // How Chromium is opened and looked at: as in the other page's tests.
        .env("PYTHONPATH", crates.join("demo-app/tests/browser"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1")
        .arg(crates.join("demo/tests/browser").join(script))
        .arg(test)
        .args(more)
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
                passes("page.py", stringify!($test), &[]).await;
            }
        )*
    };
}

pages! {
    every_outcome_has_its_word_and_its_frame
    why_it_waits_is_said_with_the_time
    steps_pods_measurements_and_findings_are_shown
    each_request_is_a_square_of_its_version
    controls_ask_for_what_they_say
    sliders_are_sent_and_stay_where_they_were_put
    a_reload_in_the_middle_is_right_at_once
    the_server_goes_and_comes_back
    what_strangers_wrote_is_only_shown
    axe_finds_nothing_serious
    it_fits_a_phone_and_a_hall
}

macro_rules! releases {
    ($($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (demo, _folder) = stage::started().await;
                let server = PageServer::start(Arc::new(demo), 0).await.unwrap();
                passes("whole.py", stringify!($test), &[&server.url()]).await;
            }
        )*
    };
}

releases! {
    a_good_release_is_promoted_before_our_eyes
    a_bad_release_is_rolled_back_before_our_eyes
    the_plugin_is_killed_in_the_middle_and_the_release_goes_on
    sliders_in_the_middle_break_a_good_release
}
