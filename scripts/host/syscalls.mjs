// The system calls, by their numbers on i386 (where the C library's 32-bit port takes them from), as far as shells and
// small programs need them. Each takes the process and its arguments, and returns a result, a negative error number, or
// a promise of either: then the guest waits.
import { E } from './errno.mjs';
import { BLOCKED, makePipe, NullFile, O_ACCMODE, POLLERR, POLLHUP, POLLNVAL, RegularFile } from './files.mjs';
import { FileSystem, Node, S_IFREG } from './fs.mjs';
import { Exec, Exit } from './leave.mjs';
import { decode, encode } from './memory.mjs';
import { SIGPIPE } from './signals.mjs';

const SYS = {
  exit: 1, read: 3, write: 4, open: 5, close: 6, unlink: 10, execve: 11, chdir: 12, chmod: 15, getpid: 20, pause: 29,
  access: 33, kill: 37, rename: 38, mkdir: 39, rmdir: 40, dup: 41, pipe: 42, times: 43, ioctl: 54, fcntl: 55, setpgid: 57,
  umask: 60, dup2: 63, getppid: 64, getpgrp: 65, setsid: 66, getrusage: 77, gettimeofday: 78, readlink: 85, fchmod: 94,
  setitimer: 104, wait4: 114, uname: 122, mprotect: 125, getpgid: 132, fchdir: 133, llseek: 140, readv: 145, writev: 146,
  getsid: 147, nanosleep: 162, poll: 168, rt_sigreturn: 173, rt_sigaction: 174, rt_sigprocmask: 175, rt_sigpending: 176,
  rt_sigsuspend: 179, getcwd: 183, truncate64: 193, ftruncate64: 194, getuid: 199, getgid: 200, geteuid: 201,
  getegid: 202, setreuid: 203, setregid: 204, getgroups: 205, fchown: 207, setresuid: 208, setresgid: 210, chown: 212,
  setuid: 213, setgid: 214, getdents64: 220, fcntl64: 221, gettid: 224, tkill: 238, exit_group: 252, clock_gettime: 265,
  tgkill: 270, utimes: 271, waitid: 284, openat: 295, mkdirat: 296, fchownat: 298, unlinkat: 301, readlinkat: 305,
  fchmodat: 306, faccessat: 307, ppoll: 309, dup3: 330, pipe2: 331, prlimit64: 340, getrandom: 355, statx: 383,
  clock_gettime64: 403, clock_nanosleep_time64: 407, ppoll_time64: 414, faccessat2: 439,
};

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const O_CREAT = 0o100, O_EXCL = 0o200, O_TRUNC = 0o1000, O_DIRECTORY = 0o200000, O_CLOEXEC = 0o2000000;
const WNOHANG = 1;

const ok = () => 0;

/** Wraps a call whose first argument is a descriptor: it gets the open file in its place. */
const onFile = (call) => (p, fd, ...args) => {
  const file = p.descriptors.get(fd);
  return file ? call(p, file, ...args) : -E.BADF;
};

// ---- Reading and writing

const read = (p, file, vectors) =>
  p.wait(() => {
    let total = 0;
    for (const [at, length] of vectors) {
      if (!length) continue;
      const bytes = file.read(length);
      if (!(bytes instanceof Uint8Array)) return total || bytes;
      p.memory.bytes.set(bytes, at);
      total += bytes.length;
      if (bytes.length < length) break;
    }
    return total;
  });

/** Gathers first, so that a write to a pipe is one write. */
const write = (p, file, vectors) => {
  const bytes = new Uint8Array(vectors.reduce((size, [, length]) => size + length, 0));
  let end = 0;
  for (const [at, length] of vectors) {
    bytes.set(p.memory.bytes.subarray(at, at + length), end);
    end += length;
  }
  return p.wait(() => {
    const result = file.write(bytes);
    if (result === -E.PIPE) {
      p.kill(SIGPIPE);
      p.leaveIfKilled();
    }
    return result;
  });
};

const seek = (p, file, high, low, resultAt, whence) => {
  if (!(file instanceof RegularFile)) return -E.SPIPE;
  const offset = Number((BigInt(high) << 32n) | BigInt(low >>> 0));
  file.position = offset + [0, file.position, file.node.size][whence];
  p.memory.view.setBigInt64(resultAt, BigInt(file.position), true);
  return 0;
};

const ready = (p, fd, wanted) => {
  const file = p.descriptors.get(fd);
  return file ? file.poll() & (wanted | POLLERR | POLLHUP) : POLLNVAL;
};

/** pollfd is { int fd; short events, revents; }. */
const poll = (p, at, count, noWait) =>
  p.wait(() => {
    const { view } = p.memory;
    let found = 0;
    for (let q = at; q < at + 8 * count; q += 8) {
      const events = ready(p, view.getInt32(q, true), view.getInt16(q + 4, true));
      view.setInt16(q + 6, events, true);
      if (events) found++;
    }
    return found || noWait ? found : BLOCKED;
  });

// ---- Files and folders

const open = (p, path, flags, mode) => {
  const { fs } = p.kernel;
  let node = fs.find(path);
  if (node && flags & O_CREAT && flags & O_EXCL) return -E.EXIST;
  if (!node && flags & O_CREAT) {
    node = new Node(S_IFREG | (mode & ~p.umask & 0o777));
    if (!fs.link(path, node)) return -E.NOENT;
  }
  if (!node) return -E.NOENT;
  if (flags & O_DIRECTORY && !node.isDirectory) return -E.NOTDIR;
  if (node.isDirectory && flags & O_ACCMODE) return -E.ISDIR;
  if (flags & O_TRUNC && !node.isDevice) node.truncate(0);
  if (path === '/dev/tty' && !p.kernel.terminal) return -E.NXIO;
  const device = path === '/dev/tty' ? p.kernel.terminal : new NullFile();
  const file = node.isDevice ? device : new RegularFile(node, path, flags);
  return p.descriptors.add(file, !!(flags & O_CLOEXEC));
};

const access = (p, path) => (p.kernel.fs.find(path) ? 0 : -E.NOENT);
const unlink = (p, path) => (p.kernel.fs.unlink(path) ? 0 : -E.NOENT);
const mkdir = (p, path) => (p.kernel.fs.find(path) ? -E.EXIST : p.kernel.fs.makeDirectory(path) ? 0 : -E.NOENT);

const rename = (p, from, to) => {
  const { fs } = p.kernel;
  const node = fs.find(from);
  if (!node) return -E.NOENT;
  fs.unlink(from);
  return fs.link(to, node) ? 0 : -E.NOENT;
};

/** Fills in struct statx: the fields that a C library reads. */
const statx = (p, node, at) => {
  const { bytes, view } = p.memory;
  bytes.fill(0, at, at + 256);
  view.setUint32(at, 0x7ff, true); // mask: the basic fields
  view.setUint32(at + 4, 4096, true); // block size
  view.setUint32(at + 16, 1, true); // links
  view.setUint16(at + 28, node.mode, true);
  view.setBigUint64(at + 32, BigInt(node.ino), true);
  view.setBigUint64(at + 40, BigInt(node.size), true);
  for (const time of [64, 80, 96, 112]) view.setBigInt64(at + time, 1_000_000_000n, true);
  view.setUint32(at + 136, 1, true); // device
  return 0;
};

/** struct linux_dirent64 is ino, offset, record length, type, name; records are aligned to 8. */
const getdents = (p, file, at, size) => {
  if (!file.node.isDirectory) return -E.NOTDIR;
  const { bytes, view } = p.memory;
  const entries = [['.', file.node], ['..', file.node], ...file.node.children];
  let q = at;
  for (; file.position < entries.length; file.position++) {
    const [text, node] = entries[file.position];
    const name = encode(text + '\0');
    const length = (19 + name.length + 7) & ~7;
    if (q + length > at + size) break;
    view.setBigUint64(q, BigInt(node.ino), true);
    view.setBigUint64(q + 8, BigInt(file.position + 1), true);
    view.setUint16(q + 16, length, true);
    view.setUint8(q + 18, node.isDirectory ? 4 : 8);
    bytes.set(name, q + 19);
    q += length;
  }
  return q - at;
};

const chdir = (p, path) => {
  const node = p.kernel.fs.find(path);
  if (!node) return -E.NOENT;
  if (!node.isDirectory) return -E.NOTDIR;
  p.directory = path;
  return 0;
};

const getcwd = (p, at, size) => {
  const path = encode(p.directory + '\0');
  if (path.length > size) return -E.RANGE;
  p.memory.bytes.set(path, at);
  return path.length;
};

// ---- Descriptors

const pipe = (p, at, flags) => {
  const [reader, writer] = makePipe(() => p.kernel.wake());
  const closeOnExec = !!(flags & O_CLOEXEC);
  p.memory.view.setInt32(at, p.descriptors.add(reader, closeOnExec), true);
  p.memory.view.setInt32(at + 4, p.descriptors.add(writer, closeOnExec), true);
  return 0;
};

const dupTo = (p, from, to, flags) => {
  const file = p.descriptors.get(from);
  if (!file) return -E.BADF;
  return from === to ? to : p.descriptors.open(to, file, !!(flags & O_CLOEXEC));
};

const fcntl = (p, fd, command, argument) => {
  const file = p.descriptors.get(fd);
  if (!file) return -E.BADF;
  switch (command) {
    case 0: return p.descriptors.add(file, false, argument); // F_DUPFD
    case 1: return p.descriptors.flags(fd); // F_GETFD
    case 2: return p.descriptors.setFlags(fd, argument); // F_SETFD
    case 3: return file.flags; // F_GETFL
    case 4: return 0; // F_SETFL
    case 1030: return p.descriptors.add(file, true, argument); // F_DUPFD_CLOEXEC
    default: return -E.INVAL;
  }
};

// ---- Processes

const exec = (p, path, argv, env) => {
  const node = p.kernel.fs.find(FileSystem.resolve(p.directory, path));
  if (!node) return -E.NOENT;
  if (node.isDirectory || node.isDevice) return -E.ACCES;
  const content = node.content();
  if (content[0] === 0 && content[1] === 0x61) return p.leave(new Exec(path, argv, env));
  const line = decode(content.subarray(0, 200)).split('\n')[0];
  if (!line.startsWith('#!')) return -E.NOEXEC;
  const interpreter = line.slice(2).trim().split(/\s+/);
  return exec(p, interpreter[0], [...interpreter, path, ...argv.slice(1)], env);
};

const waitFor = (p, pid, statusAt, options) => {
  const { processes } = p.kernel;
  const isMeant = (child) =>
    child.parentPid === p.pid &&
    (pid === -1 || child.pid === pid || child.group === (pid === 0 ? p.group : -pid));
  return p.wait(() => {
    const children = [...processes.values()].filter(isMeant);
    if (!children.length) return -E.CHILD;
    const child = children.find(({ dead }) => dead);
    if (!child) return options & WNOHANG ? 0 : BLOCKED;
    processes.delete(child.pid);
    if (statusAt) p.memory.view.setInt32(statusAt, child.status, true);
    return child.pid;
  });
};

const kill = (p, pid, signal) => {
  const { processes } = p.kernel;
  const targets = [...processes.values()].filter((q) =>
    pid > 0 ? q.pid === pid : pid === -1 || q.group === (pid === 0 ? p.group : -pid),
  );
  if (!targets.length) return -E.SRCH;
  if (signal) for (const target of targets) target.kill(signal);
  p.leaveIfKilled();
  return 0;
};

const raise = (p, signal) => {
  p.kill(signal);
  p.leaveIfKilled();
  return 0;
};

const setGroup = (p, pid, group) => {
  const target = pid ? p.kernel.processes.get(pid) : p;
  if (!target) return -E.SRCH;
  target.group = group || target.pid;
  return 0;
};

const getGroup = (p, pid) => (pid ? p.kernel.processes.get(pid) : p)?.group ?? -E.SRCH;

// ---- Signals: struct k_sigaction is { handler, flags, restorer, mask (8 bytes) }

const sigaction = (p, signal, newAt, oldAt) => {
  const { view } = p.memory;
  const old = p.signals.action(signal);
  if (oldAt) {
    view.setUint32(oldAt, old.handler, true);
    view.setUint32(oldAt + 4, old.flags, true);
    view.setBigUint64(oldAt + 12, 0n, true);
  }
  if (newAt) p.signals.setAction(signal, { handler: view.getUint32(newAt, true), flags: view.getUint32(newAt + 4, true) });
  return 0;
};

const sigprocmask = (p, how, newAt, oldAt) => {
  const { view } = p.memory;
  const old = p.signals.mask;
  if (newAt) {
    const set = view.getBigUint64(newAt, true);
    p.signals.mask = [old | set, old & ~set, set][how];
  }
  if (oldAt) view.setBigUint64(oldAt, old, true);
  p.leaveIfKilled();
  return 0;
};

const sigpending = (p, at) => {
  p.memory.view.setBigUint64(at, p.signals.pendingSet(), true);
  return 0;
};

const pause = (p) => p.wait(() => (p.signals.interrupt() ? -E.INTR : BLOCKED));

const sigsuspend = async (p, maskAt) => {
  const old = p.signals.mask;
  p.signals.mask = p.memory.view.getBigUint64(maskAt, true);
  const result = await pause(p);
  // The guest runs its handler after this call: the old mask comes back when that has returned.
  if (p.signals.delivers) p.signals.maskAfterHandler = old;
  else p.signals.mask = old;
  return result;
};

const sigreturn = (p) => {
  p.signals.mask = p.signals.maskAfterHandler ?? p.signals.mask;
  p.signals.maskAfterHandler = null;
  return 0;
};

// ---- Time and the rest

const setTime64 = (p, at, nanoseconds) => {
  p.memory.view.setBigInt64(at, nanoseconds / 1_000_000_000n, true);
  p.memory.view.setInt32(at + 8, Number(nanoseconds % 1_000_000_000n), true);
  return 0;
};

/** struct timespec has seconds of 8 bytes or 4, then nanoseconds of 4. */
const sleep = (p, at, secondsBytes) => {
  const { view } = p.memory;
  const seconds = secondsBytes === 8 ? Number(view.getBigInt64(at, true)) : view.getInt32(at, true);
  const milliseconds = seconds * 1000 + view.getInt32(at + secondsBytes, true) / 1e6;
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    p.kernel.wake();
  }, milliseconds);
  p.timers.add(timer);
  return p.wait(() => (over ? 0 : BLOCKED));
};

const uname = (p, at) => {
  p.memory.bytes.fill(0, at, at + 6 * 65);
  ['Linux', 'wasm', '1', '1', 'wasm32'].forEach((text, i) => p.memory.bytes.set(encode(text), at + 65 * i));
  return 0;
};

const prlimit = (p, resource, oldAt) => {
  const limit = resource === 7 /* NOFILE */ ? 1024n : 0xffff_ffff_ffff_ffffn;
  if (oldAt) for (const at of [oldAt, oldAt + 8]) p.memory.view.setBigUint64(at, limit, true);
  return 0;
};

const at = (p, fd, pathAt) => p.path(fd, p.memory.string(pathAt));
const cwd = (p, pathAt) => at(p, AT_FDCWD, pathAt);
const isZero = (p, at, bytes) => !!at && p.memory.bytes.subarray(at, at + bytes).every((byte) => byte === 0);

const calls = {
  exit: (p, code) => p.leave(new Exit((code & 255) << 8)),
  exit_group: (p, code) => p.leave(new Exit((code & 255) << 8)),

  read: onFile((p, file, q, size) => read(p, file, [[q, size >>> 0]])),
  readv: onFile((p, file, q, count) => read(p, file, p.memory.vectors(q, count))),
  write: onFile((p, file, q, size) => write(p, file, [[q, size >>> 0]])),
  writev: onFile((p, file, q, count) => write(p, file, p.memory.vectors(q, count))),
  llseek: onFile(seek),
  poll: (p, q, count, milliseconds) => poll(p, q, count, milliseconds === 0),
  ppoll: (p, q, count, time) => poll(p, q, count, isZero(p, time, 8)),
  ppoll_time64: (p, q, count, time) => poll(p, q, count, isZero(p, time, 12)),

  open: (p, path, flags, mode) => open(p, cwd(p, path), flags, mode),
  openat: (p, fd, path, flags, mode) => open(p, at(p, fd, path), flags, mode),
  access: (p, path) => access(p, cwd(p, path)),
  faccessat: (p, fd, path) => access(p, at(p, fd, path)),
  faccessat2: (p, fd, path) => access(p, at(p, fd, path)),
  unlink: (p, path) => unlink(p, cwd(p, path)),
  unlinkat: (p, fd, path) => unlink(p, at(p, fd, path)),
  rmdir: (p, path) => unlink(p, cwd(p, path)),
  mkdir: (p, path) => mkdir(p, cwd(p, path)),
  mkdirat: (p, fd, path) => mkdir(p, at(p, fd, path)),
  rename: (p, from, to) => rename(p, cwd(p, from), cwd(p, to)),
  statx: (p, fd, path, flags, mask, q) => {
    const empty = flags & AT_EMPTY_PATH && !p.memory.string(path);
    const node = empty ? p.descriptors.get(fd)?.node : p.kernel.fs.find(at(p, fd, path));
    return node ? statx(p, node, q) : empty ? -E.BADF : -E.NOENT;
  },
  getdents64: onFile(getdents),
  ftruncate64: onFile((p, file, low, high) => (file.node.truncate?.((low >>> 0) + high * 2 ** 32), 0)),
  readlink: () => -E.INVAL, // there are no symbolic links
  readlinkat: () => -E.INVAL,
  chdir: (p, path) => chdir(p, cwd(p, path)),
  fchdir: onFile((p, file) => chdir(p, file.path)),
  getcwd,
  umask: (p, mask) => {
    const old = p.umask;
    p.umask = mask & 0o777;
    return old;
  },

  close: (p, fd) => p.descriptors.close(fd),
  dup: onFile((p, file) => p.descriptors.add(file)),
  dup2: dupTo,
  dup3: dupTo,
  pipe,
  pipe2: pipe,
  fcntl,
  fcntl64: fcntl,
  ioctl: onFile((p, file, request, q) => file.ioctl(p, request, q)),

  execve: (p, path, argv, env) => exec(p, p.memory.string(path), p.memory.strings(argv), p.memory.strings(env)),
  wait4: waitFor,
  waitid: (p, kind, pid, info, options) => waitFor(p, kind === 0 ? -1 : pid, 0, options),
  getpid: (p) => p.pid,
  gettid: (p) => p.pid,
  getppid: (p) => p.parentPid,
  getpgrp: (p) => p.group,
  getpgid: getGroup,
  setpgid: setGroup,
  getsid: (p) => p.session,
  setsid: (p) => (p.group = p.session = p.pid),

  kill,
  tkill: (p, thread, signal) => raise(p, signal),
  tgkill: (p, group, thread, signal) => raise(p, signal),
  rt_sigaction: sigaction,
  rt_sigprocmask: sigprocmask,
  rt_sigpending: sigpending,
  rt_sigsuspend: sigsuspend,
  rt_sigreturn: sigreturn,
  pause,

  times: () => Math.trunc(performance.now() / 10),
  getrusage: (p, who, q) => (q && p.memory.bytes.fill(0, q, q + 136), 0),
  clock_gettime64: (p, clock, q) =>
    setTime64(p, q, clock === 0 ? BigInt(Date.now()) * 1_000_000n : BigInt(Math.trunc(performance.now() * 1e6))),
  clock_nanosleep_time64: (p, clock, flags, q) => sleep(p, q, 8),
  nanosleep: (p, q) => sleep(p, q, 4),
  uname,
  prlimit64: (p, pid, resource, newAt, oldAt) => prlimit(p, resource, oldAt),
  getrandom: (p, q, size) => (crypto.getRandomValues(p.memory.bytes.subarray(q, q + size)), size),
};

// Everyone is root, files have no owners, and nothing keeps a clock running.
for (const name of ['getuid', 'getgid', 'geteuid', 'getegid', 'setreuid', 'setregid', 'getgroups', 'setresuid',
  'setresgid', 'setuid', 'setgid', 'chmod', 'fchmod', 'fchmodat', 'chown', 'fchown', 'fchownat', 'truncate64', 'setitimer',
  'utimes', 'mprotect', 'clock_gettime', 'gettimeofday'])
  calls[name] = ok;

const byNumber = new Map(Object.entries(SYS).map(([name, number]) => [number, { name, call: calls[name] }]));

/** A guest's system call. */
export const syscall = (p, number, ...args) => {
  p.leaveIfKilled();
  const { name, call } = byNumber.get(number) ?? {};
  p.kernel.log(2, `[${p.pid}] ${name ?? number}(${args.join(', ')})`);
  if (call) return call(p, ...args);
  p.kernel.missing.add(name ?? number);
  return -E.NOSYS;
};
