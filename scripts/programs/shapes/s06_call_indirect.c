// The fork is reached through a function pointer; the same site also calls what doesn't fork.
#include "shape.h"
typedef int (*op)(int, int);
NOINLINE static int add(int a, int b) { return a + b; }
NOINLINE static int frk(int a, int b) {
  int r = fork();
  return r ? a * b : a - b;
}
static op table[4] = {add, frk, add, frk};
NOINLINE static int run(op f, int a, int b) {
  int before = a ^ b;
  int r = f(a, b);
  return r * 1000 + before;
}
int main(void) {
  for (int i = 0; i < 2; i++) printf("%d -> %d\n", i, run(table[i + zero], 7, 4));
  return 0;
}
