// The fork stands in qsort's comparator: the C library's own frames lie between.
#include "shape.h"
static int calls, child;
static int cmp(const void *a, const void *b) {
  if (++calls == 3) child = !fork();
  return *(const int *)a - *(const int *)b;
}
int main(void) {
  int v[] = {9, 4, 7, 1, 8, 2, 6};
  qsort(v, 7, sizeof *v, cmp);
  printf("%s", child ? "C:" : "P:");
  for (int i = 0; i < 7; i++) printf(" %d", v[i]);
  printf("\n");
  return 0;
}
