// Two forks in a row in one function.
#include "shape.h"
NOINLINE static int f(int k) {
  int a = fork();
  int b = fork();
  printf("k=%d a=%d b=%d\n", k, a != 0, b != 0);
  return (a != 0) * 2 + (b != 0);
}
int main(void) {
  int v = f(one + 6);
  printf("v=%d\n", v);
  return 0;
}
