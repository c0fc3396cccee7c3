// A Lua interpreter whose `sleep` waits: below coroutines, metamethods, callbacks of the library and protected calls.
#include <emscripten.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

static const char script[] =
    "local function nap(n) sleep(1) return n end\n"
    "local list = {5, 3, 9, 1, 7}\n"
    "table.sort(list, function(a, b) sleep(0) return a < b end)\n"
    "print(table.concat(list, ' '))\n"
    "print((string.gsub('one two', '%a+', function(word) sleep(0) return word:upper() end)))\n"
    "local values = setmetatable({}, {__index = function(_, key) return nap(key) * 2 end})\n"
    "print(values[21], values[4])\n"
    "local ok, message = pcall(function() nap(1) local broken = values[{}] end)\n"
    "print(ok, message ~= nil)\n"
    "local producer = coroutine.wrap(function() for i = 1, 4 do sleep(1) coroutine.yield(nap(i) ^ 2) end end)\n"
    "print(producer(), producer(), producer(), producer())\n"
    "local function fib(n) if n < 2 then return nap(n) end return fib(n - 1) + fib(n - 2) end\n"
    "print(fib(9))\n"
    "print(select('#', pcall(error, {code = nap(3)})), string.rep('ab', nap(3)))\n";

static int wait(lua_State *lua) {
  emscripten_sleep((unsigned)luaL_checkinteger(lua, 1));
  return 0;
}

int main(void) {
  lua_State *lua = luaL_newstate();
  luaL_openlibs(lua);
  lua_register(lua, "sleep", wait);
  if (luaL_loadstring(lua, script) || lua_pcall(lua, 0, 0, 0)) {
    printf("failed: %s\n", lua_tostring(lua, -1));
    return 1;
  }
  lua_close(lua);
  puts("done");
  return 0;
}
