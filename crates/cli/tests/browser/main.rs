//! The page of a verdict in a real Chromium: it is drawn, nothing complains,
//! and it fits a phone. `scripts/setup browser` installs Chromium.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Seconds after which a browser that hangs is ended, and the test fails.
const DEADLINE_S: &str = "120";

/// Width of a small phone, in CSS pixels.
const PHONE_PX: u32 = 360;

/// A folder with pages in it, and a browser's profile.
struct Folder(TempDir);

/// What a browser said and did.
struct Seen {
    /// The document as it stands in the end.
    dom: String,
    /// Lines of the console: errors, refusals, warnings.
    console: Vec<String>,
}

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Judges two logs; the page is at `name`.
    fn judge(&self, stable: &Path, canary: &Path, name: &str) {
        let output = Command::new(env!("CARGO_BIN_EXE_canary-judge"))
            .args(["analyze", "--format", "html", "--out"])
            .arg(self.path(name))
            .arg("--stable")
            .arg(stable)
            .arg("--canary")
            .arg(canary)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        assert!(self.path(name).exists(), "{output:?}");
    }

    fn chromium(&self, page: &str, arguments: &[&str]) -> Command {
        // It waits for a browser that hangs no longer than this.
        let mut command = Command::new("timeout");
        command
            .args([DEADLINE_S, "chromium"])
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-breakpad"])
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .args(["--disable-extensions", "--hide-scrollbars"])
            .args(["--enable-logging=stderr", "--v=0"])
            .arg(format!(
                "--user-data-dir={}",
                self.path("profile").display()
            ))
            .args(arguments)
            .arg(format!("file://{}", self.path(page).display()))
            .env("HOME", self.0.path())
            .current_dir(self.0.path());
        command
    }

    fn see(&self, page: &str, arguments: &[&str]) -> Seen {
        let output = self
            .chromium(page, &[&["--dump-dom"], arguments].concat())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "is Chromium there? As root on Debian `scripts/setup browser` installs it: {} {err}",
            output.status
        );
        Seen {
            dom: String::from_utf8(output.stdout).unwrap(),
            console: err
                .lines()
                .filter(|line| line.contains("CONSOLE"))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// The page as a picture (PNG).
    fn draw(&self, page: &str, arguments: &[&str]) -> Vec<u8> {
        let size = "--window-size=1100,1400";
        let arguments = [&["--screenshot=page.png", size], arguments].concat();
        let output = self.chromium(page, &arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::read(self.path("page.png")).unwrap()
    }

    /// How wide a page becomes on a phone, in CSS pixels.
    fn width_on_a_phone(&self, page: &str) -> u32 {
        // A window is never as narrow as a phone; a frame may be.
        self.write(
            "phone.html",
            &format!(
                "<!doctype html><iframe src=\"{page}\" width=\"{PHONE_PX}\" height=\"800\" \
                 onload=\"document.title = this.contentDocument.documentElement.scrollWidth\"></iframe>"
            ),
        );
        let seen = self.see("phone.html", &["--allow-file-access-from-files"]);
        assert_eq!(seen.console, Vec::<String>::new());
        title(&seen.dom).parse().unwrap()
    }
}

fn title(dom: &str) -> &str {
    let (_, rest) = dom.split_once("<title>").unwrap();
    rest.split_once("</title>").unwrap().0
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/logs")
        .join(name)
}

#[test]
fn every_verdict_is_drawn_and_nothing_complains() {
    let folder = Folder::new();
    let log = std::fs::read_to_string(example("canary-healthy.log")).unwrap();
    let few: Vec<&str> = log.lines().take(40).collect();
    folder.write("few.log", &few.join("\n"));
    for (canary, heading) in [
        (example("canary-broken.log"), "Canary aborted"),
        (example("canary-healthy.log"), "Canary promoted"),
        (folder.path("few.log"), "Canary inconclusive"),
    ] {
        folder.judge(&example("stable.log"), &canary, "page.html");
        let seen = folder.see("page.html", &[]);
        assert_eq!(seen.console, Vec::<String>::new());
        assert_eq!(title(&seen.dom), format!("{heading}: canary-judge"));
        assert!(seen.dom.contains(&format!("<h1>{heading}</h1>")));
        assert_eq!(folder.width_on_a_phone("page.html"), PHONE_PX, "{heading}");
    }
}

#[test]
fn it_is_drawn_for_the_eye_in_light_and_in_the_dark() {
    let folder = Folder::new();
    folder.judge(
        &example("stable.log"),
        &example("canary-broken.log"),
        "page.html",
    );
    let light = folder.draw("page.html", &[]);
    let dark = folder.draw("page.html", &["--blink-settings=preferredColorScheme=0"]);
    assert!(light.starts_with(b"\x89PNG"));
    assert_ne!(light, dark, "the dark has colours of its own");

    // Without its style sheet, which its hash lets in, it would look otherwise.
    let page = std::fs::read_to_string(folder.path("page.html")).unwrap();
    folder.write(
        "page.html",
        &page.replace("--page: #f6f7f9", "--page: #f6f7f8"),
    );
    let refused = folder.see("page.html", &[]);
    assert!(
        refused.console.iter().any(|line| line.contains("style")),
        "the console tells what is refused: {:?}",
        refused.console
    );
    assert_ne!(light, folder.draw("page.html", &[]));
}

#[test]
fn what_an_attacker_logs_is_only_shown() {
    let folder = Folder::new();
    let stable = std::fs::read_to_string(example("stable.log")).unwrap();
    let mut canary = std::fs::read_to_string(example("canary-healthy.log")).unwrap();
    for second in 10..50 {
        writeln!(
            canary,
            "2026-11-22T02:43:{second}.000000000Z ERROR </pre></td><script>document.title='owned'</script>\
             <img src=x onerror=\"document.title='owned'\"><iframe src=\"javascript:parent.document.title='owned'\"></iframe>\
             <svg onload=\"document.title='owned'\"><style>body{{display:none}}</style><link rel=stylesheet href=//attacker.example/x>"
        )
        .unwrap();
    }
    folder.write("stable.log", &stable);
    folder.write("canary.log", &canary);
    folder.judge(
        &folder.path("stable.log"),
        &folder.path("canary.log"),
        "page.html",
    );
    let seen = folder.see("page.html", &["--virtual-time-budget=2000"]);
    assert_eq!(title(&seen.dom), "Canary aborted: canary-judge");
    assert_eq!(
        seen.console,
        Vec::<String>::new(),
        "nothing was even refused"
    );
    assert!(seen.dom.contains("&lt;script&gt;"), "it is shown as text");
    for element in ["<script", "<img", "<iframe"] {
        assert!(!seen.dom.contains(element), "{element}");
    }
}
