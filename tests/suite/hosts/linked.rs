//! Modules that a dynamic linker puts together: a main module and two side modules over one memory and one table, with one state.
//! Stacks run through all of them, by imports that the host resolves and by the table, in which there is a function of the
//! host's too that unwinds.

use super::{NORMAL, UNWINDING};
use crate::exec::program::{FUEL, engine};
use wasm_fork::{Abi, EntryPattern, Optimize, Options, TablePattern};
use wasmtime::{AsContextMut, Caller, Func, Instance, Linker, Memory, Module, Ref, Store, Val};

/// `run` calls the sides and the host's function, all in a loop; `middle` is called back by a side.
const MAIN: &str = r#"(module
    (import "env" "fork" (func $fork (param i32) (result i32)))
    (import "env" "log" (func $log (param i32)))
    (import "env" "work" (func $work (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (table (export "table") 4 funcref)
    (elem (i32.const 2) $leaf)
    (type $unary (func (param i32) (result i32)))
    (global $calls (mut i32) (i32.const 0))
    (func $leaf (param $x i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.add (i32.mul (call $fork (local.get $x)) (i32.const 5)) (local.get $x)))
    (func (export "middle") (param $x i32) (result i32)
        (i32.add (call $leaf (local.get $x)) (i32.mul (call $fork (i32.const 77)) (global.get $calls))))
    (func (export "run") (param $n i32) (result i32) (local $i i32) (local $sum i32)
        (loop $again
            (local.set $sum (i32.add (i32.const 7) (call $work (local.get $i) (local.get $sum))))
            (call $log (local.get $sum))
            (local.set $sum (i32.xor (local.get $sum)
                (call_indirect (type $unary) (local.get $i) (i32.const 1))))
            (local.set $sum (i32.add (local.get $sum)
                (call_indirect (type $unary) (local.get $sum) (i32.const 3))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
        (i32.add (local.get $sum) (global.get $calls))))"#;

/// Forks by itself, and by way of the main module.
const FIRST: &str = r#"(module
    (import "env" "memory" (memory 1))
    (import "env" "fork" (func $fork (param i32) (result i32)))
    (import "env" "middle" (func $middle (param i32) (result i32)))
    (global $count (mut i64) (i64.const 3))
    (func $deeper (param $x i32) (result i32) (local $y i64)
        (local.set $y (i64.extend_i32_s (local.get $x)))
        (i32.add (call $middle (i32.add (local.get $x) (i32.const 1)))
            (i32.wrap_i64 (i64.add (local.get $y) (global.get $count)))))
    (func (export "work") (param $x i32) (param $y i32) (result i32)
        (global.set $count (i64.add (global.get $count) (i64.const 1)))
        (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
        (i32.sub (i32.mul (call $deeper (local.get $x)) (call $fork (i32.const 9))) (local.get $y))))"#;

/// Forks only by way of the table.
const SECOND: &str = r#"(module
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 4 funcref))
    (type $unary (func (param i32) (result i32)))
    (global $before (mut f64) (f64.const 0.5))
    (func (export "plug") (param $x i32) (result i32) (local $a f32) (local $b f64)
        (local.set $b (global.get $before))
        (global.set $before (f64.add (local.get $b) (f64.const 1)))
        (local.set $a (f32.convert_i32_s (local.get $x)))
        (call_indirect (type $unary) (i32.add (local.get $x) (i32.const 20)) (i32.const 2))
        (i32.add (i32.trunc_f32_s (f32.mul (local.get $a) (f32.const 2))))
        (i32.add (i32.trunc_f64_s (f64.mul (local.get $b) (f64.const 2))))))"#;

const BUFFER: i32 = 65536;
const ROOMY: i32 = 32768;
const NO_ROOM: i32 = 3;
const FAILED: i32 = -1;

/// How the host goes on after an unwind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Resume,
    Rewind,
    Fresh,
}

/// What the host keeps.
#[derive(Clone, Default)]
struct World {
    log: Vec<(&'static str, i32)>,
    calls: usize,
    /// The calls that unwind.
    unwinds: Vec<usize>,
    /// The calls that failed, or are to fail.
    failed: Vec<usize>,
    fails: Vec<usize>,
    room: i32,
    exports: Option<Exports>,
}

/// The functions that the host calls.
#[derive(Clone)]
struct Exports {
    main: Instance,
    sides: [Instance; 2],
}

/// Modules of one program.
struct Modules {
    main: Module,
    sides: [Module; 2],
    /// The resume modules of the three, if they have any.
    resumes: Option<[Module; 3]>,
}

/// One process.
struct Process<'m> {
    modules: &'m Modules,
    store: Store<World>,
    memory: Memory,
}

fn call(store: &mut impl AsContextMut, instance: &Instance, name: &str, args: &[i32]) -> i32 {
    let func = instance.get_func(&mut *store, name).unwrap_or_else(|| panic!("no {name}"));
    let args: Vec<_> = args.iter().map(|arg| Val::I32(*arg)).collect();
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, &args, &mut results).unwrap();
    results.first().map_or(0, Val::unwrap_i32)
}

fn state(store: &mut impl AsContextMut, main: &Instance) -> i32 {
    match main.get_func(&mut *store, "wpk_fork_state") {
        Some(_) => call(store, main, "wpk_fork_state", &[]),
        None => NORMAL,
    }
}

/// The entry, and the host's function in the table.
fn enter(mut caller: Caller<'_, World>, what: &'static str, argument: i32) -> i32 {
    let Exports { main, sides } = caller.data().exports.clone().unwrap();
    let now = state(&mut caller, &main);
    let number = caller.data().calls;
    if now == NORMAL && caller.data().unwinds.contains(&number) {
        let end = BUFFER + caller.data().room;
        let memory = main.get_memory(&mut caller, "memory").unwrap();
        memory.write(&mut caller, BUFFER as usize + 4, &end.to_le_bytes()).unwrap();
        call(&mut caller, &main, "wpk_fork_unwind_begin", &[BUFFER]);
        for side in sides {
            call(&mut caller, &side, "wpk_fork_unwind_join", &[]);
        }
        return 0x0bad;
    }
    if now != NORMAL {
        call(&mut caller, &main, "wpk_fork_rewind_end", &[]);
    }
    let world = caller.data_mut();
    world.calls += 1;
    if now == NO_ROOM || world.fails.contains(&number) {
        world.failed.push(number);
        world.log.push(("failed", argument));
        return FAILED;
    }
    world.log.push((what, argument));
    number as i32 * 7 % 11 + 2
}

impl<'m> Process<'m> {
    fn new(modules: &'m Modules, world: World) -> Process<'m> {
        let mut store = Store::new(engine(), world);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine());
        linker.allow_shadowing(true);
        let fork = |caller: Caller<'_, World>, argument: i32| enter(caller, "fork", argument);
        linker.func_wrap("env", "fork", fork).unwrap();
        let log = |mut caller: Caller<'_, World>, value: i32| {
            caller.data_mut().log.push(("log", value));
        };
        linker.func_wrap("env", "log", log).unwrap();
        // As dynamic linkers resolve what isn't loaded yet.
        let work = |mut caller: Caller<'_, World>, x: i32, y: i32| {
            let side = caller.data().exports.as_ref().unwrap().sides[0];
            call(&mut caller, &side, "work", &[x, y])
        };
        linker.func_wrap("env", "work", work).unwrap();
        let main = linker.instantiate(&mut store, &modules.main).unwrap();
        let exports: Vec<_> =
            main.exports(&mut store).map(|e| (e.name().to_owned(), e.into_extern())).collect();
        for (name, export) in exports {
            linker.define(&store, "env", &name, export).unwrap();
        }
        let sides =
            [0, 1].map(|side: usize| linker.instantiate(&mut store, &modules.sides[side]).unwrap());
        if let Some(resumes) = &modules.resumes {
            for (instance, resumes) in [main, sides[0], sides[1]].iter().zip(resumes) {
                super::resume_module::instantiate(&mut store, instance, resumes).unwrap();
            }
        }
        let memory = main.get_memory(&mut store, "memory").unwrap();
        let table = main.get_table(&mut store, "table").unwrap();
        let plug = sides[1].get_func(&mut store, "plug").unwrap();
        table.set(&mut store, 1, Ref::Func(Some(plug))).unwrap();
        let host = |caller: Caller<'_, World>, argument: i32| enter(caller, "host", argument);
        let host = Func::wrap(&mut store, host);
        table.set(&mut store, 3, Ref::Func(Some(host))).unwrap();
        store.data_mut().exports = Some(Exports { main, sides });
        Process { modules, store, memory }
    }

    fn exports(&self) -> Exports {
        self.store.data().exports.clone().unwrap()
    }

    /// A fresh set of instances over a copy of the memory.
    fn renew(&mut self) {
        let mut fresh = Process::new(self.modules, self.store.data().clone());
        let bytes = self.memory.data(&self.store).to_vec();
        fresh.memory.write(&mut fresh.store, 0, &bytes).unwrap();
        *self = fresh;
    }

    fn run(&mut self, argument: i32, how: How) -> i32 {
        loop {
            let Exports { main, .. } = self.exports();
            let result = call(&mut self.store, &main, "run", &[argument]);
            if state(&mut self.store, &main) != UNWINDING {
                return result;
            }
            call(&mut self.store, &main, "wpk_fork_unwind_end", &[]);
            if how == How::Fresh {
                self.renew();
            }
            let (begin, join) = match how {
                How::Resume => ("wpk_fork_resume_begin", "wpk_fork_resume_join"),
                How::Rewind | How::Fresh => ("wpk_fork_rewind_begin", "wpk_fork_rewind_join"),
            };
            let Exports { main, sides } = self.exports();
            call(&mut self.store, &main, begin, &[BUFFER]);
            for side in sides {
                call(&mut self.store, &side, join, &[]);
            }
            // The host counts a call when it returns: the one that is repeated unwinds no more.
            let world = self.store.data_mut();
            world.unwinds.retain(|call| *call != world.calls);
        }
    }

    /// The result, what was logged, and the program's own memory.
    fn outcome(&mut self, argument: i32, how: How) -> (i32, Vec<(&'static str, i32)>, Vec<u8>) {
        let result = self.run(argument, how);
        let own = self.memory.data(&self.store)[..BUFFER as usize].to_vec();
        (result, self.store.data().log.clone(), own)
    }
}

fn original() -> Modules {
    let compile = |text| Module::new(engine(), wat::parse_str(text).unwrap()).unwrap();
    Modules { main: compile(MAIN), sides: [FIRST, SECOND].map(compile), resumes: None }
}

/// A way to rewrite the functions: how, and whether with resume modules.
type Way = (Optimize, bool);

const WAYS: [Way; 4] = [
    (Optimize::Size, false),
    (Optimize::Balanced, false),
    (Optimize::Speed, false),
    (Optimize::Speed, true),
];

fn instrumented((optimize, resume_module): Way) -> Modules {
    let entry = |name| EntryPattern::exact("env", name);
    let table = || [TablePattern("table".into())];
    let compile = |wasm: &[u8]| Module::new(engine(), wasm).unwrap();
    let forks = Options::default().entries([entry("fork")]);
    let main = forks.clone().through([entry("work")]).through_tables(table());
    let first = forks.through([entry("middle")]);
    let second = Options::default().entries([]).through_tables(table());
    let outputs = [
        (MAIN, main.abi(Abi::WpkForkMain)),
        (FIRST, first.abi(Abi::WpkForkSide)),
        (SECOND, second.abi(Abi::WpkForkSide)),
    ];
    let outputs = outputs.map(|(text, options)| {
        let options = options.optimize(optimize).resume_module(resume_module);
        let output = wasm_fork::instrument(text.as_bytes(), &options).unwrap();
        wasm_fork::verify(text.as_bytes(), &output.wasm, &options).unwrap();
        output
    });
    let [main, first, second] = outputs.each_ref().map(|output| compile(&output.wasm));
    let resumes = outputs.map(|output| output.resume_module.map(|resumes| compile(&resumes)));
    let [of_main, of_first, of_second] = resumes;
    let resumes = of_main.zip(of_first).zip(of_second).map(|((a, b), c)| [a, b, c]);
    Modules { main, sides: [first, second], resumes }
}

const ROUNDS: i32 = 3;

#[test]
fn a_stack_through_three_modules() {
    let original = original();
    let expected = Process::new(&original, World::default()).outcome(ROUNDS, How::Resume);
    let calls = expected.1.iter().filter(|(what, _)| *what != "log").count();
    assert!(calls > 10);
    for way in WAYS {
        let modules = instrumented(way);
        for how in [How::Resume, How::Rewind, How::Fresh] {
            let every = (0..calls).collect();
            for unwinds in (0..calls).map(|call| vec![call]).chain([Vec::new(), every]) {
                let what = format!("{way:?}, {how:?}, unwinding at {unwinds:?}");
                let world = World { unwinds, room: ROOMY, ..World::default() };
                let found = Process::new(&modules, world).outcome(ROUNDS, how);
                assert!(found == expected, "{what}: {:?}, not {:?}", found.1, expected.1);
            }
        }
    }
}

#[test]
fn without_room_the_entry_fails_wherever_it_runs_out() {
    let original = original();
    for way in WAYS {
        let modules = instrumented(way);
        let (mut some_failed, mut none_failed) = (false, false);
        for room in (8..400).step_by(12) {
            let world = World { unwinds: (0..100).collect(), room, ..World::default() };
            let mut process = Process::new(&modules, world);
            let found = process.outcome(ROUNDS, How::Fresh);
            let fails = process.store.data().failed.clone();
            some_failed |= !fails.is_empty();
            none_failed |= fails.is_empty();
            let world = World { fails, ..World::default() };
            let expected = Process::new(&original, world).outcome(ROUNDS, How::Resume);
            assert!(
                found == expected,
                "{way:?}, {room} bytes: {:?}, not {:?}",
                found.1,
                expected.1
            );
        }
        assert!(some_failed && none_failed);
    }
}

#[test]
fn a_side_module_that_did_not_join_traps() {
    let modules = instrumented((Optimize::Balanced, false));
    // The first call of the entry that has the second side below it.
    let world = World { unwinds: vec![3], room: ROOMY, ..World::default() };
    let mut process = Process::new(&modules, world);
    let Exports { main, sides } = process.exports();
    // The host knows only of the main module, and of a side that isn't there.
    process.store.data_mut().exports = Some(Exports { main, sides: [sides[0], sides[0]] });
    let run = main.get_func(&mut process.store, "run").unwrap();
    let run = run.call(&mut process.store, &[Val::I32(1)], &mut [Val::I32(0)]);
    let trap = run.unwrap_err();
    assert!(format!("{trap:?}").contains("unreachable"), "{trap:?}");
}

#[test]
fn a_side_module_imports_its_memory() {
    let text = r#"(module (import "env" "fork" (func $fork)) (memory 1) (func (export "f") (call $fork)))"#;
    let options = Options::default().entries([EntryPattern::exact("env", "fork")]);
    let error = wasm_fork::instrument(text.as_bytes(), &options.abi(Abi::WpkForkSide)).unwrap_err();
    assert!(error.to_string().contains("memory of its own"), "{error}");
}

#[test]
fn calls_through_a_table_lead_to_other_modules() {
    let options = Options::default().entries([]).through_tables([TablePattern("table".into())]);
    let pattern = wasm_fork::FuncPattern("plug".into());
    let answer =
        wasm_fork::explain(SECOND.as_bytes(), &options, &pattern, wasm_fork::Question::Path);
    let text = answer.unwrap().to_string();
    assert!(text.contains("calls a function of another module at"), "{text}");
    assert!(text.contains("through table 0"), "{text}");
}
