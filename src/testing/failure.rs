//! What a storm ends in when not all is the same.

use crate::error::Error;
use std::fmt;

/// Where a stack is rewound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rewound {
    /// In the instance that it was unwound in, by `resume_begin`.
    Same,
    /// In a fresh instance, in a store of its own, over a copy of the memories, by `rewind_begin`.
    Fresh,
}

impl fmt::Display for Rewound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rewound::Same => "in the same instance",
            Rewound::Fresh => "in a fresh instance",
        })
    }
}

/// How an instrumented module was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// Nothing was unwound.
    Never,
    /// The stack was unwound at one call of an entry.
    #[non_exhaustive]
    At {
        /// Which call, from 1 on.
        call: usize,
        /// How many there are.
        calls: usize,
        /// Where it was rewound.
        rewound: Rewound,
    },
    /// The stack was unwound at every call of an entry.
    Every(Rewound),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Never => write!(f, "never unwinding"),
            Way::At { call, calls, rewound } => {
                write!(f, "unwinding at entry call {call} of {calls}, rewinding {rewound}")
            }
            Way::Every(rewound) => write!(f, "unwinding at every entry call, rewinding {rewound}"),
        }
    }
}

/// Why a storm has not found original and instrumented module to be the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The original can't be instrumented, or read.
    #[error(transparent)]
    Refused(#[from] Error),
    /// There is nothing to compare: the original doesn't run under this host, or the storm can't be made in the way that was
    /// asked for. In one sentence, with what to do.
    #[error("{0}")]
    Setup(String),
    /// The instrumented module does something else than the original, or what no instrumented module may do.
    #[error("{way}: {what}")]
    #[non_exhaustive]
    Differs {
        /// In which run.
        way: Way,
        /// In what, in one sentence.
        what: String,
    },
}
