"""engine.py REQUEST: times one program's work in several builds of its module side by side, in Wasmtime, in one process.

REQUEST is JSON: {"program": NAME, "modules": [FILE...], "rounds": N, "warm": N, ...}, as steady.mjs takes it; needs the package
wasmtime. Prints JSON: {"compile": [...], "run": [...]}, for each round the seconds of CPU time for each module: of all threads for
compiling, of this thread for running. Fails if a module prints anything else than the first one.
"""

import json
import sys
import tempfile
import time

import wasmtime


class Exited(Exception):
    """The program's proc_exit."""


def stub(results):
    zero = [0.0 if str(ty) in ("f32", "f64") else 0 for ty in results]
    return lambda *_: zero[0] if zero else None


def link(engine, store, module, given):
    """A linker with WASI and the `given` imports, by MODULE.NAME: (store, instance) -> function; all others give 0."""
    linker = wasmtime.Linker(engine)
    linker.allow_shadowing = True
    linker.define_wasi()
    holder = {}
    for item in module.imports:
        ty = item.type
        if not isinstance(ty, wasmtime.FuncType):
            continue
        # Of the sockets there are other versions than WASI's.
        if item.module.startswith("wasi_") and not item.name.startswith("sock_"):
            continue
        make = given.get(f"{item.module}.{item.name}")
        func = make(store, holder) if make else stub(ty.results)
        linker.define(store, item.module, item.name, wasmtime.Func(store, ty, func))
    return linker, holder


class Wasi:
    """A WASI command."""

    def __init__(self, engine, module, request):
        self.engine, self.module, self.request = engine, module, request

    def run(self):
        store = wasmtime.Store(self.engine)
        config = wasmtime.WasiConfig()
        config.argv = self.request["args"]
        for guest, host in self.request["dirs"].items():
            config.preopen_dir(host, guest)
        with tempfile.NamedTemporaryFile() as out:
            config.stdout_file = out.name
            store.set_wasi(config)
            linker, _ = link(self.engine, store, self.module, {})
            instance = linker.instantiate(store, self.module)
            start = time.thread_time()
            try:
                instance.exports(store)["_start"](store)
            except wasmtime.ExitTrap as exit:
                if exit.code:
                    raise
            return time.thread_time() - start, out.read()


class Lua:
    """Lua, by its C interface; `input` is the script."""

    def __init__(self, engine, module, request):
        self.engine, self.module, self.script = engine, module, request["input"].encode()

    @staticmethod
    def invoke(store, holder):
        def call(slot, *arguments):
            holder["table"].get(store, slot)(store, *arguments)

        return call

    @staticmethod
    def resize(store, holder):
        def grow(size):
            memory = holder["memory"]
            pages = -(-(size & 0xFFFFFFFF) // 65536) - memory.size(store)
            memory.grow(store, max(pages, 256))
            return 1

        return grow

    def run(self):
        store = wasmtime.Store(self.engine)
        store.set_wasi(wasmtime.WasiConfig())
        given = {"env.invoke_vii": self.invoke, "env.emscripten_resize_heap": self.resize}
        linker, holder = link(self.engine, store, self.module, given)
        exports = linker.instantiate(store, self.module).exports(store)
        holder["memory"] = memory = exports["memory"]
        holder["table"] = exports["__indirect_function_table"]
        exports["__wasm_call_ctors"](store)
        state = exports["luaL_newstate"](store)
        exports["luaL_openlibs"](store, state)
        at = exports["malloc"](store, len(self.script) + 1)
        memory.write(store, self.script + b"\0", at)
        start = time.thread_time()
        failed = exports["luaL_loadstring"](store, state, at) or exports["lua_pcallk"](store, state, 0, 1, 0, 0, 0)
        taken = time.thread_time() - start
        text = exports["lua_tolstring"](store, state, -1, 0)
        result = bytes(memory.read(store, text, text + 400)).split(b"\0")[0]
        if failed:
            sys.exit(f"Lua: {result}")
        return taken, result


PROGRAMS = {"wasi": Wasi, "wasmoon-lua54": Lua}


def main():
    request = json.loads(sys.argv[1])
    config = wasmtime.Config()
    engine = wasmtime.Engine(config)
    files = [open(name, "rb").read() for name in request["modules"]]
    compiled, compile_times, run_times = [None] * len(files), [], []
    for round in range(request["rounds"]):
        times = [0] * len(files)
        for i in range(len(files)):
            turn = (i + round) % len(files)
            start = time.process_time()
            compiled[turn] = wasmtime.Module(engine, files[turn])
            times[turn] = time.process_time() - start
        compile_times.append(times)
    programs = [PROGRAMS[request["program"]](engine, module, request) for module in compiled]
    expected = None
    for round in range(request["warm"] + request["rounds"]):
        times = [0] * len(files)
        for i in range(len(files)):
            turn = (i + round) % len(files)
            times[turn], output = programs[turn].run()
            expected = expected or output
            if not output or output != expected:
                sys.exit(f"{request['modules'][turn]}: prints {output}, not {expected}")
        if round >= request["warm"]:
            run_times.append(times)
    print(json.dumps({"compile": compile_times, "run": run_times}))


main()
