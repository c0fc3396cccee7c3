// Which functions of a module an error or a stack names.

const FRAME = /wasm-function\[(\d+)\](?::(0x[0-9a-f]+))?/;

/** The names in a module's name section, by index. */
export const functionNames = (module) => {
  const names = new Map();
  for (const section of WebAssembly.Module.customSections(module, 'name')) {
    const bytes = new Uint8Array(section);
    let at = 0;
    const number = () => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        value += (byte & 127) * 2 ** shift;
        if (byte < 128 || byte === undefined) return value;
      }
    };
    while (at < bytes.length) {
      const kind = bytes[at++];
      const end = number() + at;
      if (kind === 1) {
        for (let count = number(); count > 0; count--) {
          const index = number();
          const length = number();
          names.set(index, new TextDecoder().decode(bytes.subarray(at, at + length)));
          at += length;
        }
      }
      at = end;
    }
  }
  return names;
};

/** The frames of WebAssembly in the text of a stack, innermost first: index, and offset in the module. */
export const framesOf = (stack) =>
  String(stack).split('\n').map((line) => FRAME.exec(line)).filter(Boolean).map(([, index, offset]) => ({ index: Number(index), offset }));

/** Runs `make` with an error's stack as long as it is. */
export const wholeStack = () => {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = Infinity;
  const { stack } = new Error();
  Error.stackTraceLimit = limit;
  return stack;
};
