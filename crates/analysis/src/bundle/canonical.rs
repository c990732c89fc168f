//! A bundle's bytes, written and compared piece by piece: the plugin writes
//! bundles while it looks at other canaries, and holds no copy of one.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use sha2::{Digest as _, Sha256};

use super::{Bundle, BundleError, MAX_BUNDLE_BYTES};

/// Bytes that are hashed and packed at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Writes the file's bytes; the hash in them (64 hex digits).
pub(super) fn write(bundle: &Bundle, out: &mut impl Write) -> Result<String, BundleError> {
    let mut hashed = Hashed {
        out,
        hash: Sha256::new(),
        room_bytes: MAX_BUNDLE_BYTES,
    };
    let written = hashed.out.write_all(b"{\"bundle\":").and_then(|()| {
        let mut chunks = BufWriter::with_capacity(CHUNK_BYTES, &mut hashed);
        serde_json::to_writer(&mut chunks, bundle)?;
        chunks.flush()
    });
    let sha256 = hex(hashed.hash);
    written
        .and_then(|()| writeln!(hashed.out, ",\"sha256\":\"{sha256}\"}}"))
        .map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => BundleError::TooLarge {
                limit_mib: MAX_BUNDLE_BYTES >> 20,
            },
            _ => BundleError::Serialise(serde_json::Error::io(error)),
        })?;
    Ok(sha256)
}

/// Whether these are the bytes that would be written.
pub(super) fn is(bundle: &Bundle, bytes: &str) -> bool {
    let mut rest = Same(bytes.as_bytes());
    serde_json::to_writer(&mut rest, bundle).is_ok() && rest.0.is_empty()
}

/// The hash of a text.
pub(super) fn sha256(text: &str) -> String {
    hex(Sha256::new_with_prefix(text))
}

fn hex(hash: Sha256) -> String {
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Hashes what it passes on, as far as there is room.
struct Hashed<'a, W> {
    out: &'a mut W,
    hash: Sha256,
    room_bytes: u64,
}

impl<W: Write> Write for Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room_bytes = self
            .room_bytes
            .checked_sub(bytes.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is kept here, and what packs would pack worse.
        Ok(())
    }
}

/// Takes only what it expects.
struct Same<'a>(&'a [u8]);

impl Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .strip_prefix(bytes)
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
