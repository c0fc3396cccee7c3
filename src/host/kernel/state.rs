//! The table of processes, and what each of them has.

use super::errno::Errno;
use super::open_file::OpenFile;
use super::signals::{SIGCHLD, Signals};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The parent of those that have none. It waits for all of its children.
pub(super) const INIT: i32 = 1;

/// As many descriptors may a process have.
pub(super) const MAX_DESCRIPTORS: i32 = 1024;

/// What a process was started with.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) path: String,
    pub(super) argv: Vec<Vec<u8>>,
    pub(super) env: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) file: Arc<OpenFile>,
    pub(super) closes_on_exec: bool,
}

/// When to raise SIGALRM, and how often then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    pub(super) at: Instant,
    pub(super) interval: Duration,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) descriptors: BTreeMap<i32, Slot>,
    pub(super) signals: Signals,
    pub(super) directory: String,
    pub(super) umask: u32,
    pub(super) image: Image,
    pub(super) alarm: Option<Alarm>,
    /// The wait status, once it has ended.
    pub(super) ended: Option<i32>,
}

impl Process {
    pub(super) fn file(&self, fd: i32) -> Result<&Arc<OpenFile>, Errno> {
        self.descriptors.get(&fd).map(|slot| &slot.file).ok_or(Errno::BADF)
    }

    /// Opens `file` under the lowest free number from `from` on.
    pub(super) fn add(
        &mut self,
        file: Arc<OpenFile>,
        closes_on_exec: bool,
        from: i32,
    ) -> Result<i32, Errno> {
        let mut numbers = from.max(0)..MAX_DESCRIPTORS;
        let fd = numbers.find(|fd| !self.descriptors.contains_key(fd)).ok_or(Errno::MFILE)?;
        self.descriptors.insert(fd, Slot { file, closes_on_exec });
        Ok(fd)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) processes: BTreeMap<i32, Process>,
    last_pid: i32,
    /// The group that keys of the terminal interrupt.
    pub(super) foreground: i32,
    /// How many threads run processes.
    pub(super) threads: usize,
    /// The process that all others come from, and its wait status once it has ended.
    pub(super) root: i32,
    pub(super) root_ended: Option<i32>,
}

impl State {
    fn next_pid(&mut self) -> i32 {
        loop {
            self.last_pid =
                if self.last_pid == i32::MAX { INIT } else { self.last_pid.max(INIT) } + 1;
            if !self.processes.contains_key(&self.last_pid) {
                return self.last_pid;
            }
        }
    }

    pub(super) fn process(&self, pid: i32) -> Result<&Process, Errno> {
        self.processes.get(&pid).ok_or(Errno::SRCH)
    }

    pub(super) fn process_mut(&mut self, pid: i32) -> Result<&mut Process, Errno> {
        self.processes.get_mut(&pid).ok_or(Errno::SRCH)
    }

    /// The first process of all.
    pub(super) fn first(&mut self, image: Image, directory: String) -> i32 {
        let pid = self.next_pid();
        let process = Process {
            parent: INIT,
            group: pid,
            session: pid,
            descriptors: BTreeMap::new(),
            signals: Signals::default(),
            directory,
            umask: 0o022,
            image,
            alarm: None,
            ended: None,
        };
        self.processes.insert(pid, process);
        (self.root, self.foreground) = (pid, pid);
        pid
    }

    /// A child with all that its parent has besides the memory.
    pub(super) fn fork(&mut self, parent: i32) -> Result<i32, Errno> {
        let pid = self.next_pid();
        let of = self.process(parent)?;
        let child = Process {
            parent,
            group: of.group,
            session: of.session,
            descriptors: of.descriptors.clone(),
            signals: of.signals.inherited(),
            directory: of.directory.clone(),
            umask: of.umask,
            image: of.image.clone(),
            alarm: None,
            ended: None,
        };
        self.processes.insert(pid, child);
        Ok(pid)
    }

    /// A process ends: what it has is closed, its children get another parent, and its parent is told.
    pub(super) fn end(&mut self, pid: i32, status: i32) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.descriptors.clear();
        process.alarm = None;
        process.ended = Some(status);
        let parent = process.parent;
        let mut orphans = Vec::new();
        for (child, process) in &mut self.processes {
            if process.parent == pid {
                process.parent = INIT;
                if process.ended.is_some() {
                    orphans.push(*child);
                }
            }
        }
        for orphan in orphans {
            self.processes.remove(&orphan);
        }
        match self.processes.get_mut(&parent).filter(|parent| parent.ended.is_none()) {
            Some(parent) => {
                // Who ignores it has children that nobody waits for.
                if parent.signals.is_ignored(SIGCHLD) {
                    self.processes.remove(&pid);
                } else {
                    parent.signals.raise(SIGCHLD);
                }
            }
            None => {
                self.processes.remove(&pid);
                if pid == self.root {
                    self.root_ended = Some(status);
                }
            }
        }
    }

    /// The living processes that `pid` means to `kill`: one, the caller's group, all but the caller, or a group.
    pub(super) fn targets(&self, caller: i32, pid: i32) -> Vec<i32> {
        let own = self.processes.get(&caller).map_or(0, |process| process.group);
        let living = self.processes.iter().filter(|(_, process)| process.ended.is_none());
        let meant = living.filter(|(id, process)| match pid {
            0 => process.group == own,
            -1 => **id != caller,
            pid if pid > 0 => **id == pid,
            pid => process.group == -pid,
        });
        meant.map(|(id, _)| *id).collect()
    }
}
