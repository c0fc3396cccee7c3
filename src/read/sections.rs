//! The headers of a module's sections, read without a look at what is inside: also of a module that
//! is not valid.

use wasmparser::BinaryReader;

/// Where a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The section id of the binary format.
    pub id: u8,
    /// Where its contents begin.
    pub start: usize,
    /// Where they end, as the header has it: perhaps behind the end of the file.
    pub end: u64,
}

/// The headers in order; none behind one whose contents are not all there.
pub(super) fn headers(bytes: &[u8]) -> impl Iterator<Item = Header> {
    let mut next = Some(8);
    std::iter::from_fn(move || {
        let at = next.take()?;
        let mut reader = BinaryReader::new(bytes.get(at..)?, 0);
        let id = reader.read_u8().ok()?;
        let size = reader.read_var_u32().ok()?;
        let start = at + reader.original_position() as usize;
        let end = start as u64 + u64::from(size);
        next = (end <= bytes.len() as u64).then_some(end as usize);
        Some(Header { id, start, end })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_is_cut_off_is_the_last() {
        let bytes = b"\0asm\x01\0\0\0\x01\x01\0\x0a\x05\0\x03\x01\0";
        let found: Vec<_> = headers(bytes).collect();
        let section = |id, start, end| Header { id, start, end };
        assert_eq!(found, [section(1, 10, 11), section(10, 13, 18)]);
    }
}
