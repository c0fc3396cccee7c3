// JavaScript that is waited for: EM_ASYNC_JS, and its results in an expression.
#include <emscripten.h>
#include <stdio.h>

EM_ASYNC_JS(int, later, (int value), {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return value + 1;
});

EM_ASYNC_JS(double, half, (double value), {
  await Promise.resolve();
  return value / 2;
});

static int sum(int n) {
  int total = 0;
  for (int i = 0; i < n; i++) total += later(i) * (int)half(i * 4);
  return total;
}

int main(void) {
  printf("%d\n", sum(5));
  printf("%d %g\n", later(1) + later(2) * later(3), half(later(4)));
  return 0;
}
