//! Bundles decided again with other models.

use std::path::Path;
use std::process::Stdio;

use model_stand_in::{Answer, Script, Server, StandIn};
use tokio::runtime::Runtime;

use crate::{Folder, Ran};

const KEY: &str = "key-of-the-person";

/// A scripted model, served by a thread of its own.
struct Served {
    server: Server,
    _runtime: Runtime,
}

impl Served {
    fn always(answer: Answer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(StandIn::serve(Script::always(answer)));
        Self {
            server: server.unwrap(),
            _runtime: runtime,
        }
    }

    /// Decides a bundle of the corpus again with this model.
    fn replayed(&self, bundle: &str) -> Ran {
        let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
        let bundle = bundles.join(format!("{bundle}.json.gz"));
        let folder = Folder::new();
        let url = format!("--gemini-url={}", self.server.url());
        let arguments = ["replay", bundle.to_str().unwrap(), "--model=gemini-x", &url];
        let output = folder
            .command(&arguments)
            .env("GOOGLE_API_KEY", KEY)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        Ran {
            code: output.status.code(),
            out: shown.replace(&format!("{}/", bundles.display()), ""),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn another_models_objection_changes_the_verdict() {
    let model = Served::always(Answer::Disagree);
    let ran = model.replayed("models-agree");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    insta::assert_snapshot!(ran.out, @r"
    models-agree.json.gz: promote → abort
      then: canary promoted: 3/1,840 errors (stable 5/3,680), 2/2 pods ready; 2 of 2 models agree; model gone gave no opinion: the provider no longer has it (80 %)
      now:  canary aborted: model gemini-x objects: Scripted opinion, citing Unhealthy in 1/2 pods, 0 in stable; the judge alone would promote: 3/1,840 errors (stable 5/3,680) (80 %)
    ");
    let calls = model.server.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].header("x-goog-api-key"), Some(KEY));
    assert!(!format!("{ran:?}").contains(KEY));
}

#[test]
fn a_model_that_obeys_the_log_lifts_no_gate() {
    let model = Served::always(Answer::Obey);
    let ran = model.replayed("abort-more-errors");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains(": abort as before\n"), "{}", ran.out);
    assert!(ran.out.contains("lifts no gate"), "{}", ran.out);
}

#[test]
fn a_model_that_is_down_leaves_the_judge_alone() {
    let model = Served::always(Answer::Status(403));
    let ran = model.replayed("models-object-with-a-finding");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.out.contains(": abort → promote\n"), "{}", ran.out);
    assert!(ran.out.contains("gave no opinion"), "{}", ran.out);
}

#[test]
fn an_address_that_is_none_is_an_error() {
    let folder = Folder::new();
    let refused = folder.run(&["replay", "b.json", "--model=m", "--gemini-url=hunter2"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--gemini-url"), "{}", refused.err);
    assert!(!refused.err.contains("hunter2"), "{}", refused.err);
}
