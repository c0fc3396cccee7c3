// A process's descriptor table.
import { E } from './errno.mjs';

export class Descriptors {
  #slots = new Map(); // number → { file, closeOnExec }

  get(fd) {
    return this.#slots.get(fd)?.file;
  }

  /** Makes `fd` stand for `file`. */
  open(fd, file, closeOnExec = false) {
    this.close(fd);
    file.references++;
    this.#slots.set(fd, { file, closeOnExec });
    return fd;
  }

  /** Opens `file` under the lowest free number from `from` on. */
  add(file, closeOnExec = false, from = 0) {
    let fd = from;
    while (this.#slots.has(fd)) fd++;
    return this.open(fd, file, closeOnExec);
  }

  close(fd) {
    const slot = this.#slots.get(fd);
    if (!slot) return -E.BADF;
    this.#slots.delete(fd);
    if (--slot.file.references === 0) slot.file.released();
    return 0;
  }

  closeAll() {
    for (const fd of [...this.#slots.keys()]) this.close(fd);
  }

  closeOnExec() {
    for (const [fd, slot] of [...this.#slots]) if (slot.closeOnExec) this.close(fd);
  }

  flags(fd) {
    return this.#slots.get(fd).closeOnExec ? 1 : 0;
  }

  setFlags(fd, flags) {
    this.#slots.get(fd).closeOnExec = !!(flags & 1);
    return 0;
  }

  copyTo(other) {
    for (const [fd, slot] of this.#slots) other.open(fd, slot.file, slot.closeOnExec);
  }
}
