//! Whether a program runs on nothing but a kernel, and on whose: what its ELF
//! headers ask for.

use crate::error::{Error, Result};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;

/// Most program headers of a file that we make: one has about ten.
const MAX_PROGRAM_HEADERS: usize = 256;
/// Bytes of one program header.
const PROGRAM_HEADER_BYTES: usize = 0x38;
/// Bytes of one entry of the dynamic section.
const DYNAMIC_ENTRY_BYTES: usize = 16;

/// The machine that a program is for, as ELF numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// Any other.
    Other(u16),
}

/// The machine that the program is for.
///
/// # Errors
/// When it is not a 64-bit little-endian ELF file.
pub fn machine(file: &[u8]) -> Result<Machine> {
    check_magic(file)?;
    Ok(match u16_at(file, 0x12)? {
        62 => Machine::X86_64,
        183 => Machine::Aarch64,
        other => Machine::Other(other),
    })
}

fn check_magic(file: &[u8]) -> Result<()> {
    if file.starts_with(b"\x7fELF\x02\x01") {
        Ok(())
    } else {
        Err(Error::elf("not a 64-bit little-endian ELF file"))
    }
}

/// How many things the program needs beside itself: an interpreter that loads
/// it (`PT_INTERP`) and shared libraries (`DT_NEEDED`). None means static.
///
/// # Errors
/// When it is not a whole 64-bit little-endian ELF file.
pub fn needed_beside_itself(file: &[u8]) -> Result<u64> {
    check_magic(file)?;
    let table = position(u64_at(file, 0x20)?)?;
    let entry_bytes = usize::from(u16_at(file, 0x36)?);
    let entries = usize::from(u16_at(file, 0x38)?);
    if entries > MAX_PROGRAM_HEADERS {
        return Err(Error::elf(format!("{entries} program headers")));
    }
    let mut needed = 0;
    let mut loads = 0;
    for index in 0..entries {
        let header = table
            .checked_add(index * entry_bytes)
            .ok_or_else(|| Error::elf("program headers past the end"))?;
        // The whole header, also where only its kind counts.
        bytes_at::<PROGRAM_HEADER_BYTES>(file, header)?;
        match u32_at(file, header)? {
            PT_LOAD => loads += 1,
            PT_INTERP => needed += 1,
            PT_DYNAMIC => {
                let start = position(u64_at(file, header.saturating_add(0x08))?)?;
                let bytes = position(u64_at(file, header.saturating_add(0x20))?)?;
                needed += libraries(file, start, bytes)?;
            }
            _ => {}
        }
    }
    if loads == 0 {
        return Err(Error::elf("it has nothing to load"));
    }
    Ok(needed)
}

fn libraries(file: &[u8], start: usize, bytes: usize) -> Result<u64> {
    let mut needed = 0;
    for entry in 0..bytes / DYNAMIC_ENTRY_BYTES {
        match u64_at(file, start.saturating_add(entry * DYNAMIC_ENTRY_BYTES))? {
            DT_NULL => break,
            DT_NEEDED => needed += 1,
            _ => {}
        }
    }
    Ok(needed)
}

fn position(value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::elf("an offset past what memory can hold"))
}

fn u16_at(file: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(bytes_at(file, at)?))
}

fn u32_at(file: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes_at(file, at)?))
}

fn u64_at(file: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(bytes_at(file, at)?))
}

fn bytes_at<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N]> {
    file.get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .ok_or_else(|| Error::elf(format!("the file ends before byte {at}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one loaded segment and these others, as (type, offset, bytes).
    fn elf(others: &[(u32, u64, u64)], tail: &[u64]) -> Vec<u8> {
        let mut file = vec![0; 0x40];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x20] = 0x40;
        file[0x36] = 0x38;
        file[0x38] = u8::try_from(others.len() + 1).unwrap();
        for (kind, offset, bytes) in [(PT_LOAD, 0, 0)].iter().chain(others) {
            let mut header = [0; 0x38];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            header[0x08..0x10].copy_from_slice(&offset.to_le_bytes());
            header[0x20..0x28].copy_from_slice(&bytes.to_le_bytes());
            file.extend(header);
        }
        file.extend(tail.iter().flat_map(|word| word.to_le_bytes()));
        file
    }

    const END_OF_TWO: u64 = 0x40 + 2 * 0x38;

    #[test]
    fn a_static_program_needs_nothing() {
        assert_eq!(needed_beside_itself(&elf(&[], &[])).unwrap(), 0);
        // A static position-independent one still has a dynamic section.
        let pie = elf(&[(PT_DYNAMIC, END_OF_TWO, 32)], &[5, 1, DT_NULL, 0]);
        assert_eq!(needed_beside_itself(&pie).unwrap(), 0);
    }

    #[test]
    fn an_interpreter_and_each_library_count() {
        let interpreted = elf(&[(PT_INTERP, 0, 0)], &[]);
        assert_eq!(needed_beside_itself(&interpreted).unwrap(), 1);
        let linked = elf(
            &[(PT_DYNAMIC, END_OF_TWO, 64)],
            &[DT_NEEDED, 7, DT_NEEDED, 9, DT_NULL, 0, DT_NEEDED, 11],
        );
        assert_eq!(needed_beside_itself(&linked).unwrap(), 2);
    }

    #[test]
    fn the_machine_is_told() {
        let mut file = elf(&[], &[]);
        for (number, expected) in [
            (62, Machine::X86_64),
            (183, Machine::Aarch64),
            (243, Machine::Other(243)),
        ] {
            file[0x12] = number;
            assert_eq!(machine(&file).unwrap(), expected);
        }
        assert!(machine(b"#!/bin/sh and more than twenty bytes").is_err());
    }

    #[test]
    fn what_is_no_program_is_an_error_and_not_static() {
        for file in [
            &b"#!/bin/sh"[..],
            b"",
            b"\x7fELF\x02\x01",
            &elf(&[], &[])[..0x50],
        ] {
            assert!(needed_beside_itself(file).is_err());
        }
        let beyond = elf(&[(PT_DYNAMIC, 1 << 40, 32)], &[]);
        assert!(needed_beside_itself(&beyond).is_err());
    }
}
