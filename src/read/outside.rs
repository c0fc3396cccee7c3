//! By which names tables and memories are known outside of the module.

use super::{Import, Module};
use wasmparser::ExternalKind;

impl Module<'_> {
    /// Those of its import, the field name alone and with the module name in front of it; and those of its exports.
    pub fn outside_names(&self, kind: ExternalKind, index: u32) -> Vec<String> {
        let import = self.import_of(kind, index as usize);
        let import = import.map(|import| [import.name.to_owned(), import.to_string()]);
        let exports = self.exports.iter();
        let exports = exports.filter(|export| export.kind == kind && export.index == index);
        let exports = exports.map(|export| export.name.to_owned());
        import.into_iter().flatten().chain(exports).collect()
    }

    fn import_of(&self, kind: ExternalKind, index: usize) -> Option<Import<'_>> {
        match kind {
            ExternalKind::Table => self.tables.as_slice().get(index)?.import,
            ExternalKind::Memory => self.memories.as_slice().get(index)?.import,
            _ => None,
        }
    }

    /// ``0 (`memo`, `env.memo`)``
    pub fn described(&self, kind: ExternalKind, index: u32) -> String {
        let names = self.outside_names(kind, index);
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => index.to_string(),
            names => format!("{index} ({})", names.join(", ")),
        }
    }
}
