// A side module: forks by itself, and by way of the main module, with data of both on the stack.
#define PUBLIC __attribute__((visibility("default")))
int host_fork(int);
int middle(int);
extern int factors[2];
static long long count = 2;
static int deeper(int x) {
  volatile int local[4] = {x, 2, 3, 4};
  int r = middle(x);
  return r + local[1] + local[3] + factors[0];
}
PUBLIC int work(int x, int y) {
  count += 3;
  return deeper(x) * host_fork(9) - y + (int)count;
}
