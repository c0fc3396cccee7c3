//! Which form each function gets.

use super::skeleton::Skeleton;
use crate::analyze::{Site, Target};
use crate::index::FuncIdx;
use crate::options::{Form, Optimize, Options};

/// A function with as many direct calls in the closure is put apart.
const DIRECT_SITES: usize = 4;

/// A function with as many sites inside loops is put apart.
const SITES_IN_LOOPS: u32 = 40;

/// The form of a function that may have either.
pub(super) fn choose(
    options: &Options,
    func: FuncIdx,
    sites: &[Site],
    skeleton: &Skeleton,
) -> Form {
    if let Some(form) = options.forms.get(&func.0) {
        return *form;
    }
    let apart = match options.optimize {
        Optimize::Size => false,
        Optimize::Speed => true,
        Optimize::Balanced => {
            let direct = sites.iter().filter(|site| is_direct(site)).count();
            direct >= DIRECT_SITES || skeleton.sites_in_loops >= SITES_IN_LOOPS
        }
    };
    if apart { Form::Apart } else { Form::InPlace }
}

fn is_direct(site: &Site) -> bool {
    matches!(site.target, Target::Import(_) | Target::Defined(_))
}
