//! The project's own manifests, with the few things changed that a test needs
//! otherwise. Rendered by kustomize, as a user would.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use e2e::command::output;
use e2e::tools::{Built, KUBERNETES};
use serde_json::Value;

/// Longest time for kustomize: Argo's manifest has three megabytes.
const RENDER_LIMIT: Duration = Duration::from_secs(60);

/// Renders an overlay over `deploy/`, in which `resources` and `components`
/// are paths below it, and `extra` files lie beside them.
pub(crate) fn render(
    built: &Built,
    overlay: &Value,
    extra: &[(&str, &Path)],
) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    copy(&deploy, folder.path()).context("copy deploy/")?;
    for (name, source) in extra {
        fs::copy(source, folder.path().join(name))?;
    }
    // JSON is YAML.
    fs::write(
        folder.path().join("kustomization.yaml"),
        overlay.to_string(),
    )?;
    let mut kubectl = Command::new(built.path(&KUBERNETES, "kubectl"));
    kubectl.arg("kustomize").arg(folder.path());
    Ok(output(&mut kubectl, RENDER_LIMIT)?)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
