// Sixty frames deep, each with locals of every numeric type and a buffer on the C stack.
#include "shape.h"
NOINLINE static long long deep(int n, int a, long long b, float c, double d, unsigned char e) {
  int l0 = a * 3 + 1, l1 = a ^ n, l2 = l0 - l1;
  long long m0 = b * 31 + l2, m1 = b ^ l0;
  float f0 = c * 1.5f, f1 = c - l1;
  double d0 = d / 3 + l2, d1 = d * 0.25;
  unsigned char q = e + n;
  char buf[24];
  snprintf(buf, sizeof buf, "%d:%d", n, q);
  long long r;
  if (n == 0) {
    int p = fork();
    r = p ? 1 : 2;
  } else
    r = deep(n - 1, l0, m0, f0, d0, q);
  return r * 7 + l0 + l1 * 2 + l2 * 3 + m0 + m1 * 5 + (long long)(f0 + f1 * 0.5f) + (long long)(d0 + d1) + q +
         buf[0] + buf[2];
}
int main(int c, char **v) {
  int n = c > 1 ? atoi(v[1]) : 60;
  printf("%lld\n", deep(n, 1, 2, 3.25f, 4.75, 5));
  return 0;
}
