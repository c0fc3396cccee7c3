//! What a module may have at most: the limits that engines share, for input and output alike.
//!
//! The numbers are those of "Implementation-defined limits" in the WebAssembly JavaScript interface, which
//! engines outside browsers keep too. [`Limit::Interface`] is one of this tool's own validator;
//! [`Limit::Tests`] and [`Limit::Comparisons`] keep this tool's own work in bounds, and [`Limit::FrameBytes`] its frames.

/// Something that there may be only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Limit {
    /// The size of a module.
    ModuleBytes,
    /// The type index space.
    Types,
    /// Imports of all kinds.
    Imports,
    /// The function index space.
    Functions,
    /// The table index space.
    Tables,
    /// The memory index space.
    Memories,
    /// The tag index space.
    Tags,
    /// The global index space.
    Globals,
    /// Exports of all kinds.
    Exports,
    /// The element segments.
    ElementSegments,
    /// The items of one element segment.
    Elements,
    /// The data segments.
    DataSegments,
    /// The types of all imports and exports, written out: one for each table, memory and global; for each
    /// function and tag two, and one more for each parameter and result.
    Interface,
    /// The tests by which repaired calls find out what they met: of a type, for calls of a type.
    Tests,
    /// How often the types of calls and functions are held against each other, where not all is counted at once.
    Comparisons,
    /// The parameters of one type.
    Params,
    /// The results of one type.
    Results,
    /// The fields of one structure type.
    Fields,
    /// A name in bytes.
    NameBytes,
    /// The body of one function in bytes.
    BodyBytes,
    /// The locals of one function, parameters included.
    Locals,
    /// The frame of one function in bytes, which its mark has to say.
    FrameBytes,
    /// The handlers of one `try_table`.
    Catches,
    /// The labels of one `br_table`, its default aside: a limit of V8 and SpiderMonkey, not of the interface.
    BranchTargets,
}

impl Limit {
    /// The largest number that is accepted.
    pub const fn max(self) -> u64 {
        match self {
            Limit::ModuleBytes => 1 << 30,
            Limit::Types
            | Limit::Imports
            | Limit::Functions
            | Limit::Tags
            | Limit::Globals
            | Limit::Exports => 1_000_000,
            Limit::Interface => 999_999,
            Limit::Tests => 1_000_000,
            Limit::Comparisons => 1 << 28,
            Limit::Tables | Limit::ElementSegments | Limit::DataSegments | Limit::NameBytes => {
                100_000
            }
            Limit::Memories => 100,
            Limit::Elements => 10_000_000,
            Limit::Params | Limit::Results => 1_000,
            Limit::Fields | Limit::Catches => 10_000,
            Limit::BodyBytes => 7_654_321,
            Limit::Locals => 50_000,
            Limit::FrameBytes => 1_048_572,
            Limit::BranchTargets => 65_520,
        }
    }

    /// What is counted, in the plural.
    pub const fn noun(self) -> &'static str {
        match self {
            Limit::ModuleBytes => "bytes",
            Limit::Types => "types",
            Limit::Imports => "imports",
            Limit::Functions => "functions",
            Limit::Tables => "tables",
            Limit::Memories => "memories",
            Limit::Tags => "tags",
            Limit::Globals => "globals",
            Limit::Exports => "exports",
            Limit::ElementSegments => "element segments",
            Limit::Elements => "items in one element segment",
            Limit::DataSegments => "data segments",
            Limit::Interface => "types, parameters and results of imports and exports",
            Limit::Tests => "tests of the types of functions that calls meet",
            Limit::Comparisons => "pairs of a call's type and a function's type to compare",
            Limit::Params => "parameters of one type",
            Limit::Results => "results of one type",
            Limit::Fields => "fields of one structure type",
            Limit::NameBytes => "bytes in one name",
            Limit::BodyBytes => "bytes in one function body",
            Limit::Locals => "locals in one function",
            Limit::FrameBytes => "bytes in one frame",
            Limit::Catches => "handlers of one `try_table`",
            Limit::BranchTargets => "labels of one `br_table`",
        }
    }

    /// Whether so many are too many.
    pub const fn is_exceeded_by(self, number: u64) -> bool {
        number > self.max()
    }

    /// `1000003 globals, more than the 1000000 that engines accept`
    pub fn exceeded(self, number: u64) -> String {
        let who = match self {
            Limit::Tests | Limit::Comparisons | Limit::FrameBytes => "this tool makes",
            _ => "engines accept",
        };
        format!("{number} {}, more than the {} that {who}", self.noun(), self.max())
    }
}

/// How many of each thing a module has, of those that rewriting adds to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) types: u64,
    pub(crate) functions: u64,
    pub(crate) tables: u64,
    pub(crate) memories: u64,
    pub(crate) tags: u64,
    pub(crate) globals: u64,
    pub(crate) exports: u64,
    pub(crate) element_segments: u64,
    pub(crate) interface: u64,
}

impl Sizes {
    /// The first limit that is exceeded, and by which number.
    pub(crate) fn exceeded(&self) -> Option<(Limit, u64)> {
        let all = [
            (Limit::Types, self.types),
            (Limit::Functions, self.functions),
            (Limit::Tables, self.tables),
            (Limit::Memories, self.memories),
            (Limit::Tags, self.tags),
            (Limit::Globals, self.globals),
            (Limit::Exports, self.exports),
            (Limit::ElementSegments, self.element_segments),
            (Limit::Interface, self.interface),
        ];
        all.into_iter().find(|(limit, number)| limit.is_exceeded_by(*number))
    }
}

impl std::ops::Add for Sizes {
    type Output = Sizes;
    fn add(self, more: Sizes) -> Sizes {
        Sizes {
            types: self.types + more.types,
            functions: self.functions + more.functions,
            tables: self.tables + more.tables,
            memories: self.memories + more.memories,
            tags: self.tags + more.tags,
            globals: self.globals + more.globals,
            exports: self.exports + more.exports,
            element_segments: self.element_segments + more.element_segments,
            interface: self.interface + more.interface,
        }
    }
}
