// The fork stands in a catch clause, with another try inside.
#include "shape.h"
NOINLINE static void th(int x) { throw x; }
int main() {
  long long k = 1234567890123LL * one;
  try {
    th(7);
  } catch (int e) {
    int r = fork();
    who(r);
    printf("catch %d k=%lld\n", e, k);
    try {
      th(r ? 8 : 9);
    } catch (int e2) {
      who(r);
      printf("nested %d %d\n", e, e2);
    }
  }
  printf("end %lld\n", k);
  return 0;
}
