// What the scripts share that run programs and compare what these print with an expectation.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const TIMEOUT_MS = 120_000;
export const scripts = path.join(import.meta.dirname, '../..');
const programs = path.join(scripts, 'programs');

/** Enough of a text to see what is wrong. */
export const clip = (text) =>
  text.trimEnd().split('\n').slice(0, 40).map((line) => line.slice(0, 200)).join('\n');

let passed = 0;
const failures = [];

/** One line for a case, and the problem if there is one. */
export const report = (name, problem, note) => {
  if (problem) failures.push(name);
  else passed++;
  console.log(`${problem ? 'FAIL' : 'ok  '} ${name}${note ? ` (${note})` : ''}`);
  if (problem) console.log(clip(problem).replace(/^/gm, '     '));
};

/** The last line; the status is 1 if a case failed, or if there was none. */
export const finish = () => {
  console.log(`${passed} passed, ${failures.length} failed`);
  if (!passed || failures.length) process.exitCode = 1;
};

export const run = (command, ...args) =>
  spawnSync(command, args, { encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 1 << 28, killSignal: 'SIGKILL' });

/**
 * A way to rewrite functions: `size`, `balanced`, `speed`, and the last two with `+resume-module`. Returns the tool's flags for it, and
 * the file that the resume functions go to, if there is one.
 */
export const rewriting = (way, out) => {
  const [optimize, apart] = way.split('+');
  const resumes = apart ? out.replace(/\.wasm$/, '.resumes.wasm') : undefined;
  return { resumes, flags: ['--optimize', optimize, ...(resumes ? ['--resume-module', resumes] : [])] };
};

/** Runs a program under the kernel. */
export const host = (...args) => run(process.execPath, path.join(scripts, 'host/run.mjs'), ...args);

/** Runs a shell with a script of shell/ under the kernel; `options` are the kernel's. */
export const shellScript = (module, name, script, cat, options = []) => {
  const source = path.join(programs, 'shell', script);
  return host(...options, '--fs', `${cat}=/bin/cat`, '--fs', `${source}=/script`, '--exec', `/bin/${name}`, module, '/script');
};

/** The file that says what a program prints; its contents. */
export const expectation = (name) => path.join(programs, 'expected', `${name}.txt`);
export const expected = (name) => fs.readFileSync(expectation(name), 'utf8');
export const sorted = (text) => text.split(/(?<=\n)/).sort().join('');

/** The first lines in which two texts differ. */
const difference = (is, should) => {
  const [a, b] = [is, should].map((text) => text.split('\n'));
  const at = a.findIndex((line, i) => line !== b[i]);
  const from = at < 0 ? a.length : at;
  return [`from line ${from + 1} on it printed`, ...a.slice(from, from + 5), 'and should have printed', ...b.slice(from, from + 5)].join('\n');
};

/** Compares a finished run with an expectation; returns the problem, or ''. */
export const compare = (result, should, normal = (text) => text) => {
  if (result.error) return String(result.error);
  const is = `${normal(result.stdout)}status ${result.status}\n`;
  return is === should ? '' : `${difference(is, should)}\n${result.stderr}`;
};

/** The sections of a module: each with its id, and where its contents are, in bytes. */
export const sections = (bytes) => {
  const found = [];
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    found.push({ id, start: at, size });
    at += size;
  }
  return found;
};

/** The code section of the module in a file. */
export const codeSection = (file) => sections(fs.readFileSync(file)).find(({ id }) => id === 10);
