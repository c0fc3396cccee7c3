// Other work for a JavaScript interpreter than work.js: objects, closures, exceptions, parsing; prints once.
class Node {
  constructor(key, left = null, right = null) {
    Object.assign(this, { key, left, right });
  }
  *[Symbol.iterator]() {
    if (this.left) yield* this.left;
    yield this.key;
    if (this.right) yield* this.right;
  }
}
const insert = (node, key) => {
  if (!node) return new Node(key);
  if (key < node.key) node.left = insert(node.left, key);
  else if (key > node.key) node.right = insert(node.right, key);
  return node;
};
let root = null;
for (let i = 0; i < 20000; i++) root = insert(root, (i * 7919) % 20011);
const keys = [...root];
let caught = 0;
for (let i = 0; i < 60000; i++) {
  try {
    if (i % 3 === 0) throw new RangeError(`at ${i}`);
    caught += [i, i + 1].map((x) => x % 5).reduce((a, b) => a + b);
  } catch ({ message }) {
    caught += message.length;
  }
}
const text = JSON.stringify(keys.map((key, i) => ({ key, i, name: `n${key}` })));
const parsed = JSON.parse(text);
print(`${keys.length} ${caught} ${parsed[777].name} ${text.split(',').length}`);
