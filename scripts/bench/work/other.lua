-- Other work for a Lua interpreter than work.lua: objects, closures, coroutines, patterns, protected calls.
local Account = {}
Account.__index = Account
function Account.new(n) return setmetatable({ balance = n }, Account) end
function Account:deposit(n) self.balance = self.balance + n return self end
local total = 0
for i = 1, 60000 do
  local a = Account.new(i):deposit(i % 7)
  local ok, message = pcall(function() if i % 11 == 0 then error('no ' .. i, 0) end return a.balance end)
  total = total + (ok and message or #message)
end
local function generate(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i % 101) end end) end
for v in generate(100000) do total = total + v end
local counts = {}
for word in (string.rep('lorem ipsum dolor sit amet ', 8000)):gmatch('%a+') do counts[word] = (counts[word] or 0) + 1 end
local parts = {}
for k, v in pairs(counts) do parts[#parts + 1] = k .. '=' .. v end
table.sort(parts)
return total .. ' ' .. table.concat(parts, ' ')
