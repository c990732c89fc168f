//! From typed Rust to gob.

use std::any;
use std::collections::{BTreeMap, HashMap};

use super::types::TypeId;
use super::{Error, MAX_MESSAGE_BYTES};

/// A Rust type that can be sent as gob.
pub trait Encode: 'static {
    /// The type's description on the wire.
    fn wire_type() -> TypeRef;

    /// Whether Go leaves this value out where it is a struct's field: zero scalars, empty slices
    /// and maps, nil; a struct is always sent.
    fn is_zero(&self) -> bool;

    /// Writes the value.
    fn encode(&self, sink: &mut Sink<'_>);
}

/// A type to be described: predefined, or defined on the stream where it is first needed.
#[derive(Debug, Clone, Copy)]
pub enum TypeRef {
    /// One of gob's predefined types.
    Predefined(TypeId),
    /// A type with a definition.
    Defined {
        /// Identifies the type in this process.
        key: any::TypeId,
        /// Describes it.
        schema: fn() -> Schema,
    },
    /// An interface; the type inside has to be defined as well.
    Interface {
        /// The type inside.
        inside: fn() -> TypeRef,
    },
}

impl TypeRef {
    /// A type with a definition, shared by all that call this with the same `T`.
    pub fn defined<T: 'static>(schema: fn() -> Schema) -> Self {
        TypeRef::Defined {
            key: any::TypeId::of::<T>(),
            schema,
        }
    }

    /// An interface that holds a `T`.
    pub fn interface<T: Encode>() -> Self {
        TypeRef::Interface {
            inside: T::wire_type,
        }
    }

    /// The type of the field that `get` returns; for [`gob_struct!`](crate::gob_struct), which
    /// knows the names of fields and not their types.
    pub fn of_field<S, F: Encode>(_get: fn(&S) -> &F) -> Self {
        F::wire_type()
    }
}

/// The definition of a type (`type.go, wireType`).
#[derive(Debug, Clone)]
pub enum Schema {
    /// A struct.
    Struct {
        /// Its name in Go, for messages to humans only.
        name: &'static str,
        /// The names and types of its fields.
        fields: Vec<(&'static str, TypeRef)>,
    },
    /// A slice.
    Slice(TypeRef),
    /// A map from the first to the second.
    Map(TypeRef, TypeRef),
    /// A type that encodes itself to bytes with `GobEncode`.
    GobEncoder {
        /// Its name in Go.
        name: &'static str,
    },
}

/// Encodes the values of one stream, each type defined once.
#[derive(Debug, Default)]
pub struct Encoder {
    ids: HashMap<any::TypeId, TypeId>,
    /// Definitions that are not sent yet, as whole messages.
    definitions: Vec<u8>,
}

impl Encoder {
    /// An encoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `value` to `stream`: definitions of its types where they are new, then the value
    /// (`encoder.go, Encoder.EncodeValue`).
    ///
    /// # Errors
    /// The value is over [`MAX_MESSAGE_BYTES`]. Nothing but definitions was appended, and the
    /// stream stays usable.
    pub fn encode<T: Encode>(&mut self, value: &T, stream: &mut Vec<u8>) -> Result<(), Error> {
        let wire_type = T::wire_type();
        let id = self.define(wire_type);
        stream.append(&mut self.definitions);
        let mut sink = Sink {
            bytes: Vec::new(),
            ids: &self.ids,
        };
        sink.int(id.0);
        sink.single(wire_type);
        value.encode(&mut sink);
        let bytes = sink.bytes;
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(Error::MessageTooLong {
                len: bytes.len() as u64,
            });
        }
        push_message(stream, &bytes);
        Ok(())
    }

    /// The id of a type, which is defined on the stream if it is new.
    fn define(&mut self, wire_type: TypeRef) -> TypeId {
        let (key, schema) = match wire_type {
            TypeRef::Predefined(id) => return id,
            TypeRef::Interface { inside } => {
                self.define(inside());
                return TypeId::INTERFACE;
            }
            TypeRef::Defined { key, schema } => (key, schema),
        };
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let ordinal = i64::try_from(self.ids.len()).unwrap_or(i64::MAX);
        let id = TypeId(TypeId::FIRST_USER.0.saturating_add(ordinal));
        // Before its parts, which may be of this very type.
        self.ids.insert(key, id);
        let definition = self.definition(id, schema());
        push_message(&mut self.definitions, &definition);
        id
    }

    /// `-id` and the value of a `wireType`, field by field: a CommonType (name, id), then what
    /// the kind of type adds.
    fn definition(&mut self, id: TypeId, schema: Schema) -> Vec<u8> {
        let mut out = Vec::new();
        push_int(&mut out, -id.0);
        let common = |out: &mut Vec<u8>, kind: u64, name: &str| {
            push_uint(out, kind);
            push_uint(out, 1);
            let id_delta = if name.is_empty() {
                2
            } else {
                push_uint(out, 1);
                push_bytes(out, name.as_bytes());
                1
            };
            push_uint(out, id_delta);
            push_int(out, id.0);
            push_uint(out, 0);
        };
        match schema {
            Schema::Slice(element) => {
                let element = self.define(element);
                common(&mut out, 2, "");
                push_uint(&mut out, 1);
                push_int(&mut out, element.0);
            }
            Schema::Struct { name, fields } => {
                let fields: Vec<_> = fields
                    .into_iter()
                    .map(|(name, ty)| (name, self.define(ty)))
                    .collect();
                common(&mut out, 3, name);
                if !fields.is_empty() {
                    push_uint(&mut out, 1);
                    push_uint(&mut out, fields.len() as u64);
                    for (name, ty) in fields {
                        push_uint(&mut out, 1);
                        push_bytes(&mut out, name.as_bytes());
                        push_uint(&mut out, 1);
                        push_int(&mut out, ty.0);
                        push_uint(&mut out, 0);
                    }
                }
            }
            Schema::Map(key, element) => {
                let (key, element) = (self.define(key), self.define(element));
                common(&mut out, 4, "");
                push_uint(&mut out, 1);
                push_int(&mut out, key.0);
                push_uint(&mut out, 1);
                push_int(&mut out, element.0);
            }
            Schema::GobEncoder { name } => common(&mut out, 5, name),
        }
        // The end of the kind's struct, and the end of the wireType.
        out.extend([0, 0]);
        out
    }
}

/// A value under encoding.
pub struct Sink<'a> {
    bytes: Vec<u8>,
    ids: &'a HashMap<any::TypeId, TypeId>,
}

impl<'b> Sink<'b> {
    pub(super) fn uint(&mut self, value: u64) {
        push_uint(&mut self.bytes, value);
    }

    fn int(&mut self, value: i64) {
        push_int(&mut self.bytes, value);
    }

    /// A byte string with its length in front.
    pub fn bytes(&mut self, bytes: &[u8]) {
        push_bytes(&mut self.bytes, bytes);
    }

    /// The zero in front of what is neither a field nor a struct (`encode.go, encodeSingle`).
    fn single(&mut self, wire_type: TypeRef) {
        let is_struct = matches!(
            wire_type,
            TypeRef::Defined { schema, .. } if matches!(schema(), Schema::Struct { .. })
        );
        if !is_struct {
            self.uint(0);
        }
    }

    /// Writes a struct field by field; call [`Fields::end`] after the last.
    pub fn fields(&mut self) -> Fields<'_, 'b> {
        Fields {
            sink: self,
            delta: 1,
        }
    }

    /// `encode.go, encodeInterface`, all types being defined already.
    pub(super) fn interface<T: Encode>(&mut self, name: &str, value: &T) {
        self.bytes(name.as_bytes());
        let wire_type = T::wire_type();
        let id = match wire_type {
            TypeRef::Predefined(id) => id,
            TypeRef::Interface { .. } => TypeId::INTERFACE,
            TypeRef::Defined { key, .. } => self.ids.get(&key).copied().unwrap_or(TypeId(0)),
        };
        self.int(id.0);
        let mut inside = Sink {
            bytes: Vec::new(),
            ids: self.ids,
        };
        inside.single(wire_type);
        value.encode(&mut inside);
        let inside = inside.bytes;
        self.bytes(&inside);
    }
}

/// The fields of a struct under encoding.
pub struct Fields<'a, 'b> {
    sink: &'a mut Sink<'b>,
    delta: u64,
}

impl Fields<'_, '_> {
    /// Writes the next field, unless it is zero.
    pub fn field<T: Encode>(&mut self, value: &T) {
        if value.is_zero() {
            self.delta += 1;
        } else {
            self.sink.uint(self.delta);
            self.delta = 1;
            value.encode(self.sink);
        }
    }

    /// Ends the struct.
    pub fn end(self) {
        self.sink.uint(0);
    }
}

/// `encode.go, encodeUint`.
fn push_uint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value.to_le_bytes()[0]);
        return;
    }
    let bytes = value.to_be_bytes();
    let skip = (value.leading_zeros() / 8) as usize;
    let len = (8 - skip) as u8;
    out.push(len.wrapping_neg());
    out.extend_from_slice(&bytes[skip..]);
}

/// `encode.go, encodeInt`.
fn push_int(out: &mut Vec<u8>, value: i64) {
    let folded = if value < 0 { !value } else { value }.cast_unsigned() << 1;
    push_uint(out, folded | u64::from(value < 0));
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message: its length, then its bytes.
fn push_message(out: &mut Vec<u8>, bytes: &[u8]) {
    push_bytes(out, bytes);
}

impl Encode for bool {
    fn wire_type() -> TypeRef {
        TypeRef::Predefined(TypeId::BOOL)
    }

    fn is_zero(&self) -> bool {
        !*self
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.uint((*self).into());
    }
}

macro_rules! encode_integer {
    ($($int:ty: $id:ident, $write:ident;)*) => {$(
        impl Encode for $int {
            fn wire_type() -> TypeRef {
                TypeRef::Predefined(TypeId::$id)
            }

            fn is_zero(&self) -> bool {
                *self == 0
            }

            fn encode(&self, sink: &mut Sink<'_>) {
                sink.$write((*self).into());
            }
        }
    )*};
}

encode_integer! {
    i32: INT, int;
    i64: INT, int;
    u32: UINT, uint;
    u64: UINT, uint;
}

impl Encode for f64 {
    fn wire_type() -> TypeRef {
        TypeRef::Predefined(TypeId::FLOAT)
    }

    fn is_zero(&self) -> bool {
        // As Go compares: -0 is zero and lost.
        *self == 0.0
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.uint(self.to_bits().swap_bytes());
    }
}

impl Encode for String {
    fn wire_type() -> TypeRef {
        TypeRef::Predefined(TypeId::STRING)
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.bytes(self.as_bytes());
    }
}

impl Encode for Vec<u8> {
    fn wire_type() -> TypeRef {
        TypeRef::Predefined(TypeId::BYTES)
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.bytes(self);
    }
}

/// A pointer in Go: none is nil.
impl<T: Encode + Default> Encode for Option<T> {
    fn wire_type() -> TypeRef {
        T::wire_type()
    }

    fn is_zero(&self) -> bool {
        self.is_none()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        match self {
            Some(value) => value.encode(sink),
            // Only where a value has to stand: gob cannot send nil there.
            None => T::default().encode(sink),
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn wire_type() -> TypeRef {
        TypeRef::defined::<Self>(|| Schema::Slice(T::wire_type()))
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.uint(self.len() as u64);
        for item in self {
            item.encode(sink);
        }
    }
}

impl<K: Encode, V: Encode> Encode for BTreeMap<K, V> {
    fn wire_type() -> TypeRef {
        TypeRef::defined::<Self>(|| Schema::Map(K::wire_type(), V::wire_type()))
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.uint(self.len() as u64);
        for (key, value) in self {
            key.encode(sink);
            value.encode(sink);
        }
    }
}
