//! What a caller may ask of `shim`, resolved and typed.

use crate::options::FuncPattern;
use crate::read::Module;
use wasmparser::CompositeInnerType;

/// How a call finds the adapter for a function of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// A second table for each type of call, in which adapters stand for the functions that the
    /// call would not accept. Needs reference types. A call that matches costs what it did,
    /// as long as the host can't write to the table.
    Table,
    /// The call looks at what it found, by `ref.test`. Needs garbage collection's proposal, and is
    /// right for tables that anybody changes.
    RefTest,
}

impl Mechanism {
    /// The one that needs no proposal that the module doesn't use.
    pub(super) fn that_suits(module: &Module<'_>) -> Mechanism {
        let types = module.types();
        let uses_gc = (0..types.core_type_count_in_module()).any(|index| {
            let Some(ty) = types.get(types.core_type_at_in_module(index)) else { return false };
            let is_func = matches!(ty.composite_type.inner, CompositeInnerType::Func(_));
            !is_func || !ty.is_final || !ty.supertype_idxs.is_empty()
        });
        if uses_gc { Mechanism::RefTest } else { Mechanism::Table }
    }
}

/// Which indirect calls to repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SitePattern {
    /// Those of these functions.
    Caller(FuncPattern),
    /// The one at this offset in bytes from the start of the module.
    Offset(u32),
    /// One that a test run has found to meet a function of another type.
    Recorded(super::RecordedCall),
    /// The one in which an engine's stack trace begins.
    Trace(super::TraceFrame),
}

/// What to repair, and how.
///
/// ```
/// use wasm_fork::shim::{Mechanism, ShimOptions, SitePattern};
///
/// let options =
///     ShimOptions::default().sites([SitePattern::parse("sort")]).mechanism(Mechanism::Table);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShimOptions {
    /// The calls to repair, besides those that are sure to meet a function of another type.
    pub sites: Vec<SitePattern>,
    /// Repair every call that can meet a function of another type.
    pub all_sites: bool,
    /// How adapters are found. By `ref.test` without, if the module has types of the garbage collection
    /// proposal already; else by a table.
    pub mechanism: Option<Mechanism>,
    /// Permit numbers to change their type, bit by bit.
    pub allow_bit_casts: bool,
    /// Whether to tell where the code of the input is in the output. For a large module that takes as much memory as the
    /// module.
    pub map_offsets: bool,
    /// Whether debug information is left out: DWARF, and what says where a source map or debug information is. Otherwise it is moved
    /// with the code. Names of functions stay.
    pub strip_debug: bool,
    /// Where the source map of the output is going to be: what the section `sourceMappingURL` says then, if the module has one. Without, that
    /// is left out, for it names a map of the input. [`source_map()`](crate::source_map()) makes the map of the output.
    pub source_map_url: Option<String>,
    /// Where the debug information of the output is going to be, if in a file of its own: what the section `external_debug_info` says then, if the
    /// module has one. [`join_debug_file`](crate::join_debug_file) and [`separate_debug_file`](crate::separate_debug_file) do the rest.
    pub debug_file_url: Option<String>,
}

impl ShimOptions {
    /// Sets which calls to repair.
    #[must_use]
    pub fn sites(mut self, sites: impl IntoIterator<Item = SitePattern>) -> ShimOptions {
        self.sites = sites.into_iter().collect();
        self
    }

    /// Sets whether to repair every call that can meet a function of another type.
    #[must_use]
    pub fn all_sites(mut self, all: bool) -> ShimOptions {
        self.all_sites = all;
        self
    }

    /// Sets how adapters are found; `None` leaves that to what the module has.
    #[must_use]
    pub fn mechanism(mut self, mechanism: impl Into<Option<Mechanism>>) -> ShimOptions {
        self.mechanism = mechanism.into();
        self
    }

    /// Sets whether numbers may change their type, bit by bit.
    #[must_use]
    pub fn allow_bit_casts(mut self, allow: bool) -> ShimOptions {
        self.allow_bit_casts = allow;
        self
    }

    /// Sets whether to tell where the code of the input is in the output.
    #[must_use]
    pub fn map_offsets(mut self, map: bool) -> ShimOptions {
        self.map_offsets = map;
        self
    }

    /// Sets [`ShimOptions::source_map_url`].
    #[must_use]
    pub fn source_map_url(mut self, url: impl Into<Option<String>>) -> ShimOptions {
        self.source_map_url = url.into();
        self
    }

    /// Sets [`ShimOptions::debug_file_url`].
    #[must_use]
    pub fn debug_file_url(mut self, url: impl Into<Option<String>>) -> ShimOptions {
        self.debug_file_url = url.into();
        self
    }

    /// Sets [`ShimOptions::strip_debug`].
    #[must_use]
    pub fn strip_debug(mut self, strip: bool) -> ShimOptions {
        self.strip_debug = strip;
        self
    }
}

impl SitePattern {
    /// Reads `0xOFFSET`, or what [`FuncPattern`] takes.
    pub fn parse(text: &str) -> SitePattern {
        let offset = text.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match offset {
            Some(offset) => SitePattern::Offset(offset),
            None => SitePattern::Caller(FuncPattern(text.into())),
        }
    }
}

impl std::fmt::Display for SitePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SitePattern::Caller(pattern) => write!(f, "{pattern}"),
            SitePattern::Offset(offset) => write!(f, "{offset:#x}"),
            SitePattern::Recorded(call) => write!(f, "{:#x}", call.offset),
            SitePattern::Trace(frame) => write!(f, "{frame}"),
        }
    }
}
