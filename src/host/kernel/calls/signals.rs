//! Signals: struct k_sigaction is { handler, flags, restorer, mask (8 bytes) }.

use super::{Args, Result, Sys};
use crate::host::kernel::errno::Errno;
use crate::host::kernel::signals::{Action, COUNT, SIGALRM};
use crate::host::kernel::state::Alarm;
use std::time::{Duration, Instant};

const SA_SIGINFO: u32 = 4;
const SA_RESETHAND: u32 = 0x8000_0000;

pub(super) fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Option<Result> {
    let [a, b, c, ..] = args;
    Some(match number {
        37 => kill(sys, a, b),
        238 => kill(sys, a, b),
        270 => kill(sys, b, c),
        174 => action(sys, a, b as u32, c as u32),
        175 => mask(sys, a, b as u32, c as u32),
        176 => pending(sys, a as u32),
        179 => suspend(sys, a as u32),
        173 => returned(sys),
        29 => pause(sys),
        104 => set_alarm(sys, a, b as u32, c as u32),
        _ => return None,
    })
}

/// Writes the next signal to deliver (number, handler, whether it takes a siginfo) to `at`; returns 0 for none.
pub(super) fn next(sys: &mut Sys<'_>, at: u32) -> Result {
    let next = {
        let mut state = sys.state();
        let signals = &mut state.process_mut(sys.pid)?.signals;
        let next = signals.next();
        if let Some((signal, action)) = next.filter(|(_, action)| action.flags & SA_RESETHAND != 0)
        {
            signals.set_action(signal, Action { handler: 0, ..action });
        }
        next
    };
    let Some((signal, Action { handler, flags })) = next else { return Ok(0) };
    sys.memory.set_i32(at, signal)?;
    sys.memory.set_u32(at + 4, handler)?;
    sys.memory.set_u32(at + 8, u32::from(flags & SA_SIGINFO != 0))?;
    Ok(signal)
}

fn kill(sys: &Sys<'_>, pid: i32, signal: i32) -> Result {
    if !(0..COUNT).contains(&signal) {
        return Err(Errno::INVAL.into());
    }
    {
        let mut state = sys.state();
        let targets = state.targets(sys.pid, pid);
        // One that has ended is still there until somebody waits for it.
        if targets.is_empty() && !state.processes.contains_key(&pid) {
            return Err(Errno::SRCH.into());
        }
        if signal != 0 {
            for target in targets {
                sys.machine.raise(&mut state, target, signal);
            }
        }
    }
    sys.leave_if_killed()?;
    Ok(0)
}

fn action(sys: &mut Sys<'_>, signal: i32, new_at: u32, old_at: u32) -> Result {
    let old = sys.state().process(sys.pid)?.signals.action(signal);
    if new_at != 0 {
        let action =
            Action { handler: sys.memory.u32(new_at)?, flags: sys.memory.u32(new_at + 4)? };
        if !sys.state().process_mut(sys.pid)?.signals.set_action(signal, action) {
            return Err(Errno::INVAL.into());
        }
    }
    if old_at != 0 {
        sys.memory.set_u32(old_at, old.handler)?;
        sys.memory.set_u32(old_at + 4, old.flags)?;
        sys.memory.set_u64(old_at + 12, 0)?;
    }
    Ok(0)
}

fn mask(sys: &mut Sys<'_>, how: i32, new_at: u32, old_at: u32) -> Result {
    let set = if new_at == 0 { None } else { Some(sys.memory.u64(new_at)?) };
    let old = {
        let mut state = sys.state();
        let signals = &mut state.process_mut(sys.pid)?.signals;
        let old = signals.mask;
        if let Some(set) = set {
            signals.mask = match how {
                0 => old | set,
                1 => old & !set,
                2 => set,
                _ => return Err(Errno::INVAL.into()),
            };
        }
        old
    };
    if old_at != 0 {
        sys.memory.set_u64(old_at, old)?;
    }
    sys.leave_if_killed()?;
    Ok(0)
}

fn pending(sys: &mut Sys<'_>, at: u32) -> Result {
    let set = sys.state().process(sys.pid)?.signals.pending();
    sys.memory.set_u64(at, set)?;
    Ok(0)
}

/// Waits until a signal interrupts.
fn pause(sys: &Sys<'_>) -> Result {
    sys.machine.wait(sys.pid, None, |_| Ok(None))?.map_or(Ok(0), Ok)
}

fn suspend(sys: &Sys<'_>, mask_at: u32) -> Result {
    let set = sys.memory.u64(mask_at)?;
    let old = {
        let mut state = sys.state();
        std::mem::replace(&mut state.process_mut(sys.pid)?.signals.mask, set)
    };
    let result = pause(sys);
    let mut state = sys.state();
    let signals = &mut state.process_mut(sys.pid)?.signals;
    // The guest runs its handler after this call: the old mask comes back when that has returned.
    if signals.delivers {
        signals.mask_after_handler = Some(old);
    } else {
        signals.mask = old;
    }
    result
}

/// A handler has returned.
fn returned(sys: &Sys<'_>) -> Result {
    let mut state = sys.state();
    let signals = &mut state.process_mut(sys.pid)?.signals;
    signals.mask = signals.mask_after_handler.take().unwrap_or(signals.mask);
    Ok(0)
}

/// setitimer, of the real time alone: struct itimerval is interval and value, each of seconds and microseconds.
fn set_alarm(sys: &mut Sys<'_>, which: i32, new_at: u32, old_at: u32) -> Result {
    if which != 0 {
        return Err(Errno::INVAL.into());
    }
    let time = |at: u32| -> Result<Duration> {
        let (seconds, microseconds) = (sys.memory.u32(at)?, sys.memory.u32(at + 4)?);
        Ok(Duration::from_secs(seconds.into()) + Duration::from_micros(microseconds.into()))
    };
    let (interval, value) = (time(new_at)?, time(new_at + 8)?);
    let alarm = (!value.is_zero()).then(|| Alarm { at: Instant::now() + value, interval });
    let old = {
        let mut state = sys.state();
        std::mem::replace(&mut state.process_mut(sys.pid)?.alarm, alarm)
    };
    if let Some(Alarm { at, .. }) = alarm {
        ring(sys, at);
    }
    if old_at != 0 {
        let rest =
            old.map_or(Duration::ZERO, |old| old.at.saturating_duration_since(Instant::now()));
        let interval = old.map_or(Duration::ZERO, |old| old.interval);
        for (time, at) in [interval, rest].into_iter().zip([old_at, old_at + 8]) {
            sys.memory.set_u32(at, time.as_secs() as u32)?;
            sys.memory.set_u32(at + 4, time.subsec_micros())?;
        }
    }
    Ok(0)
}

/// Raises SIGALRM at that moment, unless the alarm is another by then.
fn ring(sys: &Sys<'_>, at: Instant) {
    let (machine, pid) = (sys.machine.clone(), sys.pid);
    std::thread::spawn(move || {
        let mut next = at;
        loop {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            let mut state = machine.lock();
            let Ok(process) = state.process_mut(pid) else { return };
            let Some(alarm) = process.alarm.filter(|alarm| alarm.at == next) else { return };
            let is_repeated = !alarm.interval.is_zero();
            next += alarm.interval;
            process.alarm = is_repeated.then_some(Alarm { at: next, ..alarm });
            machine.raise(&mut state, pid, SIGALRM);
            if !is_repeated {
                return;
            }
        }
    });
}
