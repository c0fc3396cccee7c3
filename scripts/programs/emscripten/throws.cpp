// Exceptions around sleeps: in what is tried, in handlers, and in destructors that run on the way out.
#include <emscripten.h>
#include <cstdio>
#include <stdexcept>
#include <string>

struct guard {
  const char *name;
  ~guard() {
    emscripten_sleep(1);
    std::printf("leaving %s\n", name);
  }
};

static int risky(int n) {
  guard here{"risky"};
  emscripten_sleep(1);
  if (n % 2) throw std::runtime_error("odd " + std::to_string(n));
  return n;
}

static int careful(int n) {
  try {
    guard here{"careful"};
    return risky(n);
  } catch (const std::exception &error) {
    emscripten_sleep(1);
    std::printf("caught %s\n", error.what());
    if (n == 3) throw;
    return -n;
  }
}

int main() {
  for (int i = 0; i < 5; i++) {
    try {
      std::printf("%d\n", careful(i));
    } catch (...) {
      std::puts("caught once more");
    }
  }
  return 0;
}
