// References that a guest's stack holds while it is away, for a fresh instance. A module that was instrumented with `--carry-references` keeps them in
// tables that it exports, and exports another by which functions are found: the counterpart of the function in a slot is in the same slot of the copy's.

import { RESERVED } from './copies.mjs';

/** The tables that keep references, by name. */
const keepers = (exports) =>
  RESERVED.flatMap((prefix) => {
    const found = [];
    for (let name; `${(name = `${prefix}references${found.length}`)}_live` in exports; ) found.push(name);
    return found;
  });

/** Each function that a reference can be of, with its counterpart. */
const counterparts = (from, to) => {
  const found = new Map();
  for (const [name, value] of Object.entries(from)) if (typeof value === 'function') found.set(value, to[name]);
  for (const prefix of RESERVED) {
    const [table, other] = [from, to].map((exports) => exports[`${prefix}functions`]);
    for (let i = 0; i < (table?.length ?? 0); i++) found.set(table.get(i), other.get(i));
  }
  return found;
};

/** Whether a value is a struct or an array of a module: to JavaScript these are objects without anything, which throw when they are written to. */
const isObjectOfModule = (value) => {
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== null || Object.isExtensible(value)) return false;
  try {
    Reflect.set(value, 'any', 0);
    return false;
  } catch {
    return true;
  }
};

/** Whether a table takes a value. Slot 0 is never used. */
const takes = (table, value) => {
  try {
    table.set(0, value);
    return true;
  } catch {
    return false;
  } finally {
    table.set(0, null);
  }
};

/**
 * What has to be put where in `to`, a fresh instance, so that it has what `from` keeps. Throws if there is something that has no counterpart, before
 * anything is changed. `embedder`, if there is one, says what stands for a reference that isn't of a function of the module's own.
 */
export const planReferences = (from, to, embedder) => {
  const plan = [];
  let twins;
  for (const name of keepers(from.exports)) {
    const [table, copy] = [from, to].map(({ exports }) => exports[name]);
    const live = from.exports[`${name}_live`].value;
    const last = from.exports[`${name}_last`].value;
    const slots = [];
    plan.push({ name, copy, live, last, size: table.length, slots });
    if (live === 0) continue;
    if (!isReadable(table)) throw new Error(`the stack holds an exception (in ${name}), which JavaScript can't carry over to a fresh instance`);
    twins ??= counterparts(from.exports, to.exports);
    const isOfFunctions = !takes(copy, {});
    for (let slot = 1; slot < table.length; slot++) {
      const kept = table.get(slot);
      if (kept === null) continue;
      const refuse = (what, error) => {
        const hint = embedder ? '' : '; the option `reference` may say what stands for it';
        throw new Error(`the stack holds ${what}, which a fresh instance has no counterpart of (slot ${slot} of ${name})${hint}`, { cause: error });
      };
      let twin = twins.get(kept);
      if (twin === undefined) {
        if (embedder) twin = embedder(kept, from, to);
        else if (isOfFunctions) refuse(`a function that is none of the module's own, ${kept.name}`);
        else if (isObjectOfModule(kept)) refuse('a struct or an array');
        else twin = kept;
      }
      if (twin === null || !takes(copy, twin)) refuse('a reference that nothing fitting was given for');
      slots.push([slot, twin]);
    }
  }
  return plan;
};

/** JavaScript reads no tables of exceptions. */
const isReadable = (table) => {
  try {
    table.get(0);
    return true;
  } catch {
    return false;
  }
};

/** Does what `planReferences` says. */
export const carryReferences = (plan, to) => {
  for (const { name, copy, live, last, size, slots } of plan) {
    if (live === 0) continue;
    // Without a value, slots of tables for host references would hold `undefined`, which is a reference like any other.
    if (size > copy.length) copy.grow(size - copy.length, null);
    for (const [slot, twin] of slots) copy.set(slot, twin);
    to.exports[`${name}_live`].value = live;
    to.exports[`${name}_last`].value = last;
  }
};
