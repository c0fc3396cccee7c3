-- CPU-bound work for a Lua interpreter.
local function work()
  local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
  local words = {}
  for i = 1, 100000 do words[i] = string.format('%05d', (i * 7919) % 10007) end
  table.sort(words)
  local sieve, primes = {}, 0
  for i = 2, 1500000 do
    if not sieve[i] then
      primes = primes + 1
      for j = i * 2, 1500000, i do sieve[j] = true end
    end
  end
  local text = string.rep('the quick brown fox ', 3000)
  local replaced = select(2, text:gsub('%a+', string.upper))
  return table.concat({ fib(32), words[77], primes, replaced, #table.concat(words) }, ' ')
end
local result
for _ = 1, 4 do result = work() end
return result
