// Forks in destructors while exceptions pass: out of a parser of nested lists that throws deep inside, through guards on every
// level; caught and thrown on, nested in one another, kept by an exception_ptr, and thrown in a destructor's own calls.
#include "shape.h"
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

static int forks_left = 0;

// Forks when its turn has come.
struct Guard {
  std::string what;
  int depth;
  Guard(std::string what, int depth) : what(std::move(what)), depth(depth) {}
  ~Guard() {
    if (std::uncaught_exceptions() && forks_left > 0 && depth % 3 == 0) {
      forks_left--;
      int r = fork();
      who(r);
      printf("left %s at %d\n", what.c_str(), depth);
    }
  }
};

struct Syntax : std::runtime_error {
  size_t at;
  Syntax(const std::string &why, size_t at) : std::runtime_error(why), at(at) {}
};

struct Value {
  long number = 0;
  std::vector<std::unique_ptr<Value>> items;
  long sum() const {
    long total = number;
    for (auto &item : items) total += item->sum();
    return total;
  }
};

struct Parser {
  const std::string &text;
  size_t at = 0;
  std::map<int, int> seen;
  NOINLINE std::unique_ptr<Value> value(int depth) {
    Guard guard("value", depth);
    auto value = std::make_unique<Value>();
    seen[depth]++;
    if (at >= text.size()) throw Syntax("the text ends", at);
    if (text[at] == '(') {
      list(*value, depth);
    } else if (isdigit(text[at])) {
      std::istringstream digits(text.substr(at));
      digits >> value->number;
      at += std::to_string(value->number).size();
    } else {
      throw Syntax(std::string("no value begins with ") + text[at], at);
    }
    return value;
  }
  NOINLINE void list(Value &into, int depth) {
    std::string before(40, 'x');
    Guard guard("list", depth);
    at++;
    while (at < text.size() && text[at] != ')') {
      try {
        into.items.push_back(value(depth + 1));
      } catch (Syntax &error) {
        if (depth == 2) std::throw_with_nested(std::logic_error("in the list at 2"));
        if (depth % 2) throw;
        throw Syntax(std::string(error.what()) + "!", error.at + before.size());
      }
      if (at < text.size() && text[at] == ' ') at++;
    }
    at++;
  }
};

NOINLINE static void parse(const std::string &text) {
  Parser parser{text, 0, {}};
  try {
    printf("sum %ld\n", parser.value(0)->sum());
  } catch (const std::logic_error &outer) {
    printf("%s: %s\n", text.c_str(), outer.what());
    try {
      std::rethrow_if_nested(outer);
    } catch (const Syntax &error) {
      printf("because %s at %zu, %d levels\n", error.what(), error.at, (int)parser.seen.size());
    }
  } catch (const std::exception &error) {
    printf("%s: %s\n", text.c_str(), error.what());
  }
}

// A destructor that catches an exception of its own while another passes.
struct Quiet {
  std::exception_ptr *kept;
  ~Quiet() {
    forks_left++;
    try {
      Guard guard("quiet", 3);
      throw 5 * one;
    } catch (int n) {
      *kept = std::current_exception();
      int r = fork();
      who(r);
      printf("quiet %d, %d uncaught\n", n, std::uncaught_exceptions());
    }
  }
};

NOINLINE static void keep() {
  std::exception_ptr kept;
  try {
    Quiet quiet{&kept};
    throw std::string("a string that is long enough to be on the heap");
  } catch (const std::string &text) {
    printf("%zu characters\n", text.size());
  }
  try {
    std::rethrow_exception(kept);
  } catch (int n) {
    printf("kept %d\n", n);
  }
}

int main() {
  parse("(1 (2 3) (4 (5 6) 7))");
  forks_left = 2;
  parse("(1 (2 (3 (4 (5 ? 6)))))");
  forks_left = 1;
  parse("(1 (2 (3 (4 (5 (6 (7 (8");
  forks_left = 0;
  keep();
  return 0;
}
