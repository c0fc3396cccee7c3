//! A smoke run of the fuzz targets: fixtures that were cut and mutated, and random bytes.

use super::rng::Rng;
use super::{kit, total};
use crate::fixtures::golden;
use rayon::prelude::*;

/// How many mutants are made of each fixture.
const MUTANTS: u64 = 400;

fn fixtures() -> Vec<(String, Vec<u8>)> {
    ["analyze", "plan", "rewrite", "reject", "run"]
        .into_iter()
        .flat_map(|group| golden::load(group).0)
        .filter_map(|fixture| Some((fixture.name, wat::parse_str(&fixture.text).ok()?)))
        .collect()
}

/// Runs the target; a panic is reported with what was done to which fixture.
fn check(what: &str, bytes: &[u8]) {
    let result = std::panic::catch_unwind(|| total::check(bytes));
    assert!(result.is_ok(), "{what}; the bytes are {bytes:02x?}");
}

#[test]
fn fixtures_and_their_texts_are_handled() {
    for (name, wasm) in fixtures() {
        check(&name, &wasm);
    }
}

#[test]
fn truncated_modules_are_handled() {
    fixtures().par_iter().for_each(|(name, wasm)| {
        for len in (0..wasm.len()).step_by(3) {
            check(&format!("{name}, its first {len} bytes"), &wasm[..len]);
        }
    });
}

#[test]
fn mutated_modules_are_handled() {
    fixtures().par_iter().for_each(|(name, wasm)| {
        for seed in 0..MUTANTS {
            check(&format!("{name}, mutated with seed {seed}"), &mutate(wasm, seed));
        }
    });
}

/// Changes, removes, inserts or repeats a few bytes behind the header.
fn mutate(wasm: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut bytes = wasm.to_vec();
    for _ in 0..=rng.below(3) {
        let at = 8 + rng.below(bytes.len().saturating_sub(8).max(1));
        if at >= bytes.len() {
            break;
        }
        match rng.below(5) {
            0 => bytes[at] = rng.next() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *rng.pick(&[0, 1, 0x0b, 0x10, 0x11, 0x40, 0x7f])),
        }
    }
    bytes
}

#[test]
fn random_bytes_are_handled() {
    for seed in 0..2000 {
        let mut rng = Rng::new(seed);
        let len = rng.below(200);
        let mut bytes = rng.bytes(len);
        if rng.chance(70) {
            bytes.splice(0..0, *b"\0asm\x01\0\0\0");
        }
        check(&format!("random bytes with seed {seed}"), &bytes);
    }
}

/// What fuzzers hand over, for so many seeds.
fn inputs(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|seed| Rng::new(seed).bytes(100 + 20 * seed as usize)).collect()
}

#[test]
fn programs_of_any_bytes_pass_the_kit() {
    let unwinds: usize = inputs(16).par_iter().map(|bytes| kit::program(bytes)).sum();
    assert!(unwinds > 40, "only {unwinds} unwinds");
}

#[test]
fn modules_of_wasm_smith_pass_the_kit() {
    let unwinds: usize = inputs(60).par_iter().map(|bytes| kit::smith(bytes)).sum();
    assert!(unwinds > 10, "only {unwinds} unwinds");
}

#[test]
fn mutated_outputs_are_handled() {
    inputs(200).par_iter().for_each(|bytes| kit::mutant(bytes));
}
