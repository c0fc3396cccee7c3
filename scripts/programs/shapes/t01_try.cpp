// The fork stands in a try block; what is thrown after it is caught in the parent only.
#include "shape.h"
NOINLINE static int may(int x) {
  if (x > 3) throw x;
  return x;
}
int main() {
  int v = one;
  try {
    v += may(2);
    int r = fork();
    who(r);
    printf("try v=%d\n", v);
    v += may(r ? 10 : 3);
    printf("C: no throw %d\n", v);
  } catch (int e) {
    printf("P: caught %d v=%d\n", e, v);
  }
  printf("end %d\n", v);
  return 0;
}
