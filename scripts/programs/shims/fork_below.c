// Below a call of another type the program forks: the adapter is on the stack when it is saved.
#include "cast.h"

typedef int (*handler)(int, int);

static int plain(int a, int b) {
  int child = fork();
  if (child) waitpid(child, NULL, 0);
  return child ? a + b : a - b;
}
static int one(int a) {
  int child = fork();
  if (child) waitpid(child, NULL, 0);
  return child ? a * 2 : a * 3;
}
static int more(int a, int b, long long unused, double neither) { return one(a + b) + 1; }
static int seen;
static void none(void) {
  int child = fork();
  if (child) waitpid(child, NULL, 0);
  seen = child ? 1 : 2;
}

TABLE handler handlers[] = {plain, (handler)one, (handler)more, (handler)none};

NOINLINE static int handle(handler handler, int a, int b) {
  int before = a * b;
  return handler(a, b) + before;
}

int main(void) {
  // Each handler forks once: sixteen processes in the end.
  for (int i = 0; i < 3; i++) printf("%d: %d\n", i, handle(handlers[i], 10 + i, 3));
  handle(handlers[3], 1, 2);
  printf("3: %d\n", seen);
  return 0;
}
