//! Random programs as trees: small enough to shrink, printed as text.

use std::fmt::Write;

/// A type that can be carried over a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Exn,
}

/// The numeric and vector types: what functions, globals and memory know.
pub const TYPES: [Type; 5] = [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128];

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::V128 => "v128",
            Type::Func => "funcref",
            Type::Exn => "exnref",
        }
    }

    pub fn is_reference(self) -> bool {
        matches!(self, Type::Func | Type::Exn)
    }
}

/// An instruction with what it takes from the operand stack. Prints `args`, then itself.
#[derive(Clone, Debug)]
pub struct Node {
    pub args: Vec<Node>,
    pub kind: Kind,
    /// What it leaves on the operand stack.
    pub results: Vec<Type>,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// Constants, one for each result.
    Consts(Vec<u32>),
    /// Any plain instruction, as text.
    Op(String),
    /// A structured instruction: `block`, `loop`, `if` or `try_table`, with what follows its label.
    Structured {
        opcode: &'static str,
        label: String,
        params: Vec<Type>,
        clauses: String,
        /// One body, or the two arms of an `if`.
        bodies: Vec<Vec<Node>>,
    },
}

impl Node {
    pub fn op(text: impl Into<String>, args: Vec<Node>, results: &[Type]) -> Node {
        Node { args, kind: Kind::Op(text.into()), results: results.to_vec() }
    }

    pub fn consts(types: &[Type]) -> Node {
        Node { args: Vec::new(), kind: Kind::Consts(vec![1; types.len()]), results: types.to_vec() }
    }

    /// The lists of nodes in this one: its arguments and its bodies.
    pub fn lists(&mut self) -> Vec<&mut Vec<Node>> {
        let mut lists = vec![&mut self.args];
        if let Kind::Structured { bodies, .. } = &mut self.kind {
            lists.extend(bodies);
        }
        lists
    }

    fn print(&self, depth: usize, out: &mut String) {
        for arg in &self.args {
            arg.print(depth, out);
        }
        let pad = "  ".repeat(depth);
        match &self.kind {
            Kind::Consts(values) => {
                for (ty, value) in self.results.iter().zip(values) {
                    let _ = match ty {
                        Type::V128 => writeln!(out, "{pad}v128.const i32x4 {value} 7 8 9"),
                        Type::Func => writeln!(out, "{pad}ref.null func"),
                        Type::Exn => writeln!(out, "{pad}ref.null exn"),
                        _ => writeln!(out, "{pad}{}.const {value}", ty.name()),
                    };
                }
            }
            Kind::Op(text) => {
                let _ = writeln!(out, "{pad}{text}");
            }
            Kind::Structured { opcode, label, params, clauses, bodies } => {
                let ty = signature(params, &self.results);
                let _ = writeln!(out, "{pad}{opcode} {label}{ty} {clauses}");
                for (body, i) in bodies.iter().zip(0..) {
                    if i > 0 {
                        let _ = writeln!(out, "{pad}else");
                    }
                    for node in body {
                        node.print(depth + 1, out);
                    }
                }
                let _ = writeln!(out, "{pad}end");
            }
        }
    }
}

/// `(param …) (result …)` as text.
pub fn signature(params: &[Type], results: &[Type]) -> String {
    let list = |keyword: &str, types: &[Type]| {
        if types.is_empty() {
            return String::new();
        }
        let names: Vec<_> = types.iter().map(|ty| ty.name()).collect();
        format!(" ({keyword} {})", names.join(" "))
    };
    list("param", params) + &list("result", results)
}

/// A function: `$f0`, `$f1`… in order.
#[derive(Clone, Debug)]
pub struct Func {
    pub params: Vec<Type>,
    pub results: Vec<Type>,
    /// Locals after the parameters.
    pub locals: Vec<Type>,
    pub body: Vec<Node>,
}

/// A program. Its exports are `f0`, `f1`….
#[derive(Clone, Debug)]
pub struct Program {
    pub funcs: Vec<Func>,
    /// The mutable globals `$g0`, `$g1`….
    pub globals: Vec<Type>,
    /// The functions in the table, by name.
    pub table: Vec<String>,
    /// Whether the memory has 64-bit addresses.
    pub wide: bool,
    /// Whether references of functions live across sites, which only the same instance can keep.
    pub keeps_references: bool,
    /// The same, which the host carries over to others.
    pub carries_references: bool,
}

/// What every program imports and defines. `$burn` takes a unit of fuel, and says whether there was
/// one: functions and loops ask it, so every program ends.
const PRELUDE: &str = r#"
  (type $sig_fork (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $sig_fork)))
  (import "env" "pause" (func $pause (param i64 f64) (result f32 i64)))
  (import "env" "log_i32" (func $log_i32 (param i32)))
  (import "env" "log_i64" (func $log_i64 (param i64)))
  (import "env" "log_f32" (func $log_f32 (param f32)))
  (import "env" "log_f64" (func $log_f64 (param f64)))
  (import "env" "log_v128" (func $log_v128 (param v128)))
  (tag $e0)
  (tag $e1 (param i32))
  (global $fuel (export "fuel") (mut i32) (i32.const 0))
  (func $refuel (export "refuel") (param i32) (global.set $fuel (local.get 0)))
  (func $burn (result i32)
    (if (i32.eqz (global.get $fuel)) (then (return (i32.const 0))))
    (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
    (i32.const 1))
"#;

impl Program {
    fn address_type(&self) -> &'static str {
        if self.wide { "i64" } else { "i32" }
    }

    /// An export that changes every global and some memory, which the host calls while a stack is away. It
    /// takes fuel and never gives any: the program must end however often it is called.
    fn meddler(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.address_type();
        writeln!(f, "  (func (export \"meddle\")")?;
        writeln!(f, "    (drop (call $burn))")?;
        writeln!(
            f,
            "    (i32.store ({at}.const 16) (i32.add (i32.load ({at}.const 16)) (i32.const 9)))"
        )?;
        for (ty, i) in self.globals.iter().zip(0..) {
            let (add, three) = match ty {
                Type::V128 => ("i64x2.add".into(), "v128.const i64x2 3 3".into()),
                _ => (format!("{}.add", ty.name()), format!("{}.const 3", ty.name())),
            };
            writeln!(f, "    (global.set $g{i} ({add} (global.get $g{i}) ({three})))")?;
        }
        writeln!(f, "  )")
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "(module{PRELUDE}")?;
        writeln!(f, "  (memory (export \"memory\") {} 1)", self.address_type())?;
        for (ty, i) in self.globals.iter().zip(0..) {
            let init = match ty {
                Type::V128 => "v128.const i64x2 3 4".to_owned(),
                _ => format!("{}.const {}", ty.name(), 5 + i),
            };
            writeln!(f, "  (global $g{i} (export \"g{i}\") (mut {}) ({init}))", ty.name())?;
        }
        self.meddler(f)?;
        writeln!(f, "  (table funcref (elem {}))", self.table.join(" "))?;
        for (func, i) in self.funcs.iter().zip(0..) {
            let sig = signature(&func.params, &func.results);
            writeln!(f, "  (type $sig{i} (func{sig}))")?;
            writeln!(f, "  (func $f{i} (export \"f{i}\") (type $sig{i})")?;
            let locals: Vec<_> = func.locals.iter().map(|ty| ty.name()).collect();
            writeln!(f, "    (local {})", locals.join(" "))?;
            let mut text = String::new();
            for node in &func.body {
                node.print(2, &mut text);
            }
            writeln!(f, "{text}  )")?;
        }
        writeln!(f, ")")
    }
}
