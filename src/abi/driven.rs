//! Modules that drive the protocol themselves: they import its functions, to call them from inside.
//!
//! Binaryen's Asyncify puts its functions in the place of such imports, and so is it done here. Their names are those of the exports,
//! without what stands in front: `asyncify.start_unwind` is `asyncify_start_unwind`.

use super::{Abi, AddressType, Operation};
use crate::index::FuncIdx;
use crate::read::Module;
use crate::text::escape;

/// The module that they are imported from.
const DRIVEN_MODULE: &str = "asyncify";

impl Abi {
    /// Whether a module may import this protocol's functions.
    pub(crate) fn can_be_driven(self) -> bool {
        match self {
            Abi::WpkFork | Abi::WpkForkMain | Abi::WpkForkSide => false,
            Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => true,
        }
    }

    /// The protocol's functions that a module imports, in index order, with what each does. Addresses in the memory of frames are of
    /// the type `address`.
    ///
    /// # Errors
    /// What is wrong with one: it is none of the protocol's, or has another type.
    pub(crate) fn imported(
        self,
        module: &Module<'_>,
        address: AddressType,
    ) -> Result<Vec<(FuncIdx, Operation)>, String> {
        let mut imported = Vec::new();
        if !self.can_be_driven() {
            return Ok(imported);
        }
        for (index, func) in module.funcs.iter_enumerated().take(module.imported_funcs) {
            let Some(import) = func.import().filter(|import| import.module == DRIVEN_MODULE) else {
                continue;
            };
            let shown = format!("the import `{}.{}`", DRIVEN_MODULE, escape(import.name));
            let named = |name: &str| name == self.private_name(import.name);
            let Some(export) = self.exports().iter().find(|export| named(export.name)) else {
                return Err(format!("{shown}, which is no function of the {} ABI", self.name()));
            };
            let (params, results) = self.signature(export.operation, address);
            let ty = module.func_type(index);
            if (ty.params(), ty.results()) != (&params[..], &results[..]) {
                return Err(format!("{shown} with another type than the {} ABI's", self.name()));
            }
            imported.push((index, export.operation));
        }
        Ok(imported)
    }
}
