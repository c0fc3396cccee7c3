// The fork stands in a destructor that runs during unwinding.
#include "shape.h"
struct D {
  int n;
  D(int n) : n(n) {}
  ~D() {
    int r = fork();
    who(r);
    printf("dtor %d\n", n);
  }
};
NOINLINE static void th(int x) {
  D d(x);
  if (x) throw x * 2;
  printf("normal\n");
}
int main() {
  try {
    th(3 * one);
  } catch (int e) {
    printf("caught %d\n", e);
  }
  th(zero);
  return 0;
}
