//! A process's signals: actions, the mask, what is pending.
//!
//! A guest whose C library asks for its signals (it imports kernel.kernel_next_signal) runs its handlers itself, after
//! each system call. For others a caught signal only interrupts the call that waits.

use std::collections::{BTreeMap, VecDeque};

pub(super) const SIGHUP: i32 = 1;
pub(super) const SIGINT: i32 = 2;
pub(super) const SIGQUIT: i32 = 3;
pub(super) const SIGILL: i32 = 4;
pub(super) const SIGABRT: i32 = 6;
pub(super) const SIGFPE: i32 = 8;
pub(super) const SIGKILL: i32 = 9;
pub(super) const SIGSEGV: i32 = 11;
pub(super) const SIGPIPE: i32 = 13;
pub(super) const SIGALRM: i32 = 14;
pub(super) const SIGTERM: i32 = 15;
pub(super) const SIGCHLD: i32 = 17;
pub(super) const SIGWINCH: i32 = 28;
const SIGSTOP: i32 = 19;
/// One more than the last.
pub(super) const COUNT: i32 = 65;

/// CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH: nothing is ever stopped, so nothing is to be continued.
const IGNORED_BY_DEFAULT: [i32; 8] = [SIGCHLD, 18, SIGSTOP, 20, 21, 22, 23, SIGWINCH];

const SIG_DFL: u32 = 0;
const SIG_IGN: u32 = 1;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Action {
    /// A function of the program, or 0 for what is done by default, or 1 for nothing.
    pub(super) handler: u32,
    pub(super) flags: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Signals {
    actions: BTreeMap<i32, Action>,
    pending: VecDeque<i32>,
    pub(super) mask: u64,
    /// What sigsuspend put aside, until the handler has returned.
    pub(super) mask_after_handler: Option<u64>,
    /// The signal that this process must die of.
    fatal: Option<i32>,
    /// Whether the program runs handlers.
    pub(super) delivers: bool,
}

impl Signals {
    pub(super) fn action(&self, signal: i32) -> Action {
        self.actions.get(&signal).copied().unwrap_or_default()
    }

    /// Returns whether there is such a signal, and its action may be changed.
    pub(super) fn set_action(&mut self, signal: i32, action: Action) -> bool {
        let may_be = (1..COUNT).contains(&signal) && signal != SIGKILL && signal != SIGSTOP;
        if may_be {
            self.actions.insert(signal, action);
            self.forget_ignored();
        }
        may_be
    }

    pub(super) fn is_ignored(&self, signal: i32) -> bool {
        self.action(signal).handler == SIG_IGN
    }

    fn is_masked(&self, signal: i32) -> bool {
        self.mask >> (signal - 1) & 1 != 0
    }

    /// Whether nothing is done when it comes, by its action or by default.
    fn is_without_effect(&self, signal: i32) -> bool {
        let handler = self.action(signal).handler;
        handler == SIG_IGN || (handler == SIG_DFL && IGNORED_BY_DEFAULT.contains(&signal))
    }

    /// What waits, and since a change of actions has no effect, doesn't wait any longer.
    fn forget_ignored(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|signal| !self.is_without_effect(*signal));
        self.pending = pending;
    }

    pub(super) fn raise(&mut self, signal: i32) {
        if self.is_without_effect(signal) {
            return;
        }
        let handler = self.action(signal).handler;
        // One of a kind waits, as is usual.
        if (handler != SIG_DFL || self.is_masked(signal)) && signal != SIGKILL {
            if !self.pending.contains(&signal) {
                self.pending.push_back(signal);
            }
        } else {
            self.fatal = Some(signal);
        }
    }

    /// A key of the terminal sends a signal. A program that computes runs no handler, and can only be ended: by the same key once more.
    pub(super) fn raise_again(&mut self, signal: i32) {
        if self.pending.contains(&signal) && !self.is_masked(signal) {
            self.fatal = Some(signal);
        } else {
            self.raise(signal);
        }
    }

    /// What to die of now.
    pub(super) fn fatal(&mut self) -> Option<i32> {
        let by_default =
            |signal: &&i32| !self.is_masked(**signal) && self.action(**signal).handler == SIG_DFL;
        let unmasked = self.pending.iter().find(by_default).copied();
        self.fatal = self.fatal.or(unmasked);
        self.fatal
    }

    fn deliverable(&self) -> Option<usize> {
        self.pending.iter().position(|signal| !self.is_masked(*signal))
    }

    /// True when a waiting call must end with EINTR.
    pub(super) fn interrupt(&mut self) -> bool {
        let found = self.deliverable();
        if let (Some(index), false) = (found, self.delivers) {
            self.pending.remove(index);
        }
        found.is_some()
    }

    /// The next signal with a handler to run.
    pub(super) fn next(&mut self) -> Option<(i32, Action)> {
        loop {
            let signal = self.pending.remove(self.deliverable()?)?;
            let action = self.action(signal);
            if action.handler > SIG_IGN {
                return Some((signal, action));
            }
        }
    }

    /// The pending ones, as a set.
    pub(super) fn pending(&self) -> u64 {
        self.pending.iter().fold(0, |set, signal| set | 1 << (signal - 1))
    }

    /// After exec no handler is left, but what was ignored still is. A signal that waited for its handler is handled by default.
    pub(super) fn reset(&mut self) {
        self.actions.retain(|_, action| action.handler <= SIG_IGN);
        self.forget_ignored();
    }

    /// A child has its parent's actions and mask, and nothing pending.
    pub(super) fn inherited(&self) -> Signals {
        Signals {
            actions: self.actions.clone(),
            mask: self.mask,
            delivers: self.delivers,
            ..Signals::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some function of a program.
    const HANDLER: Action = Action { handler: 7, flags: 0 };

    fn waiting(signal: i32) -> Signals {
        let mut signals = Signals { delivers: true, ..Signals::default() };
        assert!(signals.set_action(signal, HANDLER));
        signals.raise(signal);
        assert!(signals.interrupt(), "it waits for its handler");
        signals
    }

    #[test]
    fn a_child_that_ended_before_exec_does_no_harm_after_it() {
        let mut signals = waiting(SIGCHLD);
        signals.reset();
        assert_eq!(signals.fatal(), None);
        assert!(!signals.interrupt());
        assert_eq!(signals.pending(), 0);
    }

    #[test]
    fn a_signal_that_waits_when_the_default_comes_back_does_what_is_done_by_default() {
        let mut signals = waiting(SIGCHLD);
        signals.set_action(SIGCHLD, Action::default());
        assert_eq!((signals.fatal(), signals.pending()), (None, 0));

        let mut signals = waiting(SIGTERM);
        signals.set_action(SIGTERM, Action::default());
        assert_eq!(signals.fatal(), Some(SIGTERM));

        let mut signals = waiting(SIGTERM);
        signals.reset();
        assert_eq!(signals.fatal(), Some(SIGTERM));
    }

    #[test]
    fn what_is_ignored_stays_so_over_exec() {
        let mut signals = Signals::default();
        signals.set_action(SIGINT, Action { handler: SIG_IGN, flags: 0 });
        signals.reset();
        signals.raise(SIGINT);
        assert_eq!((signals.fatal(), signals.pending()), (None, 0));
    }

    #[test]
    fn a_masked_signal_waits_for_the_mask() {
        let mut signals = Signals { mask: 1 << (SIGTERM - 1), ..Signals::default() };
        signals.raise(SIGTERM);
        assert_eq!(signals.fatal(), None);
        signals.mask = 0;
        assert_eq!(signals.fatal(), Some(SIGTERM));
    }
}
