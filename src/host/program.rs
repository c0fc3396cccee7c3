//! A compiled module with its resume module, and why an engine doesn't take one.

use crate::abi::RESUME_IMPORTS;
use wasmparser::{Validator, WasmFeatures};
use wasmtime::{Engine, Instance, Module, Result, Store, format_err};

/// A module that can be run.
pub(crate) struct Program {
    pub(crate) module: Module,
    /// Its resume functions, if they are apart.
    pub(crate) resume_module: Option<Module>,
}

impl Program {
    pub(crate) fn new(
        engine: &Engine,
        wasm: &[u8],
        resume_module: Option<&[u8]>,
    ) -> Result<Program> {
        let module = Module::from_binary(engine, wasm)?;
        let resume_module = resume_module.map(|wasm| Module::from_binary(engine, wasm));
        Ok(Program { module, resume_module: resume_module.transpose()? })
    }

    /// Gives an instance of the program its resume functions.
    pub(crate) fn add_resumes<T: 'static>(
        &self,
        instance: Instance,
        store: &mut Store<T>,
    ) -> Result<()> {
        let Some(resumes) = &self.resume_module else { return Ok(()) };
        let mut imports = Vec::new();
        for import in resumes.imports() {
            let export = instance.get_export(&mut *store, import.name());
            let export = export.filter(|_| import.module() == RESUME_IMPORTS);
            imports
                .push(export.ok_or_else(|| format_err!("the resume module belongs to another"))?);
        }
        Instance::new(store, resumes, &imports).map(drop)
    }
}

/// Why the engine doesn't take a module, with what to do.
pub(crate) fn refused(which: &str, wasm: &[u8], error: &wasmtime::Error) -> String {
    let is_valid = |features| Validator::new_with_features(features).validate_all(wasm).is_ok();
    let all = WasmFeatures::all();
    if is_valid(all) && !is_valid(all.difference(WasmFeatures::LEGACY_EXCEPTIONS)) {
        return format!(
            "{which} uses legacy exceptions, which Wasmtime doesn't run; compile it with the new encoding \
             (clang: -mllvm -wasm-use-legacy-eh=false), or translate it before (wasm-opt: --translate-to-exnref)"
        );
    }
    format!("Wasmtime doesn't take {which}: {error:#}")
}
