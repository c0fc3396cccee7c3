// The ways from JavaScript into a module: its exports, and what tables hold.
//
// `call` stands around each call that JavaScript makes of a function of WebAssembly: `call(begin, func)`, where `begin()` makes it,
// and may be called several times; `begin(other)` calls another function with the same arguments. The function that makes the call
// is CALLER on the stack, so that one can see there where the innermost such call begins.

export const CALLER = 'called from JavaScript';

const { get, set, grow } = WebAssembly.Table.prototype;
const wrappers = new WeakMap(); // function → what stands for it in JavaScript
const originals = new WeakMap(); // the other way

/** What `value` stands for, or itself. */
export const original = (value) => originals.get(value) ?? value;

/** What a table holds, itself. */
export const slot = (table, index) => get.call(table, index);

/** What is to stand for a function of WebAssembly. */
const wrapper = (func, call) => {
  const known = wrappers.get(func);
  if (known) return known;
  const { [CALLER]: begin } = { [CALLER]: (called, args) => called(...args) };
  const wrapped = (...args) => call((called = func) => begin(called, args), func);
  // Some look at these to find out the type or the name.
  Object.defineProperties(wrapped, { length: { value: func.length }, name: { value: func.name } });
  wrappers.set(func, wrapped);
  originals.set(wrapped, func);
  return wrapped;
};

/** An instance as JavaScript is to see it. */
export const wrapInstance = (instance, call) => {
  const exports = Object.create(null);
  for (const [name, value] of Object.entries(instance.exports)) {
    exports[name] = typeof value === 'function' ? wrapper(value, call) : value;
  }
  return Object.create(WebAssembly.Instance.prototype, { exports: { value: Object.freeze(exports) } });
};

/** Wraps what JavaScript takes out of tables, and puts in what it stands for. */
export const wrapTables = (call) => {
  Object.assign(WebAssembly.Table.prototype, {
    get(index) {
      const value = get.call(this, index);
      return typeof value === 'function' ? wrapper(value, call) : value;
    },
    set(index, ...value) {
      return set.call(this, index, ...value.map(original));
    },
    grow(by, ...value) {
      return grow.call(this, by, ...value.map(original));
    },
  });
};
