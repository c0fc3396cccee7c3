// A state machine in a loop: br_table before, between and after two forks.
#include "shape.h"
NOINLINE static int f(int s) {
  int acc = 0, n = 0, r = -1;
  for (;;) {
    if (++n > 20) return acc;
    switch (s) {
    case 0:
      acc += 1;
      s = 3;
      break;
    case 1:
      acc = acc * 2 + 1;
      r = fork();
      acc += r ? 100 : 200;
      s = 4;
      break;
    case 2:
      acc ^= 7; /* fall through */
    case 3:
      acc += 5;
      s = 1;
      break;
    case 4:
      acc -= 3;
      s = acc & 1 ? 5 : 2;
      if (n > 8) s = 6;
      break;
    case 5:
      acc += fork() ? 1 : 2;
      s = 6;
      break;
    default:
      return acc;
    }
  }
}
int main(void) {
  printf("%d\n", f(zero));
  return 0;
}
