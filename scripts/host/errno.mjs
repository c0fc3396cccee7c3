// The error numbers that the system calls return, negated, as Linux numbers them.
export const E = {
  PERM: 1, NOENT: 2, SRCH: 3, INTR: 4, NXIO: 6, NOEXEC: 8, BADF: 9, CHILD: 10, AGAIN: 11, ACCES: 13, EXIST: 17, NOTDIR: 20,
  ISDIR: 21, INVAL: 22, NOTTY: 25, SPIPE: 29, PIPE: 32, RANGE: 34, NOSYS: 38,
};
