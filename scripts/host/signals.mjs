// A process's signals: actions, the mask, what is pending.
//
// A guest whose C library asks for its signals (it imports kernel.kernel_next_signal) runs its handlers itself, after
// each system call. For others a caught signal only interrupts the call that waits.
export const SIGINT = 2;
export const SIGQUIT = 3;
const SIGKILL = 9;
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
  delivers = false;
  #fatal = 0;

  action(signal) {
    return this.actions.get(signal) ?? { handler: SIG_DFL, flags: 0 };
  }

  /** What waits, and since a change of actions has no effect, doesn't wait any longer. */
  setAction(signal, action) {
    this.actions.set(signal, action);
    this.#forgetIgnored();
  }

  /** The signal that this process must die of, or 0. */
  get fatal() {
    return this.#fatal || (this.pending.find((signal) => !this.#isMasked(signal) && this.action(signal).handler === SIG_DFL) ?? 0);
  }

  raise(signal) {
    if (this.#isWithoutEffect(signal)) return;
    const waits = this.action(signal).handler !== SIG_DFL || this.#isMasked(signal);
    if (!waits || signal === SIGKILL) this.#fatal = signal;
    // One of a kind waits, as is usual.
    else if (!this.pending.includes(signal)) this.pending.push(signal);
  }

  /** Whether nothing is done when it comes, by its action or by default. */
  #isWithoutEffect(signal) {
    const { handler } = this.action(signal);
    return handler === SIG_IGN || (handler === SIG_DFL && IGNORED_BY_DEFAULT.has(signal));
  }

  #forgetIgnored() {
    this.pending = this.pending.filter((signal) => !this.#isWithoutEffect(signal));
  }

  #isMasked(signal) {
    return ((this.mask >> BigInt(signal - 1)) & 1n) !== 0n;
  }

  #deliverable() {
    return this.pending.findIndex((signal) => !this.#isMasked(signal));
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

  /** The pending ones, as a set. */
  pendingSet() {
    return this.pending.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n);
  }

  /** After exec no handler is left, but what was ignored still is. A signal that waited for its handler is handled by default. */
  reset() {
    for (const [signal, { handler }] of [...this.actions]) if (handler > SIG_IGN) this.actions.delete(signal);
    this.#forgetIgnored();
  }

  /** A child has its parent's actions and mask, and nothing pending. */
  inherit(parent) {
    this.actions = new Map(parent.actions);
    this.mask = parent.mask;
    this.delivers = parent.delivers;
  }
}
