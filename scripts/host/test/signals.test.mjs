// A process's signals by themselves: what waits, and what becomes of it when actions change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SIGCHLD, SIGINT, Signals } from '../signals.mjs';

const SIGTERM = 15;
const HANDLER = { handler: 7, flags: 0 };
const DEFAULT = { handler: 0, flags: 0 };

const waiting = (signal) => {
  const signals = new Signals();
  signals.delivers = true;
  signals.setAction(signal, HANDLER);
  signals.raise(signal);
  assert.ok(signals.interrupt(), 'it waits for its handler');
  return signals;
};

test('a child that ended before exec does no harm after it', () => {
  const signals = waiting(SIGCHLD);
  signals.reset();
  assert.deepEqual([signals.fatal, signals.interrupt(), signals.pendingSet()], [0, false, 0n]);
});

test('a signal that waits when the default comes back does what is done by default', () => {
  for (const comesBack of [(signals, signal) => signals.setAction(signal, DEFAULT), (signals) => signals.reset()]) {
    for (const [signal, fatal] of [
      [SIGCHLD, 0],
      [SIGTERM, SIGTERM],
    ]) {
      const signals = waiting(signal);
      comesBack(signals, signal);
      assert.equal(signals.fatal, fatal);
    }
  }
});

test('what is ignored stays so over exec', () => {
  const signals = new Signals();
  signals.setAction(SIGINT, { handler: 1, flags: 0 });
  signals.reset();
  signals.raise(SIGINT);
  assert.deepEqual([signals.fatal, signals.pendingSet()], [0, 0n]);
});

test('a masked signal waits for the mask', () => {
  const signals = new Signals();
  signals.mask = 1n << BigInt(SIGTERM - 1);
  signals.raise(SIGTERM);
  assert.deepEqual([signals.fatal, signals.pendingSet()], [0, signals.mask]);
  signals.mask = 0n;
  assert.equal(signals.fatal, SIGTERM);
});
