// What every shape shares. A shape is a small program that stands at a fork in one particular way; it prints the
// same lines whichever compiler builds it, so a native build says what the instrumented one must print.
#ifndef SHAPE_H
#define SHAPE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

// A system that has no room for another process: the reference for a fork that fails.
#ifdef FORK_FAILS
#define fork() (-1)
#endif

// A line is written when it is complete, so that none is copied in a buffer by a fork.
__attribute__((constructor)) static void by_lines(void) { setvbuf(stdout, 0, _IOLBF, 0); }

// The call under test must stay a call: inlined, there would be one frame fewer on the stack.
#define NOINLINE __attribute__((noinline))

// Says whose lines follow and hands fork's result through. "P:" is the parent, "C:" the child.
NOINLINE static inline int who(int r) {
  printf("%s", r ? "P: " : "C: ");
  return r;
}

// Values that the optimiser can't know.
static volatile int one = 1, zero = 0;

#endif
