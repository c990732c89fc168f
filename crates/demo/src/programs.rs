//! The programs that the demo is made of.

use std::path::{Path, PathBuf};

use crate::error::DemoError;

/// The application's program.
pub const APP: &str = "rollouts-demo";

/// The plugin's program.
pub const PLUGIN: &str = "rollouts-plugin-metric-ai";

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The application that is released.
    pub app: PathBuf,
    /// The plugin that judges it.
    pub plugin: PathBuf,
}

impl Programs {
    /// Those in a folder: beside the program that runs this, mostly.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            app: folder.join(APP),
            plugin: folder.join(PLUGIN),
        }
    }

    /// Whether they are there.
    ///
    /// # Errors
    /// One is not.
    pub fn check(&self) -> Result<(), DemoError> {
        for (program, at) in [(APP, &self.app), (PLUGIN, &self.plugin)] {
            if !at.is_file() {
                return Err(DemoError::NoProgram {
                    program,
                    at: at.clone(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_where_it_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::in_folder(folder.path());
        let error = programs.check().unwrap_err().to_string();
        assert!(error.contains("cannot find rollouts-demo"), "{error}");
        std::fs::write(&programs.app, "").unwrap();
        let error = programs.check().unwrap_err().to_string();
        assert!(
            error.contains(&programs.plugin.display().to_string()),
            "{error}"
        );
        std::fs::write(&programs.plugin, "").unwrap();
        assert!(programs.check().is_ok());
    }
}
