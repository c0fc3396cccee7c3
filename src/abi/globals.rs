//! The globals that hold the state of an instance.

use super::{Abi, AddressType, SHARED_GLOBALS};
use crate::index::GlobalIdx;
use crate::read::Module;
use wasmparser::ValType;

/// The globals of a module that speaks a protocol. Those that it doesn't import are appended, in the order of their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateGlobals {
    /// A [`State`](super::State).
    pub state: GlobalIdx,
    /// The address of the buffer.
    pub buffer: GlobalIdx,
    /// The address of the next slot to load.
    pub cursor: GlobalIdx,
    /// Where the first frame goes, if that depends on other modules.
    pub bottom: Option<GlobalIdx>,
    /// Where the module's own part of the buffer is, if that depends on other modules.
    pub home: Option<GlobalIdx>,
}

impl StateGlobals {
    /// Those of `module`. A side module imports the shared ones last of all globals.
    pub fn of(module: &Module<'_>, abi: Abi) -> StateGlobals {
        let added = |position| GlobalIdx(module.globals.len() as u32 + position);
        let (state, buffer, cursor) = (added(0), added(1), added(2));
        let alone = StateGlobals { state, buffer, cursor, bottom: None, home: None };
        match abi {
            Abi::WpkFork | Abi::Asyncify | Abi::AsyncifyMain => alone,
            Abi::WpkForkMain => StateGlobals { bottom: Some(added(3)), ..alone },
            Abi::AsyncifySide => {
                let first = module.imported_globals().saturating_sub(abi.shared().len()) as u32;
                let [state, buffer] = [0, 1].map(|shared| GlobalIdx(first + shared));
                StateGlobals { state, buffer, cursor: added(0), bottom: None, home: None }
            }
            Abi::WpkForkSide => {
                let first = module.imported_globals().saturating_sub(SHARED_GLOBALS.len()) as u32;
                let [state, buffer, bottom] = [0, 1, 2].map(|shared| GlobalIdx(first + shared));
                let (cursor, home) = (added(0), Some(added(1)));
                StateGlobals { state, buffer, cursor, bottom: Some(bottom), home }
            }
        }
    }

    /// The names of those that are appended; all but `state` hold addresses.
    pub fn added(&self, abi: Abi) -> &'static [&'static str] {
        match abi {
            Abi::AsyncifySide => &["cursor"],
            Abi::WpkFork | Abi::Asyncify | Abi::AsyncifyMain => &["state", "buffer", "cursor"],
            Abi::WpkForkMain => &["state", "buffer", "cursor", "bottom"],
            Abi::WpkForkSide => &["cursor", "home"],
        }
    }
}

impl Abi {
    /// The names and types of the globals that modules share: all but the state hold addresses.
    pub(crate) fn shared_globals(self, address: AddressType) -> Vec<(&'static str, ValType)> {
        let types = std::iter::once(ValType::I32).chain(std::iter::repeat(address.val_type()));
        self.shared().iter().copied().zip(types).collect()
    }
}
