// The fork is reached through std::function, and once more in a catch clause; strings, maps and streams are live.
#include "shape.h"
#include <string>
#include <vector>
#include <map>
#include <functional>
#include <algorithm>
#include <stdexcept>
#include <iostream>
#include <sstream>
int main() {
  std::map<std::string, std::function<int(int)>> m;
  m["fork"] = [](int x) { return fork() ? x : -x; };
  m["twice"] = [](int x) { return 2 * x; };
  std::vector<std::string> order{"twice", "fork", "twice"};
  int v = 21 * one;
  std::ostringstream o;
  for (auto &k : order) {
    v = m.at(k)(v);
    o << k << '=' << v << ' ';
  }
  try {
    m.at("absent")(1);
  } catch (const std::out_of_range &e) {
    int r = fork();
    o << (r ? "P" : "C");
  }
  std::cout << o.str() << std::endl;
  return 0;
}
