// Not to be repaired: a function that returns a structure takes a pointer to the place for it, which the call hasn't got.
#include "../cast.h"

typedef struct {
  int low, high, rest[6];
} pair;
typedef int (*half)(int);

static int low(int value) { return value & 0xff; }
static pair both(int value) { return (pair){value & 0xff, value >> 8, {0}}; }

TABLE half halves[] = {low, (half)both};

NOINLINE static int call_half(half half, int value) { return half(value); }

int main(void) {
  for (int i = 0; i < 2; i++) printf("%d\n", call_half(halves[i], 0x1234));
  return 0;
}
