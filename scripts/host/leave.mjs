// Leaving a guest for good: exit, exec, death by a signal.
//
// An exception thrown by the host would run the guest's catch_all handlers on its way out, and so its destructors. A
// trap passes them by. So the reason is kept aside and a trap is raised, in a module that has nothing but one.
const bytes = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
  1, 4, 1, 0x60, 0, 0, // types: () -> ()
  3, 2, 1, 0, // functions: one, of type 0
  7, 5, 1, 1, 0x74, 0, 0, // exports: "t" is function 0
  10, 5, 1, 3, 0, 0x00, 0x0b, // code: unreachable
]);
export const trap = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.t;

/** The guest ends with this wait status. */
export class Exit {
  constructor(status) {
    this.status = status;
  }
}

/** The guest is replaced by another program. */
export class Exec {
  constructor(path, argv, env) {
    Object.assign(this, { path, argv, env });
  }
}
