// The fork stands in one arm of an if; the function is called once for each arm.
#include "shape.h"
NOINLINE static int f(int x) {
  int y = x * 3;
  if (x > 0) {
    y += 1;
    int r = fork();
    who(r);
    printf("then %d %d\n", x, y);
    return r ? y : -y;
  } else {
    printf("else\n");
    return 0;
  }
}
int main(void) {
  int v = f(one) + f(zero) + 100;
  printf("%d\n", v);
  return 0;
}
