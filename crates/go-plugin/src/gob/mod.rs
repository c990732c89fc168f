//! Go's `encoding/gob`, bounded: values of a stream to typed Rust and back.
//!
//! A gob stream is a sequence of length-prefixed messages. A message holds either the definition
//! of a type or a value; a value that contains an interface may go on in further messages, because
//! the types of what is inside are defined in its midst. So reading takes two steps:
//!
//! 1. [`Assembler`] is given messages until they are one whole value. It walks the bytes, learns
//!    the types, and checks every length, id and depth against a [limit](#constants), without
//!    allocating for what is inside.
//! 2. [`Value::decode`] turns the bytes into a Rust type, charging each allocation to a budget.
//!    Go's rules apply: fields are matched by name, fields that the Rust type lacks are skipped,
//!    fields that the sender omitted (because they are zero) keep their default, pointers are not
//!    visible.
//!
//! [`Encoder`] is the other direction. [`gob_struct!`](crate::gob_struct) maps a Rust struct by
//! naming its fields on the wire. Strings that are not UTF-8 are decoded lossily: Go allows them
//! in a `string`, Rust does not, and a peer's label should not end a call.
//!
//! Doc comments name the function of Go's `encoding/gob` that an item mirrors.

mod assemble;
mod cursor;
mod decode;
mod encode;
mod mapping;
#[cfg(test)]
mod recorded;
mod time;
mod types;
mod walk;

pub use assemble::{Assembler, Value};
pub use decode::{Decode, Source};
pub use encode::{Encode, Encoder, Fields, Schema, Sink, TypeRef};
pub use mapping::{Empty, Interface, Registered};
pub use time::GoTime;
pub use types::TypeId;

/// Longest message, in bytes. An object in etcd is at most 1.5 MiB, and a call carries about two;
/// Go itself takes 1 GiB.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Longest value over all its messages, in bytes.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// Most messages that make up one value. An analysis run with all its types needs about 250.
pub const MAX_VALUE_MESSAGES: usize = 4_096;

/// Most memory that one decoded value may ask for, in bytes. Decoded values are larger than
/// encoded ones (an empty struct is one byte in gob), so the message limit alone bounds nothing.
pub const MAX_DECODED_BYTES: usize = 32 << 20;

/// Most elements of slices, arrays and maps in one value, which bounds the time to walk it.
pub const MAX_ELEMENTS: usize = 1 << 20;

/// Deepest nesting of one value. Kubernetes objects nest about 20 deep; the walk uses the stack.
pub const MAX_DEPTH: usize = 64;

/// Most types that a stream may define. Argo's analysis run has about 250.
pub const MAX_TYPES: usize = 2_048;

/// Most fields of one struct type. The largest of Kubernetes has about 50.
pub const MAX_STRUCT_FIELDS: usize = 512;

/// Most fields of all struct types of a stream together.
pub const MAX_FIELDS: usize = 16_384;

/// Longest name of a type, field or registered interface value, in bytes (Go's own limit for the
/// latter).
pub const MAX_NAME_BYTES: usize = 1_024;

/// Most bytes walked to find the end of one value, counting repeats: a value is walked again when
/// a message more turns out to belong to it.
const MAX_WALKED_BYTES: usize = 4 * MAX_VALUE_BYTES;

/// What is wrong with gob data. The peer's bytes are never in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value ends before it is complete (`io.ErrUnexpectedEOF`).
    #[error("gob: unexpected end of data")]
    UnexpectedEnd,
    /// `decode.go, errBadUint`.
    #[error("gob: encoded unsigned integer out of range")]
    BadUint,
    /// `decode.go, errRange`.
    #[error("gob: bad data: field numbers out of bounds")]
    BadField,
    /// `decoder.go, errBadCount`.
    #[error("gob: message of {len} bytes; the limit is {MAX_MESSAGE_BYTES}")]
    MessageTooLong {
        /// What the sender announced, in bytes.
        len: u64,
    },
    /// A value whose messages exceed a limit together.
    #[error("gob: value over the limit of {limit} {unit}")]
    ValueTooLong {
        /// The limit.
        limit: usize,
        /// What it counts.
        unit: &'static str,
    },
    /// A count or length that the bytes left cannot hold.
    #[error("gob: {what} of length {len} exceeds the data that is left")]
    BadLength {
        /// What has that length.
        what: &'static str,
        /// The length announced.
        len: u64,
    },
    /// Nested deeper than the limit.
    #[error("gob: nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// A malformed type definition.
    #[error("gob: bad type definition: {0}")]
    BadType(&'static str),
    /// A type definition over one of the limits.
    #[error("gob: type definitions exceed {limit} {unit}")]
    TooManyTypes {
        /// The limit.
        limit: usize,
        /// What it counts.
        unit: &'static str,
    },
    /// `decoder.go, recvType`.
    #[error("gob: duplicate type received: {0}")]
    DuplicateType(i64),
    /// A type id without a definition.
    #[error("gob: unknown type id {0}")]
    UnknownType(i64),
    /// The sender's type cannot become the receiver's (`decode.go, compatibleType`).
    #[error("gob: wrong type received, want {want}")]
    WrongType {
        /// The receiver's type.
        want: &'static str,
    },
    /// `decodeInterface`: the value inside is not of the one type that belongs there.
    #[error("gob: name not registered for interface, want {want:?}")]
    NotRegistered {
        /// The name that belongs there.
        want: &'static str,
    },
    /// A number that the receiver's type cannot hold (`decode.go, overflow`).
    #[error("gob: value out of range for {want}")]
    Overflow {
        /// The receiver's type.
        want: &'static str,
    },
    /// A value that is well formed but means nothing to the receiver.
    #[error("gob: not a valid {want}")]
    Invalid {
        /// The receiver's type.
        want: &'static str,
    },
    /// More memory than [`MAX_DECODED_BYTES`].
    #[error("gob: decoded value over the limit of {MAX_DECODED_BYTES} bytes")]
    TooLarge,
    /// A message goes on behind its value (`decoder.go, decodeTypeSequence`).
    #[error("gob: extra data in buffer")]
    ExtraData,
}
