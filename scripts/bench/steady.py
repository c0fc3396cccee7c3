"""The section `steady` of `bench`: what instrumented code costs where it is compiled already, and what compiling it costs.

One process holds the original, a second copy of it and the variants; each round runs all of them, each time in another order, and what is
compared is CPU time of the thread that runs them. Several processes; medians of the ratios within a round. The second copy shows the
noise. A profile is of the work itself, or of other work by the same program.
"""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from measure import Run, Table, verdict

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE / "work"
PROFILE = HERE.parent / "profile"
PROGRAMS = ["dash", "bash", "runno-quickjs", "sqljs", "wasmoon-lua54"]
SHELLS = {"dash", "bash"}
LIMITS = {"balanced": 1.08, "speed": 1.05, "profiled": 1.04, "profiled, other work": 1.08}
DEFAULT_TIERING = 1.10
AFTER_A_FORK = 1.10
COMPILE_LIMIT = 1.25
RUN_LIMITS_IN_WASMTIME = {"balanced": 1.25, "speed": 1.25}
COMPILE_IN_WASMTIME = 2.2
WASMTIME = "wasmtime==50.0.1"
# Commands, and the files of `work` that they are given as /in.
OTHERS = {
    "python312-wasi": ({"args": ["python", "/in/other.py"], "env": {"PYTHONHASHSEED": "0"}}, ["other.py"]),
    "runno-php-cgi": ({"args": ["php-cgi", "-q", "/in/other.php"]}, ["other.php"]),
    "agentos-bash": ({"args": ["bash", "/in/other.bash"]}, ["other.bash"]),
    "clang-yowasp": (
        {"args": "clang --target=wasm32-wasi -ffreestanding -nostdinc -O2 -S -o - /in/other.c".split()},
        ["other.c"],
    ),
}
# How much a shell's script does, and what is made of the other works, which are for whole processes: so that a round takes
# about half a second.
SHELL_LIMITS = {"dash": 300, "bash": 120}
SMALLER = [("i < 2; i++) result", "i < 1; i++) result"), ("_ = 1, 4 do", "_ = 1, 1 do"), ("< 3000000", "< 600000"), ("< 120000", "< 40000")]


def script(path):
    text = path.read_text()
    for whole, part in SMALLER:
        text = text.replace(whole, part)
    return text


class Steady:
    def __init__(self, bench, packages, node, processes=3):
        self.bench = bench
        self.node = node
        self.processes = processes
        self.glue = {
            "sqljs": packages / "sql.js-1.16.0" / "dist" / "sql-wasm.js",
            "wasmoon-lua54": packages / "wasmoon-1.16.0" / "dist" / "index.js",
        }

    # ---- What is run

    def input(self, name, work="work", prefix=""):
        """The script, and for quickjs the folder that it is in."""
        if name in SHELLS:
            text = (WORK / f"{work}.sh").read_text()
            return {"input": f"limit={SHELL_LIMITS[name]}\n{prefix.replace('WORK', text) or text}"}
        if name == "runno-quickjs":
            folder = self.bench.work / f"quickjs-{work}"
            folder.mkdir(exist_ok=True)
            # One line written first: where that write forks, all of the work runs in activations that were resumed.
            text = f"print('begin');\n{script(WORK / 'work.js')}" if work == "forks" else script(WORK / f"{work}.js")
            (folder / "work.js").write_text(text)
            return {"program": "wasi", "args": ["qjs", "/in/work.js"], "dirs": {"/in": str(folder)}}
        suffix = "sql" if name == "sqljs" else "lua"
        return {"input": script(WORK / f"{work}.{suffix}"), "glue": str(self.glue[name])}

    def request(self, name, modules, rounds, **given):
        request = {"program": name, "modules": [str(module) for module in modules], "rounds": rounds, "warm": 1}
        return json.dumps(request | given)

    def ratios(self, name, modules, flags, **given):
        """The median of each module's time by that of the first, from all rounds of all processes; and the seconds of the first."""
        rounds = []
        for _ in range(self.processes):
            command = [self.node, *flags, WORK / "steady.mjs", self.request(name, modules, self.bench.rounds, **given)]
            rounds += json.loads(Run(command).output)
        seconds = statistics.median(times[0] for times in rounds) / 1000
        return seconds, [statistics.median(times[i] / times[0] for times in rounds) for i in range(1, len(modules))]

    def again(self, name):
        original = self.bench.original(name)
        copy = self.bench.work / f"{name}.again.wasm"
        shutil.copyfile(original, copy)
        return [original, copy]

    def profiled(self, name, work):
        """Instrumented by a CPU profile of `work`, recorded with the original."""
        profile = self.bench.work / f"{name}.{work}.cpuprofile"
        if not profile.exists():
            request = self.request(name, [self.bench.original(name)], 2, **self.input(name, work))
            Run([PROFILE, "-o", profile, WORK / "steady.mjs", request])
        return self.bench.module(name, "balanced", "--cpu-profile", profile)

    def variants(self, name):
        modules = {optimize: self.bench.module(name, optimize) for optimize in ("size", "balanced", "speed")}
        modules["profiled"] = self.profiled(name, "work")
        modules["profiled, other work"] = self.profiled(name, "other")
        return modules

    # ---- Tables

    def section(self):
        tables = [self.speed("optimised code", ["--no-liftoff"]), self.speed("default tiering", [], {"balanced": DEFAULT_TIERING})]
        tables += [self.after_a_fork(), self.compiling(), self.others(), *self.in_wasmtime()]
        return "### Steady state\n\n" + "\n".join(str(table) for table in tables)

    def others(self):
        """Programs that the rule of `balanced` was not found on: commands that do some work and end."""
        ways = ["size", "balanced", "speed"]
        table = Table("V8, other programs", "original", "again", *(cell for way in ways for cell in (way, "file")))
        for name, (given, files) in OTHERS.items():
            original = self.bench.original(name)
            folder = self.bench.work / f"{name}.in"
            folder.mkdir(exist_ok=True)
            for file in files:
                shutil.copyfile(WORK / file, folder / file)
            modules = [*self.again(name), *(self.bench.module(name, way) for way in ways)]
            request = {"program": "wasi", "dirs": {"/in": str(folder)}} | given
            seconds, (again, *ratios) = self.ratios(name, modules, ["--no-liftoff"], **request)
            before = self.bench.without_debug(original)
            sizes = [self.bench.without_debug(module) / before for module in modules[2:]]
            cells = [cell for pair in zip(ratios, sizes) for cell in (f"{pair[0]:.3f}×", f"{pair[1]:.2f}×")]
            table.row(name, f"{seconds:.2f} s", f"{again:.3f}×", *cells)
        return table

    def in_wasmtime(self):
        """By PyPI's package of Wasmtime, in a virtual environment of its own. sqljs needs its JavaScript, and the shells' exceptions are legacy ones."""
        home = self.bench.work / "wasmtime"
        python = home / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", home], check=True, stdout=sys.stderr)
            subprocess.run([python, "-m", "pip", "install", "--quiet", WASMTIME], check=True, stdout=sys.stderr)
        ways = ["size", "balanced", "speed", "profiled"]
        tables = [Table(title, "original", "again", *ways) for title in ("Wasmtime runs", "Wasmtime compiles")]
        for name in ("runno-quickjs", "wasmoon-lua54"):
            variants = self.variants(name)
            modules = [*self.again(name), *(variants[way] for way in ways)]
            request = self.request(name, modules, self.bench.rounds, **self.input(name))
            times = json.loads(Run([python, WORK / "engine.py", request]).output)
            for table, what, limits in zip(tables, ("run", "compile"), (RUN_LIMITS_IN_WASMTIME, {"balanced": COMPILE_IN_WASMTIME})):
                rounds = times[what]
                seconds = statistics.median(round[0] for round in rounds)
                again, *ratios = (statistics.median(round[i] / round[0] for round in rounds) for i in range(1, len(modules)))
                cells = [f"{ratio:.2f}× {verdict(ratio, limits.get(way))}".strip() for way, ratio in zip(ways, ratios)]
                table.row(name, f"{seconds:.2f} s", f"{again:.2f}×", *cells)
        return tables

    def speed(self, title, flags, limits=LIMITS):
        table = Table(f"V8, {title}", "original", "again", "size", *LIMITS)
        for name in PROGRAMS:
            variants = self.variants(name)
            modules = [*self.again(name), *variants.values()]
            seconds, (again, *ratios) = self.ratios(name, modules, flags, **self.input(name))
            cells = [f"{ratio:.3f}× {verdict(ratio, limits.get(way))}".strip() for way, ratio in zip(variants, ratios)]
            table.row(name, f"{seconds:.2f} s", f"{again:.3f}×", *cells)
        return table

    def after_a_fork(self):
        """The original can't fork: it does the work alone."""
        ways = {"parent": "( : )\nWORK", "child": "(\nWORK\n)"}
        table = Table("after one fork", "original", "again", "size", "balanced", "speed")
        cases = [(name, way, prefix) for name in sorted(SHELLS, reverse=True) for way, prefix in ways.items()]
        for name, way, prefix in [*cases, ("runno-quickjs", "resumed", "")]:
            modules = [*self.again(name), *(self.bench.module(name, optimize) for optimize in ("size", "balanced", "speed"))]
            given = self.input(name, "work" if name in SHELLS else "forks", prefix)
            if name in SHELLS:
                given["plain"] = self.input(name)["input"]
            seconds, (again, *ratios) = self.ratios(name, modules, ["--no-liftoff"], forks=True, **given)
            limits = [None, AFTER_A_FORK if name in SHELLS else None, None]
            cells = [f"{ratio:.3f}× {verdict(ratio, limit)}".strip() for ratio, limit in zip(ratios, limits)]
            table.row(f"{name}, {way}", f"{seconds:.2f} s", f"{again:.3f}×", *cells)
        return table

    def compiling(self):
        """All functions, by V8's optimising compiler: CPU time of all of its threads; and the same without the resume functions, which V8
        compiles only when they are called: they are in a module of their own here."""
        ways = [*((optimize, ()) for optimize in ("size", "balanced", "speed")), *((optimize, True) for optimize in ("balanced", "speed"))]
        names = [f"{optimize}, without resume functions" if apart else optimize for optimize, apart in ways]
        table = Table("V8 compiles", "original", "again", *names)
        for name in PROGRAMS:
            built = [self.without_resume_functions(name, optimize) if apart else self.bench.module(name, optimize) for optimize, apart in ways]
            modules = [*self.again(name), *built]
            command = [self.node, "--no-liftoff", "--no-wasm-lazy-compilation", WORK / "compile.mjs", self.bench.rounds, *modules]
            rounds = json.loads(Run(command).output)
            seconds = statistics.median(times[0] for times in rounds) / 1000
            ratios = [statistics.median(times[i] / times[0] for times in rounds) for i in range(1, len(modules))]
            limits = [None, *(COMPILE_LIMIT if apart else None for _, apart in ways)]
            cells = [f"{ratio:.2f}× {verdict(ratio, limit)}".strip() for ratio, limit in zip(ratios, limits)]
            table.row(name, f"{seconds:.2f} s", *cells)
        return table

    def without_resume_functions(self, name, optimize):
        """The main file of two."""
        return self.bench.module(name, optimize, "--resume-module", self.bench.work / f"{name}.{optimize}.resumes")
