// The work of work.js, after one line that is written first: where that write forks, all of it runs in activations that were resumed.
print('begin');
function work() {
  const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
  const words = [];
  for (let i = 0; i < 60000; i++) words.push(((i * 7919) % 10007).toString(36));
  words.sort();
  const counts = new Map();
  for (const w of words) counts.set(w[0], (counts.get(w[0]) ?? 0) + 1);
  let text = '';
  for (let i = 0; i < 20000; i++) text += String.fromCharCode(97 + (i % 26));
  const replaced = text.replace(/[aeiou]+/g, (m) => m.toUpperCase()).length;
  const sieve = new Uint8Array(1500000);
  let primes = 0;
  for (let i = 2; i < sieve.length; i++) {
    if (sieve[i]) continue;
    primes++;
    for (let j = i * 2; j < sieve.length; j += i) sieve[j] = 1;
  }
  return [fib(29), words[77], counts.size, replaced, primes, JSON.stringify(words).length].join(' ');
}
let result;
for (let i = 0; i < 2; i++) result = work();
print(result);
