//! The images, as OCI archives: what the Containerfiles in `deploy/images` make
//! where there is an engine, made without one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use e2e::oci::{self, Image, NOBODY};

use crate::args::ImageArgs;
use crate::release::{Arch, PROGRAMS, Program};

/// The user that the stock controller runs as.
const CONTROLLER_USER: u32 = 999;
/// Where an image's name is taken to be when it names no registry.
const DEFAULT_REGISTRY: &str = "docker.io/";

/// Writes the plugin's and the demo's image, and prints what each is to be
/// pulled by.
pub(crate) fn write(args: &ImageArgs, out: &mut impl Write) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let [plugin, _, demo] = &PROGRAMS;
    for program in [plugin, demo] {
        let name = full_name(&format!("{}/{}:{}", args.registry, program.name, args.tag));
        let variants = variants(program, args, &name);
        ensure!(
            !variants.is_empty(),
            "there is no {} in {}: run `make dist`",
            program.name,
            args.folder.path.display()
        );
        let archive = args.folder.path.join(format!("{}.oci.tar", program.name));
        let digest = oci::write_for_all(&name, &variants, &archive, scratch.path())?;
        let archs: Vec<&str> = variants.keys().map(String::as_str).collect();
        writeln!(out, "{name}@{digest} {}", archs.join(" "))?;
    }
    Ok(())
}

fn variants(program: &Program, args: &ImageArgs, name: &str) -> BTreeMap<String, Image> {
    let archs = Arch::ALL.into_iter();
    archs
        .filter(|arch| arch.is_in(&args.folder.path))
        .map(|arch| {
            let file = args.folder.path.join(arch.file(program));
            (arch.name().to_owned(), image(program, &file, args, name))
        })
        .collect()
}

/// One architecture's variant: the program under its own name, whatever its
/// file is called.
fn image(program: &Program, file: &Path, args: &ImageArgs, name: &str) -> Image {
    let is_demo = program.package == "demo-app";
    let labels = [
        ("org.opencontainers.image.title", program.name),
        (
            "org.opencontainers.image.version",
            env!("CARGO_PKG_VERSION"),
        ),
        ("org.opencontainers.image.revision", &args.tag),
        (
            "org.opencontainers.image.source",
            env!("CARGO_PKG_REPOSITORY"),
        ),
        ("org.opencontainers.image.licenses", "Apache-2.0"),
    ];
    Image {
        files: BTreeMap::from([(program.name.to_owned(), file.to_owned())]),
        entrypoint: vec![format!("/{}", program.name)],
        arguments: if is_demo {
            vec!["serve".to_owned()]
        } else {
            Vec::new()
        },
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        user: if is_demo { NOBODY } else { CONTROLLER_USER },
        ..Image::of_program(name, file)
    }
}

/// The name with its registry, as containerd stores it: a kubelet asks for
/// `docker.io/team/x` where a manifest says `team/x`.
fn full_name(name: &str) -> String {
    let first = name.split('/').next().unwrap_or_default();
    if first == "localhost" || first.contains(['.', ':']) {
        name.to_owned()
    } else {
        format!("{DEFAULT_REGISTRY}{name}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::args::Folder;

    #[test]
    fn a_name_without_a_registry_gets_the_default_one() {
        for (name, full) in [
            ("canary-judge/demo:1", "docker.io/canary-judge/demo:1"),
            ("localhost/demo:1", "localhost/demo:1"),
            ("localhost:5000/demo:1", "localhost:5000/demo:1"),
            (
                "registry.example/team/demo:1",
                "registry.example/team/demo:1",
            ),
        ] {
            assert_eq!(full_name(name), full);
        }
    }

    fn read(folder: &Path, digest: &Value) -> Value {
        let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        let path = folder.join("blobs/sha256").join(digest);
        assert_eq!(e2e::digest::of_file(&path).unwrap(), digest);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// What an engine makes of a Containerfile, as far as it is ours too.
    fn of_containerfile(name: &str) -> (String, Vec<String>, Vec<String>) {
        let path = format!("{}/../../deploy/images/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).unwrap();
        let words = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let list = |key: &str| serde_json::from_str(words(key).unwrap_or("[]")).unwrap();
        let user = words("USER ").unwrap().to_owned();
        (user, list("ENTRYPOINT "), list("CMD "))
    }

    #[test]
    fn an_image_is_what_its_containerfile_says() {
        let args = ImageArgs {
            folder: Folder {
                path: PathBuf::new(),
            },
            registry: "localhost".to_owned(),
            tag: "abc".to_owned(),
        };
        for (program, containerfile) in [
            (&PROGRAMS[0], "plugin.Containerfile"),
            (&PROGRAMS[2], "demo.Containerfile"),
        ] {
            let ours = image(program, Path::new("file"), &args, "localhost/x:abc");
            let user = format!("{0}:{0}", ours.user);
            let ours = (user, ours.entrypoint, ours.arguments);
            assert_eq!(ours, of_containerfile(containerfile));
        }
    }

    #[test]
    fn one_image_has_a_variant_for_each_architecture() {
        let dist = tempfile::tempdir().unwrap();
        let folder = dist.path();
        for program in &PROGRAMS {
            for arch in Arch::ALL {
                fs::write(folder.join(arch.file(program)), arch.name()).unwrap();
            }
        }
        let args = ImageArgs {
            folder: Folder {
                path: folder.to_owned(),
            },
            registry: "localhost".to_owned(),
            tag: "abc".to_owned(),
        };
        let mut said = Vec::new();
        write(&args, &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        for (program, user, arguments) in [
            ("rollouts-plugin-metric-ai", "999:999", 0),
            ("rollouts-demo", "65532:65532", 1),
        ] {
            let out = folder.join(program);
            fs::create_dir(&out).unwrap();
            let mut tar = Command::new("tar");
            tar.arg("-xf")
                .arg(folder.join(format!("{program}.oci.tar")))
                .arg("-C")
                .arg(&out);
            e2e::command::output(&mut tar, Duration::from_secs(10)).unwrap();
            let outer: Value =
                serde_json::from_slice(&fs::read(out.join("index.json")).unwrap()).unwrap();
            let [image] = outer["manifests"].as_array().unwrap().as_slice() else {
                panic!("{outer}")
            };
            let name = format!("localhost/{program}:abc");
            assert_eq!(image["annotations"]["io.containerd.image.name"], *name);
            assert!(said.contains(&format!("{name}@{}", image["digest"].as_str().unwrap())));
            let index = read(&out, &image["digest"]);
            for (number, arch) in ["amd64", "arm64"].into_iter().enumerate() {
                let variant = &index["manifests"][number];
                assert_eq!(variant["platform"]["architecture"], arch);
                let manifest = read(&out, &variant["digest"]);
                let config = read(&out, &manifest["config"]["digest"]);
                assert_eq!(config["architecture"], arch);
                assert_eq!(config["config"]["User"], user);
                assert_eq!(config["config"]["Entrypoint"][0], *format!("/{program}"));
                assert_eq!(config["config"]["Cmd"].as_array().unwrap().len(), arguments);
            }
        }
    }
}
