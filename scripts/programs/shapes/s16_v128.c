// A vector is live across the fork.
#include "shape.h"
typedef int v4 __attribute__((vector_size(16)));
NOINLINE static void f(v4 *v, int x) {
  v4 b = *v + (v4){x, x, x, x};
  int r = fork();
  int k = r ? 2 : 3;
  *v = b * (v4){k, k, k, k};
}
int main(void) {
  v4 v = {1, 2, 3, 4};
  f(&v, one);
  printf("%d %d %d %d\n", v[0], v[1], v[2], v[3]);
  return 0;
}
