// A case of scripts/check/asyncify: the synchronous build of wa-sqlite, under the JavaScript that Emscripten made for the package's build with Asyncify, as
// it is: functions of its file system, and one that SQL calls, are promises. It prints what the package's own build for that does, and what the
// synchronous one does by itself.
//
//   node asyncify-sqlite.mjs --tool WASM_FORK --work DIR --optimize WAY --package DIR
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { finish, report } from './common.mjs';

const { values: options } = parseArgs({
  options: { tool: { type: 'string' }, work: { type: 'string' }, optimize: { type: 'string' }, package: { type: 'string' } },
});
const workloads = path.join(import.meta.dirname, '../../workloads');
const built = (name) => path.join(options.package, 'dist', name);

const run = (module, ...flags) => {
  const args = [path.join(workloads, 'drivers/wa-sqlite.mjs'), ...flags, options.package, module, path.join(workloads, 'in/t.sql')];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { status, stdout, stderr, pauses: Number(/^(\d+) pauses$/m.exec(stderr)?.[1]) };
};

// The optimizer has minified the names of imports, too; the JavaScript says which are which.
const glue = fs.readFileSync(built('wa-sqlite-async.mjs'), 'utf8');
const entries = [...glue.matchAll(/[,{]([\w$]+):_\w+_async\b/g)].map(([, name]) => `a.${name}`);
const alone = run(built('wa-sqlite.wasm'), '--sync');
const expected = run(built('wa-sqlite-async.wasm'));
const output = path.join(options.work, 'wa-sqlite.wasm');
const flags = ['--abi', 'asyncify', '--optimize', options.optimize, ...entries.flatMap((entry) => ['--entry', entry])];
const tool = spawnSync(options.tool, ['instrument', '-q', built('wa-sqlite.wasm'), '-o', output, ...flags], { encoding: 'utf8' });
const result = run(output);

const problems = [];
if (tool.status !== 0) problems.push(tool.stderr);
if (alone.status !== 0 || expected.status !== 0) problems.push(alone.stderr, expected.stderr);
if (!(expected.pauses > 50) || alone.pauses !== 0) problems.push(`${expected.pauses} and ${alone.pauses} pauses are not what was to be expected`);
if (alone.stdout !== expected.stdout) problems.push('the builds of the package differ');
if (result.status !== 0 || result.stdout !== expected.stdout) problems.push(`it prints something else\n${result.stdout}${result.stderr}`);
if (result.pauses !== expected.pauses) problems.push(`${result.pauses} pauses, not ${expected.pauses}`);
const size = (file) => fs.statSync(file).size;
const sizes = tool.status === 0 ? `${size(output)} bytes, Binaryen's build ${size(built('wa-sqlite-async.wasm'))}` : '';
report(`wa-sqlite ${options.optimize}`, problems.join('\n'), `${result.pauses} pauses, ${sizes}`);
finish();
