// Runs an instrumented module that forks, on the package wasm-fork-host: node run.mjs MODULE [RESUME_MODULE]
import { readFileSync } from 'node:fs';
import { ForkHost } from '../host/index.mjs';

const [module, resumes] = process.argv.slice(2).map((file) => readFileSync(file));
const print = (guest) => (at, length, number) => console.log(`process ${guest.pid}: ${guest.text(at, length)} ${number}`);
const host = new ForkHost(module, { resumes, imports: (guest) => ({ env: { print: print(guest) } }) });
await host.start().call('run', 80);
await host.idle();
