// A side module that knows neither the entry nor who leads there: it calls a function by a pointer that it was given.
#define PUBLIC __attribute__((visibility("default")))
typedef int (*unary)(int);
extern unary plugs[2];
int middle(int);
static double sum = 0.5;
static volatile unary target;
static int plug(int x) {
  float half = x * 0.5f;
  sum += 1.25;
  return target(x + 20) + (int)(half * 4) + (int)(sum * 8);
}
PUBLIC void start(void) {
  target = middle;
  plugs[0] = plug;
}
