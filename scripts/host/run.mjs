#!/usr/bin/env node
// Runs one program under the kernel:
//
//   node run.mjs [-v]... [--room BYTES] [--fixed] [--stdin] [--fs HOST=GUEST]... PROGRAM ARG...
//
//   -v             report forks; twice: every system call
//   --room BYTES   the size of the fork buffer; --fixed: a fork that needs more fails, instead of getting more
//   --stdin        hand standard input to the program
//   --terminal     hand the terminal to the program, as it is without if standard input is one
//   --fs           put a file into the guests' file system
//   --resume-module FILE  PROGRAM's resume functions, where it was instrumented with such a module
//   --tools FILE   a busybox, which becomes all of its tools in /bin
//   --record FILE  write a profile of the stacks that fork saw, for --profile
//   --record-shims FILE  write which indirect calls met functions of other types, of programs that `wasm-fork shim --record` made
//   --exec GUEST   put PROGRAM under this name (/bin/NAME otherwise); /bin/sh is PROGRAM unless --fs gives one
//
// Exits with the program's status; 70 when a guest crashed or asked for a system call that is not there.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Kernel, Terminal } from './kernel.mjs';
import { Recorder } from './record.mjs';
import { ShimRecorder } from './shim-record.mjs';

const argv = process.argv.slice(2);
const options = {
  verbose: { type: 'boolean', short: 'v', multiple: true },
  room: { type: 'string' },
  fixed: { type: 'boolean' },
  stdin: { type: 'boolean' },
  terminal: { type: 'boolean' },
  tools: { type: 'string' },
  fs: { type: 'string', multiple: true, default: [] },
  exec: { type: 'string' },
  'resume-module': { type: 'string' },
  record: { type: 'string' },
  'record-shims': { type: 'string' },
};
// What follows the program's name are its own arguments, even when they look like options.
const { tokens } = parseArgs({ args: argv, options, strict: false, allowPositionals: true, tokens: true });
const first = tokens.find(({ kind }) => kind === 'positional')?.index ?? argv.length;
const { values } = parseArgs({ args: argv.slice(0, first), options });
const [program, ...rest] = argv.slice(first);
if (!program) throw new Error('which program?');

/** The process's own terminal, which only passes on what is typed. */
const makeTerminal = () => {
  const { columns, rows } = process.stdout;
  const terminal = new Terminal((bytes) => process.stdout.write(bytes), columns ? { columns, rows } : {});
  process.stdin.setRawMode?.(true);
  process.stdin.on('data', (bytes) => terminal.type(bytes));
  process.stdout.on('resize', () => terminal.resize(process.stdout.rows, process.stdout.columns));
  return terminal;
};

const terminal = values.terminal || (process.stdin.isTTY && !values.stdin) ? makeTerminal() : null;
const stdin = values.stdin ? fs.readFileSync(0, 'utf8') : null;
const room = values.room === undefined ? undefined : Number(values.room);
const kernel = new Kernel({ room, fixed: values.fixed, stdin, terminal, verbose: values.verbose?.length });
const load = (host, guest) => kernel.fs.writeFile(guest, new Uint8Array(fs.readFileSync(host)));
const name = path.basename(program).replace(/\..*/, '');
const guest = values.exec ?? `/bin/${name}`;
const node = load(program, guest);
if (values['resume-module']) node.resumes = fs.readFileSync(values['resume-module']);
kernel.fs.link('/bin/sh', node);
for (const pair of values.fs) load(...pair.split('='));
if (values.tools) await kernel.install(load(values.tools, '/bin/busybox'));

if (values.record) kernel.recorder = new Recorder();
if (values['record-shims']) kernel.shimRecorder = new ShimRecorder();
const result = await kernel.run(guest, [name, ...rest]);
if (terminal) {
  process.stdin.setRawMode?.(false);
  process.stdin.unref();
}
process.stdout.write(result.stdout);
process.stderr.write(result.stderr);
for (const crash of result.crashes) console.error(`crash: ${crash}`);
if (result.missing.length) console.error(`missing system calls: ${result.missing.join(', ')}`);
kernel.recorder?.write(values.record);
kernel.shimRecorder?.write(values['record-shims']);
if (values.verbose) console.error(`forks: ${result.forks}, refused: ${result.refused}, status: ${result.status}`);
process.exitCode = result.crashes.length || result.missing.length ? 70 : result.status;
