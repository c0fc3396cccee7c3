// Setters return whether they failed; some return nothing, some take no closure. What a setter without a result
// returns, nobody asks.
#include "cast.h"

typedef struct {
  int x, writes;
} object;
typedef int (*setter)(object *, int, void *);
typedef struct {
  const char *name;
  setter set;
  void *closure;
  int fails; // whether it returns something
} attribute;

static int set_checked(object *self, int value, void *limit) {
  if (value > *(int *)limit) return -1;
  self->x = value;
  return 0;
}
static int set_plain(object *self, int value) {
  self->x = value;
  return value < 0 ? -1 : 0;
}
static void set_always(object *self, int value) { self->x = value; }
static void set_scaled(object *self, int value, void *factor) { self->x = value * *(int *)factor; }
static void touch(object *self) { self->writes += 100; }

static int limit = 50, factor = 3;
TABLE attribute attributes[] = {
    {"checked", set_checked, &limit, 1},          {"plain", (setter)set_plain, NULL, 1},
    {"always", (setter)set_always, NULL, 0},      {"scaled", (setter)set_scaled, &factor, 0},
    {"touch", (setter)touch, NULL, 0},
};

NOINLINE static int getset_set(attribute *attribute, object *self, int value) {
  int result = attribute->set(self, value, attribute->closure);
  self->writes++;
  return result;
}

int main(void) {
  static const int values[] = {7, 60, -5};
  object self = {0, 0};
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
      int result = getset_set(&attributes[i], &self, values[v]);
      printf("%s %d: x %d, writes %d", attributes[i].name, values[v], self.x, self.writes);
      if (attributes[i].fails) printf(", result %d", result);
      printf("\n");
    }
  return 0;
}
