<?php
// Work for PHP: arrays, objects, strings, exceptions.
class Node { public $next = null; function __construct(public int $key) {} }
function fib($n) { return $n < 2 ? $n : fib($n - 1) + fib($n - 2); }
$counts = [];
// Lists of a length that is freed by recursion on a small stack.
for ($lists = 0; $lists < 500; $lists++) {
    $list = null;
    for ($i = 0; $i < 100; $i++) { $node = new Node($i * 7919 % 10007); $node->next = $list; $list = $node; }
    for ($node = $list; $node; $node = $node->next) $counts[$node->key % 97] = ($counts[$node->key % 97] ?? 0) + 1;
}
ksort($counts);
$text = str_repeat('lorem ipsum dolor ', 4000);
$replaced = preg_replace_callback('/[aeiou]+/', fn($m) => strtoupper($m[0]), $text);
$caught = 0;
for ($i = 0; $i < 30000; $i++) { try { if ($i % 3 == 0) throw new RuntimeException("no $i"); $caught++; } catch (RuntimeException $e) { $caught += strlen($e->getMessage()); } }
$words = explode(' ', substr($text, 0, 20000));
usort($words, 'strcmp');
echo fib(23), ' ', array_sum($counts), ' ', md5($replaced), ' ', $caught, "\n";
