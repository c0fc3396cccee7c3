//! What holds the closure up, largest first: for people (text) and programs (JSON).

pub use crate::analyze::Extent;

use super::closure::import_name;
use crate::analyze::{Called, NamedImports, OnlyCall, Support, SupportKind};
use crate::index::FuncIdx;
use crate::options::{Assumption, EntryPattern, FuncPattern, TablePattern};
use crate::read::Module;
use crate::text::{Named, escape, signature};
use serde::Serialize;
use std::cmp::Reverse;
use std::fmt;

/// What the closure would be smaller without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The closure as it is.
    pub closure: Extent,
    /// What holds it up, what saves most functions first. The figures are not to be added up: what
    /// two items save may be the same.
    pub items: Vec<AdviceItem>,
}

/// One thing that holds the closure up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdviceItem {
    /// What it is.
    #[serde(flatten)]
    pub without: Without,
    /// How much smaller the closure would be without it, all else left as it is.
    pub saves: Extent,
    /// What takes it away, where a single option does.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

/// What takes something away that holds the closure up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// To assume it away.
    Assume(Assumption),
    /// To name this pattern no longer among the entries.
    LeaveOutEntry(EntryPattern),
    /// To name this pattern no longer among the imports that may call back.
    LeaveOutReentrant(EntryPattern),
}

/// What can hold the closure up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Without {
    /// That the host can write to a table.
    Table {
        /// The table's index.
        table: u32,
    },
    /// That the host may put functions into tables, or pass them on by reference, which only their
    /// exports give it.
    Exports,
    /// That these imports call back.
    Reentry {
        /// The imports, in index order.
        imports: Vec<NamedImport>,
    },
    /// That these imports are entries.
    Entries {
        /// The imports, in index order.
        imports: Vec<NamedImport>,
    },
    /// All calls of one type, or of all types, whose operand (the index into the table, or the reference)
    /// is not known.
    Calls {
        /// The index of the table that they go through; none for `call_ref`.
        #[serde(skip_serializing_if = "Option::is_none")]
        table: Option<u32>,
        /// The least type index that names their type; none for all types.
        #[serde(skip_serializing_if = "Option::is_none")]
        r#type: Option<u32>,
        /// The type in words.
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        /// How many such calls there are in the closure.
        calls: usize,
    },
    /// A function.
    Function {
        /// Its index.
        index: u32,
        /// Its name, if it has one.
        name: Option<String>,
        /// If one call alone leads from it to an entry, recursion aside: that one. Without this call
        /// the closure would be smaller by just as much.
        #[serde(skip_serializing_if = "Option::is_none")]
        only_call: Option<HoldingCall>,
    },
}

/// An imported function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedImport {
    /// Its index.
    pub index: u32,
    /// Its module and field name, as `module.name`.
    pub name: String,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldingCall {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// Index of the function that is called; none if it is not a direct call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee: Option<u32>,
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee_name: Option<String>,
    /// Index of the table that the function is in, for `call_indirect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The index of the type that the call asks for, if it is not a direct call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<u32>,
}

impl Advice {
    /// Puts in words what holds up `closure`.
    pub(crate) fn new(module: &Module<'_>, closure: Extent, supports: &[Support]) -> Advice {
        let item = |support: &Support| {
            let without = Without::new(module, &support.kind);
            AdviceItem { without, saves: support.saves, remedy: Remedy::of(&support.kind) }
        };
        let mut items: Vec<_> = supports.iter().map(item).collect();
        // The sort is stable: what saves the same stays in the order in which it is found.
        items.sort_by_key(|item| Reverse(item.saves));
        Advice { closure, items }
    }

    /// The text, with what `remark` says of it behind each item.
    pub fn text(&self, remark: impl Fn(&AdviceItem) -> String) -> String {
        let Extent { functions, code_bytes } = self.closure;
        let mut text =
            format!("{functions} functions, {code_bytes} bytes of code in the closure\n");
        if !self.items.is_empty() {
            text += "functions  code bytes  fewer without\n";
        }
        for item in &self.items {
            text += &format!("{item}{}\n", remark(item));
        }
        text
    }
}

impl Remedy {
    fn of(kind: &SupportKind) -> Option<Remedy> {
        match kind {
            SupportKind::VisibleTable(table) => {
                let table = TablePattern(table.to_string());
                Some(Remedy::Assume(Assumption::TablePrivate(table)))
            }
            SupportKind::Function { func, .. } => {
                let func = FuncPattern(func.to_string());
                Some(Remedy::Assume(Assumption::NoFork(func)))
            }
            SupportKind::Reentry(imports) => imports.pattern.clone().map(Remedy::LeaveOutReentrant),
            SupportKind::Entries(imports) => imports.pattern.clone().map(Remedy::LeaveOutEntry),
            SupportKind::Exports | SupportKind::Calls { .. } => None,
        }
    }
}

impl Without {
    fn new(module: &Module<'_>, kind: &SupportKind) -> Without {
        let imports = |imports: &NamedImports| {
            imports.funcs.iter().map(|func| NamedImport::new(module, *func)).collect()
        };
        match kind {
            SupportKind::VisibleTable(table) => Without::Table { table: table.0 },
            SupportKind::Exports => Without::Exports,
            SupportKind::Reentry(set) => Without::Reentry { imports: imports(set) },
            SupportKind::Entries(set) => Without::Entries { imports: imports(set) },
            SupportKind::Calls { table, ty, calls } => Without::Calls {
                table: table.map(|table| table.0),
                r#type: ty.map(|ty| ty.0),
                signature: ty.map(|ty| signature(module.func_type_at(ty))),
                calls: *calls,
            },
            SupportKind::Function { func, only_call } => Without::Function {
                index: func.0,
                name: module.func_name(*func).map(Into::into),
                only_call: only_call.as_ref().map(|call| HoldingCall::new(module, call)),
            },
        }
    }
}

impl NamedImport {
    fn new(module: &Module<'_>, func: FuncIdx) -> NamedImport {
        NamedImport { index: func.0, name: import_name(module, func) }
    }
}

impl HoldingCall {
    fn new(module: &Module<'_>, call: &OnlyCall) -> HoldingCall {
        let (callee, table, ty) = match call.callee {
            Called::Function(func) => (Some(func), None, None),
            Called::Table { table, ty } => (None, Some(table.0), Some(ty.0)),
            Called::Reference { ty } => (None, None, Some(ty.0)),
        };
        HoldingCall {
            offset: call.offset,
            callee: callee.map(|func| func.0),
            callee_name: callee.and_then(|func| module.func_name(func)).map(Into::into),
            table,
            r#type: ty,
        }
    }
}

/// A line for the closure, a line of headings, then a line for each item:
///
/// ```text
/// 224 functions, 131072 bytes of code in the closure
/// functions  code bytes  fewer without
///       198       90112  the 87 calls through table 0 of type (i32) -> i32
///       150       80000  57 (evaltree), held by its call of 12 (fork) at 0x12ab alone
/// ```
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|_| String::new()))
    }
}

impl fmt::Display for AdviceItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Extent { functions, code_bytes } = self.saves;
        write!(f, "{functions:9}  {code_bytes:10}  {}", self.without)
    }
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Without::Table { table } => write!(f, "the host writing to table {table}"),
            Without::Exports => write!(f, "the host passing on exported functions as references"),
            Without::Reentry { imports } => write_imports(f, imports, "calling back"),
            Without::Entries { imports } => write_imports(f, imports, "as an entry"),
            Without::Calls { table, signature, calls, .. } => {
                match calls {
                    1 => write!(f, "the one call ")?,
                    _ => write!(f, "the {calls} calls ")?,
                }
                match table {
                    Some(table) => write!(f, "through table {table}")?,
                    None => write!(f, "by reference")?,
                }
                match signature {
                    Some(signature) => write!(f, " of type {signature}"),
                    None => write!(f, " of any type"),
                }
            }
            Without::Function { index, name, only_call } => {
                write!(f, "{}", Named(*index, name.as_deref()))?;
                match only_call {
                    Some(call) => write!(f, ", held by {call} alone"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for HoldingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.callee, self.table) {
            (Some(callee), _) => {
                write!(f, "its call of {}", Named(callee, self.callee_name.as_deref()))?;
            }
            (None, Some(table)) => write!(f, "its call through table {table}")?,
            (None, None) => write!(f, "its call by reference")?,
        }
        write!(f, " at {:#x}", self.offset)
    }
}

/// How many imports a line names.
const NAMED_IMPORTS: usize = 3;

fn write_imports(f: &mut fmt::Formatter<'_>, imports: &[NamedImport], role: &str) -> fmt::Result {
    let named = imports.iter().take(NAMED_IMPORTS);
    let names: Vec<_> = named.map(|import| escape(&import.name)).collect();
    write!(f, "{}", names.join(", "))?;
    if imports.len() > NAMED_IMPORTS {
        write!(f, " and {} more imports", imports.len() - NAMED_IMPORTS)?;
    }
    write!(f, " {role}")
}
