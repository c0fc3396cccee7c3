//! A process's memory as its system calls see it: little-endian, 32-bit addresses, every access checked.

use super::errno::Errno;

type Result<T = ()> = std::result::Result<T, Errno>;

/// The most strings of one list, and bytes of one string: more is a mistake of the program.
const MAX_STRINGS: u32 = 1 << 16;

pub(super) struct Memory<'m>(pub(super) &'m mut [u8]);

impl Memory<'_> {
    pub(super) fn bytes(&self, at: u32, len: usize) -> Result<&[u8]> {
        let at = at as usize;
        self.0.get(at..at.checked_add(len).ok_or(Errno::FAULT)?).ok_or(Errno::FAULT)
    }

    pub(super) fn bytes_mut(&mut self, at: u32, len: usize) -> Result<&mut [u8]> {
        let at = at as usize;
        self.0.get_mut(at..at.checked_add(len).ok_or(Errno::FAULT)?).ok_or(Errno::FAULT)
    }

    fn array<const N: usize>(&self, at: u32) -> Result<[u8; N]> {
        self.bytes(at, N)?.try_into().map_err(|_| Errno::FAULT)
    }

    pub(super) fn u16(&self, at: u32) -> Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: u32) -> Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn i32(&self, at: u32) -> Result<i32> {
        self.array(at).map(i32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: u32) -> Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    pub(super) fn i64(&self, at: u32) -> Result<i64> {
        self.array(at).map(i64::from_le_bytes)
    }

    pub(super) fn write(&mut self, at: u32, bytes: &[u8]) -> Result {
        self.bytes_mut(at, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn set_i32(&mut self, at: u32, value: i32) -> Result {
        self.write(at, &value.to_le_bytes())
    }

    pub(super) fn set_u32(&mut self, at: u32, value: u32) -> Result {
        self.write(at, &value.to_le_bytes())
    }

    pub(super) fn set_u64(&mut self, at: u32, value: u64) -> Result {
        self.write(at, &value.to_le_bytes())
    }

    /// The bytes before the next zero.
    pub(super) fn text(&self, at: u32) -> Result<&[u8]> {
        let rest = self.0.get(at as usize..).ok_or(Errno::FAULT)?;
        let end = rest.iter().position(|byte| *byte == 0).ok_or(Errno::FAULT)?;
        Ok(&rest[..end])
    }

    /// A path. One that isn't UTF-8 names nothing here.
    pub(super) fn path(&self, at: u32) -> Result<String> {
        String::from_utf8(self.text(at)?.to_vec()).map_err(|_| Errno::NOENT)
    }

    /// The list of strings at `at`, up to its null pointer.
    pub(super) fn texts(&self, at: u32) -> Result<Vec<Vec<u8>>> {
        let mut texts = Vec::new();
        for index in 0..MAX_STRINGS {
            match self.u32(at.wrapping_add(4 * index))? {
                0 => return Ok(texts),
                text => texts.push(self.text(text)?.to_vec()),
            }
        }
        Err(Errno::FAULT)
    }

    /// `count` structs iovec: address and length in bytes.
    pub(super) fn vectors(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>> {
        if count > 1024 {
            return Err(Errno::INVAL);
        }
        let entries = (0..count).map(|index| at.wrapping_add(8 * index));
        entries.map(|entry| Ok((self.u32(entry)?, self.u32(entry.wrapping_add(4))?))).collect()
    }
}
