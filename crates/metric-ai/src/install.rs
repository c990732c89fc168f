//! `install PATH`: this program copies itself, as an init container FROM
//! scratch does, which has no `cp`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The file's name in a folder.
const FILE_NAME: &str = "rollouts-plugin-metric-ai";

/// Readable and executable for everyone: the controller has another user.
const MODE: u32 = 0o755;

/// Copies the program `source` to `path`, whole or not at all.
///
/// `path` is a folder when it exists as one or ends in `/`, else a file; missing
/// folders are made. Returns the file and its size in bytes.
///
/// # Errors
/// What could not be done, with its path.
pub fn install(source: &Path, path: &Path) -> Result<(PathBuf, u64)> {
    let program = File::open(source)
        .with_context(|| format!("failed to read this program at {}", source.display()))?;
    let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let file = if is_folder {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    };
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("failed to make the folder {}", folder.display()))?;
    // In the same folder, so that the last step is a rename.
    let unfinished = folder.join(format!(".{FILE_NAME}.{}", std::process::id()));
    let copied = copy(program, &unfinished)
        .with_context(|| format!("failed to write {}", unfinished.display()))
        .and_then(|bytes| {
            fs::rename(&unfinished, &file)
                .with_context(|| format!("failed to put the copy at {}", file.display()))?;
            Ok(bytes)
        });
    match copied {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => match fs::remove_file(&unfinished) {
            Err(left) if left.kind() != io::ErrorKind::NotFound => {
                Err(error.context(format!("{} is left behind", unfinished.display())))
            }
            _ => Err(error),
        },
    }
}

fn copy(mut program: File, target: &Path) -> io::Result<u64> {
    let mut to = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(target)?;
    let bytes = io::copy(&mut program, &mut to)?;
    // The mode again, past the umask, and for a file that was there.
    to.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE))?;
    to.flush()?;
    to.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn source(folder: &Path) -> PathBuf {
        let source = folder.join("source");
        fs::write(&source, b"a program").unwrap();
        source
    }

    #[test]
    fn a_folder_gets_the_programs_name_and_a_file_its_own() {
        let temp = tempfile::tempdir().unwrap();
        let source = source(temp.path());
        let root = temp.path().display();
        for (path, expected) in [
            (format!("{root}"), FILE_NAME),
            (format!("{root}/new/"), "new/rollouts-plugin-metric-ai"),
            (format!("{root}/deep/bin/metric-ai"), "deep/bin/metric-ai"),
        ] {
            let (file, bytes) = install(&source, Path::new(&path)).unwrap();
            assert_eq!(file, temp.path().join(expected));
            assert_eq!(bytes, 9);
            assert_eq!(fs::read(&file).unwrap(), b"a program");
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o755
            );
        }
    }

    #[test]
    fn an_older_copy_is_replaced_whole() {
        let temp = tempfile::tempdir().unwrap();
        let source = source(temp.path());
        let target = temp.path().join("bin/metric-ai");
        fs::create_dir(temp.path().join("bin")).unwrap();
        fs::write(&target, b"an older and longer program").unwrap();
        install(&source, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"a program");
        let names = fs::read_dir(temp.path().join("bin")).unwrap().count();
        assert_eq!(names, 1, "nothing is left behind");
    }

    #[test]
    fn a_failure_names_the_path_and_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let error = install(&temp.path().join("absent"), temp.path()).unwrap_err();
        assert!(format!("{error:#}").contains("absent"), "{error:#}");
        // A folder where the file should go: the rename fails.
        let source = source(temp.path());
        let taken = temp.path().join("bin");
        fs::create_dir_all(taken.join(FILE_NAME)).unwrap();
        let error = install(&source, &taken).unwrap_err();
        assert!(format!("{error:#}").contains("failed to put the copy"));
        assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
        let file = temp.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = install(&file, &file.join("below")).unwrap_err();
        assert!(format!("{error:#}").contains("failed to make the folder"));
    }
}
