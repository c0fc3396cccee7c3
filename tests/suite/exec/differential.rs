//! Runs an original once, and its instrumented form in every way a host may unwind and rewind it.
//! All of them must look the same from outside.

pub use super::drive::Observation;
use super::drive::{Run, Step};
use super::entry::{Limit, Policy, When};
use super::no_room;
use super::program::{Binary, Effort, Program, Spec};
use super::world::{Answer, World};
use std::collections::BTreeMap;
use wasmtime::{Result, ensure};

/// An original and its instrumented form.
pub struct Case<'a> {
    pub original: Program<'a>,
    pub rewritten: Program<'a>,
    /// What the original does.
    pub reference: Observation,
    /// How many times it calls an entry.
    pub entry_calls: usize,
}

/// Runs an original alone. Returns what it does and how many times it calls an entry.
pub fn reference(original: &[u8], spec: &Spec) -> Result<(Observation, usize), String> {
    let original = Program::new(original.into(), spec)
        .map_err(|e| format!("the engine refuses the original: {e:#}"))?;
    run_original(&original, spec.world()).map_err(|e| format!("the original: {e:#}"))
}

/// Compares the two modules in every way. Returns the bytes of frames at each call that was tried.
pub fn check<'b>(
    original: &'b [u8],
    rewritten: impl Into<Binary<'b>>,
    spec: &Spec,
) -> Result<Vec<usize>, String> {
    let case = Case::new(original.into(), rewritten.into(), spec)?;
    case.compare("never unwinding", Policy::default(), |_| Ok(()))?;
    let mut frame_bytes = Vec::new();
    for call in case.calls_to_try() {
        frame_bytes.push(case.check_call(call)?);
    }
    if spec.effort == Effort::Full {
        case.check_every_call()?;
    }
    Ok(frame_bytes)
}

/// Compares the two modules in every way that the `asyncify` ABI has, with buffers that are large enough.
///
/// `copies`: a copy of the memory is all that a fresh instance needs.
pub fn check_asyncify(
    original: &[u8],
    rewritten: &[u8],
    spec: &Spec,
    copies: bool,
) -> Result<(), String> {
    let case = Case::new(original.into(), rewritten.into(), spec)?;
    case.compare("never unwinding", Policy::default(), |_| Ok(()))?;
    for call in case.calls_to_try() {
        let at = Policy { when: When::At(call), ..Policy::default() };
        let reserve = Policy { reserve_bytes: 48, ..at.clone() };
        let name = |way: &str| format!("unwinding at entry call {call}, {way}");
        case.compare(&name("same instance"), at.clone(), |_| Ok(()))?;
        case.compare(&name("pos moved by the host"), reserve, |_| Ok(()))?;
        case.compare(&name("buffer moved"), at.clone(), |run| run.relocate())?;
        case.check_resume(&name("resumed"), When::At(call))?;
        if copies && !spec.same_instance_only && !spec.keeps_references {
            case.compare(&name("fresh instance"), at.clone(), |run| run.migrate())?;
        }
        if copies && !spec.same_instance_only {
            case.check_twice(call, at).map_err(|e| format!("{}: {e}", name("twice")))?;
        }
    }
    case.check_every_call_in_place()
}

impl<'a> Case<'a> {
    pub fn new(
        original: Binary<'_>,
        rewritten: Binary<'_>,
        spec: &'a Spec,
    ) -> Result<Self, String> {
        let original = Program::new(original, spec)
            .map_err(|e| format!("the engine refuses the original: {e:#}"))?;
        let rewritten = Program::new(rewritten, spec)
            .map_err(|e| format!("the engine refuses the instrumented module: {e:#}"))?;
        let (reference, entry_calls) =
            run_original(&original, spec.world()).map_err(|e| format!("the original: {e:#}"))?;
        Ok(Case { original, rewritten, reference, entry_calls })
    }

    pub fn world(&self) -> World {
        self.original.spec.world()
    }

    /// What the original does if its host calls the interludes at these entry calls.
    fn original_with_interludes(&self, when: When) -> Result<Observation, String> {
        let policy = Policy { when, interludes: true, ..Policy::default() };
        let run = run_with(&self.original, self.world(), policy);
        Ok(run.map_err(|e| format!("the original with interludes: {e:#}"))?.0)
    }

    /// What the original does if entry call `call` gets `answer`.
    pub fn original_with(&self, call: usize, answer: Answer) -> Result<Observation, String> {
        self.original_answered(BTreeMap::from([(call, answer)]))
    }

    /// What the original does if its entry calls get these answers.
    pub fn original_answered(
        &self,
        answers: BTreeMap<usize, Answer>,
    ) -> Result<Observation, String> {
        let text = format!("the original with {answers:?}");
        let run = run_original(&self.original, World { answers, ..self.world() });
        Ok(run.map_err(|e| format!("{text}: {e:#}"))?.0)
    }

    pub fn calls_to_try(&self) -> impl Iterator<Item = usize> + use<> {
        let step = self.entry_calls.div_ceil(self.original.spec.effort.calls()).max(1);
        (0..self.entry_calls).step_by(step)
    }

    /// Unwinds at one entry call, in every way. Returns how many bytes the frames took.
    fn check_call(&self, call: usize) -> Result<usize, String> {
        if self.original.spec.undone {
            return self.check_undone(call);
        }
        let at = Policy { when: When::At(call), ..Policy::default() };
        let unknown = Policy { limit: Limit::Unknown, ..at.clone() };
        let misuse = Policy { misuse: true, ..at.clone() };
        let reserve = Policy { reserve_bytes: 48, ..at.clone() };
        let name = |way: &str| format!("unwinding at entry call {call}, {way}");
        let mut frame_bytes = 0;
        self.compare(&name("same instance"), at.clone(), |run| {
            frame_bytes = run.paused_frame_bytes();
            Ok(())
        })?;
        self.compare(&name("limit unknown"), unknown, |_| Ok(()))?;
        self.compare(&name("calling what the state forbids"), misuse, |_| Ok(()))?;
        self.compare(&name("pos moved by the host"), reserve, |_| Ok(()))?;
        self.compare(&name("buffer moved"), at.clone(), |run| run.relocate())?;
        self.check_resume(&name("resumed"), When::At(call))?;
        no_room::check(self, call)?;
        let spec = self.original.spec;
        if !spec.same_instance_only {
            if !spec.keeps_references {
                self.compare(&name("fresh instance"), at.clone(), |run| run.migrate())?;
            }
            self.check_twice(call, at).map_err(|e| format!("{}: {e}", name("twice")))?;
        }
        Ok(frame_bytes)
    }

    /// Begins an unwind at one entry call: it is undone, and the entry fails.
    fn check_undone(&self, call: usize) -> Result<usize, String> {
        let say = |e: String| format!("undone at entry call {call}: {e}");
        for limit in [Limit::True, Limit::Bytes(64), Limit::Bytes(16)] {
            let policy = Policy { when: When::At(call), limit, ..Policy::default() };
            let run = Run::new(&self.rewritten, self.world(), policy);
            let run = run.and_then(|mut run| {
                ensure!(run.advance()? == Step::Done, "the stack was unwound");
                run.observe()
            });
            let observed = run.map_err(|e| say(format!("{e:#}")))?;
            let expected = self.original_with(call, Answer::Error)?;
            if let Some(diff) = difference(&expected, &observed) {
                return Err(say(diff));
            }
        }
        Ok(1)
    }

    fn check_every_call(&self) -> Result<(), String> {
        if self.original.spec.undone {
            return Ok(());
        }
        self.check_every_call_in_place()?;
        let every = Policy { when: When::Every, ..Policy::default() };
        let Spec { keeps_references, carries_references, .. } = *self.original.spec;
        let release = Policy { release: true, ..every.clone() };
        if keeps_references || carries_references {
            self.compare("unwinding at every call, released", release.clone(), |_| Ok(()))?;
        }
        if carries_references {
            let way = "unwinding at every call, released, fresh instances";
            self.compare(way, release, |run| run.migrate())?;
        }
        if !self.original.spec.same_instance_only && !self.original.spec.keeps_references {
            self.compare("unwinding at every call, fresh instances", every, |run| run.migrate())?;
        }
        Ok(())
    }

    fn check_every_call_in_place(&self) -> Result<(), String> {
        let every = Policy { when: When::Every, ..Policy::default() };
        self.compare("unwinding at every call, same instance", every, |_| Ok(()))?;
        self.check_resume("unwinding at every call, resumed", When::Every)
    }

    /// Rewinds in the same instance without restoring its globals, also after other exports ran in it.
    fn check_resume(&self, way: &str, when: When) -> Result<(), String> {
        let policy = Policy { when, resume: true, ..Policy::default() };
        self.compare(way, policy.clone(), |_| Ok(()))?;
        if self.original.spec.interludes.is_empty() {
            return Ok(());
        }
        let expected = self.original_with_interludes(when)?;
        let way = format!("{way} after interludes");
        self.compare_with(&expected, &way, policy, |run| run.interlude())
    }

    fn compare(
        &self,
        way: &str,
        policy: Policy,
        between: impl FnMut(&mut Run<'_>) -> Result<()>,
    ) -> Result<(), String> {
        self.compare_with(&self.reference, way, policy, between)
    }

    fn compare_with(
        &self,
        expected: &Observation,
        way: &str,
        policy: Policy,
        between: impl FnMut(&mut Run<'_>) -> Result<()>,
    ) -> Result<(), String> {
        let observed = Run::new(&self.rewritten, self.world(), policy)
            .and_then(|run| run.finish(between))
            .map_err(|e| format!("{way}: {e:#}"))?;
        match difference(expected, &observed) {
            None => Ok(()),
            Some(diff) => Err(format!("{way}: {diff}")),
        }
    }

    /// One unwind, rewound three times: in a child with another answer, in the parent, and after
    /// the parent has ended, in its instance once more with the child's answer.
    fn check_twice(&self, call: usize, policy: Policy) -> Result<(), String> {
        let in_child = self.original_with(call, Answer::Child)?;
        let pause = || -> Result<Run<'_>> {
            let mut run = Run::new(&self.rewritten, self.world(), policy)?;
            let step = run.advance()?;
            ensure!(step == Step::Paused, "the program ended before this call");
            Ok(run)
        };
        let rewinds = || -> Result<Vec<(&str, &Observation, Observation)>> {
            let mut parent = pause()?;
            let mut runs = Vec::new();
            if !self.original.spec.keeps_references {
                let child = parent.child(Answer::Child)?.finish(|_| Ok(()))?;
                runs.push(("the child", &in_child, child));
            }
            let snapshot = parent.snapshot();
            parent.resume()?;
            runs.push(("the parent", &self.reference, parent.observe()?));
            if parent.restore(&snapshot)? {
                parent.set_answer(Answer::Child)?;
                parent.resume()?;
                runs.push(("the parent's instance again", &in_child, parent.observe()?));
            }
            Ok(runs)
        };
        for (who, expected, observed) in rewinds().map_err(|e| format!("{e:#}"))? {
            if let Some(diff) = difference(expected, &observed) {
                return Err(format!("{who}: {diff}"));
            }
        }
        Ok(())
    }
}

impl Spec {
    /// The world that a run of the program begins in.
    pub fn world(&self) -> World {
        World { script: self.script.clone(), ..World::default() }
    }
}

fn run_original(program: &Program<'_>, world: World) -> Result<(Observation, usize)> {
    run_with(program, world, Policy::default())
}

fn run_with(program: &Program<'_>, world: World, policy: Policy) -> Result<(Observation, usize)> {
    let mut run = Run::new(program, world, policy)?;
    let step = run.advance()?;
    ensure!(step == Step::Done, "it unwound");
    let entry_calls = run.session.store.data().world.entry_calls;
    Ok((run.observe()?, entry_calls))
}

/// The first thing in which two runs differ.
pub fn difference(expected: &Observation, observed: &Observation) -> Option<String> {
    first_difference("an import", &expected.events, &observed.events)
        .or_else(|| first_difference("an export", &expected.outcomes, &observed.outcomes))
        .or_else(|| first_difference("a global", &expected.globals, &observed.globals))
        .or_else(|| {
            let memories = expected.memories.iter().zip(&observed.memories);
            memories.into_iter().find_map(|(a, b)| memory_difference(a, b))
        })
}

fn first_difference(what: &str, expected: &[String], observed: &[String]) -> Option<String> {
    let count = expected.len().max(observed.len());
    let at = (0..count).find(|&i| expected.get(i) != observed.get(i))?;
    let show = |texts: &[String]| texts.get(at).map_or("nothing".into(), |t| format!("`{t}`"));
    Some(format!(
        "{what} differs (number {at}): the original gives {}, this run {}",
        show(expected),
        show(observed)
    ))
}

fn memory_difference(expected: &[u8], observed: &[u8]) -> Option<String> {
    if expected.len() != observed.len() {
        let (a, b) = (expected.len(), observed.len());
        return Some(format!("the memory has {a} bytes in the original, {b} in this run"));
    }
    let at = expected.iter().zip(observed).position(|(a, b)| a != b)?;
    Some(format!(
        "the memory differs at {at:#x}: {:#04x} in the original, {:#04x} in this run",
        expected[at], observed[at]
    ))
}
