/** What an entry is called with, and a guest's imports are made for. */
export type Handler = (...args: any[]) => unknown;
export type Imports = Record<string, Record<string, WebAssembly.ImportValue | Handler>>;

export interface NoRoom {
  /** The entry that would have unwound the stack, as `MODULE.NAME`. */
  entry: string;
  /** How many bytes the last buffer had. */
  room: number;
}

export interface Options<Context = unknown> {
  /** What the module imports; a function makes it anew for each guest. */
  imports?: Imports | ((guest: Guest<Context>) => Imports);
  /**
   * The imports at which the stack may be unwound, as `MODULE.NAME`; a `*` at the end stands for the rest. `kernel.kernel_fork` without.
   * One that `imports` has nothing for forks.
   */
  entry?: string | string[];
  /** The resume module, where the module was instrumented with one: bytes, or compiled. */
  resumes?: BufferSource | WebAssembly.Module;
  /** How many bytes a stack's first buffer has; 16 KiB without, 1 MiB under Asyncify's protocol. */
  room?: number;
  /** Up to how many bytes a buffer is made larger when frames don't fit; 16 MiB without. */
  maxRoom?: number;
  /** Never make a buffer larger. */
  fixed?: boolean;
  /** Where a buffer of so many bytes is; at the end of the memory without, which grows by it. */
  place?: (guest: Guest<Context>, bytes: number) => number | bigint;
  /** The exported memory that frames go to; `memory` without, or the only one. */
  memory?: string;
  /** A child was made and goes on after this; `bytes` is what the frames take. `false` makes fork return -EAGAIN instead. */
  onFork?: (parent: Guest<Context>, child: Guest<Context>, bytes: number) => boolean | void;
  /** The export in which a child was made has returned there. */
  onExit?: (child: Guest<Context>, value: unknown) => void;
  /** A child ended by a trap or an exception; `idle` rejects without. */
  onFailure?: (child: Guest<Context>, error: unknown) => void;
  /** Frames don't fit: what the entry returns to the program; -EAGAIN without. */
  onNoRoom?: (guest: Guest<Context>, what: NoRoom) => unknown;
  /**
   * What stands in a child for a reference that the stack of its parent holds, in a module that was instrumented with `--carry-references`. Asked
   * for all but functions of the module itself. Without, values of the host's are what they are, and a function from elsewhere, a struct or an array
   * makes fork fail.
   */
  reference?: (value: unknown, parent: Guest<Context>, child: Guest<Context>) => unknown;
  /** Record which functions are on the stack when an entry is called. */
  profile?: boolean;
  /** Imports are `WebAssembly.Suspending`, so exports are called by `WebAssembly.promising`. */
  suspending?: boolean;
}

/** A host of one instrumented module. */
export class ForkHost<Context = unknown> {
  constructor(module: BufferSource | WebAssembly.Module, options?: Options<Context>);
  readonly module: WebAssembly.Module;
  /** Starts a program: an instance of which nothing was called yet. */
  start(context?: Context): Guest<Context>;
  /** The same for a module that is too large to be instantiated at once. */
  startLater(context?: Context): Promise<Guest<Context>>;
  /** Resolves when all children have ended; rejects if one failed. */
  idle(): Promise<void>;
  /** What was recorded, for `wasm-fork --profile`. */
  profile(): Promise<Profile>;
}

/** An instance of the module, with its memory. */
export class Guest<Context = unknown> {
  readonly pid: number;
  /** What `start` was given; a child has its parent's at first. */
  context: Context;
  readonly host: ForkHost<Context>;
  readonly instance: WebAssembly.Instance;
  readonly exports: Record<string, any>;
  readonly imports: Imports;
  readonly memory: WebAssembly.Memory | null;
  /** Calls an export; resolves to what it returns, when it has really returned. One call at a time. */
  call(name: string, ...args: unknown[]): Promise<any>;
  /** The same at once, for a program that has nothing to wait for. */
  callNow(name: string, ...args: unknown[]): any;
  /** A call with a stack of its own, which stops at each `pause`. */
  fiber(name: string, args?: unknown[], options?: { stackBytes?: number }): Fiber;
  /** Text in the memory: UTF-8, of `length` bytes, or up to a zero byte. */
  text(at: number | bigint, length?: number | bigint): string;
}

export interface Fiber extends Iterable<unknown> {
  /** Goes on to the next pause, or the end; the entry that paused returns `answer`. */
  next(answer?: unknown): { done: boolean; value: any };
}

export interface Profile {
  version: 1;
  stacks: number;
  module?: string;
  functions: { index: number; name?: string; count: number }[];
}

/** A call that ended by a trap, with the functions that were on the stack, innermost first. */
export class GuestError extends Error {
  frames: { index: number; offset?: string; name?: string }[];
}

/** What an entry asks for. A promise asks to wait for it. */
export interface Request {}
/** The program goes on twice: the entry returns the child's number to the parent, and 0 to the child. */
export function fork(): Request;
/** The fiber stops; its `next` gives `value`. */
export function pause(value?: unknown): Request;
/** The stack is kept under `key`, and the entry returns 0. */
export function setjmp(key: unknown): Request;
/** The stack that is kept under `key` goes on, and its entry returns `value`, or 1. */
export function longjmp(key: unknown, value?: unknown): Request;
