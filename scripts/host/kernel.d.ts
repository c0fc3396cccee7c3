export interface Result {
  /** As a shell reports it. */
  status: number;
  stdout: string;
  stderr: string;
  forks: number;
  /** Forks that failed for want of room. */
  refused: number;
  /** Guests that ended by a trap of their own, as text. */
  crashes: string[];
  /** System calls that were asked for and are not there. */
  missing: string[];
}

export interface KernelOptions {
  /** What the first program reads. */
  stdin?: string | null;
  /** A terminal, instead of that: for all three streams of the first program. */
  terminal?: Terminal | null;
  /** 1 reports forks, 2 also every system call. */
  verbose?: number;
  /** How many bytes a stack's first buffer has. */
  room?: number;
  /** Never make it larger: fork fails. */
  fixed?: boolean;
}

export class Kernel {
  constructor(options?: KernelOptions);
  readonly fs: FileSystem;
  /** Notes whose frames are on the stacks that fork sees, and who was unprepared where it failed. */
  recorder?: Recorder;
  /** Notes which indirect calls met functions of other types, of programs made by `wasm-fork shim --record`. */
  shimRecorder?: ShimRecorder;
  /** Gives a program of many tools, as busybox is one, the names of all of them, in /bin. */
  install(program: File): Promise<void>;
  /** Runs the program at `path` until it and all that it started have ended. */
  run(path: string, argv: string[], env?: string[]): Promise<Result>;
}

export class Recorder {
  stacks: number;
  /** How often each function was seen, by its index. */
  counts: Map<number, number>;
  /** Writes the profile, for `wasm-fork … --profile`. */
  write(path: string): void;
}

export class ShimRecorder {
  /** Writes what was noted, for `wasm-fork shim --site @PATH`. */
  write(path: string): void;
}

/** A file in memory; for a program, `resumes` is its resume module. */
export interface File {
  resumes?: BufferSource | WebAssembly.Module | null;
}

export interface FileSystem {
  writeFile(path: string, content: string | Uint8Array, mode?: number): File;
  makeDirectory(path: string): boolean;
  find(path: string): File | null;
}

/** A terminal with a line discipline: echo, erase, Ctrl-C, Ctrl-D; or raw, as the program asks. */
export class Terminal {
  /** `show` is given what is to be shown, as bytes. */
  constructor(show: (bytes: Uint8Array) => void, size?: { rows: number; columns: number });
  /** What was typed. */
  type(bytes: Uint8Array | string): void;
  /** Its window has another size. */
  resize(rows: number, columns: number): void;
}
