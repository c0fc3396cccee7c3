// The kernel under a shell and its tools. PROGRAMS is a folder with dash-exnref.wasm and busybox.wasm, instrumented. An engine without JSPI
// must be told so, and nothing else.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Kernel, Recorder, Terminal } from '../kernel.mjs';

const canSuspend = typeof WebAssembly.Suspending === 'function';
const read = (name) => new Uint8Array(fs.readFileSync(path.join(process.env.PROGRAMS, `${name}.wasm`)));

const shell = async (options = {}) => {
  const kernel = new Kernel(options);
  kernel.fs.writeFile('/bin/sh', read('dash-exnref'));
  await kernel.install(kernel.fs.writeFile('/bin/busybox', read('busybox')));
  return kernel;
};

/** Runs a script; everything must have ended well. */
const run = async (script, stderr = '') => {
  const kernel = await shell();
  const result = await kernel.run('/bin/sh', ['sh', '-c', script]);
  assert.deepEqual([result.crashes, result.missing, result.stderr], [[], [], stderr]);
  assert.equal(kernel.processes.size, 1, 'nothing is left but the first, whom nobody waits for');
  return result;
};

if (!canSuspend) {
  test('an engine that can not suspend is named', () => {
    assert.throws(() => new Kernel(), /suspends guests with JSPI/);
  });
} else {
  test('a pipeline of tools', async () => {
    const { stdout, status } = await run("printf '%s\\n' c a b | sort | tr a-z A-Z | head -n 2; exit 7");
    assert.equal(stdout, 'A\nB\n');
    assert.equal(status, 7);
  });

  test('files, folders and substitution', async () => {
    const { stdout } = await run('mkdir /tmp/d && cd /tmp/d && for i in 3 1 2; do echo $i >f$i; done; ls | wc -l; cat $(ls -r) | sort; pwd; rm f1; ls');
    assert.equal(stdout.replaceAll(/ +(?=3)/g, ''), '3\n1\n2\n3\n/tmp/d\nf2\nf3\n');
  });

  test('background jobs, signals and exit statuses', async () => {
    const script = "sleep 100 & kill $!; wait $!; echo $?; trap 'echo caught' USR1; kill -USR1 $$; (exit 5); echo $?; sleep 0 & wait; echo end";
    assert.equal((await run(script, 'Terminated\n')).stdout, '143\ncaught\n5\nend\n');
  });

  test('a profile of the stacks that fork sees', async () => {
    const kernel = await shell();
    kernel.recorder = new Recorder();
    const { forks } = await kernel.run('/bin/sh', ['sh', '-c', '(exit 3); (exit 4); echo a | tr a b']);
    const { stacks, counts } = kernel.recorder;
    assert.equal(stacks, forks);
    const file = path.join(os.tmpdir(), `profile-${process.pid}.json`);
    kernel.recorder.write(file);
    const profile = JSON.parse(fs.readFileSync(file));
    fs.rmSync(file);
    assert.deepEqual([profile.version, profile.stacks, profile.functions.length], [1, forks, counts.size]);
    // What the host calls is on each of them, and more than one function is.
    assert.ok(Math.max(...counts.values()) === forks && counts.size > 3);
  });

  test('a thousand forks in a row leave nothing behind', async () => {
    const forking = async (count) => {
      const { stdout, forks } = await run(`i=0; while [ $i -lt ${count} ]; do (exit $((i % 7))); i=$((i + 1)); done; echo $i`);
      assert.deepEqual([stdout, forks], [`${count}\n`, count]);
      // What is garbage goes in the course of a few turns.
      for (let i = 0; i < 5; i++) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return process.memoryUsage().rss >> 20;
    };
    const before = await forking(100);
    const after = await forking(1000);
    assert.ok(after - before < 100, `${before} MiB after 100 forks, ${after} after 1,000 more`);
  });

  test('two hundred processes at once, with full pipes', async () => {
    const script = `i=0; while [ $i -lt 100 ]; do (seq 1 20000 | tail -n 1 >/tmp/$i) & i=$((i + 1)); done; wait; cat /tmp/[0-9]* | sort | uniq -c`;
    const { stdout } = await run(script);
    assert.match(stdout, /^ *100 20000\n$/);
  });

  test('children that are killed while a pipe is full', async () => {
    const script = 'yes | sleep 100 & sleep 0; kill -9 $!; wait $!; echo $?; yes | head -n 1; echo end';
    assert.equal((await run(script, 'Killed\n')).stdout, '137\ny\nend\n');
  });

  /** A terminal, with what it has shown; `until` waits for a text. */
  const screen = () => {
    let shown = '';
    const waiting = [];
    const terminal = new Terminal((bytes) => {
      shown += new TextDecoder().decode(bytes);
      for (const look of waiting.splice(0)) look();
    });
    const until = async (text) => {
      for (let tries = 0; !shown.includes(text); tries++) {
        assert.ok(tries < 1000, `no ${JSON.stringify(text)} in ${JSON.stringify(shown)}`);
        await new Promise((resolve) => {
          waiting.push(resolve);
          setTimeout(resolve, 10);
        });
      }
      const seen = shown;
      shown = '';
      return seen;
    };
    return { terminal, until };
  };

  test('a shell at a terminal: prompt, editing, Ctrl-C, Ctrl-D', async () => {
    const { terminal, until } = screen();
    const kernel = await shell({ terminal });
    const end = kernel.run('/bin/sh', ['sh', '-i'], ['PATH=/bin', 'PS1=$ ']);
    await until('$ ');
    terminal.type('echo helx\x7flo\r');
    assert.match(await until('hello\r\n$ '), /^echo helx\x08 \x08lo\r\nhello\r\n/);
    terminal.type('sleep 100\r');
    await until('sleep 100\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    terminal.type('\x03');
    await until('$ ');
    terminal.type('echo $?\r');
    await until('130\r\n$ ');
    terminal.type('cat\r');
    await until('cat\r\n');
    terminal.type('line\r');
    await until('line\r\nline\r\n');
    terminal.type('\x04');
    await until('$ ');
    terminal.type('tty; stty size 2>/dev/null; exit 4\r');
    assert.equal((await end).status, 4);
  });
}
