// What every program here shares. Each calls functions through pointers of other types, as C programs do that were
// written where such calls pass; it prints the same lines whichever compiler builds it for such a machine. What a
// missing argument or result would be is left unsaid there, so no program looks at one.
#ifndef CAST_H
#define CAST_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// A line is written when it is complete, so that none is copied in a buffer by a fork.
__attribute__((constructor)) static void by_lines(void) { setvbuf(stdout, 0, _IOLBF, 0); }

// The call under test must stay a call, in a function of its own: that is what one names as the site.
#define NOINLINE __attribute__((noinline))

// Tables of functions are variables that the optimiser must not see through.
#define TABLE __attribute__((used))

#endif
