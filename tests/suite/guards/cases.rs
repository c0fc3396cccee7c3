//! Programs with assumptions that hold while the import `env.x` is 0, and are wrong otherwise.
//!
//! `run` calls the entry by way of `leaf`, which no assumption takes out, then `middle`; so an unwind
//! is forced in either case. `middle` shows in memory and in a global what it got: `x` is 0 and it
//! called `plain`, or it went on to `leaf` by the case's route.

use wasm_fork::{
    Assumption, EntryPattern, FuncPattern, OnUnprepared, Options, Profile, TablePattern,
};

/// An assumption on a program, and who is to be named when it is wrong.
pub struct Case {
    /// For messages.
    pub name: String,
    pub wat: String,
    pub assumption: Assumption,
    /// The function that the trap's stack must name.
    pub culprit: &'static str,
    /// Whether, without the assumption, the module can be instrumented, and rewound from everywhere.
    pub unwinds_without: bool,
}

impl Case {
    pub fn options(&self) -> Options {
        self.sound().assume(self.assumption.clone())
    }

    /// What a function is called in the text.
    pub fn name_of(&self, func: u32) -> String {
        let wasm = wat::parse_str(&self.wat).unwrap();
        let text = wasmprinter::print_bytes(wasm).unwrap();
        let index = format!("(;{func};)");
        let mut lines = text.lines().map(str::trim_start);
        let line = lines.find(|line| line.starts_with("(func") && line.contains(&index));
        let name = line.and_then(|line| line.split('$').nth(1));
        name.and_then(|name| name.split(' ').next()).unwrap_or_default().into()
    }

    /// The options without the assumption.
    pub fn sound(&self) -> Options {
        let back = self.wat.contains("\"back\"").then(|| EntryPattern::exact("env", "back"));
        Options::default().entries([EntryPattern::exact("env", "fork")]).reentrant(back)
    }

    pub fn instrument(&self) -> Vec<u8> {
        self.instrument_to(OnUnprepared::Undo)
    }

    /// The module whose guards do this.
    pub fn instrument_to(&self, answer: OnUnprepared) -> Vec<u8> {
        let options = self.options().on_unprepared(answer);
        let output = wasm_fork::instrument(self.wat.as_bytes(), &options);
        output.unwrap_or_else(|error| panic!("{}: {error}", self.name)).wasm
    }
}

/// How `middle` comes to `leaf`, as the text of a call with one parameter and one result.
const ROUTES: [(&str, &str); 4] = [
    ("a direct call", "(call $leaf (local.get 0))"),
    ("a slot that the host wrote", "(call_indirect (type $unary) (local.get 0) (i32.const 3))"),
    ("a reference", "(call_ref $unary (local.get 0) (global.get $held))"),
    ("the entry itself", "(call $fork)"),
];

/// The same by tail calls; one with operands below, which a tail call discards.
const TAIL_ROUTES: [(&str, &str); 4] = [
    ("a tail call", "(i64.const 99) (f32.const 1) (return_call $leaf (local.get 0))"),
    (
        "a tail call through a slot that the host wrote",
        "(return_call_indirect (type $unary) (local.get 0) (i32.const 3))",
    ),
    ("a tail call of a reference", "(return_call_ref $unary (local.get 0) (global.get $held))"),
    ("a tail call of the entry", "(return_call $fork)"),
];

/// Every kind of assumption with every route that it can be wrong by.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (route, call) in ROUTES {
        let wat = program("", &middle(call), "");
        cases.extend(with_functions(route, &wat, "middle", &["run", "leaf"]));
    }
    for (route, call) in TAIL_ROUTES {
        let wat = program("", &tail_middle(call), "");
        cases.extend(with_functions(route, &wat, "middle", &["run", "leaf"]));
    }
    for (route, middle) in
        [(ROUTES[1].0, middle(ROUTES[1].1)), (TAIL_ROUTES[1].0, tail_middle(TAIL_ROUTES[1].1))]
    {
        cases.push(private(route, program("", &middle, ""), "middle"));
    }
    cases.extend(called_back());
    cases.extend(at_start());
    cases
}

/// `run` itself calls the slot that the host is assumed not to write.
pub fn inside_the_closure() -> Case {
    let wat = program("", &middle("(local.get 0)"), "");
    let wat = wat.replace("(call $middle (i32.const 5))", ROUTES[1].1);
    private(
        "a call inside the closure",
        wat.replace("(local.get 0) (i32.const 3)", "(i32.const 9) (i32.const 3)"),
        "run",
    )
}

/// `middle` calls itself a million times by tail calls, and then, if `x` is not 0, `leaf`.
pub fn long_loop_of_tail_calls() -> Case {
    let middle = "(func $middle (type $unary) (call $count (i32.const 1000000)))
        (func $count (type $unary)
          (if (local.get 0)
            (then (return_call $count (i32.sub (local.get 0) (i32.const 1)))))
          (if (global.get $x) (then (return_call $leaf (local.get 0))))
          (local.get 0))";
    let wat = program("", middle, "");
    let mut cases = with_functions("the end of a loop", &wat, "count", &["run", "leaf"]);
    cases.pop().expect("there are four")
}

/// Through an import that calls back, by what it calls and by what calls it.
fn called_back() -> Vec<Case> {
    let again =
        |call: &str| format!("(func $again (export \"again\") (type $unary) {})", noting(call));
    let import = "(import \"env\" \"back\" (func $back (type $unary)))";
    let middle = middle("(call $back (local.get 0))");
    let direct = program(import, &middle, &again("(call $leaf (local.get 0))"));
    let mut cases = with_functions("a call back", &direct, "again", &["run", "leaf", "middle"]);
    cases.extend(with_functions(
        "a call of what calls back",
        &direct,
        "middle",
        &["run", "leaf", "again"],
    ));
    let indirect = program(import, &middle, &again(ROUTES[1].1));
    cases.push(private("a call back", indirect, "again"));
    cases
}

/// In the start function, from which nothing could be rewound.
fn at_start() -> Vec<Case> {
    let init = format!(
        "(start $init) (func $init (if (global.get $x) (then {})))",
        note("(call $leaf (i32.const 3))")
    );
    let wat = program("", &middle("(local.get 0)"), &init);
    with_functions("the start function", &wat, "init", &["run", "leaf"])
}

/// The four ways to assume that `out` has no entry below it; `others` are the functions that may.
fn with_functions(route: &str, wat: &str, out: &'static str, others: &[&str]) -> Vec<Case> {
    let pattern = |name: &&str| FuncPattern((*name).into());
    let seen: Vec<_> = others.iter().map(|name| format!("{{\"name\": \"{name}\"}}")).collect();
    let profile = format!("{{\"version\": 1, \"functions\": [{}]}}", seen.join(", "));
    let assumptions = [
        ("no-fork", Assumption::NoFork(pattern(&out))),
        ("not-called", Assumption::NotCalled(pattern(&out))),
        ("only", Assumption::Only(others.iter().map(pattern).collect())),
        ("profile", Assumption::Profile(Profile::parse("test", &profile).unwrap())),
    ];
    let case = |(kind, assumption)| Case {
        name: format!("{kind} of {out}, wrong by {route}"),
        wat: wat.into(),
        assumption,
        culprit: out,
        // References can't be saved, and the start function can't be called again.
        unwinds_without: !["return_call", "call_ref", "(start"]
            .iter()
            .any(|what| wat.contains(what)),
    };
    assumptions.into_iter().map(case).collect()
}

fn private(route: &str, wat: String, culprit: &'static str) -> Case {
    Case {
        name: format!("table-private, wrong by {route} in {culprit}"),
        unwinds_without: !wat.contains("return_call"),
        wat,
        assumption: Assumption::TablePrivate(TablePattern("table".into())),
        culprit,
    }
}

/// What makes a value visible to the program.
fn note(value: &str) -> String {
    format!("(global.set $seen {value}) (i32.store (i32.const 16) (global.get $seen))")
}

/// The value of `call`, made visible.
fn noting(call: &str) -> String {
    format!("{} (global.get $seen)", note(call))
}

fn middle(call: &str) -> String {
    let value = format!(
        "(if (result i32) (global.get $x) (then {call}) (else (call $plain (local.get 0))))"
    );
    format!("(func $middle (type $unary) {})", noting(&value))
}

fn tail_middle(call: &str) -> String {
    format!(
        "(func $middle (type $unary)
           (if (i32.eqz (global.get $x)) (then (return (call $plain (local.get 0)))))
           {call})"
    )
}

fn program(imports: &str, middle: &str, more: &str) -> String {
    format!(
        r#"(module
          (type $unary (func (param i32) (result i32)))
          (import "env" "fork" (func $fork (result i32)))
          {imports}
          (import "env" "x" (global $x i32))
          (import "env" "memory" (memory 1))
          (import "env" "seen" (global $seen (mut i32)))
          (table (export "table") 8 funcref)
          (elem (i32.const 1) $plain)
          (global $held (mut (ref null $unary)) (ref.func $leaf))
          (func $plain (type $unary) (i32.add (local.get 0) (i32.const 1)))
          (func $leaf (export "leaf") (type $unary) (i32.add (call $fork) (local.get 0)))
          {middle}
          (func $run (export "run") (result i32)
            (i32.store (i32.const 20) (call $leaf (i32.const 40)))
            (i32.add (call $middle (i32.const 5)) (i32.const 1000)))
          {more})"#
    )
}
