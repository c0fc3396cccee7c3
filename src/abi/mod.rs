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
//! | which globals hold the state, and which of them modules share | [`StateGlobals`], [`Abi::shared`] |
//! | what is in a frame's cells | [`slot_bytes`], [`Mark`] |
//! | in which memory it all lies, and how addresses are calculated | [`FrameMemory`], [`AddressType`] |
//! | by which export references are let go that a module keeps | [`Abi::release`] |
//! | which tells who was not prepared for an unwind | [`Abi::unprepared`] |
//! | what a resume module imports | [`RESUME_IMPORTS`], [`Abi::for_resume_module`], [`Abi::resume_table`] |
//! | which modules speak a protocol already | [`instrumented`] |
//! | which drive it themselves, by functions that they import | [`Abi::imported`] |
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
//! For `asyncify` it is the same with other names, but that the host sets `pos` too, before it begins an unwind; that nothing is
//! undone; and that the operations may come in any order: they set the state, and trap if `pos` lies beyond `end`.
//!
//! Invariant: nothing here depends on a module but for what is passed in; no bytes are made here.

mod address;
mod buffer;
mod detect;
mod driven;
mod frame;
mod globals;

pub use address::{AddressType, FrameMemory};
pub use buffer::Buffer;
pub use detect::{has_resume_module, instrumented, state_getter};
pub use frame::{FRAME_ALIGN_LOG2, MARK_BYTES, Mark, SLOT_TYPES, slot_bytes};
pub(crate) use frame::{low_bits, type_ordinal};
pub use globals::StateGlobals;

use std::ops::RangeInclusive;
use wasmparser::{ExternalKind, ValType};

/// The protocol between the instrumented module and its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abi {
    /// `wpk_fork_*`: state in six exports, frames in a buffer that the host provides.
    #[default]
    WpkFork,
    /// The same for a module that shares its state with others over the same memory: it exports the globals that hold it.
    WpkForkMain,
    /// What such others speak: they save and restore their globals, and leave the rest to the main module.
    WpkForkSide,
    /// Binaryen's `asyncify_*`, as its hosts use it: `pos` and `end` are the host's, nothing but frames is in the buffer, globals
    /// stay as they are, and a frame that there is no room for traps.
    Asyncify,
    /// The same for a module that exports the globals that hold its state, as Binaryen's `asyncify-export-globals` does.
    AsyncifyMain,
    /// The same for a module that imports them, as Binaryen's `asyncify-import-globals` does.
    AsyncifySide,
}

/// The globals that modules over one memory share, so that one stack may run through all of them: exported by the main
/// module, imported by the others from `env`, under these names.
///
/// | name | type | meaning |
/// |---|---|---|
/// | `wpk_fork_shared_state` | i32 | the [`State`] |
/// | `wpk_fork_shared_buffer` | address | the address of the buffer |
/// | `wpk_fork_shared_bottom` | address | where the first frame goes: behind what all modules save |
pub const SHARED_GLOBALS: [&str; 3] =
    ["wpk_fork_shared_state", "wpk_fork_shared_buffer", "wpk_fork_shared_bottom"];

/// The same for `asyncify`, as Binaryen names them: the state, and the address of the buffer.
const ASYNCIFY_GLOBALS: [&str; 2] = ["__asyncify_state", "__asyncify_data"];

/// The module that the shared globals are imported from, which is where dynamic linkers find what another module exports.
pub const SHARED_MODULE: &str = "env";

/// The module name that a resume module imports everything from: what the module exports that it belongs to.
pub const RESUME_IMPORTS: &str = "wpk_fork";

/// What the host asks of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

impl Abi {
    /// All protocols.
    pub const ALL: [Abi; 6] = [
        Abi::WpkFork,
        Abi::WpkForkMain,
        Abi::WpkForkSide,
        Abi::Asyncify,
        Abi::AsyncifyMain,
        Abi::AsyncifySide,
    ];

    /// The name, as options spell it.
    pub fn name(self) -> &'static str {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => "wpk-fork",
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => "asyncify",
        }
    }

    /// Whether it is Binaryen's protocol, whoever holds the state.
    pub(crate) fn is_asyncify(self) -> bool {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => false,
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => true,
        }
    }

    /// The names of the globals that modules share, in the order of [`StateGlobals`]; none if they share none.
    pub(crate) fn shared(self) -> &'static [&'static str] {
        match self {
            Abi::WpkFork | Abi::Asyncify => &[],
            Abi::WpkForkMain | Abi::WpkForkSide => &SHARED_GLOBALS,
            Abi::AsyncifyMain | Abi::AsyncifySide => &ASYNCIFY_GLOBALS,
        }
    }

    /// Whether it imports what is shared; else it exports it.
    pub(crate) fn is_side(self) -> bool {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::Asyncify | Abi::AsyncifyMain => false,
            Abi::WpkForkSide | Abi::AsyncifySide => true,
        }
    }

    /// Whether an operation's function takes the address of the buffer.
    fn takes_buffer(self, operation: Operation) -> bool {
        use Operation as O;
        match (self, operation) {
            (_, O::EndUnwind | O::EndRewind | O::GetState) => false,
            // The main module has been told.
            (Abi::WpkForkSide, O::BeginUnwind | O::BeginRewind | O::BeginResume) => false,
            (
                Abi::WpkFork
                | Abi::WpkForkMain
                | Abi::Asyncify
                | Abi::AsyncifyMain
                | Abi::AsyncifySide,
                O::BeginUnwind | O::BeginRewind | O::BeginResume,
            ) => true,
        }
    }

    /// The parameters and results of an operation's function.
    pub(crate) fn signature(
        self,
        operation: Operation,
        address: AddressType,
    ) -> (Vec<ValType>, Vec<ValType>) {
        let params =
            if self.takes_buffer(operation) { vec![address.val_type()] } else { Vec::new() };
        let results =
            if operation == Operation::GetState { vec![ValType::I32] } else { Vec::new() };
        (params, results)
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
        const SIDE: [Export; 4] = [
            Export { operation: Operation::BeginUnwind, name: "wpk_fork_unwind_join" },
            Export { operation: Operation::BeginRewind, name: "wpk_fork_rewind_join" },
            Export { operation: Operation::BeginResume, name: "wpk_fork_resume_join" },
            Export { operation: Operation::GetState, name: "wpk_fork_state" },
        ];
        const ASYNCIFY: [Export; 5] = [
            Export { operation: Operation::BeginUnwind, name: "asyncify_start_unwind" },
            Export { operation: Operation::EndUnwind, name: "asyncify_stop_unwind" },
            Export { operation: Operation::BeginRewind, name: "asyncify_start_rewind" },
            Export { operation: Operation::EndRewind, name: "asyncify_stop_rewind" },
            Export { operation: Operation::GetState, name: "asyncify_get_state" },
        ];
        match self {
            Abi::WpkFork | Abi::WpkForkMain => &WPK_FORK,
            Abi::WpkForkSide => &SIDE,
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => &ASYNCIFY,
        }
    }

    /// The name of the export for an operation; `None` if the protocol has none.
    pub(crate) fn export(self, operation: Operation) -> Option<&'static str> {
        self.exports().iter().find(|export| export.operation == operation).map(|export| export.name)
    }

    /// The export name of the memory that is added for frames, where one is.
    pub(crate) fn memory_export(self) -> &'static str {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => "wpk_fork_memory",
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => "asyncify_memory",
        }
    }

    /// In which states an operation is permitted: in any other it traps. `None` means in all.
    pub(crate) fn permits(self, operation: Operation) -> Option<RangeInclusive<State>> {
        use Operation as O;
        match (self, operation) {
            (_, O::GetState) | (Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide, _) => None,
            (_, O::EndUnwind) => Some(State::Unwinding..=State::Unwinding),
            (_, O::EndRewind) => Some(State::Rewinding..=State::NoRoomReserve),
            (Abi::WpkFork | Abi::WpkForkMain, O::BeginUnwind | O::BeginRewind | O::BeginResume) => {
                Some(State::Normal..=State::Normal)
            }
            (Abi::WpkForkSide, O::BeginUnwind) => Some(State::Unwinding..=State::Unwinding),
            (Abi::WpkForkSide, O::BeginRewind | O::BeginResume) => {
                Some(State::Rewinding..=State::Rewinding)
            }
        }
    }

    /// Whether the buffer holds the mutable globals that the module defines.
    pub(crate) fn saves_globals(self) -> bool {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => true,
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => false,
        }
    }

    /// Whether an unwind that can't be finished is undone, so that the entry returns to the program: for a frame for which there is no
    /// room at `pos`, the buffer has a reserve. Else a trap.
    pub(crate) fn can_undo(self) -> bool {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => true,
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => false,
        }
    }

    /// The export by which the host says that the stack in a buffer will be rewound no more: of modules that keep references.
    pub(crate) fn release(self) -> &'static str {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => "wpk_fork_release",
            // Nothing is kept, and so nothing released: see `Options::same_instance`.
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => "asyncify_release",
        }
    }

    /// The export that says which function was not prepared for the last unwind: of modules that undo one at a guard.
    pub(crate) fn unprepared(self) -> &'static str {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => "wpk_fork_unprepared",
            // None is undone.
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => "asyncify_unprepared",
        }
    }

    /// The export name of a table that keeps references, by its ordinal, where the host carries them over. Its globals have the
    /// same with `_live` and `_last` behind.
    pub(crate) fn references(self, ordinal: u32) -> String {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => {
                format!("wpk_fork_references{ordinal}")
            }
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => {
                format!("asyncify_references{ordinal}")
            }
        }
    }

    /// Which of these tables an export's name is that of, if it is one.
    pub(crate) fn references_ordinal(self, name: &str) -> Option<u32> {
        let ordinal = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
        (self.references(ordinal) == name).then_some(ordinal)
    }

    /// The export name of the table that has the functions whose references may be kept, where the host carries them over.
    pub(crate) fn functions(self) -> &'static str {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => "wpk_fork_functions",
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => "asyncify_functions",
        }
    }

    /// The export name of what is exported for the resume module, where the module didn't export it: by its kind, and its index in the
    /// index space of that.
    pub(crate) fn for_resume_module(self, kind: ExternalKind, index: u32) -> String {
        let kind = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => "func",
            ExternalKind::Table => "table",
            ExternalKind::Memory => "memory",
            ExternalKind::Global => "global",
            ExternalKind::Tag => "tag",
        };
        self.private_name(&format!("{kind}{index}"))
    }

    /// The export name of the table that the resume module fills; `pair` tells this module and that one from all others.
    pub(crate) fn resume_table(self, pair: &str) -> String {
        self.private_name(&format!("resume_table_{pair}"))
    }

    /// The name of something that is appended but not exported.
    pub(crate) fn private_name(self, what: &str) -> String {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => format!("wpk_fork_{what}"),
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => format!("asyncify_{what}"),
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
