// The state lies in globals, on the heap and in an alloca of varying size.
#include "shape.h"
static int counter;
static char *heap;
NOINLINE static int f(int n) {
  char *p = (char *)__builtin_alloca(n);
  for (int i = 0; i < n; i++) p[i] = (char)(i * 7);
  heap = (char *)malloc(64);
  snprintf(heap, 64, "n=%d", n);
  counter++;
  int r = fork();
  counter += r ? 10 : 20;
  int s = 0;
  for (int i = 0; i < n; i++) s += p[i];
  printf("%s %s counter=%d sum=%d\n", r ? "P:" : "C:", heap, counter, s);
  return s;
}
int main(void) {
  printf("%d\n", f(100) + f(33));
  return 0;
}
