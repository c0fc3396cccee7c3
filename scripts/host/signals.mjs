// A process's signals: actions, the mask, what is pending.
//
// A guest whose C library asks for its signals (it imports kernel.kernel_next_signal) runs its handlers itself, after
// each system call. For others a caught signal only interrupts the call that waits.
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGPIPE = 13;
export const SIGCHLD = 17;
export const SIGTSTP = 20;
export const SIGWINCH = 28;
// Nothing is ever stopped, so nothing is to be continued.
const IGNORED_BY_DEFAULT = new Set([SIGCHLD, 18 /* CONT */, SIGTSTP, 21 /* TTIN */, 22 /* TTOU */, 23 /* URG */, SIGWINCH]);
const SIG_DFL = 0;
const SIG_IGN = 1;

export class Signals {
  actions = new Map(); // number → { handler, flags }
  pending = [];
  mask = 0n;
  maskAfterHandler = null; // what sigsuspend put aside
  fatal = 0; // the signal that this process must die of
  delivers = false;

  action(signal) {
    return this.actions.get(signal) ?? { handler: SIG_DFL, flags: 0 };
  }

  raise(signal) {
    const { handler } = this.action(signal);
    if (handler === SIG_IGN) return;
    if (handler !== SIG_DFL) this.pending.push(signal);
    else if (!IGNORED_BY_DEFAULT.has(signal)) this.fatal = signal;
  }

  #deliverable() {
    return this.pending.findIndex((signal) => !((this.mask >> BigInt(signal - 1)) & 1n));
  }

  /** True when a waiting call must end with EINTR. */
  interrupt() {
    const i = this.#deliverable();
    if (i >= 0 && !this.delivers) this.pending.splice(i, 1);
    return i >= 0;
  }

  /** The next signal with a handler to run, or null. */
  next() {
    for (;;) {
      const i = this.#deliverable();
      if (i < 0) return null;
      const [signal] = this.pending.splice(i, 1);
      const { handler, flags } = this.action(signal);
      if (handler > SIG_IGN) return { signal, handler, flags };
    }
  }

  /** After exec no handler is left, but what was ignored still is. */
  reset() {
    for (const [signal, { handler }] of [...this.actions]) if (handler > SIG_IGN) this.actions.delete(signal);
  }

  /** A child has its parent's actions and mask, and nothing pending. */
  inherit(parent) {
    this.actions = new Map(parent.actions);
    this.mask = parent.mask;
    this.delivers = parent.delivers;
  }
}
