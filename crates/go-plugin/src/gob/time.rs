//! Go's `time.Time`, which encodes itself.

use super::Error;
use super::decode::{Decode, Source};
use super::encode::{Encode, Schema, Sink, TypeRef};
use super::types::TypeId;

/// Seconds from Go's epoch, the start of year 1, to Unix's.
const UNIX_FROM_GO_SECONDS: i64 = 62_135_596_800;
/// Length of `time.Time.MarshalBinary`.
const VERSION_1_BYTES: usize = 15;
/// With the seconds of a zone offset that is not whole minutes.
const VERSION_2_BYTES: usize = 16;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// An instant as Go's `time.Time` and Kubernetes' `metav1.Time` send it. The zone is not kept.
/// The default is Go's zero time, 1 January of year 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoTime {
    /// Seconds since 1970.
    pub unix_seconds: i64,
    /// Nanoseconds on top, below 10⁹.
    pub nanoseconds: u32,
}

impl GoTime {
    /// Go's zero value, which stands for "no time".
    pub const ZERO: GoTime = GoTime {
        unix_seconds: -UNIX_FROM_GO_SECONDS,
        nanoseconds: 0,
    };

    /// `time.go, Time.UnmarshalBinary`.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let invalid = Error::Invalid { want: "time" };
        let want = match bytes.first() {
            Some(1) => VERSION_1_BYTES,
            Some(2) => VERSION_2_BYTES,
            _ => return Err(invalid),
        };
        let (Some((seconds, rest)), true) = (bytes[1..].split_first_chunk(), bytes.len() == want)
        else {
            return Err(invalid);
        };
        let Some((nanoseconds, _zone)) = rest.split_first_chunk() else {
            return Err(invalid);
        };
        let nanoseconds = u32::from_be_bytes(*nanoseconds);
        let seconds = i64::from_be_bytes(*seconds).checked_sub(UNIX_FROM_GO_SECONDS);
        match seconds {
            Some(unix_seconds) if nanoseconds < NANOS_PER_SECOND => Ok(Self {
                unix_seconds,
                nanoseconds,
            }),
            _ => Err(invalid),
        }
    }

    /// `time.go, Time.MarshalBinary` of a time in UTC.
    fn to_bytes(self) -> [u8; VERSION_1_BYTES] {
        let mut bytes = [0; VERSION_1_BYTES];
        bytes[0] = 1;
        let seconds = self.unix_seconds.saturating_add(UNIX_FROM_GO_SECONDS);
        bytes[1..9].copy_from_slice(&seconds.to_be_bytes());
        bytes[9..13].copy_from_slice(&self.nanoseconds.to_be_bytes());
        // The offset in minutes; -1 stands for UTC.
        bytes[13..].copy_from_slice(&(-1_i16).to_be_bytes());
        bytes
    }
}

impl Default for GoTime {
    fn default() -> Self {
        GoTime::ZERO
    }
}

impl Decode for GoTime {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        Self::from_bytes(source.opaque(ty, "time")?)
    }
}

impl Encode for GoTime {
    fn wire_type() -> TypeRef {
        TypeRef::defined::<Self>(|| Schema::GobEncoder { name: "Time" })
    }

    fn is_zero(&self) -> bool {
        *self == GoTime::ZERO
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.bytes(&self.to_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)`, as Go writes it.
    const GO: [u8; 15] = [
        1, 0, 0, 0, 0x0e, 0xe0, 0xe9, 0x2c, 0xa5, 0, 0, 0, 6, 0xff, 0xff,
    ];
    const TIME: GoTime = GoTime {
        unix_seconds: 1_767_323_045,
        nanoseconds: 6,
    };

    #[test]
    fn times_are_written_and_read_as_go_does() {
        assert_eq!(GoTime::from_bytes(&GO), Ok(TIME));
        assert_eq!(TIME.to_bytes(), GO);
    }

    #[test]
    fn the_zone_does_not_move_the_instant() {
        let mut zoned = GO.to_vec();
        zoned[13..].copy_from_slice(&[0, 120]);
        assert_eq!(GoTime::from_bytes(&zoned), Ok(TIME));
        // Version 2 has a byte more, for odd seconds.
        zoned[0] = 2;
        zoned.push(17);
        assert_eq!(GoTime::from_bytes(&zoned), Ok(TIME));
    }

    #[test]
    fn malformed_times_are_refused() {
        let mut version = GO;
        version[0] = 3;
        let mut nanoseconds = GO;
        nanoseconds[9] = 0xff;
        let mut before_all = GO;
        before_all[1..9].copy_from_slice(&i64::MIN.to_be_bytes());
        for bytes in [
            &[][..],
            &[1],
            &GO[..14],
            &version,
            &nanoseconds,
            &before_all,
        ] {
            assert!(GoTime::from_bytes(bytes).is_err(), "{bytes:?}");
        }
        let mut long = GO.to_vec();
        long.push(0);
        assert!(GoTime::from_bytes(&long).is_err());
    }
}
