// A chain of callees, one of which calls the next twice.
#include "shape.h"
NOINLINE static int e(int x) { return fork() ? x : -x; }
NOINLINE static int d(int x) { return e(x + 1) * 2; }
NOINLINE static int c(int x) {
  int y = d(x);
  return y + d(x * y);
}
NOINLINE static int b(int x) { return c(x) - x; }
int main(void) {
  printf("%d\n", b(one + 1));
  return 0;
}
