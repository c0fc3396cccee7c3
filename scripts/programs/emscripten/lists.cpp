// Sleeps below a pointer, in a function that a list names; other pointers lead to nothing that sleeps, whatever their type says.
#include <cstdio>
#include <emscripten.h>

typedef int (*step)(int);

__attribute__((noinline)) static int nap(int n) {
  emscripten_sleep(1);
  return n * 2;
}

__attribute__((noinline)) static int quick(int n) { return n * 3; }

static step volatile steps[] = {quick, nap};

namespace deep {
__attribute__((noinline)) int call(int n, char which) { return steps[which == 'n'](n) + n; }
}  // namespace deep

__attribute__((noinline)) int never(int n) { return steps[0](n) + 1; }

int main() {
  int sum = 0;
  for (int i = 1; i <= 5; i++) {
    emscripten_sleep(1);
    sum += deep::call(i, 'n') + never(i);
    printf("%d: %d\n", i, sum);
  }
  return 0;
}
