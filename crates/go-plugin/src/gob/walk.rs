//! Walking a value by its types, without making anything of it.
//!
//! The same walk finds the end of a value, checks its limits, learns the types defined inside it,
//! and later skips the fields that a receiver does not know.

use super::cursor::Cursor;
use super::types::{Leading, TypeId, Types, WireType, definition, leading, short_name};
use super::{Error, MAX_DEPTH, MAX_ELEMENTS};

/// Why a walk stopped early.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The value goes on in a message that is not there yet.
    NeedMessage,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// What to do with type definitions on the way.
pub(super) trait Definitions {
    fn define(&mut self, id: TypeId, wire: WireType) -> Result<(), Error>;
    fn get(&self, id: TypeId) -> Result<&WireType, Error>;
}

/// The first walk learns types.
impl Definitions for Types {
    fn define(&mut self, id: TypeId, wire: WireType) -> Result<(), Error> {
        Types::define(self, id, wire)
    }

    fn get(&self, id: TypeId) -> Result<&WireType, Error> {
        Types::get(self, id)
    }
}

/// Later walks have met them all.
impl Definitions for &Types {
    fn define(&mut self, _: TypeId, _: WireType) -> Result<(), Error> {
        Ok(())
    }

    fn get(&self, id: TypeId) -> Result<&WireType, Error> {
        Types::get(self, id)
    }
}

/// The type of the value that starts here, past the definitions in front of it
/// (`decoder.go, decodeTypeSequence`).
pub(super) fn type_sequence(
    cursor: &mut Cursor<'_>,
    types: &mut impl Definitions,
    in_interface: bool,
) -> Result<TypeId, Stop> {
    loop {
        if cursor.left() == 0 && !cursor.next_message() {
            return Err(Stop::NeedMessage);
        }
        match leading(cursor)? {
            Leading::Value(id) => return Ok(id),
            Leading::Definition(id) => {
                let wire = definition(cursor)?;
                types.define(id, wire)?;
            }
        }
        if cursor.left() > 0 {
            if !in_interface {
                return Err(Error::ExtraData.into());
            }
            // The count of a nested message, which was needed only to skip it.
            cursor.uint()?;
        }
    }
}

/// A walk's limits, so far used.
#[derive(Debug, Default)]
pub(super) struct Walk {
    elements: usize,
    depth: usize,
}

impl Walk {
    /// At the top and inside an interface, what is not a struct has a zero in front
    /// (`decode.go, decodeSingle`).
    pub(super) fn whole(
        &mut self,
        cursor: &mut Cursor<'_>,
        types: &mut impl Definitions,
        ty: TypeId,
    ) -> Result<(), Stop> {
        single(cursor, types, ty)?;
        self.value(cursor, types, ty)
    }

    /// Skips one value of type `ty` (`decode.go, decIgnoreOpFor`).
    pub(super) fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        types: &mut impl Definitions,
        ty: TypeId,
    ) -> Result<(), Stop> {
        match ty {
            TypeId::BOOL | TypeId::INT | TypeId::UINT | TypeId::FLOAT => {
                cursor.uint()?;
            }
            TypeId::COMPLEX => {
                cursor.uint()?;
                cursor.uint()?;
            }
            TypeId::BYTES => {
                cursor.bytes("byte slice")?;
            }
            TypeId::STRING => {
                cursor.bytes("string")?;
            }
            TypeId::INTERFACE => self.nested(|walk| walk.interface(cursor, types))?,
            _ => self.nested(|walk| walk.defined(cursor, types, ty))?,
        }
        Ok(())
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        if self.depth == MAX_DEPTH {
            return Err(Error::TooDeep.into());
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn defined(
        &mut self,
        cursor: &mut Cursor<'_>,
        types: &mut impl Definitions,
        ty: TypeId,
    ) -> Result<(), Stop> {
        match *types.get(ty)? {
            WireType::Array { element, len } => {
                let count = array_length(cursor, len)?;
                self.repeat(count, |walk| walk.value(cursor, types, element))
            }
            WireType::Slice { element } => {
                let count = cursor.length("slice")?;
                self.repeat(count, |walk| walk.value(cursor, types, element))
            }
            WireType::Map { key, element } => {
                let count = cursor.length("map")?;
                self.repeat(count, |walk| {
                    walk.value(cursor, types, key)?;
                    walk.value(cursor, types, element)
                })
            }
            WireType::Opaque => {
                cursor.bytes("encoded value")?;
                Ok(())
            }
            WireType::Struct { .. } => self.structure(cursor, types, ty),
        }
    }

    fn repeat(
        &mut self,
        count: usize,
        mut each: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.elements += count;
        if self.elements > MAX_ELEMENTS {
            return Err(Error::ValueTooLong {
                limit: MAX_ELEMENTS,
                unit: "elements",
            }
            .into());
        }
        (0..count).try_for_each(|_| each(self))
    }

    fn structure(
        &mut self,
        cursor: &mut Cursor<'_>,
        types: &mut impl Definitions,
        ty: TypeId,
    ) -> Result<(), Stop> {
        let mut next = 0_usize;
        loop {
            let delta = cursor.uint()?;
            if delta == 0 {
                return Ok(());
            }
            let (number, field) = struct_field(types, ty, next, delta)?;
            next = number + 1;
            self.value(cursor, types, field)?;
        }
    }

    fn interface(
        &mut self,
        cursor: &mut Cursor<'_>,
        types: &mut impl Definitions,
    ) -> Result<(), Stop> {
        if short_name(cursor)?.is_empty() {
            return Ok(());
        }
        let concrete = type_sequence(cursor, types, true)?;
        // Its length, which is a lie when types are defined inside it: the walk knows better.
        cursor.uint()?;
        self.whole(cursor, types, concrete)
    }
}

/// The number and type of the struct field that `delta` leads to, counted from `next`.
pub(super) fn struct_field(
    types: &impl Definitions,
    ty: TypeId,
    next: usize,
    delta: u64,
) -> Result<(usize, TypeId), Error> {
    let WireType::Struct { fields } = types.get(ty)? else {
        return Err(Error::WrongType { want: "struct" });
    };
    usize::try_from(delta)
        .ok()
        .and_then(|delta| next.checked_add(delta - 1))
        .and_then(|number| Some((number, fields.get(number)?.ty)))
        .ok_or(Error::BadField)
}

/// The length of an array value, which the type gives as well (`decode.go, decodeArray`).
pub(super) fn array_length(cursor: &mut Cursor<'_>, len: u64) -> Result<usize, Error> {
    let count = cursor.length("array")?;
    if count as u64 == len {
        Ok(count)
    } else {
        Err(Error::BadLength {
            what: "array",
            len: count as u64,
        })
    }
}

/// Reads the zero in front of a value that is neither a field nor a struct.
pub(super) fn single(
    cursor: &mut Cursor<'_>,
    types: &impl Definitions,
    ty: TypeId,
) -> Result<(), Error> {
    let is_struct = ty >= TypeId::FIRST_USER && matches!(types.get(ty)?, WireType::Struct { .. });
    if !is_struct && cursor.uint()? != 0 {
        return Err(Error::BadField);
    }
    Ok(())
}
