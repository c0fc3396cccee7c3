// Sleeps deep down, in a loop, and through a pointer; the stack holds strings and doubles meanwhile.
#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*step)(int);

static int nap(int n) {
  emscripten_sleep(1);
  return n * 2;
}

static int quick(int n) { return n * 3; }

static step steps[] = {quick, nap};

static int depth(int n, double scale) {
  char text[32];
  snprintf(text, sizeof text, "%d:%g", n, scale);
  if (n == 0) return steps[1](1);
  int below = depth(n - 1, scale / 2);
  int here = steps[n % 2](n);
  return below + here + (int)strlen(text);
}

static int by_age(const void *a, const void *b) {
  emscripten_sleep(0);
  return *(const int *)a - *(const int *)b;
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    printf("before %d\n", i);
    printf("after %d: %d\n", i, depth(i * 4, 8.5));
  }
  int ages[] = {41, 7, 33, 7, 90, 12};
  qsort(ages, 6, sizeof *ages, by_age);
  for (int i = 0; i < 6; i++) printf("%d%c", ages[i], i == 5 ? '\n' : ' ');
  char *kept = strdup("kept over a sleep");
  emscripten_sleep(2);
  puts(kept);
  free(kept);
  return 0;
}
