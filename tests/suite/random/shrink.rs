//! Makes a failing program small: replaces nodes by constants, or by a part of themselves with the
//! same results, as long as it still fails.

use super::program::{Node, Program};

/// At most so many programs are tried.
const TRIES: usize = 3000;

/// The smallest program found that still `fails`.
pub fn shrink(mut program: Program, fails: impl Fn(&Program) -> bool) -> Program {
    let mut tries = 0;
    loop {
        let before = count(&mut program);
        let mut at = 0;
        while at < count(&mut program) && tries < TRIES {
            let smaller = candidates(&program, at).into_iter().find(|candidate| {
                tries += 1;
                fails(candidate)
            });
            match smaller {
                Some(smaller) => program = smaller,
                None => at += 1,
            }
        }
        if count(&mut program) == before || tries >= TRIES {
            return program;
        }
    }
}

fn count(program: &mut Program) -> usize {
    let mut count = 0;
    each_list(program, &mut |list| {
        count += list.len();
        false
    });
    count
}

/// Smaller programs that differ from `program` in the node with this ordinal.
fn candidates(program: &Program, ordinal: usize) -> Vec<Program> {
    let mut original = program.clone();
    let mut node = None;
    at_node(&mut original, ordinal, &mut |n| node = Some(n.clone()));
    let Some(mut node) = node else {
        return Vec::new();
    };
    let mut replacements = Vec::new();
    if !is_const(&node) {
        replacements.push(Node::consts(&node.results));
    }
    let results = node.results.clone();
    for list in node.lists() {
        for part in list.iter().filter(|part| part.results == results) {
            replacements.push(part.clone());
        }
    }
    let replaced = replacements.into_iter().map(|replacement| {
        let mut smaller = program.clone();
        at_node(&mut smaller, ordinal, &mut |n| *n = replacement.clone());
        smaller
    });
    replaced.collect()
}

fn is_const(node: &Node) -> bool {
    matches!(node.kind, super::program::Kind::Consts(_))
}

fn at_node(program: &mut Program, ordinal: usize, change: &mut dyn FnMut(&mut Node)) {
    let mut left = ordinal;
    each_list(program, &mut |list| {
        if left < list.len() {
            change(&mut list[left]);
            return true;
        }
        left -= list.len();
        false
    });
}

/// Visits every list of nodes, until `visit` says that it's done.
fn each_list(program: &mut Program, visit: &mut dyn FnMut(&mut Vec<Node>) -> bool) {
    for func in &mut program.funcs {
        if each_list_in(&mut func.body, visit) {
            return;
        }
    }
}

fn each_list_in(list: &mut Vec<Node>, visit: &mut dyn FnMut(&mut Vec<Node>) -> bool) -> bool {
    visit(list)
        || list
            .iter_mut()
            .any(|node| node.lists().into_iter().any(|list| each_list_in(list, visit)))
}
