// A process: one instance of a module, its descriptors and signals; its life from exec or fork to its end.
import { Descriptors } from './descriptors.mjs';
import { E } from './errno.mjs';
import { BLOCKED } from './files.mjs';
import { FileSystem } from './fs.mjs';
import { Exec, Exit, trap } from './leave.mjs';
import { encode, GuestMemory } from './memory.mjs';
import { SIGCHLD, Signals } from './signals.mjs';
import { syscall } from './syscalls.mjs';

const SIGABRT = 6;
const SA_SIGINFO = 4;

export class Process {
  constructor(kernel, parentPid) {
    this.kernel = kernel;
    this.pid = kernel.nextPid++;
    this.parentPid = parentPid;
    this.group = this.pid;
    this.descriptors = new Descriptors();
    this.signals = new Signals();
    this.directory = '/';
    this.umask = 0o022;
    this.dead = false;
    this.status = 0; // the wait status, once dead
    this.leaving = null; // why the guest was left by a trap
    this.forkBuffer = null;
    kernel.processes.set(this.pid, this);
  }

  // ---- Life

  /** Runs until the process ends; returns its wait status. `rewinding` says that a fork made this instance. */
  async run(rewinding = false) {
    const { fork } = this.kernel;
    for (;;) {
      try {
        if (rewinding) fork.rewind(this);
        else await this.#load();
        await WebAssembly.promising(this.instance.exports._start)();
        rewinding = fork.unwound(this);
        if (!rewinding) throw new Exit(0);
        await this.#fork();
      } catch (error) {
        const reason = this.leaving ?? error;
        this.leaving = null;
        if (reason instanceof Exec) {
          this.image = reason;
          this.descriptors.closeOnExec();
          this.signals.reset();
          rewinding = false;
        } else {
          if (!(reason instanceof Exit)) this.kernel.crashes.push(`${this.image.path}: ${reason.stack ?? reason}`);
          return this.#end(reason instanceof Exit ? reason.status : SIGABRT);
        }
      }
    }
  }

  async #load() {
    const { fs } = this.kernel;
    const node = fs.find(FileSystem.resolve(this.directory, this.image.path));
    node.module ??= await WebAssembly.compile(node.content());
    this.program = node;
    this.module = node.module;
    this.forkBuffer = null;
    this.signals.delivers = WebAssembly.Module.imports(this.module).some(({ name }) => name === 'kernel_next_signal');
    await this.#instantiate();
  }

  async #instantiate() {
    this.instance = await WebAssembly.instantiate(this.module, this.#imports());
    this.memory = new GuestMemory(this.instance.exports.memory);
  }

  #imports() {
    return {
      kernel: {
        kernel_args: (at, capacity) => this.#arguments(at, capacity),
        kernel_fork: () => this.kernel.fork.enter(this),
        kernel_next_signal: (at) => this.#nextSignal(at),
        kernel_syscall: new WebAssembly.Suspending((...args) => syscall(this, ...args)),
      },
    };
  }

  /** The frames lie in the buffer: makes the child, an instance over a copy of the memory. Both rewind afterwards. */
  async #fork() {
    const { kernel } = this;
    kernel.forks++;
    const child = new Process(kernel, this.pid);
    const { group, directory, umask, image, program, module, forkBuffer, forkStart } = this;
    Object.assign(child, { group, directory, umask, image, program, module, forkBuffer, forkStart });
    this.descriptors.copyTo(child.descriptors);
    child.signals.inherit(this.signals);
    await child.#instantiate();
    child.memory.copyFrom(this.memory);
    kernel.fork.copied(this, child);
    child.forkResult = 0;
    this.forkResult = child.pid;
    kernel.log(1, `[fork] ${this.pid} -> ${child.pid}, ${kernel.fork.used(this)} bytes`);
    child.run(true);
  }

  #end(status) {
    const { processes } = this.kernel;
    this.dead = true;
    this.status = status;
    this.descriptors.closeAll();
    for (const process of processes.values()) if (process.parentPid === this.pid) process.parentPid = 1;
    processes.get(this.parentPid)?.kill(SIGCHLD);
    this.instance = this.memory = null;
    this.kernel.wake();
    return status;
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
