//! Calls and their evidence as plain data: what [`Explainer`](crate::analyze::Explainer) answers with.

use crate::index::{ElemIdx, FuncIdx, GlobalIdx, MemoryIdx, TableIdx, TypeIdx};

/// A call, or a call back by the host, that leads towards an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The function that calls; an import, if the host calls back.
    pub caller: FuncIdx,
    /// What it calls; `None` if that is a function of another module.
    pub callee: Option<FuncIdx>,
    /// Offset of the call in bytes from the start of the module; `None` if the host calls back.
    pub offset: Option<u32>,
    /// How the call finds its target.
    pub kind: CallKind,
}

/// How a call finds its target, and how it can be the callee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// `call` or `return_call`.
    Direct,
    /// `call_indirect` or `return_call_indirect`.
    Table {
        /// The table.
        table: TableIdx,
        /// The type that the call asks for.
        ty: TypeIdx,
        /// What is known of the index.
        index: ChoosingOperand,
        /// Whether it is known which slot holds what.
        slots: SlotsKnown,
        /// How the callee's reference gets there.
        source: Source,
    },
    /// `call_ref` or `return_call_ref`.
    Reference {
        /// The type of the reference.
        ty: TypeIdx,
        /// What is known of the reference; for a known one no integers.
        reference: ChoosingOperand,
        /// How the callee's reference gets there.
        source: Source,
    },
    /// Through a table that may hold functions of other modules which unwind by themselves.
    Foreign {
        /// The table.
        table: TableIdx,
        /// The type that the call asks for.
        ty: TypeIdx,
    },
    /// An import that may call back: the host calls a function whose reference it can have.
    Host {
        /// How it gets the callee's reference.
        source: Source,
    },
}

/// What is known of the operand that chooses a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChoosingOperand {
    /// All values that it can have, as far as they are integers.
    Known(Vec<u64>),
    /// It can be anything: for this reason, from the call back to where the value comes from. Empty if
    /// nobody asked.
    Unknown(Vec<WhyUnknown>),
}

/// Whether it is known which slot of a table holds what. If not, its index doesn't matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotsKnown {
    /// It is.
    Yes,
    /// The host can write to the table.
    HostWrites,
    /// An active segment goes to an offset that isn't known.
    SegmentOffset,
    /// An instruction may write to any slot.
    Written,
    /// Slots are copied, within the table or from another one.
    Copied,
}

/// A step from an operand back to what makes it unknown. All but the last say where to look next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyUnknown {
    /// It is a parameter.
    Parameter {
        /// Of this function.
        of: FuncIdx,
        /// Its index among the parameters.
        index: u32,
    },
    /// It is what this function passes for the parameter.
    PassedBy(FuncIdx),
    /// It is a result of a direct call.
    ResultOf {
        /// Of this function.
        of: FuncIdx,
        /// Its index among the results.
        index: u32,
    },
    /// The end: that function is called otherwise than directly, with any arguments.
    CalledAnyhow {
        /// The function.
        func: FuncIdx,
        /// How its reference exists.
        source: Source,
    },
    /// The end: an instruction makes it unknown.
    Instruction {
        /// The function with the instruction.
        func: FuncIdx,
        /// Offset of the instruction in bytes from the start of the module.
        offset: u32,
        /// What it does.
        cause: Unfollowed,
    },
    /// The end: the body of this function is too large to be interpreted.
    TooLarge(FuncIdx),
    /// The end: all its sources together have too many values.
    TooManyValues,
    /// The end: nothing that is known ever makes the call.
    NeverReached,
    /// The end: the analysis did not look for the values.
    NotFollowed,
}

/// What an instruction does to make a value unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfollowed {
    /// It loads from memory.
    Load {
        /// The instruction.
        operator: String,
        /// The memory.
        memory: MemoryIdx,
        /// Who may have written there.
        writer: MemoryWriter,
    },
    /// It calls an import, which may return anything.
    Import(FuncIdx),
    /// It calls through a table or a reference.
    DynamicCall,
    /// It reads a global.
    Global(GlobalIdx, GlobalKind),
    /// Its result is not followed, whatever its operands.
    Operator(String),
    /// It computes with what only other functions know.
    OnForeignValues(String),
    /// Around here there are more values than are kept.
    TooManyValues,
    /// Around here more parameters and results come together than are kept.
    TooManySources,
    /// The value changes from round to round of a loop.
    Loop,
    /// An exception is caught, which may come from anywhere.
    Exception,
    /// No way that is known leads here.
    Unreachable,
}

/// Who may write to a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryWriter {
    /// The host, since the memory is imported or exported.
    Host,
    /// Instructions of the module.
    Stores,
    /// Nobody, as far as can be seen.
    Nobody,
    /// Not told: there are several memories.
    Untold,
}

/// Why a global's value is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalKind {
    /// It is imported.
    Imported,
    /// It is mutable.
    Mutable,
    /// Its initial value is not followed.
    Initial,
}

/// How a reference to a function gets to where it is called from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An element segment holds it.
    Segment {
        /// The segment.
        segment: ElemIdx,
        /// The slot that an active segment puts it in, where that is known.
        slot: Option<u64>,
    },
    /// It is exported under this name.
    Export(String),
    /// The initial value of a table.
    TableInit(TableIdx),
    /// The initial value of a global.
    Global,
    /// `ref.func` in a body.
    RefFunc,
}

/// What a function calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callees {
    /// Functions that it calls directly, in index order.
    pub direct: Vec<DirectCallee>,
    /// Calls through tables and references, those that are alike together, in order of the first of them.
    pub dynamic: Vec<DynamicCallees>,
}

/// A function that is called directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectCallee {
    /// The function.
    pub callee: FuncIdx,
    /// Offsets of the calls in bytes from the start of the module, in order.
    pub offsets: Vec<u32>,
}

/// What calls through a table or a reference can have as their target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicCallees {
    /// Offsets of the calls in bytes from the start of the module, in order.
    pub offsets: Vec<u32>,
    /// The table; `None` for a reference.
    pub table: Option<(TableIdx, SlotsKnown)>,
    /// The type that the calls ask for.
    pub ty: TypeIdx,
    /// All values that the index can have; `None` if it can be anything, and for references.
    pub index: Option<Vec<u64>>,
    /// What is in the slots that a known index means, where that counts.
    pub slots: Vec<(u64, SlotContent)>,
    /// All functions of the module that can be the target, in index order.
    pub targets: Vec<FuncIdx>,
    /// Whether functions that are not the module's can be: the host's, or another instance's.
    pub foreign: bool,
}

/// What a slot holds, as a call of a certain type meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotContent {
    /// It is beyond the table, which has so many slots: the call traps.
    Beyond(u64),
    /// No reference: the call traps.
    Null,
    /// A function of another type: the call traps.
    OtherType(FuncIdx),
    /// A function that the call then calls.
    Target(FuncIdx),
    /// Any function whose reference is taken.
    Unknown,
}
