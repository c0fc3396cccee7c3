//! **abi**: the protocol between an instrumented module and its host, as data.
//!
//! Input: which protocol, [`Abi`], and the type of addresses. Output: whatever the stages must know of it,
//! so that it is written down once: [`plan`](crate::plan) and [`rewrite`](crate::rewrite) ask here, and
//! so do those that look at modules which were instrumented before. Each answer is a `match` of all
//! protocols: a new one doesn't compile before every question has its answer.
//!
//! | | where |
//! |---|---|
//! | what is exported, under which name and type, and in which state it traps | [`Abi::exports`], [`Operation`], [`Abi::permits`] |
//! | the states | [`State`] |
//! | what is where in the buffer, and what is saved there | [`Buffer`] |
//! | what is in a frame's cells | [`slot_bytes`], [`SITE_BYTES`] |
//! | in which memory it all lies, and how addresses are calculated | [`FrameMemory`], [`AddressType`] |
//! | which modules speak a protocol already | [`instrumented`] |
//!
//! # What the host must do
//!
//! For `wpk-fork`, in this order; the guide's chapter on hosts says it at length:
//!
//! 1. In the entry, in [`State::Normal`]: set the buffer's `end`, call [`Operation::BeginUnwind`], return
//!    anything.
//! 2. When the export that it had called returns, in [`State::Unwinding`]: call [`Operation::EndUnwind`].
//! 3. Call [`Operation::BeginRewind`] (in an instance over memory as of the unwind) or
//!    [`Operation::BeginResume`] (in the same instance, which has gone on), and the same export again.
//! 4. In the entry, in [`State::Rewinding`] or [`State::NoRoom`]: call [`Operation::EndRewind`], and return
//!    what the program gets.
//!
//! Invariant: nothing here depends on a module but for what is passed in; no bytes are made here.

mod address;
mod buffer;
mod detect;
mod frame;

pub use address::{AddressType, FrameMemory};
pub use buffer::Buffer;
pub use detect::{instrumented, state_getter};
pub(crate) use frame::type_ordinal;
pub use frame::{FRAME_ALIGN_LOG2, SITE_BYTES, SLOT_TYPES, slot_bytes};

use std::ops::RangeInclusive;
use wasmparser::ValType;

/// The protocol between the instrumented module and its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abi {
    /// `wpk_fork_*`: state in six exports, frames in a buffer that the host provides.
    #[default]
    WpkFork,
}

/// What the host asks of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Saves the globals; from now on functions save their frames and return.
    BeginUnwind,
    /// The stack is in the buffer.
    EndUnwind,
    /// Restores the globals; from now on functions restore their frames.
    BeginRewind,
    /// The same without restoring the globals.
    BeginResume,
    /// The program goes on.
    EndRewind,
    /// Tells the state.
    GetState,
}

/// A function that the module exports for its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// What it does.
    pub operation: Operation,
    /// Under which name.
    pub name: &'static str,
}

/// The state of an instance: the value of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The program runs.
    Normal,
    /// Functions save their frames and return.
    Unwinding,
    /// Functions restore their frames and call on.
    Rewinding,
    /// The same, since there was no room for a frame: the unwind is undone.
    NoRoom,
    /// As `NoRoom`, and the next frame is the one in the reserve. No host ever sees it.
    NoRoomReserve,
}

impl State {
    /// What the global holds.
    pub fn value(self) -> i32 {
        match self {
            State::Normal => 0,
            State::Unwinding => 1,
            State::Rewinding => 2,
            State::NoRoom => 3,
            State::NoRoomReserve => 4,
        }
    }
}

impl Operation {
    /// Whether its function takes the address of the buffer.
    pub fn takes_buffer(self) -> bool {
        match self {
            Operation::BeginUnwind | Operation::BeginRewind | Operation::BeginResume => true,
            Operation::EndUnwind | Operation::EndRewind | Operation::GetState => false,
        }
    }

    /// The parameters and results of its function.
    pub fn signature(self, address: AddressType) -> (Vec<ValType>, Vec<ValType>) {
        let params = if self.takes_buffer() { vec![address.val_type()] } else { Vec::new() };
        let results = if self == Operation::GetState { vec![ValType::I32] } else { Vec::new() };
        (params, results)
    }
}

impl Abi {
    /// All protocols.
    pub const ALL: [Abi; 1] = [Abi::WpkFork];

    /// The name, as options spell it.
    pub fn name(self) -> &'static str {
        match self {
            Abi::WpkFork => "wpk-fork",
        }
    }

    /// What the module exports, in the order in which it is appended.
    pub(crate) fn exports(self) -> &'static [Export] {
        const WPK_FORK: [Export; 6] = [
            Export { operation: Operation::BeginUnwind, name: "wpk_fork_unwind_begin" },
            Export { operation: Operation::EndUnwind, name: "wpk_fork_unwind_end" },
            Export { operation: Operation::BeginRewind, name: "wpk_fork_rewind_begin" },
            Export { operation: Operation::BeginResume, name: "wpk_fork_resume_begin" },
            Export { operation: Operation::EndRewind, name: "wpk_fork_rewind_end" },
            Export { operation: Operation::GetState, name: "wpk_fork_state" },
        ];
        match self {
            Abi::WpkFork => &WPK_FORK,
        }
    }

    /// The name of the export for an operation; `None` if the protocol has none.
    pub(crate) fn export(self, operation: Operation) -> Option<&'static str> {
        self.exports().iter().find(|export| export.operation == operation).map(|export| export.name)
    }

    /// The export name of the memory that is added for frames, where one is.
    pub(crate) fn memory_export(self) -> &'static str {
        match self {
            Abi::WpkFork => "wpk_fork_memory",
        }
    }

    /// In which states an operation is permitted: in any other it traps. `None` means in all.
    pub(crate) fn permits(self, operation: Operation) -> Option<RangeInclusive<State>> {
        use Operation as O;
        match (self, operation) {
            (Abi::WpkFork, O::BeginUnwind | O::BeginRewind | O::BeginResume) => {
                Some(State::Normal..=State::Normal)
            }
            (Abi::WpkFork, O::EndUnwind) => Some(State::Unwinding..=State::Unwinding),
            (Abi::WpkFork, O::EndRewind) => Some(State::Rewinding..=State::NoRoomReserve),
            (Abi::WpkFork, O::GetState) => None,
        }
    }

    /// Whether the buffer holds the mutable globals that the module defines.
    pub(crate) fn saves_globals(self) -> bool {
        match self {
            Abi::WpkFork => true,
        }
    }

    /// Whether the buffer keeps room for a frame for which there is none at `pos`.
    pub(crate) fn has_reserve(self) -> bool {
        match self {
            Abi::WpkFork => true,
        }
    }

    /// The name of something that is appended but not exported.
    pub(crate) fn private_name(self, what: &str) -> String {
        match self {
            Abi::WpkFork => format!("wpk_fork_{what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_tells_its_state() {
        for abi in Abi::ALL {
            assert!(abi.export(Operation::GetState).is_some(), "{}", abi.name());
        }
    }

    #[test]
    fn an_operation_has_one_export() {
        for abi in Abi::ALL {
            for export in abi.exports() {
                assert_eq!(abi.export(export.operation), Some(export.name));
            }
        }
    }

    #[test]
    fn states_are_in_the_order_of_their_values() {
        use State as S;
        let states = [S::Normal, S::Unwinding, S::Rewinding, S::NoRoom, S::NoRoomReserve];
        assert!(states.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(states.iter().zip(0..).all(|(state, value)| state.value() == value));
    }
}
