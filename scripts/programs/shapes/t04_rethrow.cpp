// The fork stands in catch clauses that throw on.
#include "shape.h"
struct E {
  int a;
  long long b;
  E(int a) : a(a), b(a * 10000000000LL) {}
};
NOINLINE static int lvl(int n) {
  try {
    if (n == 0) throw E(5);
    return lvl(n - 1);
  } catch (E &e) {
    int r = fork();
    e.a += r ? 1 : 100;
    if (n < 2) throw;
    printf("%s n=%d a=%d b=%lld\n", r ? "P:" : "C:", n, e.a, e.b);
    return e.a;
  }
}
int main() {
  printf("%d\n", lvl(2));
  return 0;
}
