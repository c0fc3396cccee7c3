// The cases of scripts/check/e2e: instruments each program, runs it under the kernel, compares with expected/.
//
//   node e2e.mjs [--full] [--abi wpk-fork|asyncify] [--optimize WAY[+resume-module]] --programs DIR --tool WASM_FORK --work DIR [NAME...]
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { compare, expectation, expected, finish, host, report, rewriting, run, shellScript, sorted } from './common.mjs';

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean' },
    abi: { type: 'string', default: 'wpk-fork' },
    optimize: { type: 'string', default: 'balanced' },
    programs: { type: 'string' },
    tool: { type: 'string' },
    work: { type: 'string' },
  },
});
const ENTRY = 'kernel.kernel_fork';

const program = (name) => path.join(options.programs, `${name}.wasm`);
const isWanted = (name) => !wanted.length || wanted.some((part) => name.includes(part));

/** Instruments a program; returns the output's path and the kernel's options for it, or null when that failed, which is reported. */
const instrument = (name) => {
  const out = path.join(options.work, `${name.replaceAll('/', '-')}.wasm`);
  const { abi, optimize } = options;
  const { flags, resumes } = rewriting(optimize, out);
  const result = run(options.tool, 'instrument', program(name), '-o', out, '--entry', ENTRY, '--abi', abi, ...flags);
  if (result.status === 0) return { out, resumes, kernel: resumes ? ['--resume-module', resumes] : [] };
  report(name, `wasm-fork: status ${result.status}\n${result.error ? String(result.error) : result.stderr}`);
  return null;
};

const shape = (encoding, name) => {
  const full = `shapes/${encoding}/${name}`;
  if (!isWanted(full)) return;
  const module = instrument(full);
  if (module) report(full, compare(host(...module.kernel, module.out), expected(name), sorted));
  return module;
};

const shell = (name, scripts) => {
  const cases = scripts.map((script) => [`${name} ${script}`, script]).filter(([full]) => isWanted(full));
  if (!cases.length) return;
  const module = instrument(name);
  if (!module) return;
  for (const [full, script] of cases) {
    const result = shellScript(module.out, name, script, program('cat'), module.kernel);
    report(full, compare(result, expected(script)));
  }
};

/** What a shape does with every size of buffer, from none to enough. */
const noRoom = (encoding, name, module) => {
  const full = `shapes/${encoding}/${name} with every size of buffer`;
  // Asyncify's protocol has no way to say that there was no room.
  if (!module || !isWanted(full) || options.abi !== 'wpk-fork') return;
  const texts = ['', '.failing'].map((kind) => expectation(name + kind));
  const files = [module.out, ...texts, ...(module.resumes ? [module.resumes] : [])];
  const result = run(process.execPath, path.join(import.meta.dirname, 'no-room.mjs'), ...files);
  report(full, result.status === 0 ? '' : `${result.error ?? ''}${result.stdout}${result.stderr}`, result.status === 0 ? result.stdout.trim() : '');
};

for (const encoding of ['legacy', 'exnref']) {
  const files = fs.readdirSync(path.join(options.programs, 'shapes', encoding)).sort();
  for (const name of files.map((file) => path.basename(file, '.wasm'))) {
    const module = shape(encoding, name);
    noRoom(encoding, name, module);
  }
}
const common = ['basics.sh', 'nested.sh', 'heredocs.sh'];
shell('dash', [...common, 'exits.sh']);
shell('dash-signals', [...common, 'exits.sh', 'signals.sh']);
if (options.full) shell('bash', common);

finish();
