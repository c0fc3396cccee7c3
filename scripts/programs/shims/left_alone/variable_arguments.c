// Not to be repaired: a function of variable arguments, called as one of a fixed number. Its arguments lie in memory
// then, and the call puts them elsewhere.
#include <stdarg.h>
#include "../cast.h"

typedef int (*sum)(int, int, int);

static int sum_of_two(int count, int a, int b) { return a + b; }
static int sum_of_all(int count, ...) {
  int total = 0;
  va_list args;
  va_start(args, count);
  for (int i = 0; i < count; i++) total += va_arg(args, int);
  va_end(args);
  return total;
}

TABLE sum sums[] = {sum_of_two, (sum)sum_of_all};

NOINLINE static int call_sum(sum sum, int a, int b) { return sum(2, a, b); }

int main(void) {
  for (int i = 0; i < 2; i++) printf("%d\n", call_sum(sums[i], 20, 22));
  return 0;
}
