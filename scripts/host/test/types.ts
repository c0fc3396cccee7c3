// Uses all that the package declares: compiled, not run.
import { ForkHost, Guest, fork, pause, setjmp, longjmp, GuestError } from 'wasm-fork-host';
import { Kernel, Terminal } from 'wasm-fork-host/kernel';
const host = new ForkHost<{ name: string }>(new Uint8Array(), {
  entry: ['env.fork', 'env.*'],
  imports: (guest: Guest<{ name: string }>) => ({ env: { fork, sleep: async (ms: number) => ms, log: (at: number) => guest.text(at) } }),
  reference: (value, parent, child) => (value === parent.context ? child.context : value),
  onFork: (parent, child) => { child.context = { name: parent.context.name + child.pid }; },
});
const guest = host.start({ name: 'x' });
const n: Promise<any> = guest.call('run', 1, 2n);
for (const v of guest.fiber('count', [1])) void v;
void [pause(1), setjmp('k'), longjmp('k', 2)];
const t = new Terminal((b: Uint8Array) => void b, { rows: 24, columns: 80 });
new Kernel({ terminal: t }).run('/bin/sh', ['sh']).then((r) => r.status);
// @ts-expect-error a kernel has no such option
new Kernel({ terminall: t });
