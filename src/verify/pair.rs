//! An output with its resume module: the bodies of that, in the numbers of the output.
//!
//! A function of the resume module is called through a slot of a table. It stands here as a function of the output behind all
//! others, and whatever it names is what the output has under the name by which it is imported.

use super::body::Body;
use super::fault::Fault;
use crate::index::{FuncIdx, IndexType};
use crate::read::{Located, Module};
use crate::work;
use wasmparser::{
    Catch, ElementItems, ElementKind, Export, ExternalKind, MemArg, MemArgTarget, Operator,
    ResumeTable, TryTable, for_each_operator,
};

/// A resume module, and where its functions are called.
pub(super) struct Pair<'a> {
    resumes: Module<'a>,
    /// The table of the output that it fills.
    table: u32,
    /// Its functions, by their slots.
    slots: Vec<FuncIdx>,
    /// The first of them, as it is called here.
    first: FuncIdx,
    numbers: Numbers,
}

/// For each index space of the resume module the numbers of the output. Functions that are not imported are behind the output's.
#[derive(Default)]
struct Numbers {
    funcs: Vec<u32>,
    tables: Vec<u32>,
    memories: Vec<u32>,
    globals: Vec<u32>,
    tags: Vec<u32>,
}

impl<'a> Pair<'a> {
    /// Finds out how the two belong together; that they do was checked before.
    ///
    /// # Errors
    /// What is imported and not there.
    pub fn find(output: &Module<'a>, resumes: Module<'a>) -> Result<Pair<'a>, Fault> {
        let mut numbers = Numbers::default();
        let import = |kind: ExternalKind, name: Option<&str>| {
            let is_it = |export: &&Export<'_>| Some(export.name) == name && export.kind == kind;
            let found = output.exports.iter().find(is_it).map(|export| export.index);
            found.ok_or_else(|| Fault::new("the resume module imports what is not exported"))
        };
        let first = output.funcs.len() as u32;
        for (func, next) in resumes.funcs.iter().zip(0..) {
            work::count(1);
            numbers.funcs.push(match func.import() {
                Some(named) => import(ExternalKind::Func, Some(named.name))?,
                None => first + next - resumes.imported_funcs as u32,
            });
        }
        for table in resumes.tables.iter() {
            let name = table.import.map(|import| import.name);
            numbers.tables.push(import(ExternalKind::Table, name)?);
        }
        for memory in resumes.memories.iter() {
            let name = memory.import.map(|import| import.name);
            numbers.memories.push(import(ExternalKind::Memory, name)?);
        }
        for global in resumes.globals.iter() {
            let name = global.import.map(|import| import.name);
            numbers.globals.push(import(ExternalKind::Global, name)?);
        }
        for tag in resumes.tags.iter() {
            numbers.tags.push(import(ExternalKind::Tag, tag.import.map(|import| import.name))?);
        }
        let (mut table, mut slots) = (u32::MAX, Vec::new());
        for element in resumes.elements.iter() {
            let ElementKind::Active { table_index, .. } = &element.kind else { continue };
            let ElementItems::Functions(items) = &element.items else { continue };
            table = numbers.tables[table_index.unwrap_or(0) as usize];
            slots.extend(items.clone().into_iter().flatten().map(FuncIdx));
        }
        Ok(Pair { resumes, table, slots, first: FuncIdx(first), numbers })
    }

    /// The resume module.
    pub fn module(&self) -> &Module<'a> {
        &self.resumes
    }

    /// The function that a call through a slot of a table reaches, in the numbers of the output; none if that is not the table.
    pub fn called(&self, table: u32, slot: u64) -> Option<FuncIdx> {
        let func = self.slots.get(usize::try_from(slot).ok()?).filter(|_| table == self.table)?;
        Some(FuncIdx(self.numbers.funcs[func.as_usize()]))
    }

    /// The type of a function of the resume module, as an index of either.
    pub fn type_of(&self, func: FuncIdx) -> Option<u32> {
        Some(self.resumes.funcs[self.own(func)?].ty.0)
    }

    /// The body of such a function.
    pub fn body(&self, output: &Module<'a>, func: FuncIdx) -> Result<Option<Body<'a>>, Fault> {
        let Some(own) = self.own(func) else { return Ok(None) };
        let mut operators = Vec::new();
        for located in self.resumes.operators(own)? {
            let mut located: Located<'a> = located?;
            self.numbers.renumber(&mut located.operator)?;
            operators.push(located);
        }
        Body::of_other(output, (&self.resumes, own), operators).map(Some)
    }

    /// The number in the resume module of a function that it defines.
    fn own(&self, func: FuncIdx) -> Option<FuncIdx> {
        let position = func.as_usize().checked_sub(self.first.as_usize())?;
        let own = self.resumes.imported_funcs + position;
        (own < self.resumes.funcs.len()).then(|| FuncIdx::from_usize(own))
    }
}

impl Numbers {
    /// Puts the output's numbers in place of the resume module's.
    fn renumber(&self, operator: &mut Operator<'_>) -> Result<(), Fault> {
        // What an operator names is told by the names of its fields.
        macro_rules! renumber {
            ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })?
                => $visit:ident ($($ann:tt)*))*) => {
                match operator {
                    $( Operator::$op $({ $($arg),* })? => {
                        $( $( renumber!(map $arg $arg); )* )?
                    } )*
                    operator => return Err(Fault::unknown(operator)),
                }
            };
            (map $arg:ident tag_index) => (in_space(&self.tags, $arg)?);
            (map $arg:ident function_index) => (in_space(&self.funcs, $arg)?);
            (map $arg:ident table) => (in_space(&self.tables, $arg)?);
            (map $arg:ident table_index) => (in_space(&self.tables, $arg)?);
            (map $arg:ident dst_table) => (in_space(&self.tables, $arg)?);
            (map $arg:ident src_table) => (in_space(&self.tables, $arg)?);
            (map $arg:ident global_index) => (in_space(&self.globals, $arg)?);
            (map $arg:ident mem) => (in_space(&self.memories, $arg)?);
            (map $arg:ident src_mem) => (in_space(&self.memories, $arg)?);
            (map $arg:ident dst_mem) => (in_space(&self.memories, $arg)?);
            (map $arg:ident memarg) => (self.access($arg)?);
            (map $arg:ident try_table) => (self.catches($arg)?);
            (map $arg:ident data_index) => (segment(*$arg)?);
            (map $arg:ident elem_index) => (segment(*$arg)?);
            (map $arg:ident array_data_index) => (segment(*$arg)?);
            (map $arg:ident array_elem_index) => (segment(*$arg)?);
            (map $arg:ident resume_table) => (stacks($arg)?);
            // Types are the same in both, and the rest names nothing.
            (map $arg:ident type_index) => (_ = $arg);
            (map $arg:ident array_type_index) => (_ = $arg);
            (map $arg:ident array_type_index_dst) => (_ = $arg);
            (map $arg:ident array_type_index_src) => (_ = $arg);
            (map $arg:ident struct_type_index) => (_ = $arg);
            (map $arg:ident argument_index) => (_ = $arg);
            (map $arg:ident result_index) => (_ = $arg);
            (map $arg:ident cont_type_index) => (_ = $arg);
            (map $arg:ident blockty) => (_ = $arg);
            (map $arg:ident relative_depth) => (_ = $arg);
            (map $arg:ident targets) => (_ = $arg);
            (map $arg:ident ty) => (_ = $arg);
            (map $arg:ident tys) => (_ = $arg);
            (map $arg:ident hty) => (_ = $arg);
            (map $arg:ident from_ref_type) => (_ = $arg);
            (map $arg:ident to_ref_type) => (_ = $arg);
            (map $arg:ident ordering) => (_ = $arg);
            (map $arg:ident local_index) => (_ = $arg);
            (map $arg:ident value) => (_ = $arg);
            (map $arg:ident lane) => (_ = $arg);
            (map $arg:ident lanes) => (_ = $arg);
            (map $arg:ident array_size) => (_ = $arg);
            (map $arg:ident field_index) => (_ = $arg);
        }
        for_each_operator!(renumber);
        Ok(())
    }

    fn access(&self, memarg: &mut MemArg) -> Result<(), Fault> {
        match &mut memarg.target {
            MemArgTarget::Memory(memory) => in_space(&self.memories, memory),
            MemArgTarget::Array(_) => Err(Fault::new("an access names no memory")),
        }
    }

    fn catches(&self, table: &mut TryTable) -> Result<(), Fault> {
        for catch in &mut table.catches {
            if let Catch::One { tag, .. } | Catch::OneRef { tag, .. } = catch {
                in_space(&self.tags, tag)?;
            }
        }
        Ok(())
    }
}

fn in_space(numbers: &[u32], index: &mut u32) -> Result<(), Fault> {
    let number = numbers.get(*index as usize);
    *index = *number.ok_or_else(|| Fault::new("the resume module names what is not there"))?;
    Ok(())
}

fn stacks(_: &ResumeTable) -> Result<(), Fault> {
    Err(Fault::new("the resume module switches stacks"))
}

/// Segments are not imported: the resume module has none of the original's.
fn segment(_: u32) -> Result<(), Fault> {
    Err(Fault::new("the resume module names a segment"))
}
