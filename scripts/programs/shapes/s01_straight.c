// Straight code: one value is live across the fork.
#include "shape.h"
int main(void) {
  int a = one * 11;
  int r = fork();
  who(r);
  printf("straight %d\n", a);
  return 0;
}
