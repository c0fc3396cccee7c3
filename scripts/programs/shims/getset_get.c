// Attributes of objects: a getter is called as (object, closure), whatever it takes.
#include "cast.h"

typedef struct {
  const char *name;
  int x, y;
} object;
typedef const void *(*getter)(object *, void *);
typedef struct {
  const char *name;
  getter get;
  void *closure;
} attribute;

static const void *offset(object *self, void *closure) { return (char *)self + (size_t)closure; }
static const void *get_name(object *self) { return &self->name; }
static const void *get_nothing(void) { return NULL; }
static const void *get_x(object *self, void *closure, void *spare) { return &self->x; }

TABLE attribute attributes[] = {
    {"offset", offset, (void *)offsetof(object, x)},
    {"name", (getter)get_name, NULL},
    {"nothing", (getter)get_nothing, NULL},
    {"x", (getter)get_x, NULL},
    {"offset of y", offset, (void *)offsetof(object, y)},
};

NOINLINE static const void *getset_get(attribute *attribute, object *self) {
  return attribute->get(self, attribute->closure);
}

int main(void) {
  object self = {"point", 3, 4};
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
    const void *value = getset_get(&attributes[i], &self);
    printf("%s: ", attributes[i].name);
    if (value == &self.name)
      printf("%s\n", *(const char *const *)value);
    else if (value)
      printf("%d\n", *(const int *)value);
    else
      printf("none\n");
  }
  return 0;
}
