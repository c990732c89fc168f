//! What has been said already: a warning about a template is worth one line,
//! not one every few seconds.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Most warnings that are remembered; past that they are said again.
const MAX_SAID: usize = 1_024;

/// The warnings that were said.
#[derive(Debug, Default)]
pub struct Said {
    warnings: Mutex<HashSet<String>>,
}

impl Said {
    /// Whether this is said for the first time; it counts as said from now on.
    pub fn is_new(&self, warning: &str) -> bool {
        // Whole between any two statements, so a panic elsewhere spoils nothing.
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.contains(warning) {
            return false;
        }
        if warnings.len() >= MAX_SAID {
            warnings.clear();
        }
        warnings.insert(warning.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_new_once() {
        let said = Said::default();
        assert!(said.is_new("a") && said.is_new("b"));
        assert!(!said.is_new("a") && !said.is_new("b"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let said = Said::default();
        for n in 0..3 * MAX_SAID {
            assert!(said.is_new(&n.to_string()));
            assert!(said.warnings.lock().unwrap().len() <= MAX_SAID);
        }
    }
}
