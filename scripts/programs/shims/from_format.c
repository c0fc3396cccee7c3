// A formatter with variable arguments: what is to be printed says by its type how, and some types' functions take a
// width that the formatter doesn't have, or not even the buffer.
#include <stdarg.h>
#include "cast.h"

typedef struct object object;
typedef int (*represent)(object *, char *, size_t);
typedef struct {
  const char *name;
  represent repr;
} type;
struct object {
  const type *type;
  double number;
};

static char line[128];
static int repr_number(object *self, char *out, size_t room) { return snprintf(out, room, "%.3f", self->number); }
static int repr_wide(object *self, char *out, size_t room, int width, double unused) {
  return snprintf(out, room, "<%.1f>", self->number);
}
static int repr_name(object *self, char *out) { return sprintf(out, "a %s", self->type->name); }
static long repr_nothing(void) { return 0; }

TABLE type types[] = {
    {"number", repr_number},
    {"wide", (represent)repr_wide},
    {"named", (represent)repr_name},
    {"nothing", (represent)repr_nothing},
};

// %O is an object, %i an int.
NOINLINE static size_t from_format_v(char *out, size_t room, const char *format, va_list args) {
  size_t at = 0;
  for (; *format && at + 1 < room; format++) {
    if (*format != '%') {
      out[at++] = *format;
      continue;
    }
    if (*++format == 'i') {
      at += snprintf(out + at, room - at, "%d", va_arg(args, int));
    } else {
      object *object = va_arg(args, struct object *);
      at += object->type->repr(object, out + at, room - at);
    }
  }
  out[at] = 0;
  return at;
}

static size_t from_format(const char *format, ...) {
  va_list args;
  va_start(args, format);
  size_t length = from_format_v(line, sizeof line, format, args);
  va_end(args);
  return length;
}

int main(void) {
  object objects[4];
  for (int i = 0; i < 4; i++) objects[i] = (object){&types[i], i + 0.25};
  for (int i = 0; i < 4; i++) {
    size_t length = from_format("%i: %O, and [%O]", i, &objects[i], &objects[3 - i]);
    printf("%s (%d)\n", line, (int)length);
  }
  return 0;
}
