// Numbers of another width, each way in which a machine's registers let them pass: repaired on request alone.
#include "cast.h"

typedef int (*hash)(long long);

static int plain(long long value) { return (int)(value % 1000); }
static int narrow(int value) { return value % 1000; }
static long long wide(long long value) { return value * 2; }

TABLE hash hashes[] = {plain, (hash)narrow, (hash)wide};

NOINLINE static int call_hash(hash hash, long long value) { return hash(value); }

int main(void) {
  for (int i = 0; i < 3; i++) printf("%d\n", call_hash(hashes[i], 0x100002345));
  return 0;
}
