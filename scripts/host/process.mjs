// A process: one instance of a module, its descriptors and signals; its life from exec or fork to its end.
import { Descriptors } from './descriptors.mjs';
import { E } from './errno.mjs';
import { BLOCKED } from './files.mjs';
import { FileSystem } from './fs.mjs';
import { Exec, Exit, trap } from './leave.mjs';
import { encode, GuestMemory } from './memory.mjs';
import { fork } from './requests.mjs';
import { SIGCHLD, Signals } from './signals.mjs';
import { syscall } from './syscalls.mjs';

const SIGABRT = 6;
const SA_SIGINFO = 4;

export class Process {
  constructor(kernel, parentPid) {
    this.kernel = kernel;
    this.pid = kernel.nextPid++;
    this.parentPid = parentPid;
    this.group = this.session = this.pid;
    this.descriptors = new Descriptors();
    this.signals = new Signals();
    this.directory = '/';
    this.umask = 0o022;
    this.dead = false;
    this.status = 0; // the wait status, once dead
    this.timers = new Set(); // that would wake it
    this.leaving = null; // why the guest was left by a trap
    this.guest = null;
    kernel.processes.set(this.pid, this);
  }

  // ---- Life

  /** Runs what `image` names, and what replaces that, until the process ends; returns its wait status. */
  async run() {
    do {
      try {
        await (await this.#load()).call('_start');
        this.left(null);
      } catch (error) {
        this.left(error);
      }
    } while (!this.dead);
    return this.status;
  }

  async #load() {
    const { fs } = this.kernel;
    this.program = fs.find(FileSystem.resolve(this.directory, this.image.path));
    const host = await this.kernel.hostOf(this.program);
    this.signals.delivers = WebAssembly.Module.imports(host.module).some(({ name }) => name === 'kernel_next_signal');
    return this.#adopt(host.start(this));
  }

  #adopt(guest) {
    guest.context = this;
    guest.pid = this.pid;
    this.guest = guest;
    this.memory = new GuestMemory(guest.memory);
    return guest;
  }

  /** What a program imports: the process is that of its guest, which a child has of its own. */
  static imports(guest) {
    return {
      kernel: {
        // What isn't instrumented can do all but fork.
        kernel_fork: () => (guest.protocol ? fork() : -E.NOSYS),
        kernel_args: (at, capacity) => guest.context.#arguments(at, capacity),
        kernel_next_signal: (at) => guest.context.#nextSignal(at),
        kernel_syscall: new WebAssembly.Suspending((...args) => syscall(guest.context, ...args)),
      },
    };
  }

  /** A child in this instance: all that it has besides its memory. */
  forked(guest, bytes) {
    const { kernel } = this;
    kernel.forks++;
    const child = new Process(kernel, this.pid);
    const { group, session, directory, umask, image, program } = this;
    Object.assign(child, { group, session, directory, umask, image, program });
    this.descriptors.copyTo(child.descriptors);
    child.signals.inherit(this.signals);
    child.#adopt(guest);
    kernel.log(1, `[fork] ${this.pid} -> ${child.pid}, ${bytes} bytes`);
  }

  /** The guest was left, by its end or an error: the process ends, or another program takes its place. */
  left(error) {
    const reason = this.leaving ?? error ?? new Exit(0);
    this.leaving = null;
    if (reason instanceof Exec) {
      this.image = reason;
      this.descriptors.closeOnExec();
      this.signals.reset();
    } else {
      if (!(reason instanceof Exit)) this.kernel.crashes.push(`${this.image.path}: ${reason.cause?.stack ?? reason.stack ?? reason}`);
      this.#end(reason instanceof Exit ? reason.status : SIGABRT);
    }
  }

  #end(status) {
    const { processes } = this.kernel;
    this.dead = true;
    this.status = status;
    this.descriptors.closeAll();
    this.timers.forEach(clearTimeout);
    this.kernel.shimRecorder?.note(this.guest?.instance);
    for (const process of processes.values()) if (process.parentPid === this.pid) process.parentPid = 1;
    processes.get(this.parentPid)?.kill(SIGCHLD);
    this.guest = this.memory = null;
    this.kernel.wake();
  }

  // ---- What system calls need

  /** Leaves the guest for good; never returns. */
  leave(reason) {
    this.leaving = reason;
    trap();
  }

  leaveIfKilled() {
    if (this.signals.fatal) this.leave(new Exit(this.signals.fatal));
  }

  kill(signal) {
    if (this.dead) return;
    this.signals.raise(signal);
    this.kernel.wake();
  }

  /** Calls `attempt` until it doesn't return BLOCKED; a signal ends the waiting with EINTR. */
  wait(attempt) {
    const result = attempt();
    return result === BLOCKED ? this.#keepTrying(attempt) : result;
  }

  async #keepTrying(attempt) {
    for (;;) {
      await this.kernel.sleep();
      this.leaveIfKilled();
      if (this.signals.interrupt()) return -E.INTR;
      const result = attempt();
      if (result !== BLOCKED) return result;
    }
  }

  /** The absolute form of a path that is relative to the open folder `fd` (-100: to the working directory). */
  path(fd, path) {
    return FileSystem.resolve(this.descriptors.get(fd)?.path ?? this.directory, path);
  }

  // ---- The other imports

  /**
   * Writes argc, argv…, 0, envp…, 0 and then the strings to `at`, if that fits into `capacity`; returns the size of it
   * all.
   */
  #arguments(at, capacity) {
    const { argv, env } = this.image;
    const strings = [...argv, ...env].map((text) => encode(text + '\0'));
    const head = 4 * (argv.length + env.length + 5);
    const size = strings.reduce((sum, { length }) => sum + length, head);
    if (capacity < size) return size;
    const { bytes, view } = this.memory;
    bytes.fill(0, at, at + head);
    view.setInt32(at, argv.length, true);
    let next = at + head;
    strings.forEach((string, i) => {
      // the null pointer between argv and envp takes one place
      view.setUint32(at + 4 * (i < argv.length ? 1 + i : 2 + i), next, true);
      bytes.set(string, next);
      next += string.length;
    });
    return size;
  }

  /** Writes the next signal to deliver (number, handler, whether it takes a siginfo) to `at`; returns 0 for none. */
  #nextSignal(at) {
    const next = this.signals.next();
    if (!next) return 0;
    const { view } = this.memory;
    view.setUint32(at, next.signal, true);
    view.setUint32(at + 4, next.handler, true);
    view.setUint32(at + 8, next.flags & SA_SIGINFO ? 1 : 0, true);
    return next.signal;
  }
}
