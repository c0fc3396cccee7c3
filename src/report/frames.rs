//! A profile from saved frames: whose a frame is stands in its mark, so a stack that was unwound says which functions were on it.

use crate::abi::{FRAME_ALIGN_LOG2, MARK_BYTES, Mark, instrumented, low_bits};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexType};
use crate::profile::{Profile, Seen};
use crate::read::Module;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ExternalKind, Operator};

/// What an unwind begins with, in an instrumented module.
const BEGIN: &str = "wpk_fork_unwind_begin";

/// The functions that have frames in a stack, given as the bytes from its first frame to `pos`; frames of other modules that share the
/// stack are passed over.
///
/// # Errors
/// Why they are no frames of the module's.
fn owners(module: &Module<'_>, frames: &[u8]) -> Result<BTreeSet<FuncIdx>, String> {
    let mut owners = BTreeSet::new();
    let mark_bytes = MARK_BYTES as usize;
    let mut end = frames.len();
    while end > 0 {
        let mark = end.checked_sub(mark_bytes).map(|start| &frames[start..end]);
        let mark = mark.and_then(|mark| mark.try_into().ok()).map(u64::from_le_bytes);
        let mark = mark.ok_or_else(|| format!("{end} bytes are left where a frame should be"))?;
        let bits = |(first, count): (u32, u32)| mark >> first & low_bits(count);
        let bytes = (bits(Mark::SIZE) << FRAME_ALIGN_LOG2) as usize;
        let func = FuncIdx(bits((0, Mark::SIZE.0)) as u32);
        let is_of_other = bits(Mark::MODULE) != 0;
        let has_frames = func.as_usize() < module.funcs.len() && !module.is_import(func);
        if bytes < mark_bytes || bytes > end || bits(Mark::SITE) == 0 {
            return Err(format!("no frame ends at offset {end:#x}"));
        }
        if !is_of_other && !has_frames {
            return Err(format!(
                "the frame that ends at offset {end:#x} is of function {func}, which the module has not"
            ));
        }
        if !is_of_other {
            owners.insert(func);
        }
        end -= bytes;
    }
    Ok(owners)
}

/// Where the first frame lies in the buffer of an instrumented module: what is stored as `pos` when an unwind begins. 0 for any other
/// module, and where only the host knows (`asyncify`): then frames are all that there is.
fn first_frame(module: &Module<'_>) -> Result<usize> {
    let is_begin = |export: &&wasmparser::Export<'_>| {
        export.name == BEGIN && export.kind == ExternalKind::Func
    };
    let Some(begin) = module.exports.iter().find(is_begin) else { return Ok(0) };
    let operators = module.operators(FuncIdx(begin.index))?;
    let operators: Vec<_> =
        operators.map(|located| Ok(located?.operator)).collect::<Result<_>>()?;
    let found = operators.windows(4).find_map(|four| match four {
        [
            Operator::GlobalGet { .. },
            Operator::I32Const { value },
            Operator::I32Add,
            Operator::I32Store { .. },
        ] => Some(*value as u32 as usize),
        [
            Operator::GlobalGet { .. },
            Operator::I64Const { value },
            Operator::I64Add,
            Operator::I64Store { .. },
        ] => Some(*value as usize),
        _ => None,
    });
    let what = || Error::BadFrames {
        origin: format!("`{BEGIN}`"),
        reason: "it doesn't say where frames begin; say it by their offset in the buffer".into(),
    };
    found.ok_or_else(what)
}

/// Makes a profile from stacks that are in memory.
///
/// `buffers` are the used parts of buffers, each from its address up to `pos`, with what to call it in errors. `start` is where frames
/// begin in each. Without it that is found in `module`, if it is instrumented; and if it is an original, the frames are at the front.
///
/// Only an original tells functions by their bodies, too, so that the profile serves for other builds.
pub(crate) fn profile(
    module: &Module<'_>,
    buffers: &[(String, Vec<u8>)],
    start: Option<usize>,
) -> Result<Profile> {
    let start = start.map_or_else(|| first_frame(module), Ok)?;
    let mut seen = Stacks::default();
    for (origin, buffer) in buffers {
        let bad = |reason| Error::BadFrames { origin: origin.clone(), reason };
        let frames = buffer.get(start..).filter(|frames| !frames.is_empty());
        let frames = frames.ok_or_else(|| {
            bad(format!("it has {} bytes, and frames begin at {start}", buffer.len()))
        })?;
        seen.add(owners(module, frames).map_err(bad)?, 1);
    }
    seen.profile(module)
}

/// Makes a profile from the frames of stacks, each with how often there was one like it.
#[cfg(feature = "testing")]
pub(crate) fn profile_of<'f>(
    module: &Module<'_>,
    stacks: impl IntoIterator<Item = (&'f [u8], u64)>,
) -> Result<Profile> {
    let mut seen = Stacks::default();
    for (frames, count) in stacks {
        let bad = |reason| Error::BadFrames { origin: "the buffer".into(), reason };
        seen.add(owners(module, frames).map_err(bad)?, count);
    }
    seen.profile(module)
}

/// How often each function was seen.
#[derive(Default)]
struct Stacks {
    counts: BTreeMap<FuncIdx, u64>,
    stacks: u64,
}

impl Stacks {
    fn add(&mut self, owners: BTreeSet<FuncIdx>, count: u64) {
        self.stacks += count;
        owners.into_iter().for_each(|func| *self.counts.entry(func).or_default() += count);
    }

    fn profile(self, module: &Module<'_>) -> Result<Profile> {
        let seen = |(func, count): (FuncIdx, u64)| {
            let index = Some(func.0);
            Seen { index, name: None, count, self_time: 0, body: None }
        };
        let functions = self.counts.into_iter().map(seen).collect();
        let mut profile = Profile { functions, stacks: Some(self.stacks), module: None };
        complete(module, &mut profile)?;
        Ok(profile)
    }
}

/// Adds what a module tells of the functions of a profile that was recorded from it: names, and for an original bodies and the digest.
pub(crate) fn complete(module: &Module<'_>, profile: &mut Profile) -> Result<()> {
    let is_original = instrumented(module).is_none();
    for seen in &mut profile.functions {
        let Some(func) = seen.index.map(FuncIdx).filter(|func| module.funcs.get(*func).is_some())
        else {
            continue;
        };
        if seen.name.is_none() {
            seen.name = module.func_name(func).map(Into::into);
        }
        if is_original {
            seen.body = module.skeleton(func)?;
        }
    }
    if is_original {
        profile.module = Some(module.digest());
    }
    Ok(())
}
