//! A first, cheap look at where values come from, to tell which bodies are worth interpreting.
//!
//! In code from compilers nearly every target of a dynamic call has just been loaded from memory,
//! where nothing can follow it. This look decides which bodies are interpreted, and nothing else.

/// Whether interpreting a body may find values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Traceable {
    #[default]
    No,
    /// Only if the values of its parameters can be known.
    ByParams,
    Yes,
}

/// What made the value on top of the operand stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopValue {
    /// Something that can't be followed to where it comes from.
    Opaque,
    /// Something loaded from a memory, which may be one whose contents can be followed.
    Loaded {
        followed: bool,
    },
    /// `local.get`.
    Local(u32),
    Other,
}

/// What happens to the locals of a body, a few bits for each.
#[derive(Default)]
pub(super) struct LocalUses {
    bits: Vec<u8>,
}

/// Something opaque is assigned to it.
const OPAQUE: u8 = 1;
/// Something else is assigned to it.
const ASSIGNED: u8 = 2;
/// Its value chooses a target.
const CHOOSES: u8 = 4;
/// Something loaded from a memory is assigned to it.
const LOADED: u8 = 8;

impl LocalUses {
    pub(super) fn clear(&mut self) {
        self.bits.clear();
    }

    fn set(&mut self, local: u32, bits: u8) {
        let local = local as usize;
        if self.bits.len() <= local {
            self.bits.resize(local + 1, 0);
        }
        self.bits[local] |= bits;
    }

    fn bits(&self, local: u32) -> u8 {
        self.bits.get(local as usize).copied().unwrap_or_default()
    }

    /// Whether something that was loaded from a memory has been assigned to it so far.
    pub(super) fn is_loaded(&self, local: u32) -> bool {
        self.bits(local) & LOADED != 0
    }

    pub(super) fn assign(&mut self, local: u32, value: TopValue) {
        let bits = match value {
            TopValue::Opaque => OPAQUE,
            TopValue::Loaded { followed: false } => OPAQUE | LOADED,
            TopValue::Loaded { followed: true } => LOADED,
            TopValue::Local(other) => self.bits(other) & (OPAQUE | LOADED),
            TopValue::Other => 0,
        };
        self.set(local, if bits & OPAQUE == 0 { bits | ASSIGNED } else { bits });
    }

    pub(super) fn choose(&mut self, local: u32) {
        self.set(local, CHOOSES);
    }

    /// Whether a local that chooses a target may be known, in a function of so many parameters.
    pub(super) fn traceable(&self, params: usize) -> Traceable {
        let choosing = self.bits.iter().enumerate().filter(|(_, bits)| **bits & CHOOSES != 0);
        let each = choosing.map(|(local, bits)| {
            if bits & OPAQUE != 0 {
                Traceable::No
            } else if bits & ASSIGNED == 0 && local < params {
                Traceable::ByParams
            } else {
                Traceable::Yes
            }
        });
        each.max().unwrap_or_default()
    }
}
