//! Runs a program: calls its exports one after the other, as a host does that unwinds and rewinds.

use super::entry::{NORMAL, Pending, Phase, Policy, REWINDING, UNWINDING};
use super::interlude;
use super::memory::{Mem, POISON};
use super::misuse;
use super::program::Program;
use super::session::Session;
use super::value;
use super::world::{Answer, World};
use wasmtime::{Result, Val, bail, ensure, format_err};

/// Whether a run has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Done,
    /// An entry call unwound to the host.
    Paused,
}

/// What can be seen of a run from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Each export called, with results, trap or exception.
    pub outcomes: Vec<String>,
    /// Each import called, with arguments.
    pub events: Vec<String>,
    pub globals: Vec<String>,
    /// The program's memories; the region of the buffer is zeroed.
    pub memories: Vec<Vec<u8>>,
}

/// A program on its way.
pub struct Run<'p> {
    pub session: Session<'p>,
    outcomes: Vec<String>,
    /// Which of the program's calls is running, or comes next.
    next: usize,
}

/// What a host needs to bring a paused run back, in the same instance.
pub struct Snapshot {
    memories: Vec<Vec<u8>>,
    globals: Vec<Val>,
    world: World,
    phase: Phase,
    outcomes: Vec<String>,
    next: usize,
}

impl<'p> Run<'p> {
    pub fn new(program: &'p Program<'p>, world: World, mut policy: Policy) -> Result<Self> {
        policy.rewinds_once |= program.spec.rewinds_once;
        let mut session = Session::new(program, world)?;
        session.store.data_mut().protocol.policy = policy;
        Ok(Run { session, outcomes: Vec::new(), next: 0 })
    }

    /// Calls export after export, until the last has returned or one has unwound.
    pub fn advance(&mut self) -> Result<Step> {
        while let Some(invoke) = self.session.program.spec.invokes.get(self.next) {
            let (func, types) = self.export(&invoke.export)?;
            let args = interlude::parse_args(types.into_iter(), invoke)?;
            if self.call(func, &args)? == Step::Paused {
                return Ok(Step::Paused);
            }
        }
        Ok(Step::Done)
    }

    /// Rewinds a paused run, with any arguments, and goes on as [`Run::advance`].
    pub fn resume(&mut self) -> Result<Step> {
        let Phase::Rewinding(pending) = self.session.store.data().protocol.phase.clone() else {
            bail!("only a paused run can be rewound");
        };
        let abi = self.session.abi();
        let store = &mut self.session.store;
        let resume = store.data().protocol.policy.resume;
        let (name, begin) = match resume {
            true => ("resume_begin", abi.resume_begin),
            false => ("rewind_begin", abi.rewind_begin),
        };
        let buffer = store.data().protocol.memory().address(pending.buffer);
        begin.call(&mut *store, &[buffer], &mut [])?;
        let state = abi.state(&mut *store)?;
        ensure!(state == REWINDING, "{name} leaves state {state}");
        if store.data().protocol.policy.misuse {
            misuse::while_rewinding(&mut *store, &abi, buffer)?;
        }
        let invoke = &self.session.program.spec.invokes[self.next];
        let (func, types) = self.export(&invoke.export)?;
        let args: Vec<_> = types.iter().map(value::garbage).collect();
        match self.call(func, &args)? {
            Step::Paused => Ok(Step::Paused),
            Step::Done => self.advance(),
        }
    }

    /// Runs to the end, rewinding wherever the policy unwinds; `between` acts on the paused run.
    pub fn finish(
        mut self,
        mut between: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Observation> {
        let mut step = match &self.session.store.data().protocol.phase {
            Phase::Normal => self.advance()?,
            _ => self.resume()?,
        };
        while step == Step::Paused {
            between(&mut self)?;
            step = self.resume()?;
        }
        self.observe()
    }

    /// Whether its stack is in memory.
    pub fn is_paused(&self) -> bool {
        matches!(self.session.store.data().protocol.phase, Phase::Rewinding(_))
    }

    fn export(&mut self, name: &str) -> Result<(wasmtime::Func, Vec<wasmtime::ValType>)> {
        let session = &mut self.session;
        let func = session
            .instance
            .get_func(&mut session.store, name)
            .ok_or_else(|| format_err!("no function is exported as {name}"))?;
        Ok((func, func.ty(&session.store).params().collect()))
    }

    fn call(&mut self, func: wasmtime::Func, args: &[Val]) -> Result<Step> {
        let store = &mut self.session.store;
        let mut results: Vec<_> =
            func.ty(&*store).results().map(|ty| value::of_int(&ty, 0)).collect();
        let outcome = func.call(&mut *store, args, &mut results);
        if let Phase::Unwinding(pending) = std::mem::take(&mut store.data_mut().protocol.phase) {
            outcome.map_err(|e| format_err!("unwinding ended in an error: {e}"))?;
            self.end_unwind(pending)?;
            return Ok(Step::Paused);
        }
        ensure!(
            matches!(store.data().protocol.phase, Phase::Normal),
            "the export returned and the entry was not called again: {outcome:?}"
        );
        let shown = interlude::show(&mut *store, outcome, &results)?;
        let name = &self.session.program.spec.invokes[self.next].export;
        self.outcomes.push(format!("{name} = {shown}"));
        self.next += 1;
        self.must_be_normal()?;
        Ok(Step::Done)
    }

    fn must_be_normal(&mut self) -> Result<()> {
        let store = &mut self.session.store;
        if let Some(abi) = store.data().protocol.abi {
            let state = abi.state(&mut *store)?;
            ensure!(state == NORMAL, "state {state} after the export returned");
        }
        Ok(())
    }

    fn end_unwind(&mut self, mut pending: Pending) -> Result<()> {
        let abi = self.session.abi();
        let store = &mut self.session.store;
        let state = abi.state(&mut *store)?;
        ensure!(state == UNWINDING, "state {state} when the outermost frame returned");
        if store.data().protocol.policy.misuse {
            let buffer = store.data().protocol.memory().address(pending.buffer);
            misuse::while_unwinding(&mut *store, &abi, buffer)?;
        }
        abi.unwind_end.call(&mut *store, &[], &mut [])?;
        self.must_be_normal()?;
        let used = self.used_by_frames(&pending)?;
        let memory = self.session.frame_memory();
        let frames = pending.buffer + memory.header_bytes()..pending.buffer + used;
        pending.frames = memory.read(&self.session.store, frames);
        self.session.store.data_mut().protocol.phase = Phase::Rewinding(pending);
        Ok(())
    }

    /// How many bytes of the buffer are in use. Nothing beyond may have been written.
    fn used_by_frames(&self, pending: &Pending) -> Result<usize> {
        let (store, region) = (&self.session.store, &self.session.region);
        let memory = self.session.frame_memory();
        let pos = memory.read_address(store, pending.buffer);
        let usable = store.data().protocol.usable(pending.buffer);
        ensure!(
            pos >= pending.buffer + pending.start_pos && pos <= usable.end,
            "pos is {pos:#x}, outside the buffer {usable:#x?}"
        );
        let bytes = memory.read(store, region.whole.clone());
        match region.first_stray_write(&bytes, &(pending.buffer..pos)) {
            None => Ok(pos - pending.buffer),
            Some(at) => bail!("a byte outside the frames was written, at {at:#x}; pos is {pos:#x}"),
        }
    }

    /// The size of the least buffer.
    pub fn header_bytes(&self) -> usize {
        self.session.frame_memory().header_bytes()
    }

    /// How many bytes of frames (and saved globals) the paused run has in its buffer, with header.
    pub fn paused_bytes(&self) -> usize {
        match &self.session.store.data().protocol.phase {
            Phase::Rewinding(pending) => self.header_bytes() + pending.frames.len(),
            _ => 0,
        }
    }

    /// How many bytes of frames the paused run has, without header and saved globals.
    pub fn paused_frame_bytes(&self) -> usize {
        match &self.session.store.data().protocol.phase {
            Phase::Rewinding(pending) => {
                self.header_bytes() + pending.frames.len() - pending.start_pos
            }
            _ => 0,
        }
    }

    /// Calls the program's interludes on a paused run.
    pub fn interlude(&mut self) -> Result<()> {
        let instance = self.session.instance;
        interlude::call_all(&mut self.session.store, |store, name| instance.get_export(store, name))
    }

    /// Moves the paused run to a fresh instance.
    pub fn migrate(&mut self) -> Result<()> {
        self.session = self.session.copy()?;
        Ok(())
    }

    /// A second run in a fresh instance, as fork makes one, whose entry returns `answer`.
    pub fn child(&mut self, answer: Answer) -> Result<Run<'p>> {
        let mut child =
            Run { session: self.session.copy()?, outcomes: self.outcomes.clone(), next: self.next };
        child.set_answer(answer)?;
        Ok(child)
    }

    /// Lets the pending entry call return another value than it would.
    pub fn set_answer(&mut self, answer: Answer) -> Result<()> {
        let host = self.session.store.data_mut();
        let Phase::Rewinding(pending) = &host.protocol.phase else {
            bail!("only a paused run has a pending entry call");
        };
        host.world.answers.insert(pending.ordinal, answer);
        Ok(())
    }

    /// Moves the buffer of a paused run to another address, and poisons the old one. Does nothing
    /// if the region is too small for that.
    pub fn relocate(&mut self) -> Result<()> {
        let used = self.paused_bytes();
        let Some(to) = self.session.region.elsewhere(used) else {
            return Ok(());
        };
        let (memory, region) = (self.session.frame_memory(), self.session.region.clone());
        let store = &mut self.session.store;
        let Phase::Rewinding(pending) = &mut store.data_mut().protocol.phase else {
            bail!("only a paused run has frames to move");
        };
        let from = std::mem::replace(&mut pending.buffer, to);
        let bytes = memory.read(&*store, from..from + used);
        memory.write(&mut *store, region.whole.start, &vec![POISON; region.whole.len()]);
        memory.write(&mut *store, to, &bytes);
        memory.write_address(&mut *store, to, to + used);
        memory.write_address(&mut *store, to + memory.end_offset(), region.buffer().end);
        Ok(())
    }

    pub fn snapshot(&mut self) -> Snapshot {
        let host = self.session.store.data();
        Snapshot {
            world: host.world.clone(),
            phase: host.protocol.phase.clone(),
            outcomes: self.outcomes.clone(),
            next: self.next,
            memories: self.session.memory_bytes(),
            globals: self.session.imported_global_values(),
        }
    }

    /// Brings the same instance back to where it was paused. What the module's own globals hold
    /// must come from the buffer. False if that is impossible, because the memory has grown since.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<bool> {
        let session = &mut self.session;
        let has_grown =
            |(memory, bytes): (&Mem, &Vec<u8>)| memory.len(&session.store) != bytes.len();
        if session.memories.iter().zip(&snapshot.memories).any(has_grown) {
            return Ok(false);
        }
        for (memory, bytes) in session.memories.iter().zip(&snapshot.memories) {
            memory.write(&mut session.store, 0, bytes);
        }
        session.set_imported_globals(&snapshot.globals)?;
        let host = session.store.data_mut();
        host.world = snapshot.world.clone();
        host.protocol.phase = snapshot.phase.clone();
        self.outcomes = snapshot.outcomes.clone();
        self.next = snapshot.next;
        Ok(true)
    }

    pub fn observe(&mut self) -> Result<Observation> {
        let memories = self.session.program_memory_bytes();
        Ok(Observation {
            outcomes: self.outcomes.clone(),
            events: self.session.store.data().world.events.clone(),
            globals: self.session.exported_globals(),
            memories,
        })
    }
}
