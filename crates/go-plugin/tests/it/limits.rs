//! Every limit of gob: what is just inside decodes, what is just outside is an error.

use std::collections::BTreeMap;

use go_plugin::gob::{
    Assembler, Decode, Empty, Error, MAX_DEPTH, MAX_ELEMENTS, MAX_FIELDS, MAX_MESSAGE_BYTES,
    MAX_NAME_BYTES, MAX_STRUCT_FIELDS, MAX_TYPES, MAX_VALUE_BYTES, MAX_VALUE_MESSAGES,
};

crate::trials!(
    a_message_has_a_longest_length,
    a_name_has_a_longest_length,
    a_type_is_defined_once,
    a_value_has_most_bytes,
    a_value_has_most_elements,
    a_value_has_most_messages,
    a_value_in_pieces_is_not_walked_for_ever,
    counts_beyond_the_data_are_refused,
    decoded_memory_is_limited,
    extra_data_is_refused,
    fields_have_a_greatest_number,
    nesting_has_a_deepest_level,
    numbers_that_do_not_fit_are_refused,
    struct_types_have_most_fields,
    types_have_a_greatest_number,
);

/// `encode.go, encodeUint`.
pub fn uint(value: usize) -> Vec<u8> {
    if value < 0x80 {
        return vec![value as u8];
    }
    let bytes: Vec<u8> = value
        .to_be_bytes()
        .into_iter()
        .skip_while(|b| *b == 0)
        .collect();
    let mut out = vec![(bytes.len() as u8).wrapping_neg()];
    out.extend(bytes);
    out
}

/// `encode.go, encodeInt`.
pub fn int(value: i64) -> Vec<u8> {
    let folded = if value < 0 { !value } else { value } << 1;
    uint((folded | i64::from(value < 0)) as usize)
}

fn text(value: &str) -> Vec<u8> {
    [uint(value.len()), value.into()].concat()
}

/// The definition of slice type `id` over `element`.
pub fn slice_type(id: i64, element: i64) -> Vec<u8> {
    [
        &int(-id)[..],
        &[2, 1, 2],
        &int(id),
        &[0, 1],
        &int(element),
        &[0, 0],
    ]
    .concat()
}

pub fn map_type(id: i64, key: i64, element: i64) -> Vec<u8> {
    let ids = [&[0, 1][..], &int(key), &[1], &int(element)].concat();
    [&int(-id)[..], &[4, 1, 2], &int(id), &ids, &[0, 0]].concat()
}

/// The definition of struct type `id`, each field with a name.
pub fn struct_type(id: i64, fields: &[(&str, i64)]) -> Vec<u8> {
    let mut out = [&int(-id)[..], &[3, 1, 2], &int(id), &[0]].concat();
    if !fields.is_empty() {
        out.extend([&[1][..], &uint(fields.len())].concat());
        for (name, ty) in fields {
            out.extend([&[1][..], &text(name), &[1], &int(*ty), &[0]].concat());
        }
    }
    out.extend([0, 0]);
    out
}

/// Decodes the value that these messages make.
pub fn decode<T: Decode>(messages: impl IntoIterator<Item = Vec<u8>>) -> Result<T, Error> {
    let mut assembler = Assembler::new();
    let mut messages = messages.into_iter();
    loop {
        let message = messages.next().expect("the value is not whole");
        if assembler.push(message)? {
            assert!(messages.next().is_none(), "the value was whole before");
            return assembler.take().decode();
        }
    }
}

fn a_message_has_a_longest_length() {
    let long = |len| {
        let mut message = [&[0x0a, 0][..], &uint(len)].concat();
        message.resize(message.len() + len, b'x');
        message
    };
    let fits = MAX_MESSAGE_BYTES - 8;
    assert_eq!(decode::<Vec<u8>>([long(fits)]).unwrap().len(), fits);
    assert_eq!(
        decode::<Vec<u8>>([long(MAX_MESSAGE_BYTES)]),
        Err(Error::MessageTooLong {
            len: MAX_MESSAGE_BYTES as u64 + 7
        })
    );
}

/// An interface that holds a string, its type behind a useless definition: two messages.
fn in_two(padding: usize) -> [Vec<u8>; 2] {
    let first = [&[0x10, 0][..], &text("string"), &slice_type(64, 6)].concat();
    let mut second = [&int(6)[..], &uint(padding + 9), &[0], &uint(padding)].concat();
    second.resize(second.len() + padding, b'x');
    [first, second]
}

fn a_value_has_most_bytes() {
    let push_both = |[first, second]: [Vec<u8>; 2]| {
        let mut assembler = Assembler::new();
        assert_eq!(assembler.push(first), Ok(false));
        assembler.push(second)
    };
    assert_eq!(push_both(in_two(9)), Ok(true));
    // Each of the messages is below the limit of messages.
    assert_eq!(
        push_both(in_two(MAX_VALUE_BYTES - 20)),
        Err(Error::ValueTooLong {
            limit: MAX_VALUE_BYTES,
            unit: "bytes"
        })
    );
}

fn a_value_has_most_messages() {
    let mut assembler = Assembler::new();
    for _ in 0..MAX_VALUE_MESSAGES {
        // The same definition again and again, which nobody looks at before the value is whole.
        assert_eq!(assembler.push(slice_type(64, 6)), Ok(false));
    }
    assert_eq!(
        assembler.push(vec![6, 0, 0]),
        Err(Error::ValueTooLong {
            limit: MAX_VALUE_MESSAGES,
            unit: "messages"
        })
    );
}

fn a_value_in_pieces_is_not_walked_for_ever() {
    // A struct of a large blob and many interfaces, each of which goes on in another message: the
    // value is walked again for each.
    let interfaces: Vec<(String, i64)> = (0..100).map(|n| (format!("I{n}"), 8)).collect();
    let mut fields = vec![("Blob", 5)];
    fields.extend(interfaces.iter().map(|(name, ty)| (name.as_str(), *ty)));
    let blob = vec![0; 8 << 20];
    let head = [&int(64)[..], &[1], &uint(blob.len()), &blob].concat();
    let open = |n: i64| [&[1][..], &text("x"), &slice_type(65 + n, 6)].concat();
    let mut assembler = Assembler::new();
    assert_eq!(assembler.push(struct_type(64, &fields)), Ok(false));
    let mut outcome = assembler.push([head, open(0)].concat());
    let mut walks = 1;
    while outcome == Ok(false) {
        outcome = assembler.push([&int(6)[..], &[2, 0, 0], &open(walks)].concat());
        walks += 1;
    }
    assert!(
        matches!(
            outcome,
            Err(Error::ValueTooLong {
                unit: "bytes walked",
                ..
            })
        ),
        "{outcome:?}"
    );
    assert!(walks < 10, "{walks} walks");
}

fn a_value_has_most_elements() {
    let list = |count: usize| {
        let mut value = [&int(64)[..], &[0], &uint(count)].concat();
        value.resize(value.len() + count, 0);
        [slice_type(64, 1), value]
    };
    let fits = decode::<Vec<bool>>(list(MAX_ELEMENTS));
    assert_eq!(fits.unwrap().len(), MAX_ELEMENTS);
    assert_eq!(
        decode::<Vec<bool>>(list(MAX_ELEMENTS + 1)),
        Err(Error::ValueTooLong {
            limit: MAX_ELEMENTS,
            unit: "elements"
        })
    );
}

/// Slices in slices, `depth` of them.
fn nested(depth: usize) -> Vec<Vec<u8>> {
    let last = 64 + i64::try_from(depth).unwrap() - 1;
    let mut messages = vec![slice_type(64, 6)];
    messages.extend((65..=last).map(|id| slice_type(id, id - 1)));
    let mut value = [&int(last)[..], &[0]].concat();
    value.resize(value.len() + depth - 1, 1);
    value.push(0);
    messages.push(value);
    messages
}

fn nesting_has_a_deepest_level() {
    let whole = |messages: Vec<Vec<u8>>| {
        let mut assembler = Assembler::new();
        let outcomes: Result<Vec<bool>, _> =
            messages.into_iter().map(|m| assembler.push(m)).collect();
        outcomes.map(|pushed| pushed.last().copied())
    };
    assert_eq!(whole(nested(MAX_DEPTH)), Ok(Some(true)));
    assert_eq!(whole(nested(MAX_DEPTH + 1)), Err(Error::TooDeep));
    // A type inside itself needs two bytes a level.
    let endless = [&int(64)[..], &[0], &vec![1; 1 << 20]].concat();
    assert_eq!(
        whole(vec![slice_type(64, 64), endless]),
        Err(Error::TooDeep)
    );
    // Interfaces inside interfaces do not need a type.
    let inside = [&[6][..], b"string", &[0x10, 9, 0]].concat();
    let endless = [&[0x10, 0][..], &inside.repeat(1_000)].concat();
    assert_eq!(whole(vec![endless]), Err(Error::TooDeep));
}

fn types_have_a_greatest_number() {
    let many = |count: usize| {
        let last = 63 + i64::try_from(count).unwrap();
        (64..=last)
            .map(|id| slice_type(id, 6))
            .chain([vec![6, 0, 9]])
            .collect::<Vec<_>>()
    };
    assert_eq!(decode::<u64>(many(MAX_TYPES)), Ok(9));
    assert_eq!(
        decode::<u64>(many(MAX_TYPES + 1)),
        Err(Error::TooManyTypes {
            limit: MAX_TYPES,
            unit: "types"
        })
    );
    // Over several values as well: the types stay known.
    let mut assembler = Assembler::new();
    for id in (64..).take(MAX_TYPES) {
        assert_eq!(assembler.push(slice_type(id, 6)), Ok(false));
        assert_eq!(assembler.push(vec![6, 0, 9]), Ok(true));
        assembler.take();
    }
    assert_eq!(assembler.push(slice_type(9_999, 6)), Ok(false));
    assert!(assembler.push(vec![6, 0, 9]).is_err());
}

fn struct_types_have_most_fields() {
    let wide = |count| {
        [
            struct_type(64, &vec![("F", 6); count]),
            [&int(64)[..], &[0]].concat(),
        ]
    };
    assert_eq!(decode::<Empty>(wide(MAX_STRUCT_FIELDS)), Ok(Empty));
    // The message that defines it is no lone definition then, and is refused at once.
    let [definition, _] = wide(MAX_STRUCT_FIELDS + 1);
    assert_eq!(
        Assembler::new().push(definition),
        Err(Error::TooManyTypes {
            limit: MAX_STRUCT_FIELDS,
            unit: "fields of one struct"
        })
    );
}

fn fields_have_a_greatest_number() {
    let many = |structs: usize| {
        let last = 63 + i64::try_from(structs).unwrap();
        (64..=last)
            .map(|id| struct_type(id, &vec![("F", 6); MAX_STRUCT_FIELDS]))
            .chain([vec![6, 0, 9]])
            .collect::<Vec<_>>()
    };
    let fits = MAX_FIELDS / MAX_STRUCT_FIELDS;
    assert_eq!(decode::<u64>(many(fits)), Ok(9));
    assert_eq!(
        decode::<u64>(many(fits + 1)),
        Err(Error::TooManyTypes {
            limit: MAX_FIELDS,
            unit: "fields"
        })
    );
}

fn a_name_has_a_longest_length() {
    let named = |len| {
        let name = "n".repeat(len);
        let definition = struct_type(64, &[(name.as_str(), 6)]);
        Assembler::new().push(definition)
    };
    assert_eq!(named(MAX_NAME_BYTES), Ok(false));
    assert!(matches!(
        named(MAX_NAME_BYTES + 1),
        Err(Error::BadLength { what: "name", .. })
    ));
    // And the name of what is inside an interface.
    let inside = |len: usize| {
        let value = [&[0x10, 0][..], &text(&"n".repeat(len)), &[6, 2, 0, 7]].concat();
        Assembler::new().push(value)
    };
    assert_eq!(inside(MAX_NAME_BYTES), Ok(true));
    assert!(inside(MAX_NAME_BYTES + 1).is_err());
}

fn a_type_is_defined_once() {
    assert_eq!(
        decode::<u64>([slice_type(64, 6), slice_type(64, 6), vec![6, 0, 9]]),
        Err(Error::DuplicateType(64))
    );
    // The predefined ones are not the peer's to define.
    assert_eq!(
        decode::<u64>([slice_type(6, 1), vec![6, 0, 9]]),
        Err(Error::DuplicateType(6))
    );
}

fn counts_beyond_the_data_are_refused() {
    // Each says 100 and has nothing.
    for (definition, want) in [(slice_type(64, 1), "slice"), (map_type(64, 6, 6), "map")] {
        let outcome = decode::<Empty>([definition, [&int(64)[..], &[0, 100]].concat()]);
        assert_eq!(
            outcome,
            Err(Error::BadLength {
                what: want,
                len: 100
            })
        );
    }
    for (ty, want) in [(12, "string"), (10, "byte slice")] {
        let outcome = decode::<Empty>([vec![ty, 0, 100]]);
        assert_eq!(
            outcome,
            Err(Error::BadLength {
                what: want,
                len: 100
            })
        );
    }
}

#[derive(Debug, Default, PartialEq)]
struct Large {
    one: BTreeMap<String, String>,
    name: String,
    other: String,
}

go_plugin::gob_struct!(Large as "Large" { one: "One", name: "Name", other: "Other" });

/// Structs of one byte each on the wire.
fn decoded_memory_is_limited() {
    let empty_structs = |count: usize| {
        let mut value = [&int(64)[..], &[0], &uint(count)].concat();
        value.resize(value.len() + count, 0);
        [slice_type(64, 65), struct_type(65, &[("One", 66)]), value]
    };
    assert_eq!(
        decode::<Vec<Large>>(empty_structs(1_000)).unwrap().len(),
        1_000
    );
    assert_eq!(
        decode::<Vec<Large>>(empty_structs(MAX_ELEMENTS)),
        Err(Error::TooLarge)
    );
    // Maps of one entry, each a node with room for eleven.
    let count = 60_000;
    let one = [&[1][..], &[1, 0, 0], &[0]].concat();
    let value = [&int(64)[..], &[0], &uint(count), &one.repeat(count)].concat();
    let messages = [
        slice_type(64, 65),
        struct_type(65, &[("One", 66)]),
        map_type(66, 6, 6),
        value,
    ];
    assert_eq!(decode::<Vec<Large>>(messages), Err(Error::TooLarge));
    // Bytes that are not UTF-8 grow when they become text.
    let len = 12 << 20;
    let mut value = [&[0x0c, 0][..], &uint(len)].concat();
    value.resize(value.len() + len, 0xff);
    assert_eq!(decode::<String>([value]), Err(Error::TooLarge));
}

fn extra_data_is_refused() {
    assert_eq!(decode::<u64>([vec![6, 0, 9, 9]]), Err(Error::ExtraData));
    let definition = [slice_type(64, 6), vec![0]].concat();
    assert_eq!(decode::<u64>([definition]), Err(Error::ExtraData));
}

fn numbers_that_do_not_fit_are_refused() {
    let int_value = |value: i64| [&[4, 0][..], &int(value)].concat();
    assert_eq!(decode::<i32>([int_value(i32::MIN.into())]), Ok(i32::MIN));
    assert_eq!(
        decode::<i32>([int_value(i64::from(i32::MAX) + 1)]),
        Err(Error::Overflow { want: "int32" })
    );
    assert_eq!(
        decode::<u64>([int_value(1)]),
        Err(Error::WrongType { want: "uint64" })
    );
}
