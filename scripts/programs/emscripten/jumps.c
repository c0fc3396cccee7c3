// setjmp and longjmp across sleeps: through the host's invoke_* functions.
#include <emscripten.h>
#include <setjmp.h>
#include <stdio.h>

static jmp_buf back;

static void deep(int n) {
  emscripten_sleep(1);
  if (n == 0) longjmp(back, 7);
  deep(n - 1);
}

int main(void) {
  volatile int tries = 0;
  int code = setjmp(back);
  tries++;
  printf("%d after %d\n", code, tries);
  emscripten_sleep(1);
  if (tries < 4) deep(tries);
  puts("done");
  return 0;
}
