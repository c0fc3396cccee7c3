//! Calls of the ABI that the state forbids: each must trap and change nothing.

use super::entry::{NORMAL, UNWINDING};
use super::session::Abi;
use wasmtime::{AsContextMut, Func, Result, Trap, Val, ensure};

/// In the normal state nothing can be ended.
pub fn in_normal_state(mut store: impl AsContextMut, abi: &Abi) -> Result<()> {
    must_trap(&mut store, abi, "unwind_end", abi.unwind_end, None)?;
    must_trap(&mut store, abi, "rewind_end", abi.rewind_end, None)?;
    let state = abi.state(&mut store)?;
    ensure!(state == NORMAL, "state {state} instead of normal");
    Ok(())
}

/// While unwinding nothing can begin, and no rewind can end.
pub fn while_unwinding(mut store: impl AsContextMut, abi: &Abi, buffer: Val) -> Result<()> {
    must_trap(&mut store, abi, "unwind_begin", abi.unwind_begin, Some(&buffer))?;
    must_trap(&mut store, abi, "rewind_begin", abi.rewind_begin, Some(&buffer))?;
    must_trap(&mut store, abi, "resume_begin", abi.resume_begin, Some(&buffer))?;
    must_trap(&mut store, abi, "rewind_end", abi.rewind_end, None)?;
    let state = abi.state(&mut store)?;
    ensure!(state == UNWINDING, "state {state} instead of unwinding");
    Ok(())
}

/// While rewinding (or undoing an unwind that had no room) nothing can begin, and no unwind can end.
pub fn while_rewinding(mut store: impl AsContextMut, abi: &Abi, buffer: Val) -> Result<()> {
    let before = abi.state(&mut store)?;
    must_trap(&mut store, abi, "unwind_begin", abi.unwind_begin, Some(&buffer))?;
    must_trap(&mut store, abi, "rewind_begin", abi.rewind_begin, Some(&buffer))?;
    must_trap(&mut store, abi, "resume_begin", abi.resume_begin, Some(&buffer))?;
    must_trap(&mut store, abi, "unwind_end", abi.unwind_end, None)?;
    let after = abi.state(&mut store)?;
    ensure!(before == after, "state {after} instead of {before}");
    Ok(())
}

fn must_trap(
    mut store: impl AsContextMut,
    abi: &Abi,
    name: &str,
    func: Func,
    buffer: Option<&Val>,
) -> Result<()> {
    let state = abi.state(&mut store)?;
    let args: Vec<_> = buffer.copied().into_iter().collect();
    match func.call(&mut store, &args, &mut []) {
        Err(error) if error.is::<Trap>() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(wasmtime::format_err!("{name} does not trap in state {state}")),
    }
}
