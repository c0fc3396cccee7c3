// Values wait on the operand stack, below the arguments of the call that forks.
#include "shape.h"
NOINLINE static int g(int x) { return x * 10 + (fork() != 0); }
NOINLINE static long long h(long long a, int b, double c, int d) {
  return a + b * 2 + (long long)(c * 4) + d * 8;
}
NOINLINE static int pure(int x) { return x + one; }
int main(void) {
  long long v = h(pure(3) * 100000000000LL, pure(4), pure(5) * 0.5, g(pure(6)));
  int w = pure(1) - g(2) * pure(3);
  printf("%lld %d\n", v, w);
  return 0;
}
