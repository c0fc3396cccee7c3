//! Hosts that use the ABI in ways that a good host doesn't, at the edges of the memory, or with state of
//! their own: whatever they do, nothing is written outside the buffer, and what can't be right traps.

mod asyncify;
mod asyncify_linked;
mod asyncify_references;
mod buffers;
mod carried;
mod driven;
mod invoke;
mod linked;
mod no_memory;
mod release;
mod resume_module;
mod stale;
mod tails;
mod top;
mod wide;

use crate::exec::program::{FUEL, engine};
use std::ops::Range;
use std::sync::Arc;
use wasm_fork::Optimize;
use wasmtime::{Caller, Func, Instance, Linker, Memory, Module, Result, Store, Trap, Val};

pub const NORMAL: i32 = 0;
pub const UNWINDING: i32 = 1;
pub const REWINDING: i32 = 2;
pub const NO_ROOM: i32 = 3;

/// What the entry returns once the stack is back, and when it could not be saved.
pub const ANSWER: i32 = 5;
pub const FAILURE: i32 = -11;

/// What a host does in the entry, in the normal state.
type Begin = Arc<dyn Fn(&mut Caller<'_, Kept>) -> Result<()> + Send + Sync>;

/// What the host keeps in the store.
pub struct Kept {
    begin: Begin,
    /// How many times there was no room.
    pub no_room: usize,
    /// Whether the entry returns without ending the rewind.
    pub forgets_to_end: bool,
}

/// An instance of a module whose entry is `env.fork`, without arguments, and whose memory is exported.
pub struct Host {
    pub store: Store<Kept>,
    pub instance: Instance,
    pub memory: Memory,
    /// The size of an address in bytes.
    pub address_bytes: usize,
}

/// Instruments a module with the entry `env.fork`, once for each form of functions, and compiles it.
pub fn instrumented(wat: &str) -> [Module; 2] {
    instrumented_with(wat, &wasm_fork::Options::default())
}

/// The same with other options.
pub fn instrumented_with(wat: &str, options: &wasm_fork::Options) -> [Module; 2] {
    [Optimize::Size, Optimize::Speed].map(|optimize| {
        let options = options.clone();
        let options =
            options.entries([wasm_fork::EntryPattern::exact("env", "fork")]).optimize(optimize);
        let wasm = wasm_fork::instrument(wat.as_bytes(), &options).unwrap().wasm;
        Module::from_binary(engine(), &wasm).unwrap()
    })
}

/// The same for a module whose memory may have 32-bit addresses, and so many pages, and for one with 64-bit addresses.
pub fn instrumented_narrow_and_wide(wat: &str) -> Vec<Module> {
    assert!(wat.contains("(memory (export \"memory\") "));
    let wide = wat.replace("(memory (export \"memory\") ", "(memory (export \"memory\") i64 ");
    [instrumented(wat), instrumented(&wide)].concat()
}

impl Host {
    /// A new instance of one of the modules that [`instrumented`] made.
    pub fn new(module: &Module) -> Host {
        let kept = Kept { begin: Arc::new(|_| Ok(())), no_room: 0, forgets_to_end: false };
        let mut store = Store::new(engine(), kept);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine());
        linker.func_wrap("env", "fork", fork).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let address_bytes = if memory.ty(&store).is_64() { 8 } else { 4 };
        Host { store, instance, memory, address_bytes }
    }

    /// From now on the entry unwinds to this buffer, with these bytes as its `end`.
    pub fn unwind_to(&mut self, buffer: u64, end: u64) {
        self.unwind_and(buffer, end, |_, _| Ok(()));
    }

    /// The same, and then does something to the memory.
    pub fn unwind_and(
        &mut self,
        buffer: u64,
        end: u64,
        then: impl Fn(&mut Caller<'_, Kept>, Memory) -> Result<()> + Send + Sync + 'static,
    ) {
        let (address_bytes, address) = (self.address_bytes, self.address(buffer));
        self.store.data_mut().no_room = 0;
        self.store.data_mut().begin = Arc::new(move |caller| {
            let memory = caller.get_export("memory").unwrap().into_memory().unwrap();
            // Where the header is not in the memory, there is nowhere to put it.
            let at = (buffer as usize).wrapping_add(address_bytes);
            let _ = memory.write(&mut *caller, at, &end.to_le_bytes()[..address_bytes]);
            let begin = func(caller, "wpk_fork_unwind_begin");
            begin.call(&mut *caller, &[address], &mut [])?;
            then(caller, memory)
        });
    }

    pub fn call(&mut self, name: &str, args: &[i32]) -> Result<i32> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let args: Vec<_> = args.iter().map(|arg| Val::I32(*arg)).collect();
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &args, &mut results)?;
        Ok(results.first().map_or(0, Val::unwrap_i32))
    }

    pub fn state(&mut self) -> i32 {
        self.call("wpk_fork_state", &[]).unwrap()
    }

    /// Calls what takes the address of a buffer.
    pub fn begin(&mut self, name: &str, buffer: u64) -> Result<()> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let address = self.address(buffer);
        func.call(&mut self.store, &[address], &mut [])
    }

    /// An address as a value of the program.
    pub fn address(&self, at: u64) -> Val {
        match self.address_bytes {
            8 => Val::I64(at as i64),
            _ => Val::I32(at as i32),
        }
    }

    /// The largest address.
    pub fn last_address(&self) -> u64 {
        u64::MAX >> (64 - 8 * self.address_bytes)
    }

    /// The size of the least buffer, which has room for `pos` and `end`.
    pub fn header_bytes(&self) -> u64 {
        2 * self.address_bytes as u64
    }

    /// The address that is in memory there.
    pub fn read(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read(&self.store, at as usize, &mut bytes[..self.address_bytes]).unwrap();
        u64::from_le_bytes(bytes)
    }

    /// Puts an address into memory.
    pub fn write(&mut self, at: u64, value: u64) {
        let bytes = value.to_le_bytes();
        self.memory.write(&mut self.store, at as usize, &bytes[..self.address_bytes]).unwrap();
    }

    pub fn fill(&mut self, range: Range<usize>, byte: u8) {
        self.memory.data_mut(&mut self.store)[range].fill(byte);
    }

    /// Whether all bytes in the range are the same as one.
    pub fn is_filled(&self, range: Range<usize>, byte: u8) -> bool {
        self.memory.data(&self.store)[range].iter().all(|other| *other == byte)
    }
}

fn func(caller: &mut Caller<'_, Kept>, name: &str) -> Func {
    caller.get_export(name).and_then(wasmtime::Extern::into_func).unwrap()
}

fn fork(mut caller: Caller<'_, Kept>) -> Result<i32> {
    let mut state = [Val::I32(0)];
    func(&mut caller, "wpk_fork_state").call(&mut caller, &[], &mut state)?;
    let end = func(&mut caller, "wpk_fork_rewind_end");
    match state[0].unwrap_i32() {
        NORMAL => {
            let begin = caller.data().begin.clone();
            begin(&mut caller)?;
            Ok(0x6ba_5ba6)
        }
        REWINDING if caller.data().forgets_to_end => Ok(ANSWER),
        REWINDING => {
            end.call(&mut caller, &[], &mut [])?;
            Ok(ANSWER)
        }
        NO_ROOM => {
            caller.data_mut().no_room += 1;
            end.call(&mut caller, &[], &mut [])?;
            Ok(FAILURE)
        }
        state => panic!("the entry is called in state {state}"),
    }
}

/// That a call ended in a trap, of whatever kind.
#[track_caller]
pub fn assert_traps<T: std::fmt::Debug>(outcome: Result<T>, what: &str) {
    match outcome {
        Err(error) if error.is::<Trap>() => {}
        other => panic!("{what}: {other:?}"),
    }
}
