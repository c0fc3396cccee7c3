// Number slots: a type's slot for += is called with two operands; in it may stand a function of one, or of three (as for
// a power with a modulus), or one that returns nothing, having changed its operand.
#include "cast.h"

typedef struct object object;
typedef object *(*binary)(object *, object *);
typedef struct {
  const char *name;
  binary add, in_place_add;
} type;
struct object {
  const type *type;
  long long value;
};

static object *add(object *a, object *b) {
  a->value += b->value;
  return a;
}
static object *negate(object *a) {
  a->value = -a->value;
  return a;
}
static object *power(object *a, object *b, object *modulus) {
  long long power = 1;
  for (long long i = 0; i < b->value; i++) power *= a->value;
  a->value = power;
  return a;
}
static object *refuse(object *a, object *b) { return NULL; }

TABLE type types[] = {
    {"added", add, NULL},
    {"negated", add, (binary)negate},
    {"to the power", refuse, (binary)power},
    {"refused, then added", add, refuse},
    {"refused, then negated", (binary)negate, refuse},
};

// As interpreters do: the slot for the operation in place first, then the plain one.
NOINLINE static object *number_in_place_add(object *a, object *b) {
  object *result = NULL;
  if (a->type->in_place_add) result = a->type->in_place_add(a, b);
  if (!result) result = a->type->add(a, b);
  return result;
}

int main(void) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    object a = {&types[i], 5}, b = {&types[0], 3};
    for (int round = 0; round < 3; round++) printf("%s: %lld\n", types[i].name, number_in_place_add(&a, &b)->value);
  }
  return 0;
}
