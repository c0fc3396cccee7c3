// The fork stands in a loop body: three forks give eight processes, with a double carried round.
#include "shape.h"
int main(void) {
  double acc = 0.5;
  int depth = 0;
  for (int i = 0; i < 3; i++) {
    acc = acc * 2 + i;
    int r = fork();
    if (!r) {
      depth++;
      printf("C: i=%d depth=%d acc=%g\n", i, depth, acc);
    } else
      printf("P: i=%d depth=%d acc=%g\n", i, depth, acc);
  }
  printf("end depth=%d acc=%g\n", depth, acc);
  return 0;
}
