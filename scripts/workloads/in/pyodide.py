import collections, functools, json, re, sys, zlib

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

print(fib(15))

# Over JavaScript and back, nested, and with exceptions that pass through both.
print(twice(21, lambda value: (print('back', value), value + 1)[1]))
print(twice(3, lambda value: twice(value, lambda inner: fib(inner))))
def fails(value):
    raise ValueError(f'no {value}')
try:
    twice(4, fails)
except ValueError as error:
    print('caught', type(error).__name__, error)
try:
    twice(1)
except Exception as error:
    print('caught', type(error).__name__)

from js import JSON, Object, Array
from pyodide.ffi import to_js, JsProxy
thing = JSON.parse('{"a": [1, 2, {"b": "c"}], "d": 1.5}')
print(thing.a.length, thing.a[2].b, thing.d, list(Object.keys(thing)), thing.to_py())
print(sorted(to_js({'x': 1, 'y': [2, 3]}, dict_converter=Object.fromEntries).object_entries().to_py()))
print(Array.new(1, 2, 3).map(lambda item, *rest: item * item).to_py())
try:
    JSON.parse('{')
except Exception as error:
    print('caught', type(error).__name__)

def show(a, b):
    sys.stdout.write(f'compare {a} {b}\n')
    return a - b
print(sorted([5, 3, 9, 1], key=functools.cmp_to_key(show)))

class Lazy:
    def __getattr__(self, name):
        print('getattr', name)
        return name * 2
print(Lazy().foo)
try:
    re.sub(r'\w+', lambda match: 1 // 0 if match[0] == 'fox' else match[0][::-1], 'the quick brown fox')
except ZeroDivisionError as error:
    print('caught', error)
print(json.dumps(json.loads('{"a": [1, 2, {"b": null}]}'), sort_keys=True), zlib.crc32(b'hello'))
print(collections.Counter('mississippi').most_common())
with open('/tmp/t', 'w') as file:
    print('written', file=file)
print(open('/tmp/t').read())
def generate(n):
    if n:
        yield n
        yield from generate(n - 1)
print(list(generate(10)))
