//! Processes: what they are started with, exec, wait, exit, groups.

use super::{AT_FDCWD, Args, Result, Sys};
use crate::host::kernel::errno::Errno;
use crate::host::kernel::signals::SIGCHLD;
use crate::host::kernel::state::Image;
use crate::host::kernel::stop::{Leave, Stop};

const WNOHANG: i32 = 1;

/// As deep may scripts name each other as what runs them.
const MAX_SCRIPTS: usize = 4;

pub(super) fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Option<Result> {
    let [a, b, c, d, ..] = args;
    Some(match number {
        1 | 252 => Err(Stop::Leave(Leave::Exit((a & 255) << 8))),
        11 => exec(sys, a, b as u32, c as u32),
        7 => wait(sys, a, b as u32, c),
        114 => wait(sys, a, b as u32, c),
        284 => wait_id(sys, a, b, c as u32, d),
        20 | 224 => Ok(sys.pid),
        64 => of(sys, 0, |process| process.parent),
        65 => of(sys, 0, |process| process.group),
        132 => of(sys, a, |process| process.group),
        147 => of(sys, a, |process| process.session),
        57 => set_group(sys, a, b),
        66 => set_session(sys),
        _ => return None,
    })
}

/// Writes argc, argv…, 0, envp…, 0 and then the strings to `at`, if that fits into `capacity`; returns the size of it all in bytes.
pub(super) fn arguments(sys: &mut Sys<'_>, at: u32, capacity: i32) -> Result {
    let Image { argv, env, .. } = sys.state().process(sys.pid)?.image.clone();
    let head = 4 * (argv.len() + env.len() + 5);
    let size = head + argv.iter().chain(&env).map(|text| text.len() + 1).sum::<usize>();
    if (capacity as usize) < size || capacity < 0 {
        return Ok(size as i32);
    }
    sys.memory.bytes_mut(at, size)?.fill(0);
    sys.memory.set_u32(at, argv.len() as u32)?;
    let mut next = at + head as u32;
    for (index, text) in argv.iter().chain(&env).enumerate() {
        // The null pointer between both takes one place.
        let place = 1 + index + usize::from(index >= argv.len());
        sys.memory.set_u32(at + 4 * place as u32, next)?;
        sys.memory.write(next, text)?;
        next += text.len() as u32 + 1;
    }
    Ok(size as i32)
}

fn exec(sys: &Sys<'_>, path: i32, argv: u32, env: u32) -> Result {
    let mut path = sys.path(AT_FDCWD, path)?;
    let mut argv = sys.memory.texts(argv)?;
    let env = if env == 0 { Vec::new() } else { sys.memory.texts(env)? };
    for _ in 0..MAX_SCRIPTS {
        let contents = sys.machine.mounts.contents(&path)?;
        if contents.starts_with(b"\0asm") {
            let program = sys.machine.compiled(&path, &contents).map_err(|why| {
                eprintln!("wasm-fork: {why}");
                Errno::NOEXEC
            })?;
            let image = Image { path, argv, env };
            return Err(Stop::Leave(Leave::Exec(program, image)));
        }
        let line = contents.strip_prefix(b"#!").ok_or(Errno::NOEXEC)?;
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let (interpreter, option) = match line.trim().split_once(char::is_whitespace) {
            Some((interpreter, option)) => (interpreter, Some(option.trim())),
            None => (line.trim(), None),
        };
        let mut whole: Vec<Vec<u8>> = vec![interpreter.into()];
        whole.extend(option.map(Into::into));
        whole.push(path.into_bytes());
        whole.extend(argv.into_iter().skip(1));
        argv = whole;
        path = sys.resolved(AT_FDCWD, interpreter)?;
    }
    Err(Errno::NOEXEC.into())
}

/// Waits for one of those children that `pid` means; returns it and its status, or `None` if there is none yet.
fn wait_for(sys: &Sys<'_>, pid: i32, options: i32, keeps: bool) -> Result<Option<(i32, i32)>> {
    sys.machine
        .wait(sys.pid, None, |state| {
            let group = state.process(sys.pid)?.group;
            let mut has_children = false;
            let mut ended = None;
            for (id, child) in &state.processes {
                let is_meant = match pid {
                    -1 => true,
                    0 => child.group == group,
                    pid if pid > 0 => *id == pid,
                    pid => child.group == -pid,
                };
                if child.parent != sys.pid || !is_meant {
                    continue;
                }
                has_children = true;
                ended = ended.or(child.ended.map(|status| (*id, status)));
            }
            match ended {
                Some((id, status)) => {
                    if !keeps {
                        state.processes.remove(&id);
                    }
                    Ok(Some(Some((id, status))))
                }
                None if !has_children => Err(Errno::CHILD.into()),
                None if options & WNOHANG != 0 => Ok(Some(None)),
                None => Ok(None),
            }
        })
        .map(Option::flatten)
}

fn wait(sys: &mut Sys<'_>, pid: i32, status_at: u32, options: i32) -> Result {
    let Some((pid, status)) = wait_for(sys, pid, options, false)? else { return Ok(0) };
    if status_at != 0 {
        sys.memory.set_i32(status_at, status)?;
    }
    Ok(pid)
}

/// waitid, which fills in a siginfo: signal, error, code, process, user, status.
fn wait_id(sys: &mut Sys<'_>, kind: i32, id: i32, at: u32, options: i32) -> Result {
    let pid = match kind {
        0 => -1,
        1 => id,
        2 if id == 0 => 0,
        2 => -id,
        _ => return Err(Errno::INVAL.into()),
    };
    let found = wait_for(sys, pid, options, options & 0x100_0000 != 0)?;
    if at != 0 {
        let fields = found.map_or([0; 6], |(pid, status)| match status & 127 {
            0 => [SIGCHLD, 0, 1, pid, 0, status >> 8],
            signal => [SIGCHLD, 0, 2, pid, 0, signal],
        });
        for (field, at) in fields.into_iter().zip((at..).step_by(4)) {
            sys.memory.set_i32(at, field)?;
        }
    }
    Ok(0)
}

fn of(
    sys: &Sys<'_>,
    pid: i32,
    what: impl Fn(&crate::host::kernel::state::Process) -> i32,
) -> Result {
    let pid = if pid == 0 { sys.pid } else { pid };
    Ok(sys.state().process(pid).map(what)?)
}

fn set_group(sys: &Sys<'_>, pid: i32, group: i32) -> Result {
    let pid = if pid == 0 { sys.pid } else { pid };
    if group < 0 {
        return Err(Errno::INVAL.into());
    }
    sys.state().process_mut(pid)?.group = if group == 0 { pid } else { group };
    Ok(0)
}

fn set_session(sys: &Sys<'_>) -> Result {
    let mut state = sys.state();
    let process = state.process_mut(sys.pid)?;
    if process.group == sys.pid {
        return Err(Errno::PERM.into());
    }
    (process.group, process.session) = (sys.pid, sys.pid);
    Ok(sys.pid)
}
