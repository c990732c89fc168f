//! The types that a stream has defined.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::{Error, MAX_FIELDS, MAX_NAME_BYTES, MAX_STRUCT_FIELDS, MAX_TYPES, MAX_VALUE_MESSAGES};

/// The number of a type on one stream: predefined below 64, else defined by the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(super) i64);

impl TypeId {
    pub(super) const BOOL: TypeId = TypeId(1);
    pub(super) const INT: TypeId = TypeId(2);
    pub(super) const UINT: TypeId = TypeId(3);
    pub(super) const FLOAT: TypeId = TypeId(4);
    pub(super) const BYTES: TypeId = TypeId(5);
    pub(super) const STRING: TypeId = TypeId(6);
    pub(super) const COMPLEX: TypeId = TypeId(7);
    pub(super) const INTERFACE: TypeId = TypeId(8);
    /// `type.go, firstUserId`.
    pub(super) const FIRST_USER: TypeId = TypeId(64);
}

/// What a type id stands for (`type.go, wireType`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WireType {
    Array {
        element: TypeId,
        len: u64,
    },
    Slice {
        element: TypeId,
    },
    Struct {
        fields: Vec<Field>,
    },
    Map {
        key: TypeId,
        element: TypeId,
    },
    /// Encoded by its own `GobEncode`, `MarshalBinary` or `MarshalText`: bytes on the wire.
    Opaque,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) ty: TypeId,
}

/// All types of one stream, in the order of their definition so that a walk can be undone.
#[derive(Debug, Default)]
pub(super) struct Types {
    by_id: HashMap<TypeId, WireType>,
    order: Vec<TypeId>,
    fields: usize,
}

impl Types {
    pub(super) fn get(&self, id: TypeId) -> Result<&WireType, Error> {
        self.by_id.get(&id).ok_or(Error::UnknownType(id.0))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Forgets the definitions after the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        for id in self.order.drain(len.min(self.order.len())..) {
            if let Some(WireType::Struct { fields }) = self.by_id.remove(&id) {
                self.fields -= fields.len();
            }
        }
    }

    /// `decoder.go, recvType`.
    pub(super) fn define(&mut self, id: TypeId, wire: WireType) -> Result<(), Error> {
        if id < TypeId::FIRST_USER || self.by_id.contains_key(&id) {
            return Err(Error::DuplicateType(id.0));
        }
        if self.order.len() >= MAX_TYPES {
            return Err(Error::TooManyTypes {
                limit: MAX_TYPES,
                unit: "types",
            });
        }
        if let WireType::Struct { fields } = &wire {
            if self.fields + fields.len() > MAX_FIELDS {
                return Err(Error::TooManyTypes {
                    limit: MAX_FIELDS,
                    unit: "fields",
                });
            }
            self.fields += fields.len();
        }
        self.order.push(id);
        self.by_id.insert(id, wire);
        Ok(())
    }
}

/// Reads the id in front of a definition or a value: a definition of type `n` has id `-n`.
pub(super) enum Leading {
    Definition(TypeId),
    Value(TypeId),
}

pub(super) fn leading(cursor: &mut Cursor<'_>) -> Result<Leading, Error> {
    let id = cursor.int()?;
    Ok(if id < 0 {
        // i64::MIN has no counterpart; it is below FIRST_USER either way.
        Leading::Definition(TypeId(id.checked_neg().unwrap_or(0)))
    } else {
        Leading::Value(TypeId(id))
    })
}

/// Whether `message` is one type definition and nothing else.
pub(super) fn is_lone_definition(message: &Vec<u8>) -> bool {
    let mut cursor = Cursor::new(std::slice::from_ref(message));
    matches!(leading(&mut cursor), Ok(Leading::Definition(_)))
        && definition(&mut cursor).is_ok()
        && cursor.left() == 0
}

/// The fields of a struct value: calls `each` with every field's number, from 0
/// (`decode.go, decodeStruct`).
pub(super) fn struct_fields<'a>(
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&mut Cursor<'a>, usize) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut next = 0_usize;
    loop {
        let delta = cursor.uint()?;
        if delta == 0 {
            return Ok(());
        }
        let number = usize::try_from(delta)
            .ok()
            .and_then(|delta| next.checked_add(delta - 1))
            .ok_or(Error::BadField)?;
        each(cursor, number)?;
        next = number + 1;
    }
}

/// A type definition behind its id (`type.go, wireType`): a struct of which one field is set.
pub(super) fn definition(cursor: &mut Cursor<'_>) -> Result<WireType, Error> {
    let mut wire = None;
    struct_fields(cursor, |cursor, number| {
        let parsed = match number {
            0 => array(cursor)?,
            1 => WireType::Slice {
                element: with_ids(cursor)?[0],
            },
            2 => structure(cursor)?,
            3 => {
                let [key, element] = with_ids(cursor)?;
                WireType::Map { key, element }
            }
            4..=6 => {
                with_ids(cursor)?;
                WireType::Opaque
            }
            _ => return Err(Error::BadType("unknown kind of type")),
        };
        if wire.replace(parsed).is_some() {
            return Err(Error::BadType("two kinds at once"));
        }
        Ok(())
    })?;
    wire.ok_or(Error::BadType("no kind of type"))
}

/// `type.go, CommonType` and up to two type ids behind it: the shape of slices, maps and opaque
/// types.
fn with_ids(cursor: &mut Cursor<'_>) -> Result<[TypeId; 2], Error> {
    let mut ids = [TypeId(0); 2];
    struct_fields(cursor, |cursor, number| {
        match number {
            0 => common(cursor)?,
            1 | 2 => ids[number - 1] = TypeId(cursor.int()?),
            _ => return Err(Error::BadType("unknown field")),
        }
        Ok(())
    })?;
    Ok(ids)
}

fn array(cursor: &mut Cursor<'_>) -> Result<WireType, Error> {
    let mut element = TypeId(0);
    let mut len = 0;
    struct_fields(cursor, |cursor, number| {
        match number {
            0 => common(cursor)?,
            1 => element = TypeId(cursor.int()?),
            2 => {
                len = u64::try_from(cursor.int()?)
                    .map_err(|_| Error::BadType("negative array length"))?;
            }
            _ => return Err(Error::BadType("unknown field")),
        }
        Ok(())
    })?;
    Ok(WireType::Array { element, len })
}

fn structure(cursor: &mut Cursor<'_>) -> Result<WireType, Error> {
    let mut fields = Vec::new();
    struct_fields(cursor, |cursor, number| {
        match number {
            0 => common(cursor)?,
            1 => {
                let count = cursor.length("struct type")?;
                if count > MAX_STRUCT_FIELDS {
                    return Err(Error::TooManyTypes {
                        limit: MAX_STRUCT_FIELDS,
                        unit: "fields of one struct",
                    });
                }
                for _ in 0..count {
                    fields.push(field(cursor)?);
                }
            }
            _ => return Err(Error::BadType("unknown field")),
        }
        Ok(())
    })?;
    Ok(WireType::Struct { fields })
}

/// `type.go, fieldType`.
fn field(cursor: &mut Cursor<'_>) -> Result<Field, Error> {
    let mut name = Box::from("");
    let mut ty = TypeId(0);
    struct_fields(cursor, |cursor, number| {
        match number {
            0 => {
                name = std::str::from_utf8(short_name(cursor)?)
                    .map_err(|_| Error::BadType("field name is not UTF-8"))?
                    .into();
            }
            1 => ty = TypeId(cursor.int()?),
            _ => return Err(Error::BadType("unknown field")),
        }
        Ok(())
    })?;
    Ok(Field { name, ty })
}

/// `type.go, CommonType`: the sender's name and number of the type, which mean nothing here.
fn common(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    struct_fields(cursor, |cursor, number| {
        match number {
            0 => {
                short_name(cursor)?;
            }
            1 => {
                cursor.int()?;
            }
            _ => return Err(Error::BadType("unknown field")),
        }
        Ok(())
    })
}

pub(super) fn short_name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Error> {
    let name = cursor.bytes("name")?;
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::BadLength {
            what: "name",
            len: name.len() as u64,
        });
    }
    Ok(name)
}

const _: () = assert!(
    MAX_VALUE_MESSAGES > MAX_TYPES,
    "one value may define every type a stream may have"
);
