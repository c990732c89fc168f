//! Where answers go: standard output or a file.

use std::io::{self, BufWriter, ErrorKind, Write};

use crate::args::Output;
use crate::mend::Failure;

/// Writes to standard output.
///
/// # Errors
/// It cannot be written.
pub fn stdout(text: &str) -> Result<(), Failure> {
    stdout_by(|out| out.write_all(text.as_bytes()))
}

/// Writes to standard output, buffered. A reader that has seen enough
/// (`| head -1`) is no failure: the exit code still carries the verdict.
///
/// # Errors
/// It cannot be written.
pub fn stdout_by(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(
            format!("failed to write the answer: {error}"),
            "is the disk full? The answer goes to standard output",
        )),
        _ => Ok(()),
    }
}

/// Writes to standard error, for people: where that is closed there is nobody
/// left to tell.
pub fn stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to where it was asked for.
///
/// # Errors
/// It cannot be written.
pub fn write(out: &Output, text: &str) -> Result<(), Failure> {
    match out {
        Output::Stdout => stdout(text),
        Output::File(path) => std::fs::write(path, text).map_err(|error| {
            Failure::new(
                format!("failed to write {}: {error}", path.display()),
                "name a file in a folder that is there and writable",
            )
        }),
    }
}
