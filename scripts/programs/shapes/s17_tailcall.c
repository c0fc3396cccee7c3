// Functions that reach the fork by tail calls only: their frames are gone when the callee runs.
#include "shape.h"
#ifdef __clang__
#define TAIL __attribute__((musttail))
#else
#define TAIL
#endif
NOINLINE static int z(int x) {
  int r = fork();
  return r ? x : x + 1000;
}
NOINLINE static int y(int x) { TAIL return z(x * 3); }
typedef int (*fn)(int);
static fn t[2] = {y, z};
NOINLINE static int x(int a) { TAIL return t[a & 1](a + 1); }
int main(void) {
  int a = x(one);
  printf("%d\n", a);
  int b = x(zero);
  printf("%d\n", b);
  return 0;
}
