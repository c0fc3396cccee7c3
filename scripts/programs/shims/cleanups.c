// A stack of things to undo, as shells have one: each is called as an int function of one pointer, and returns what it
// likes, or nothing.
#include "cast.h"

typedef int cleanup(char *);
static struct {
  cleanup *call;
  char *argument;
} stack[16];
static int depth, flags = 5;

static void push(cleanup *call, void *argument) {
  stack[depth].call = call;
  stack[depth++].argument = argument;
}
static int say(char *text) { return printf("say %s\n", text); }
static void release(char *text) {
  printf("release %s\n", text);
  free(text);
}
static void reset_flags(void) {
  flags = 0;
  printf("flags reset\n");
}
static char *shout(char *text) {
  printf("%s!\n", text);
  return text;
}
static int restore(int *to, int unused) {
  printf("flags %d again\n", *to = 5);
  return 0;
}

NOINLINE static void run_cleanups(void) {
  while (depth > 0) {
    depth--;
    stack[depth].call(stack[depth].argument);
  }
}

int main(void) {
  push(say, "last");
  push((cleanup *)release, strdup("memory"));
  push((cleanup *)restore, &flags);
  push((cleanup *)reset_flags, NULL);
  push((cleanup *)shout, "first");
  run_cleanups();
  printf("flags %d\n", flags);
  push((cleanup *)reset_flags, NULL);
  run_cleanups();
  printf("flags %d\n", flags);
  return 0;
}
