//! The two groups of pods.

use serde::{Deserialize, Serialize};

/// Which of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// The version that serves now.
    Stable,
    /// The version being tried.
    Canary,
}

impl Arm {
    /// The word for it, which is also the pods' label `role`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }
}

/// One of something for each arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Both<T> {
    /// Stable's.
    pub stable: T,
    /// The canary's.
    pub canary: T,
}

impl<T> Both<T> {
    /// That of one arm.
    pub fn of(&self, arm: Arm) -> &T {
        match arm {
            Arm::Stable => &self.stable,
            Arm::Canary => &self.canary,
        }
    }

    /// That of one arm, to be changed.
    pub fn of_mut(&mut self, arm: Arm) -> &mut T {
        match arm {
            Arm::Stable => &mut self.stable,
            Arm::Canary => &mut self.canary,
        }
    }
}
