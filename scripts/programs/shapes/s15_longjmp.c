// setjmp by exceptions: the fork stands inside the try, and longjmp comes after it in both processes.
#include "shape.h"
#include <setjmp.h>
static jmp_buf jb;
static int n;
NOINLINE static void thrower(int x) {
  n++;
  if (x)
    longjmp(jb, x);
}
int main(void) {
  volatile int seen = 0;
  int v = setjmp(jb);
  if (v == 0) {
    int r = fork();
    seen = r ? 1 : 2;
    thrower(r ? 5 : 6);
  }
  printf("%s v=%d seen=%d\n", seen == 1 ? "P:" : "C:", v, seen);
  if (v < 7) {
    int r = fork();
    who(r);
    printf("after longjmp\n");
    thrower(7 + (r == 0));
  }
  printf("end %d n=%d\n", v, n);
  return 0;
}
