//! Mapping Rust structs to gob by their field names on the wire.

use super::Error;
use super::decode::{Decode, Source};
use super::encode::{Encode, Schema, Sink, TypeRef};
use super::types::TypeId;

/// Implements [`Decode`](crate::gob::Decode) and [`Encode`](crate::gob::Encode) for a struct with
/// a `Default`: its name in Go, then for each field its name in Go. Fields that are not listed are
/// not sent, and keep their default when received.
///
/// A field whose type cannot implement the two traits names a type that can, with
/// `From<Via> for Field` and `From<&Field> for Via`.
///
/// ```
/// use go_plugin::gob::GoTime;
///
/// #[derive(Default)]
/// struct Point { x: i64, y: i64, seen: Seconds, shown: bool }
///
/// #[derive(Default)]
/// struct Seconds(i64);
///
/// impl From<GoTime> for Seconds {
///     fn from(time: GoTime) -> Self { Self(time.unix_seconds) }
/// }
///
/// impl From<&Seconds> for GoTime {
///     fn from(seconds: &Seconds) -> Self {
///         Self { unix_seconds: seconds.0, nanoseconds: 0 }
///     }
/// }
///
/// go_plugin::gob_struct!(Point as "Point" { x: "X", y: "Y", seen: "Seen" as GoTime });
/// ```
#[macro_export]
macro_rules! gob_struct {
    ($rust:ty as $go:literal { $($field:ident : $wire:literal $(as $via:ty)?),* $(,)? }) => {
        impl $crate::gob::Decode for $rust {
            fn decode(
                source: &mut $crate::gob::Source<'_>,
                ty: $crate::gob::TypeId,
            ) -> ::core::result::Result<Self, $crate::gob::Error> {
                let mut decoded = <Self as ::core::default::Default>::default();
                source.fields(ty, |source, name, ty| {
                    match name {
                        $($wire => {
                            decoded.$field = $crate::gob_struct!(@decode source, ty $(, $via)?);
                        })*
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
                Ok(decoded)
            }
        }

        impl $crate::gob::Encode for $rust {
            fn wire_type() -> $crate::gob::TypeRef {
                $crate::gob::TypeRef::defined::<Self>(|| $crate::gob::Schema::Struct {
                    name: $go,
                    fields: ::std::vec![$((
                        $wire,
                        $crate::gob_struct!(@type $field $(, $via)?),
                    )),*],
                })
            }

            fn is_zero(&self) -> bool {
                // Go sends a struct in a struct always: the receiver may know it by a pointer.
                false
            }

            fn encode(&self, sink: &mut $crate::gob::Sink<'_>) {
                let mut fields = sink.fields();
                $(fields.field($crate::gob_struct!(@encode self.$field $(, $via)?));)*
                fields.end();
            }
        }
    };
    (@decode $source:ident, $ty:ident) => {
        $crate::gob::Decode::decode($source, $ty)?
    };
    (@decode $source:ident, $ty:ident, $via:ty) => {
        <$via as $crate::gob::Decode>::decode($source, $ty)?.into()
    };
    (@type $field:ident) => {
        $crate::gob::TypeRef::of_field(|this: &Self| &this.$field)
    };
    (@type $field:ident, $via:ty) => {
        <$via as $crate::gob::Encode>::wire_type()
    };
    (@encode $this:ident.$field:ident) => {
        &$this.$field
    };
    (@encode $this:ident.$field:ident, $via:ty) => {
        &<$via>::from(&$this.$field)
    };
}

/// A type that is known by name where a Go interface is sent (`gob.RegisterName`).
pub trait Registered {
    /// The name that both sides have registered.
    const NAME: &'static str;
}

/// A Go interface value that holds a `T` or nil.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface<T>(pub Option<T>);

impl<T> Default for Interface<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Decode + Registered> Decode for Interface<T> {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        source.interface(ty).map(Self)
    }
}

impl<T: Encode + Registered> Encode for Interface<T> {
    fn wire_type() -> TypeRef {
        TypeRef::interface::<T>()
    }

    fn is_zero(&self) -> bool {
        self.0.is_none()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        match &self.0 {
            Some(value) => sink.interface(T::NAME, value),
            None => sink.uint(0),
        }
    }
}

/// Go's `struct{}`: what net/rpc sends where there is nothing to say, and the concrete type to
/// name where only a nil interface is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Empty;

impl Registered for Empty {
    const NAME: &'static str = "struct {}";
}

impl Decode for Empty {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        source.fields(ty, |_, _, _| Ok(false))?;
        Ok(Self)
    }
}

impl Encode for Empty {
    fn wire_type() -> TypeRef {
        TypeRef::defined::<Self>(|| Schema::Struct {
            name: "",
            fields: Vec::new(),
        })
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.fields().end();
    }
}
