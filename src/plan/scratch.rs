//! What planning one function leaves to the next: memory, so that not every function asks for it anew.

use super::packed::Packer;
use super::regions::Layout;
use super::tree::Tree;
use super::{Step, liveness, names, walk};

/// The memory, and what the passes hand to each other in it.
#[derive(Default)]
pub(super) struct Scratch {
    pub walk: walk::Scratch,
    pub tree: Tree,
    pub layout: Layout,
    pub liveness: liveness::Scratch,
    /// For the steps of a body that a rewind enters, and of one that none does.
    pub steps: [Vec<(u32, Step)>; 2],
    pub names: names::Scratch,
    pub packer: Packer,
}
