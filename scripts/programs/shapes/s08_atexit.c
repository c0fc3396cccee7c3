// The fork stands in an atexit handler, and main's status must still come out.
#include "shape.h"
static void second(void) { printf("second\n"); }
static void first(void) {
  int r = fork();
  who(r);
  printf("in atexit\n");
}
int main(void) {
  atexit(second);
  atexit(first);
  printf("main\n");
  return 4;
}
