// What a fresh instance needs besides what the module saves itself: memories, tables, imported globals.

/** How the names begin that instrumenting adds; a table among them is for a resume module, which fills it. */
export const RESERVED = ['wpk_fork_', 'asyncify_'];
const isAdded = (name, value) => value instanceof WebAssembly.Table && RESERVED.some((prefix) => name.startsWith(prefix));

/** What a guest's host can see of one kind, each once, with what stands for it in another instance. */
const pairs = (kind, from, to) => {
  const found = new Map();
  const add = (one, other) => {
    if (one instanceof kind && one !== other && !found.has(one)) found.set(one, other);
  };
  for (const [name, value] of Object.entries(from.exports)) if (!isAdded(name, value)) add(value, to.exports[name]);
  for (const [module, fields] of Object.entries(from.imports))
    for (const [name, value] of Object.entries(fields)) add(value, to.imports[module]?.[name]);
  return found;
};

/** Each function in a table, by slot, as it is now. */
export const tableContents = (tables) => new Map(tables.map((table) => [table, Array.from({ length: Number(table.length) }, (_, i) => table.get(i))]));

export const tablesOf = ({ exports, imports }) => {
  const exported = Object.entries(exports).filter(([name, value]) => !isAdded(name, value));
  const values = [...exported.map(([, value]) => value), ...Object.values(imports).flatMap((fields) => Object.values(fields))];
  return [...new Set(values)].filter((value) => value instanceof WebAssembly.Table);
};

/** Gives `to`, a fresh instance, the memories, imported globals and tables that `from` has. */
export const copyState = (from, to) => {
  for (const [one, other] of pairs(WebAssembly.Memory, from, to)) {
    const size = one.buffer.byteLength;
    const missing = (size - other.buffer.byteLength) / 65536;
    if (missing > 0) {
      // The width of its addresses shows in what it takes.
      try {
        other.grow(missing);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        other.grow(BigInt(missing));
      }
    }
    new Uint8Array(other.buffer).set(new Uint8Array(one.buffer));
  }
  for (const [module, fields] of Object.entries(from.imports))
    for (const [name, one] of Object.entries(fields)) {
      const other = to.imports[module]?.[name];
      if (!(one instanceof WebAssembly.Global) || one === other) continue;
      if (other.value !== one.value) other.value = one.value;
    }
  copyTables(from, to);
};

/** A function of one instance is no function of another: each slot gets what stands for it there. */
const copyTables = (from, to) => {
  const tables = pairs(WebAssembly.Table, from, to);
  if (!tables.size) return;
  const twins = new Map([[null, null]]);
  for (const [one, other] of tables) {
    const [before, now] = [from.contents.get(one) ?? [], to.contents.get(other) ?? []];
    before.forEach((func, i) => func && now[i] && twins.set(func, now[i]));
  }
  for (const [name, value] of Object.entries(from.exports)) if (typeof value === 'function') twins.set(value, to.exports[name]);
  for (const [one, other] of tables) {
    if (other.length < one.length) other.grow(one.length - other.length);
    const original = to.contents.get(other);
    for (let i = 0; i < one.length; i++) {
      const func = one.get(i);
      const twin = twins.get(func);
      if (twin === undefined) throw new Error(`slot ${i} of a table holds a function that a fresh instance has no counterpart of: ${func?.name}`);
      if (twin !== (original[i] ?? null)) other.set(i, twin);
    }
  }
};
