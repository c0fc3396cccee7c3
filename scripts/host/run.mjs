// Runs one program under the kernel:
//
//   node run.mjs [-v]... [--abi wpk-fork|asyncify] [--room BYTES] [--fixed] [--stdin] [--fs HOST=GUEST]... PROGRAM ARG...
//
//   -v             report forks; twice: every system call
//   --room BYTES   the size of the fork buffer; --fixed: a fork that needs more fails, instead of getting more
//   --stdin        hand standard input to the program
//   --fs           put a file into the guests' file system
//   --resume-module FILE  PROGRAM's resume functions, where it was instrumented with such a module
//   --exec GUEST   put PROGRAM under this name (/bin/NAME otherwise); /bin/sh is PROGRAM unless --fs gives one
//
// Exits with the program's status; 70 when a guest crashed or asked for a system call that is not there.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Asyncify, WpkFork } from './fork.mjs';
import { Kernel } from './kernel.mjs';

const argv = process.argv.slice(2);
const options = {
  verbose: { type: 'boolean', short: 'v', multiple: true },
  abi: { type: 'string', default: 'wpk-fork' },
  room: { type: 'string' },
  fixed: { type: 'boolean' },
  stdin: { type: 'boolean' },
  fs: { type: 'string', multiple: true, default: [] },
  exec: { type: 'string' },
  'resume-module': { type: 'string' },
};
// What follows the program's name are its own arguments, even when they look like options.
const { tokens } = parseArgs({ args: argv, options, strict: false, allowPositionals: true, tokens: true });
const first = tokens.find(({ kind }) => kind === 'positional')?.index ?? argv.length;
const { values } = parseArgs({ args: argv.slice(0, first), options });
const [program, ...rest] = argv.slice(first);
if (!program) throw new Error('which program?');

const room = values.room === undefined ? {} : { room: Number(values.room) };
const fork = values.abi === 'asyncify' ? new Asyncify(room) : new WpkFork({ ...room, fixed: values.fixed });
const kernel = new Kernel({ fork, stdin: values.stdin ? fs.readFileSync(0, 'utf8') : null, verbose: values.verbose?.length });
const load = (host, guest) => kernel.fs.writeFile(guest, new Uint8Array(fs.readFileSync(host)));
const name = path.basename(program).replace(/\..*/, '');
const guest = values.exec ?? `/bin/${name}`;
const node = load(program, guest);
if (values['resume-module']) node.resumes = fs.readFileSync(values['resume-module']);
kernel.fs.link('/bin/sh', node);
for (const pair of values.fs) load(...pair.split('='));

const result = await kernel.run(guest, [name, ...rest]);
process.stdout.write(result.stdout);
process.stderr.write(result.stderr);
for (const crash of result.crashes) console.error(`crash: ${crash}`);
if (result.missing.length) console.error(`missing system calls: ${result.missing.join(', ')}`);
if (values.verbose) console.error(`forks: ${result.forks}, refused: ${result.refused}, status: ${result.status}`);
process.exitCode = result.crashes.length || result.missing.length ? 70 : result.status;
