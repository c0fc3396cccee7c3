//! Bytes of a DWARF section, read in order and written.
//!
//! Input: a section. Output: its numbers, or where and why it can't be read.
//!
//! Invariants: nothing is read beyond the end that a reader was given.

use std::ops::Range;

/// Why debug information can't be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) section: &'static str,
    /// In bytes from the start of the section's contents.
    pub(super) at: usize,
    pub(super) what: &'static str,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Reads a section from one place to another.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    section: &'static str,
    bytes: &'a [u8],
    at: usize,
}

/// What heads a unit, a table or a program: how long it is, and how wide offsets in it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// Where it ends.
    pub(super) end: usize,
    /// Offsets into other sections take 8 bytes, not 4.
    pub(super) is_64: bool,
}

impl Length {
    /// How many bytes an offset takes.
    pub(super) fn offset_size(self) -> usize {
        if self.is_64 { 8 } else { 4 }
    }

    /// How many bytes a length takes, with what says how wide it is.
    pub(super) fn size(self) -> usize {
        if self.is_64 { 12 } else { 4 }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'static str, bytes: &'a [u8]) -> Reader<'a> {
        Reader { section, bytes, at: 0 }
    }

    /// The same section within this range, which must be a part of what this one reads.
    pub(super) fn within(&self, range: Range<usize>) -> Result<Reader<'a>> {
        match self.bytes.get(..range.end) {
            Some(bytes) if range.start <= range.end => {
                Ok(Reader { section: self.section, bytes, at: range.start })
            }
            _ => Err(Fault { section: self.section, at: range.start, what: "beyond the end" }),
        }
    }

    pub(super) fn fault(&self, what: &'static str) -> Fault {
        Fault { section: self.section, at: self.at, what }
    }

    /// Where it stands, from the start of the section.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.fault("it ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// What was read from this place on.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(|_| ())
    }

    /// A number of so many bytes, at most 8.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64> {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(self.take(bytes)?);
        Ok(u64::from_le_bytes(number))
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(self.number(2)? as u16)
    }

    /// An unsigned LEB128 number.
    pub(super) fn uleb(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                number |= u64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
    }

    /// A signed LEB128 number.
    pub(super) fn sleb(&mut self) -> Result<i64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                number |= i64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                let is_negative = byte & 0x40 != 0 && shift < 64;
                return Ok(if is_negative { number | -1 << shift } else { number });
            }
        }
    }

    /// Passes a text and the zero behind it.
    pub(super) fn text(&mut self) -> Result<()> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| self.fault("a text without end"))?;
        self.skip(end + 1)
    }

    /// The length that heads something.
    pub(super) fn length(&mut self) -> Result<Length> {
        let (length, is_64) = match self.number(4)? {
            0xffff_ffff => (self.number(8)?, true),
            0xffff_fff0.. => return Err(self.fault("an unknown length")),
            length => (length, false),
        };
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        match end.filter(|end| *end <= self.bytes.len()) {
            Some(end) => Ok(Length { end, is_64 }),
            None => Err(self.fault("a length beyond the end")),
        }
    }
}

/// Appends a number of so many bytes.
pub(super) fn put(out: &mut Vec<u8>, number: u64, bytes: usize) {
    out.extend_from_slice(&number.to_le_bytes()[..bytes]);
}

/// Appends an unsigned LEB128 number.
pub(super) fn put_uleb(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let byte = number as u8 & 0x7f;
        number >>= 7;
        if number == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

/// Appends a signed LEB128 number.
pub(super) fn put_sleb(out: &mut Vec<u8>, mut number: i64) {
    loop {
        let byte = number as u8 & 0x7f;
        number >>= 7;
        let is_last = number == 0 && byte & 0x40 == 0 || number == -1 && byte & 0x40 != 0;
        if is_last {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

/// Appends room for the length of what follows; where that is.
pub(super) fn open_length(out: &mut Vec<u8>, is_64: bool) -> usize {
    if is_64 {
        put(out, 0xffff_ffff, 4);
    }
    let at = out.len();
    put(out, 0, if is_64 { 8 } else { 4 });
    at
}

/// Writes the length of all behind `at`, where there is room for it.
pub(super) fn close_length(out: &mut [u8], at: usize, is_64: bool) {
    let size = if is_64 { 8 } else { 4 };
    let length = (out.len() - at - size) as u64;
    overwrite(out, at, length, size);
}

/// Writes a number of so many bytes in place of another.
pub(super) fn overwrite(out: &mut [u8], at: usize, number: u64, bytes: usize) {
    out[at..at + bytes].copy_from_slice(&number.to_le_bytes()[..bytes]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let mut out = Vec::new();
        let unsigned = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let signed = [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN];
        unsigned.iter().for_each(|number| put_uleb(&mut out, *number));
        signed.iter().for_each(|number| put_sleb(&mut out, *number));
        let mut reader = Reader::new("", &out);
        unsigned.iter().for_each(|number| assert_eq!(reader.uleb(), Ok(*number)));
        signed.iter().for_each(|number| assert_eq!(reader.sleb(), Ok(*number)));
        assert!(reader.is_at_end() && reader.u8().is_err());
    }

    #[test]
    fn a_length_says_where_things_end() {
        for is_64 in [false, true] {
            let mut out = vec![7];
            let at = open_length(&mut out, is_64);
            out.extend([1, 2, 3]);
            close_length(&mut out, at, is_64);
            let mut reader = Reader::new("", &out);
            reader.skip(1).unwrap();
            let length = reader.length().unwrap();
            assert_eq!((length.end, length.is_64, reader.at()), (out.len(), is_64, out.len() - 3));
            assert_eq!(length.size(), reader.at() - 1);
            out.pop();
            assert!(Reader::new("", &out[1..]).length().is_err());
        }
    }
}
