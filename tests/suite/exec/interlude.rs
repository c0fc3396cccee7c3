//! Other exports that run while a stack is away: as when a host serves requests while the program
//! sleeps. What they do must last.

use super::program::Invoke;
use super::session::Host;
use super::value;
use wasmtime::{AsContextMut, Extern, Result, ThrownException, Trap, Val, ensure, format_err};

/// Calls all of them, and records what comes of it.
pub fn call_all<C: AsContextMut<Data = Host>>(
    context: &mut C,
    mut export: impl FnMut(&mut C, &str) -> Option<Extern>,
) -> Result<()> {
    for invoke in context.as_context().data().protocol.interludes.clone() {
        let func = export(context, &invoke.export).and_then(Extern::into_func);
        let func = func.ok_or_else(|| format_err!("no function is exported: {invoke:?}"))?;
        let ty = func.ty(&*context);
        let args = parse_args(ty.params(), &invoke)?;
        let mut results: Vec<_> = ty.results().map(|ty| value::of_int(&ty, 0)).collect();
        let outcome = func.call(&mut *context, &args, &mut results);
        let shown = show(&mut *context, outcome, &results)?;
        let event = format!("  interlude {} = {shown}", invoke.export);
        context.as_context_mut().data_mut().world.events.push(event);
    }
    Ok(())
}

/// The arguments of a call as values of the function's types.
pub fn parse_args(
    types: impl ExactSizeIterator<Item = wasmtime::ValType>,
    invoke: &Invoke,
) -> Result<Vec<Val>> {
    let (count, Invoke { export, args }) = (types.len(), invoke);
    ensure!(count == args.len(), "{export} takes {count} arguments");
    let parsed = types.zip(args).map(|(ty, arg)| value::parse(&ty, arg));
    parsed.map(|arg| arg.map_err(|e| format_err!("{e}"))).collect()
}

/// How a call ended, as text that can be compared.
pub fn show(
    mut context: impl AsContextMut,
    outcome: Result<()>,
    results: &[Val],
) -> Result<String> {
    match outcome {
        Ok(()) => Ok(format!("({})", value::show_all(results))),
        Err(error) if error.is::<ThrownException>() => {
            context.as_context_mut().take_pending_exception();
            Ok("exception".into())
        }
        Err(error) => match error.downcast_ref::<Trap>() {
            // How far these are depends on the code's size, so they can't be compared.
            Some(Trap::OutOfFuel | Trap::StackOverflow) | None => Err(error),
            Some(trap) => Ok(format!("trap: {trap}")),
        },
    }
}
