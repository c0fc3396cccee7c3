// The fork stands in nested blocks that are left by breaks before and after it.
#include "shape.h"
NOINLINE static int f(int x) {
  int r = -1;
  do {
    if (x == 9) break;
    {
      long long t = x * 1000000007LL;
      r = fork();
      who(r);
      printf("block %lld\n", t);
      if (r && x == 1) break;
    }
    printf("%s end of block\n", r ? "P:" : "C:");
  } while (0);
  return r ? 5 : 6;
}
int main(void) {
  printf("%d\n", f(one));
  return 0;
}
