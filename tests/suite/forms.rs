//! The ways in which a module's functions can be rewritten: each way of choosing forms, and a mixture; all of these with a resume
//! module, too, but for those without a function apart.

use crate::short;
use std::collections::BTreeMap;
use wasm_fork::{Form, Optimize, Options};

/// `options` for each `optimize`, and with a form for each function that `seed` draws.
pub fn ways(options: &Options, seed: u64) -> Vec<(String, Options)> {
    let mut ways = forms(options, seed);
    let apart: Vec<_> = ways
        .iter()
        .filter(|(name, _)| name != Optimize::Size.name())
        .map(|(name, options)| {
            (format!("{name} with a resume module"), options.clone().resume_module(true))
        })
        .collect();
    ways.extend(apart);
    ways
}

/// The same for the fixture of this name; in a short run the first of them, and one that the name chooses.
pub fn ways_for(name: &str, options: &Options) -> Vec<(String, Options)> {
    let mut ways = ways(options, 1);
    if short::is_short() {
        let others = ways.len() - 1;
        let chosen = 1 + name.bytes().map(usize::from).sum::<usize>() % others;
        ways.swap(1, chosen);
        ways.truncate(2);
    }
    ways
}

fn forms(options: &Options, seed: u64) -> Vec<(String, Options)> {
    let mut ways: Vec<_> = Optimize::ALL
        .into_iter()
        .map(|optimize| (optimize.name().into(), options.clone().optimize(optimize)))
        .collect();
    let mut options = options.clone();
    options.forms = mixed(seed);
    ways.push((format!("forms mixed by {seed}"), options));
    ways
}

/// A form for each of the first functions.
pub fn mixed(seed: u64) -> BTreeMap<u32, Form> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..256)
        .map(|func| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let form = if state >> 63 == 0 { Form::InPlace } else { Form::Apart };
            (func, form)
        })
        .collect()
}
