//! The certificate rejects every closure from which something was removed.

use super::{options, with_module};
use crate::analyze::graph::Graph;
use crate::analyze::model::Model;
use crate::analyze::query::Query;
use crate::analyze::{Analysis, Site, Target, assume, certificate};
use crate::index::{FuncIdx, IndexVec};
use crate::options::{EntryPattern, Options};

pub(super) const WAT: &str = r#"(module (import "k" "fork" (func $fork)) (import "e" "h" (global $h funcref))
    (import "e" "back" (func $back))
    (type $v (func)) (type $top (sub (func (param i64)))) (type $low (sub $top (func (param i64))))
    (table $known 4 funcref) (table $open (export "t") 4 funcref) (table $held 4 funcref)
    (elem (table $known) (i32.const 0) func $a $low)
    (elem (table $held) (i32.const 0) funcref (global.get $h))
    (export "fork" (func $fork)) (export "a" (func $a))
    (func $a (call $fork))
    (func $low (type $low) (return_call $a))
    (func $direct (call $a) (call $leaf) (call $a))
    (func $slot (call_indirect $known (i32.const 0)))
    (func $any (param i32) (call_indirect $known (local.get 0)))
    (func $sub (param i32) (call_indirect $known (type $top) (i64.const 0) (local.get 0)))
    (func $visible (call_indirect $open (i32.const 0)))
    (func $unknown (call_indirect $held (i32.const 0)))
    (func $unknowns (param i32) (call_indirect $held (local.get 0)))
    (func $ref (param (ref $v)) (call_ref $v (local.get 0)))
    (func $calls_back (call $back))
    (func $leaf))"#;

/// Runs `test` with the analysis of `WAT` and a function that certifies an analysis.
fn certified(test: impl FnOnce(Analysis, &dyn Fn(&Analysis) -> bool)) {
    with_module(WAT, |module| {
        let options = Options { reentrant: vec![EntryPattern::exact("e", "back")], ..options() };
        let query = Query::new(module, &options).unwrap();
        let model = Model::new(module, options.precision).unwrap();
        let graph = Graph::new(&model, &query);
        let nothing = IndexVec::filled(false, module.funcs.len());
        let reached = graph.reach_without(&query.entries, &nothing);
        let mut analysis = Analysis::of(&model, &query, &graph, reached);
        let guards = assume::guards(&model, &query, &graph, &analysis.closure).unwrap();
        (analysis.guards, analysis.unguarded) = guards;
        test(analysis, &|analysis| certificate::check(&model, &query, analysis).is_ok());
    });
}

#[test]
fn the_closure_is_certified() {
    certified(|analysis, check| {
        assert!(check(&analysis));
        let leaf = analysis.closure.len() - 1;
        let outside: Vec<usize> =
            (0..=leaf).filter(|f| !analysis.closure[FuncIdx(*f as u32)]).collect();
        assert_eq!(outside, [leaf]);
    });
}

#[test]
fn a_missing_function_is_rejected() {
    certified(|mut analysis, check| {
        for func in analysis.closure.indices() {
            if !std::mem::replace(&mut analysis.closure[func], false) {
                continue;
            }
            let sites = std::mem::take(&mut analysis.sites[func]);
            assert!(!check(&analysis), "without function {func}");
            analysis.closure[func] = true;
            analysis.sites[func] = sites;
        }
    });
}

#[test]
fn a_missing_or_changed_site_is_rejected() {
    certified(|mut analysis, check| {
        for func in analysis.closure.indices() {
            let sites = analysis.sites[func].clone();
            for at in 0..sites.len() {
                analysis.sites[func].remove(at);
                assert!(!check(&analysis), "without site {at} of {func}");
                analysis.sites[func] = sites.clone();
                analysis.sites[func][at] = wrong(sites[at]);
                assert!(!check(&analysis), "with site {at} of {func} changed");
                analysis.sites[func] = sites.clone();
            }
        }
    });
}

fn wrong(site: Site) -> Site {
    let target = match site.target {
        Target::Import(func) => Target::Defined(func),
        Target::Defined(func) => Target::Import(func),
        Target::Indirect { may_be_import } => Target::Indirect { may_be_import: !may_be_import },
        Target::Ref { may_be_import } => Target::Ref { may_be_import: !may_be_import },
    };
    Site { target, ..site }
}
