// The fork is reached through a virtual call.
#include "shape.h"
struct B {
  virtual int f(int) = 0;
  virtual ~B() {}
};
struct X : B {
  int k;
  X(int k) : k(k) {}
  int f(int a) override { return fork() ? a + k : a - k; }
};
struct Y : B {
  int f(int a) override { return a * 2; }
};
int main() {
  B *v[2] = {new X(5), new Y};
  int s = 0;
  for (int i = 0; i < 2; i++) s = s * 100 + v[i ^ zero]->f(10 + i);
  printf("%d\n", s);
  delete v[0];
  delete v[1];
  return 0;
}
