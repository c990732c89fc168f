//! What a release consists of, and how it is called.

use std::path::{Path, PathBuf};

use e2e::elf::Machine;

/// One program that is released.
#[derive(Debug)]
pub(crate) struct Program {
    /// The crate that it is built from.
    pub(crate) package: &'static str,
    /// Its own name.
    pub(crate) name: &'static str,
    /// Largest that it may be. The plugin is copied into a controller's pod,
    /// and has the limit that `make figures` measures.
    pub(crate) limit_mib: u64,
}

/// All of them.
pub(crate) const PROGRAMS: [Program; 3] = [
    Program {
        package: "metric-ai",
        name: "rollouts-plugin-metric-ai",
        limit_mib: 16,
    },
    Program {
        package: "cli",
        name: "canary-judge",
        limit_mib: 16,
    },
    Program {
        package: "demo-app",
        name: "rollouts-demo",
        limit_mib: 16,
    },
];

/// The bill of materials.
pub(crate) const SBOM: &str = "sbom.cdx.json";
/// The digests of everything else.
pub(crate) const SUMS: &str = "sha256sums";

/// A kind of machine that programs are released for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Its name as container images spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// What Rust calls the target.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    pub(crate) fn machine(self) -> Machine {
        match self {
            Self::Amd64 => Machine::X86_64,
            Self::Arm64 => Machine::Aarch64,
        }
    }

    /// What starts its programs here; nothing where they are this machine's own.
    pub(crate) fn emulator(self) -> Option<&'static str> {
        match (self, std::env::consts::ARCH) {
            (Self::Amd64, "x86_64") | (Self::Arm64, "aarch64") => None,
            (Self::Amd64, _) => Some("qemu-x86_64-static"),
            (Self::Arm64, _) => Some("qemu-aarch64-static"),
        }
    }

    /// A program's file.
    pub(crate) fn file(self, program: &Program) -> String {
        format!("{}-linux-{}", program.name, self.name())
    }

    /// Whether a folder has programs for it: a release may be of one
    /// architecture only.
    pub(crate) fn is_in(self, folder: &Path) -> bool {
        let here = |program| folder.join(self.file(program)).exists();
        PROGRAMS.iter().any(here)
    }
}

/// The programs' files that a folder must have, for the architectures of which it has any.
pub(crate) fn files(folder: &Path) -> Vec<(Arch, &'static Program, PathBuf)> {
    let archs = Arch::ALL.into_iter().filter(|arch| arch.is_in(folder));
    archs
        .flat_map(|arch| {
            PROGRAMS
                .iter()
                .map(move |program| (arch, program, folder.join(arch.file(program))))
        })
        .collect()
}
