//! The answer as a graph.

use super::{ask, module, without_offsets};
use crate::report::explain::{Question, dot};

#[track_caller]
fn graph(fields: &str, function: &str, question: Question) -> String {
    let text = dot(&ask(&module(fields), function, question));
    // Two words that an offset is glued to.
    without_offsets(&text.replace("label=\"0x", "label=\" 0x").replace("\\n", " \\n"))
}

#[test]
fn a_path_is_a_chain() {
    let fields = "(table 4 funcref) (elem (i32.const 2) $f) (func $f (call $fork))
        (func $a (call_indirect (i32.const 2)))";
    assert_eq!(
        graph(fields, "a", Question::Path),
        "digraph closure {\n  \
           rankdir=LR\n  \
           node [shape=box]\n  \
           f3 [label=\"3 (a)\", style=solid, penwidth=2]\n  \
           f2 [label=\"2 (f)\", style=solid]\n  \
           f0 [label=\"0 (fork)\", style=solid, peripheries=2]\n  \
           f3 -> f2 [style=solid, label=\" @ \\ntable 0, () -> () \\nindex 2\"]\n  \
           f2 -> f0 [style=solid, label=\" @ \\ndirect\"]\n\
         }"
    );
}

#[test]
fn a_neighbourhood_has_callers_and_callees() {
    let fields =
        "(memory (export \"m\") 1) (table 4 funcref) (elem (i32.const 2) $f $g) (func $f (call $fork)) (func $g)
        (func $a (call $f) (call $g) (call_indirect (i32.load (i32.const 0)))) (func $b (call $a))";
    assert_eq!(
        graph(fields, "a", Question::AllCallers),
        "digraph closure {\n  \
           rankdir=LR\n  \
           node [shape=box]\n  \
           f4 [label=\"4 (a)\", style=solid, penwidth=2]\n  \
           f5 [label=\"5 (b)\", style=solid]\n  \
           f2 [label=\"2 (f)\", style=solid]\n  \
           f3 [label=\"3 (g)\", style=dashed]\n  \
           f4_calls0 [shape=ellipse, style=solid, \
             label=\"table 0, () -> () \\n1 of 2 possible targets in the closure\"]\n  \
           f5 -> f4 [style=solid, label=\" @ \\ndirect\"]\n  \
           f4 -> f2 [style=solid, label=\"at @\"]\n  \
           f4 -> f3 [style=dashed, label=\"at @\"]\n  \
           f4 -> f4_calls0 [style=solid, label=\"at @\"]\n\
         }"
    );
}

#[test]
fn labels_are_escaped() {
    let wat = module("(func (export \"a\\\"b\\\\c\\n\") (call $fork))");
    let graph = dot(&ask(&wat, "2", Question::Path));
    assert!(graph.contains(r#"f2 [label="2 (a\"b\\c\\n)","#), "{graph}");
}
