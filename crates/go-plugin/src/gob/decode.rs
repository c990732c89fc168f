//! From a checked value to typed Rust.

use std::collections::BTreeMap;
use std::mem::size_of;

use super::cursor::Cursor;
use super::mapping::Registered;
use super::types::{TypeId, Types, WireType, short_name};
use super::walk::{Stop, Walk, array_length, single, struct_field, type_sequence};
use super::{Error, MAX_DECODED_BYTES, MAX_DEPTH};

/// A Rust type that gob values can become. The default stands for what the sender omitted.
pub trait Decode: Sized + Default {
    /// Reads a value that the sender encoded as `ty`.
    ///
    /// # Errors
    /// `ty` cannot become this type, or the value does not fit.
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error>;
}

/// Smallest number of entries in a node of a `BTreeMap` that is not its only one.
const MAP_NODE_FILL: usize = 5;
/// Entries that a node of a `BTreeMap` has room for.
const MAP_NODE_ENTRIES: usize = 11;

/// A value under decoding: its bytes, its types, and what is left of the memory budget.
pub struct Source<'a> {
    cursor: Cursor<'a>,
    types: &'a Types,
    left: usize,
    depth: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(cursor: Cursor<'a>, types: &'a Types) -> Self {
        Self {
            cursor,
            types,
            left: MAX_DECODED_BYTES,
            depth: 0,
        }
    }

    pub(super) fn charged(&self) -> usize {
        MAX_DECODED_BYTES - self.left
    }

    pub(super) fn top<T: Decode>(&mut self) -> Result<T, Error> {
        let ty = self.type_sequence(false)?;
        single(&mut self.cursor, &self.types, ty)?;
        T::decode(self, ty)
    }

    fn type_sequence(&mut self, in_interface: bool) -> Result<TypeId, Error> {
        type_sequence(&mut self.cursor, &mut self.types, in_interface).map_err(whole)
    }

    #[cfg(test)]
    pub(super) fn parts(&mut self) -> (&mut Cursor<'a>, &'a Types) {
        (&mut self.cursor, self.types)
    }

    /// Takes `bytes` from the budget, before they are allocated.
    fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::TooLarge)?;
        Ok(())
    }

    /// Decodes the fields of a struct: `each` takes a field by its name and says whether it knew
    /// it; fields it did not know are skipped.
    ///
    /// # Errors
    /// Those of `each`, and a value that is no struct.
    pub fn fields(
        &mut self,
        ty: TypeId,
        mut each: impl FnMut(&mut Self, &str, TypeId) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth += 1;
        let types = self.types;
        let WireType::Struct { fields } = defined(types, ty, "struct")? else {
            return Err(Error::WrongType { want: "struct" });
        };
        let mut next = 0;
        loop {
            let delta = self.cursor.uint()?;
            if delta == 0 {
                self.depth -= 1;
                return Ok(());
            }
            let (number, field_type) = struct_field(&types, ty, next, delta)?;
            next = number + 1;
            if !each(self, &fields[number].name, field_type)? {
                self.skip(field_type)?;
            }
        }
    }

    fn skip(&mut self, ty: TypeId) -> Result<(), Error> {
        Walk::default()
            .value(&mut self.cursor, &mut self.types, ty)
            .map_err(whole)
    }

    fn expect(&self, ty: TypeId, want: (TypeId, &'static str)) -> Result<(), Error> {
        if ty == want.0 {
            Ok(())
        } else {
            Err(Error::WrongType { want: want.1 })
        }
    }

    /// The bytes that a Go type made of itself (`GobEncode`, `MarshalBinary`, `MarshalText`).
    ///
    /// # Errors
    /// The value is not of such a type.
    pub fn opaque(&mut self, ty: TypeId, want: &'static str) -> Result<&'a [u8], Error> {
        match defined(self.types, ty, want)? {
            WireType::Opaque => self.cursor.bytes(want),
            _ => Err(Error::WrongType { want }),
        }
    }

    /// What is inside an interface value, none for nil. It must be registered as `T`'s name.
    ///
    /// # Errors
    /// The value is no interface, or another type is inside.
    pub fn interface<T: Decode + Registered>(&mut self, ty: TypeId) -> Result<Option<T>, Error> {
        self.expect(ty, (TypeId::INTERFACE, "interface"))?;
        let name = short_name(&mut self.cursor)?;
        if name.is_empty() {
            return Ok(None);
        }
        if name != T::NAME.as_bytes() {
            return Err(Error::NotRegistered { want: T::NAME });
        }
        let concrete = self.type_sequence(true)?;
        self.cursor.uint()?;
        single(&mut self.cursor, &self.types, concrete)?;
        T::decode(self, concrete).map(Some)
    }
}

/// A type that the sender defined; the predefined ones are wrong where this is asked.
fn defined<'a>(types: &'a Types, ty: TypeId, want: &'static str) -> Result<&'a WireType, Error> {
    if ty < TypeId::FIRST_USER {
        return Err(Error::WrongType { want });
    }
    types.get(ty)
}

/// A value was assembled whole, so no message can be missing.
fn whole(stop: Stop) -> Error {
    match stop {
        Stop::NeedMessage => Error::UnexpectedEnd,
        Stop::Failed(error) => error,
    }
}

impl Decode for bool {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        source.expect(ty, (TypeId::BOOL, "bool"))?;
        Ok(source.cursor.uint()? != 0)
    }
}

macro_rules! decode_integer {
    ($($int:ty: $id:ident, $read:ident, $want:literal;)*) => {$(
        impl Decode for $int {
            fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
                source.expect(ty, (TypeId::$id, $want))?;
                Self::try_from(source.cursor.$read()?).map_err(|_| Error::Overflow { want: $want })
            }
        }
    )*};
}

decode_integer! {
    i32: INT, int, "int32";
    i64: INT, int, "int64";
    u32: UINT, uint, "uint32";
    u64: UINT, uint, "uint64";
}

impl Decode for f64 {
    /// `decode.go, float64FromBits`: the bytes are reversed, so that small numbers are short.
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        source.expect(ty, (TypeId::FLOAT, "float64"))?;
        Ok(f64::from_bits(source.cursor.uint()?.swap_bytes()))
    }
}

impl Decode for String {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        source.expect(ty, (TypeId::STRING, "string"))?;
        let bytes = source.cursor.bytes("string")?;
        // Lossy text is at most three times as long: U+FFFD for each byte.
        let len = match std::str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(_) => 3 * bytes.len(),
        };
        source.charge(len)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Decode for Vec<u8> {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        source.expect(ty, (TypeId::BYTES, "[]byte"))?;
        let bytes = source.cursor.bytes("byte slice")?;
        source.charge(bytes.len())?;
        Ok(bytes.to_vec())
    }
}

/// A pointer in Go. Gob omits a nil pointer, and one to a zero value that is no struct.
impl<T: Decode> Decode for Option<T> {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        T::decode(source, ty).map(Some)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        let (element, count) = match *defined(source.types, ty, "slice")? {
            WireType::Slice { element } => (element, source.cursor.length("slice")?),
            WireType::Array { element, len } => (element, array_length(&mut source.cursor, len)?),
            _ => return Err(Error::WrongType { want: "slice" }),
        };
        let mut items = Vec::new();
        for _ in 0..count {
            if items.len() == items.capacity() {
                let more = items.len().clamp(4, count.max(4));
                source.charge(more * size_of::<T>())?;
                items.reserve_exact(more);
            }
            items.push(T::decode(source, element)?);
        }
        Ok(items)
    }
}

impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        let WireType::Map { key, element } = *defined(source.types, ty, "map")? else {
            return Err(Error::WrongType { want: "map" });
        };
        let count = source.cursor.length("map")?;
        let mut entries = BTreeMap::new();
        for index in 0..count {
            if index % MAP_NODE_FILL == 0 {
                // A node, and its share of the nodes above it.
                source.charge(MAP_NODE_ENTRIES * (size_of::<(K, V)>() + 2 * size_of::<usize>()))?;
            }
            let name = K::decode(source, key)?;
            let value = V::decode(source, element)?;
            entries.insert(name, value);
        }
        Ok(entries)
    }
}
