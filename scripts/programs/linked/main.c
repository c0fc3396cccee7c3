// The main module: calls a function of another module by name, and others through pointers. It is called back.
#define PUBLIC __attribute__((visibility("default")))
typedef int (*unary)(int);
int host_fork(int);
void host_log(int);
int work(int, int);
static int seen = 3;
PUBLIC int factors[2] = {5, 7};
// What other modules, and the host, register.
PUBLIC unary plugs[2];
PUBLIC int middle(int x) {
  seen++;
  return host_fork(x) * factors[x & 1] + seen;
}
PUBLIC int run(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) {
    sum += work(i, sum);
    host_log(sum);
    for (int k = 0; k < 2; k++) sum ^= plugs[k](i + k);
  }
  return sum + seen;
}
