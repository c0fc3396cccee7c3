# Work for a Python interpreter: objects, dictionaries, strings, generators, exceptions.
import json
import re


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)


def primes(limit):
    sieve = bytearray([1]) * limit
    for i in range(2, limit):
        if sieve[i]:
            yield i
            sieve[i * i :: i] = bytes(len(range(i * i, limit, i)))


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


total = Vector(0, 0)
for i in range(20000):
    total += Vector(i, i % 7)
counts = {}
for word in re.findall(r"[a-z]+", "lorem ipsum dolor sit amet " * 1500):
    counts[word] = counts.get(word, 0) + 1
caught = 0
for i in range(5000):
    try:
        caught += [1, 2, 3][i % 4]
    except IndexError:
        caught -= 1
text = json.dumps([{"n": p, "s": str(p)} for p in primes(20000)])
print(total.x, total.y, sorted(counts.items()), caught, len(json.loads(text)), fib(18))
