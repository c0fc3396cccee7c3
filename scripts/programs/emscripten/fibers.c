// Two fibers that take turns, each with a stack of its own, and a third that never ends.
#include <emscripten.h>
#include <emscripten/fiber.h>
#include <stdio.h>

#define STACK 16384

typedef struct {
  emscripten_fiber_t fiber;
  char name;
  int rounds;
  int sum;
  char stack[STACK] __attribute__((aligned(16)));
  char asyncify[STACK];
} worker;

static emscripten_fiber_t scheduler;
static worker workers[3];

static void yield(worker *self) { emscripten_fiber_swap(&self->fiber, &scheduler); }

static int recurse(worker *self, int n) {
  if (n == 0) {
    printf("%c rests\n", self->name);
    yield(self);
    return 1;
  }
  int below = recurse(self, n - 1);
  return below + n;
}

static void run(void *argument) {
  worker *self = argument;
  for (int i = 0; i < self->rounds; i++) {
    self->sum += recurse(self, i);
    printf("%c has %d\n", self->name, self->sum);
    yield(self);
  }
  self->name = '-';
  for (;;) yield(self);
}

int main(void) {
  static char asyncify[STACK];
  emscripten_fiber_init_from_current_context(&scheduler, asyncify, sizeof asyncify);
  for (int i = 0; i < 3; i++) {
    worker *worker = &workers[i];
    worker->name = "abc"[i];
    worker->rounds = i == 2 ? 1000 : i + 2;
    emscripten_fiber_init(&worker->fiber, run, worker, worker->stack, STACK, worker->asyncify, STACK);
  }
  for (int turn = 0; turn < 24; turn++) emscripten_fiber_swap(&scheduler, &workers[turn % 3].fiber);
  for (int i = 0; i < 3; i++) printf("%d ", workers[i].sum);
  puts("done");
  return 0;
}
