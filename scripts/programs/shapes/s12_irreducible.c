// A loop with two entrances, which the compiler makes reducible with a label variable.
#include "shape.h"
NOINLINE static int f(int x) {
  int i = 0, a = x;
  if (x & 1) goto b;
a:
  a = a * 3 + 1;
  if (++i > 4) goto out;
b:
  a ^= i;
  if (i == 2) {
    int r = fork();
    a += r ? 1000 : 2000;
  }
  if (++i < 6) goto a;
out:
  return a;
}
int main(void) {
  printf("%d %d\n", f(one), f(zero));
  return 0;
}
