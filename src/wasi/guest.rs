//! The guest's memory as the functions of WASI see it: little-endian, every access checked.

/// Why a call failed, as WASI counts errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) u16);

impl Errno {
    pub(super) const BADF: Errno = Errno(8);
    pub(super) const EXIST: Errno = Errno(20);
    pub(super) const FAULT: Errno = Errno(21);
    pub(super) const ILSEQ: Errno = Errno(25);
    pub(super) const INVAL: Errno = Errno(28);
    pub(super) const IO: Errno = Errno(29);
    pub(super) const ISDIR: Errno = Errno(31);
    pub(super) const LOOP: Errno = Errno(32);
    pub(super) const NOENT: Errno = Errno(44);
    pub(super) const NOSPC: Errno = Errno(51);
    pub(super) const NOTDIR: Errno = Errno(54);
    pub(super) const NOTEMPTY: Errno = Errno(55);
    pub(super) const NOTSUP: Errno = Errno(58);
    pub(super) const PERM: Errno = Errno(63);
    #[cfg(all(feature = "run", unix))]
    pub(super) const PIPE: Errno = Errno(64);
    #[cfg(all(feature = "run", unix))]
    pub(super) const ROFS: Errno = Errno(69);
    pub(super) const SPIPE: Errno = Errno(70);
}

#[cfg(all(feature = "run", unix))]
impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Errno {
        error.kind().into()
    }
}

#[cfg(all(feature = "run", unix))]
impl From<std::io::ErrorKind> for Errno {
    fn from(kind: std::io::ErrorKind) -> Errno {
        use std::io::ErrorKind;
        match kind {
            ErrorKind::NotFound => Errno::NOENT,
            ErrorKind::PermissionDenied => Errno::PERM,
            ErrorKind::AlreadyExists => Errno::EXIST,
            ErrorKind::NotADirectory => Errno::NOTDIR,
            ErrorKind::IsADirectory => Errno::ISDIR,
            ErrorKind::DirectoryNotEmpty => Errno::NOTEMPTY,
            ErrorKind::InvalidInput => Errno::INVAL,
            ErrorKind::StorageFull => Errno::NOSPC,
            ErrorKind::BrokenPipe => Errno::PIPE,
            ErrorKind::ReadOnlyFilesystem => Errno::ROFS,
            _ => Errno::IO,
        }
    }
}

/// What every call of WASI comes to.
pub(super) type Result<T = ()> = std::result::Result<T, Errno>;

/// The bytes of the guest's memory.
pub(super) struct Guest<'m>(pub(super) &'m mut [u8]);

impl Guest<'_> {
    pub(super) fn bytes(&self, at: u64, len: u64) -> Result<&[u8]> {
        self.0.get(range(at, len)?).ok_or(Errno::FAULT)
    }

    pub(super) fn bytes_mut(&mut self, at: u64, len: u64) -> Result<&mut [u8]> {
        self.0.get_mut(range(at, len)?).ok_or(Errno::FAULT)
    }

    fn array<const N: usize>(&self, at: u64) -> Result<[u8; N]> {
        Ok(self.bytes(at, N as u64)?.try_into().expect("as many bytes as were asked for"))
    }

    pub(super) fn read_u8(&self, at: u64) -> Result<u8> {
        Ok(self.array::<1>(at)?[0])
    }

    pub(super) fn read_u16(&self, at: u64) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(at)?))
    }

    pub(super) fn read_u32(&self, at: u64) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    pub(super) fn read_u64(&self, at: u64) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }

    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Result {
        self.bytes_mut(at, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn write_u32(&mut self, at: u64, value: usize) -> Result {
        let value = u32::try_from(value).map_err(|_| Errno::INVAL)?;
        self.write(at, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, at: u64, value: u64) -> Result {
        self.write(at, &value.to_le_bytes())
    }

    /// A path.
    pub(super) fn text(&self, at: u64, len: u64) -> Result<String> {
        String::from_utf8(self.bytes(at, len)?.to_vec()).map_err(|_| Errno::ILSEQ)
    }

    /// Where the `count` buffers of a list are: address and length in bytes.
    pub(super) fn buffers(&self, list: u64, count: u64) -> Result<Vec<(u64, u64)>> {
        let buffers = (0..count).map(|i| {
            let entry = list + 8 * i;
            Ok((u64::from(self.read_u32(entry)?), u64::from(self.read_u32(entry + 4)?)))
        });
        buffers.collect()
    }

    /// How many bytes the buffers of a list have room for.
    pub(super) fn room(&self, list: u64, count: u64) -> Result<usize> {
        let room = self.buffers(list, count)?.iter().map(|(_, len)| len).sum::<u64>();
        Ok(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// All that lies in the buffers of a list.
    pub(super) fn gather(&self, list: u64, count: u64) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for (at, len) in self.buffers(list, count)? {
            all.extend_from_slice(self.bytes(at, len)?);
        }
        Ok(all)
    }

    /// Fills the buffers of a list as far as `bytes` goes. Returns how many of them it took.
    pub(super) fn scatter(&mut self, list: u64, count: u64, mut bytes: &[u8]) -> Result<usize> {
        let all = bytes.len();
        for (at, len) in self.buffers(list, count)? {
            let fits = bytes.len().min(usize::try_from(len).map_err(|_| Errno::INVAL)?);
            self.write(at, &bytes[..fits])?;
            bytes = &bytes[fits..];
        }
        Ok(all - bytes.len())
    }
}

fn range(at: u64, len: u64) -> Result<std::ops::Range<usize>> {
    let end = at.checked_add(len).ok_or(Errno::FAULT)?;
    let index = |address| usize::try_from(address).map_err(|_| Errno::FAULT);
    Ok(index(at)?..index(end)?)
}
