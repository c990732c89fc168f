//! A template's counts by bucket, in few bytes.
//!
//! A log has thousands of templates and a window has a hundred buckets: as
//! numbers of fixed width the counts would be most of a profiler's memory, and
//! would grow for as long as the window does. Nearly all are small, so they are
//! kept as LEB128 numbers. The bucket that is being counted stands by itself:
//! nearly every event is counted without a look at the others.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::counts::Cell;

/// Longest cell: three numbers of at most five bytes.
const MAX_CELL_BYTES: usize = 15;
/// How much room is made at a time: twice as much as there was, as vectors
/// do, would leave half of it empty in thousands of templates.
const ROOM_BYTES: usize = 64;

/// Counts by bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    /// What the bucket of the last event counts; nothing before the first.
    last: Cell,
    /// The highest bucket in `packed`.
    highest: u32,
    /// The others, by rising bucket: how far it is from the one before, events,
    /// episodes.
    packed: Vec<u8>,
}

impl Cells {
    /// Counts an event, which may begin an episode.
    #[inline]
    pub(crate) fn add(&mut self, bucket: u32, begins: bool) {
        if self.last.bucket != bucket || self.last.count == 0 {
            self.turn_to(bucket);
        }
        self.last.count = self.last.count.saturating_add(1);
        self.last.episodes = self.last.episodes.saturating_add(u32::from(begins));
    }

    #[cold]
    fn turn_to(&mut self, bucket: u32) {
        let last = std::mem::replace(
            &mut self.last,
            Cell {
                bucket,
                ..Cell::default()
            },
        );
        self.put(last);
    }

    /// Packs a cell.
    fn put(&mut self, cell: Cell) {
        if cell.count == 0 {
            return;
        }
        if self.packed.is_empty() || cell.bucket > self.highest {
            self.append(cell);
            return;
        }
        // A time that went back: seldom. Its cell is rewritten where it stands,
        // and so is the next one, which says how far it is from this.
        let (mut before, mut begins) = (0, 0);
        let (mut own, mut next) = (cell, None);
        let (mut rest, mut read) = (&self.packed[..], 0);
        while let Some(other) = read_cell(&mut rest, read) {
            read = other.bucket;
            if other.bucket > cell.bucket {
                next = Some(other);
                break;
            }
            if other.bucket == cell.bucket {
                own.count = own.count.saturating_add(other.count);
                own.episodes = own.episodes.saturating_add(other.episodes);
            } else {
                before = other.bucket;
                begins = self.packed.len() - rest.len();
            }
        }
        let ends = self.packed.len() - rest.len();
        let mut written = Written::default();
        written.cell(own, before);
        if let Some(next) = next {
            written.cell(next, own.bucket);
        }
        self.make_room();
        self.packed.splice(begins..ends, written.bytes());
    }

    fn append(&mut self, cell: Cell) {
        self.make_room();
        let mut written = Written::default();
        written.cell(cell, self.highest);
        self.packed.extend(written.bytes());
        self.highest = cell.bucket;
    }

    fn make_room(&mut self) {
        if self.packed.capacity() < self.packed.len() + MAX_CELL_BYTES {
            self.packed.reserve_exact(ROOM_BYTES);
        }
    }

    /// Adds another template's counts.
    pub(crate) fn join(&mut self, other: Self) {
        for cell in other.finish().iter() {
            self.put(cell);
        }
    }

    /// The cells, without the room that was kept for more.
    pub(crate) fn finish(mut self) -> PackedCells {
        let last = std::mem::take(&mut self.last);
        self.put(last);
        PackedCells {
            packed: self.packed.into_boxed_slice(),
        }
    }

    /// Events and episodes, over all buckets.
    pub(crate) fn sums(&self) -> (u64, u64) {
        unpacked(&self.packed)
            .chain([self.last])
            .fold((0, 0), |(events, episodes), cell| {
                (
                    events + u64::from(cell.count),
                    episodes + u64::from(cell.episodes),
                )
            })
    }
}

/// Counts by rising bucket, as a finished profile keeps them: some bytes each.
/// It is written and read as a list of [`Cell`]s.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PackedCells {
    packed: Box<[u8]>,
}

impl PackedCells {
    /// Packs cells; `None` unless each bucket is higher than the one before.
    #[must_use]
    pub fn pack(cells: impl IntoIterator<Item = Cell>) -> Option<Self> {
        let mut packing = Packing::default();
        cells
            .into_iter()
            .all(|cell| packing.push(cell))
            .then(|| packing.finish())
    }

    /// The cells, by rising bucket.
    pub fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        unpacked(&self.packed)
    }
}

impl fmt::Debug for PackedCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for PackedCells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PackedCells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cells;

        impl<'de> Visitor<'de> for Cells {
            type Value = PackedCells;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cells, by rising bucket")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<PackedCells, A::Error> {
                let mut packing = Packing::default();
                while let Some(cell) = cells.next_element()? {
                    if !packing.push(cell) {
                        return Err(A::Error::custom("cells are not by rising bucket"));
                    }
                }
                Ok(packing.finish())
            }
        }

        deserializer.deserialize_seq(Cells)
    }
}

/// Packs cells as they come.
#[derive(Default)]
struct Packing {
    packed: Vec<u8>,
    highest: Option<u32>,
}

impl Packing {
    /// Takes one more; `false` where it does not follow the one before.
    fn push(&mut self, cell: Cell) -> bool {
        if self.highest.is_some_and(|highest| cell.bucket <= highest) {
            return false;
        }
        let mut written = Written::default();
        written.cell(cell, self.highest.unwrap_or(0));
        self.packed.extend(written.bytes());
        self.highest = Some(cell.bucket);
        true
    }

    fn finish(self) -> PackedCells {
        PackedCells {
            packed: self.packed.into_boxed_slice(),
        }
    }
}

fn unpacked(packed: &[u8]) -> impl Iterator<Item = Cell> {
    let (mut rest, mut before) = (packed, 0);
    std::iter::from_fn(move || {
        let cell = read_cell(&mut rest, before)?;
        before = cell.bucket;
        Some(cell)
    })
}

fn read_cell(rest: &mut &[u8], before: u32) -> Option<Cell> {
    Some(Cell {
        bucket: before + read(rest)?,
        count: read(rest)?,
        episodes: read(rest)?,
    })
}

/// At most two cells, as they are packed.
#[derive(Default)]
struct Written {
    bytes: [u8; 2 * MAX_CELL_BYTES],
    len: usize,
}

impl Written {
    fn cell(&mut self, cell: Cell, before: u32) {
        for number in [cell.bucket - before, cell.count, cell.episodes] {
            self.number(number);
        }
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn number(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    fn byte(&mut self, byte: u8) {
        if let Some(own) = self.bytes.get_mut(self.len) {
            *own = byte;
            self.len += 1;
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.bytes.into_iter().take(self.len)
    }
}

fn read(rest: &mut &[u8]) -> Option<u32> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn plain(cells: Cells) -> Vec<(u32, u32, u32)> {
        let numbers = |cell: Cell| (cell.bucket, cell.count, cell.episodes);
        cells.finish().iter().map(numbers).collect()
    }

    proptest! {
        #[test]
        fn counts_what_is_added_in_whatever_order(
            events in prop::collection::vec((0..9_u32, any::<bool>()), 0..60),
            others in prop::collection::vec((0..300_u32, any::<bool>()), 0..60),
        ) {
            let (mut cells, mut other) = (Cells::default(), Cells::default());
            let mut expected: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
            for (to, events) in [(&mut cells, &events), (&mut other, &others)] {
                for (bucket, begins) in events {
                    to.add(*bucket, *begins);
                    let cell = expected.entry(*bucket).or_default();
                    *cell = (cell.0 + 1, cell.1 + u32::from(*begins));
                }
            }
            cells.join(other);
            let sums = expected.values().fold((0, 0), |sums, cell| {
                (sums.0 + u64::from(cell.0), sums.1 + u64::from(cell.1))
            });
            prop_assert_eq!(cells.sums(), sums);
            let expected: Vec<_> = expected.into_iter().map(|(b, (c, e))| (b, c, e)).collect();
            prop_assert_eq!(plain(cells), expected);
        }

        #[test]
        fn any_number_is_read_as_it_was_written(numbers in prop::collection::vec(any::<u32>(), 0..7)) {
            let mut written = Written::default();
            for number in &numbers {
                written.number(*number);
            }
            let bytes: Vec<u8> = written.bytes().collect();
            let mut rest = &bytes[..];
            let read: Vec<u32> = std::iter::from_fn(|| read(&mut rest)).collect();
            prop_assert_eq!(read, numbers);
        }
    }

    #[test]
    fn finished_cells_are_read_as_they_were_written_and_only_by_rising_bucket() {
        let cell = |bucket| Cell {
            bucket,
            count: 3,
            episodes: 1,
        };
        let cells = PackedCells::pack([cell(0), cell(7), cell(u32::MAX)]).unwrap();
        let text = serde_json::to_string(&cells).unwrap();
        assert!(
            text.starts_with(r#"[{"bucket":0,"count":3,"episodes":1},{"bucket":7,"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<PackedCells>(&text).unwrap(), cells);
        for falling in [[cell(7), cell(7)], [cell(7), cell(0)]] {
            assert_eq!(PackedCells::pack(falling), None);
            let text = serde_json::to_string(&falling).unwrap();
            let refused = serde_json::from_str::<PackedCells>(&text).unwrap_err();
            assert!(refused.to_string().contains("rising"), "{refused}");
        }
    }

    #[test]
    fn a_window_of_counts_takes_few_bytes() {
        let mut cells = Cells::default();
        for event in 0..128 * 100 {
            cells.add(event / 100, event % 10 == 0);
        }
        assert!(cells.packed.len() <= 3 * 128, "{}", cells.packed.len());
    }
}
