"""The section `reach` of `bench`: how large the closures of the public corpus are, and what finding them takes.

Asyncify's figure is how many functions Binaryen's own pass says it instruments, given the same entries and no lists, where
it takes the module and that takes no longer than a minute; elsewhere it is computed, by `--precision asyncify`, and has a star.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

from measure import Run, Table

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(
    os.environ.get("WASM_FORK_CACHE")
    or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "wasm-fork")
)
NODE = CACHE / "corpus" / "node26" / "bin" / "node"
WASM_OPT = CACHE / "corpus" / "pk" / "binaryen-132.0.0" / "bin" / "wasm-opt"
WASM_OPT_LIMIT_BYTES = 4_500_000
WASM_OPT_TIMEOUT_S = 300
LEVELS = ["direct", "asyncify", "types", "constants", "interprocedural"]

FORK = ["kernel.kernel_fork"]
FD_WRITE = ["wasi_snapshot_preview1.fd_write"]
VFS = "ipp ippp ipppi ipppiii ipppiiip ipppip ipppj ipppp ippppi ippppij ippppip ipppppip ippipppp vppp vpppip vppippii"
# The whole public corpus, and the shells that fork. What the entries stand for: output, a system call, a clock.
ENTRIES = {
    "dash": FORK,
    "bash": FORK,
    "wasmoon-lua54": ["env.invoke_vii"],
    "quickjs-em": ["a.s"],
    "sqljs": ["a.b"],
    "wa-sqlite-jspi": [f"env.{signature}_async" for signature in VFS.split()],
    "nextpnr-ice40": FD_WRITE,
    "agentos-bash": FD_WRITE,
    "runno-sqlite": ["wasi_unstable.fd_write"],
    "runno-quickjs": FD_WRITE,
    "runno-php-cgi": FD_WRITE,
    "php84-node-jspi": ["env.js_getpid"],
    "php84-node-asyncify": ["env.js_getpid"],
    "python312-wasi": FD_WRITE,
    "pandoc-ghc": ["wasi_snapshot_preview1.clock_time_get"],
    "yosys-yowasp": FD_WRITE,
    "clang-yowasp": FD_WRITE,
}
PROGRAMS = ["dash", "bash"]
CODE_SECTION = 10


def code_bytes(path):
    """The size of a module's code section."""
    module = path.read_bytes()
    position = 8
    while position < len(module):
        section, size, shift = module[position], 0, 0
        while True:
            position += 1
            size |= (module[position] & 0x7F) << shift
            shift += 7
            if module[position] < 0x80:
                break
        position += 1
        if section == CODE_SECTION:
            return size
        position += size
    return 0


# `analyze` prints the closure of a module that `instrument` refuses, too, and ends with status 1.
ANALYZED = (0, 1)


class Reach:
    """The section: `tool` analyzes, `validator` is the yardstick for time."""

    def __init__(self, tool, validator, rounds, work):
        self.tool, self.validator, self.rounds, self.work = tool, validator, rounds, pathlib.Path(work)
        self.profiles = self.work / "profiles"

    def section(self):
        corpus = [name for name in ENTRIES if name not in PROGRAMS]
        subprocess.run([SCRIPTS / "corpus" / "fetch", "binaryen", *corpus], check=True, stdout=sys.stderr)
        self.record()
        sizes = Table("module", "functions", "direct only (unsound)", "Asyncify", *LEVELS[2:], "code", "profile", "guards", "code")
        times = Table("module", "MiB", "validation", *LEVELS[2:], "ratio")
        for name in ENTRIES:
            by_closure, by_profile = self.growth(name)
            sizes.row(name, *self.sizes(name), by_closure, *self.profiled(name), by_profile)
            times.row(name, *self.times(name))
        return f"### Reach: functions in the closure\n\n{sizes}\n### CPU time of the analysis, reading and validating included\n\n{times}\n{self.many_sites()}"

    def record(self):
        """Profiles of the oracle's workloads, which also proves the closures."""
        command = [SCRIPTS / "check" / "oracle", "--all", "--profiles", self.profiles]
        subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"WASM_FORK": str(self.tool)})

    @staticmethod
    def module(name):
        folder = CACHE / "programs" / "out" if name in PROGRAMS else CACHE / "corpus" / "modules"
        return folder / f"{name}.wasm"

    @staticmethod
    def entries(name):
        return [flag for entry in ENTRIES[name] for flag in ("--entry", entry)]

    def command(self, name, *flags):
        return [self.tool, "analyze", self.module(name), *self.entries(name), *flags]

    def analysis(self, name, *flags):
        return json.loads(Run(self.command(name, "--format", "json", *flags), ANALYZED).output)

    def sizes(self, name):
        counts = {level: self.analysis(name, "--precision", level)["counts"]["local"] for level in LEVELS}
        real = self.by_binaryen(name)
        if real is not None and real != counts["asyncify"]:
            print(f"note: {name}: {counts['asyncify']} functions computed, {real} instrumented by Binaryen", file=sys.stderr)
        asyncify = f"{counts['asyncify']:,}*" if real is None else f"{real:,}"
        functions = self.functions(name)
        levels = [f"{counts[level]:,}" for level in LEVELS]
        return [f"{functions:,}", levels[0], asyncify, *levels[2:]]

    def functions(self, name):
        """How many the module defines; the tool's log says so."""
        log = subprocess.run([*map(str, self.command(name, "-v"))], capture_output=True, text=True, check=True).stderr
        found = re.search(r"functions=(\d+) imported=(\d+)", log)
        return int(found[1]) - int(found[2])

    def only(self, name):
        """The flags by which nothing but what was recorded is instrumented; None if nothing was."""
        profile = self.profiles / f"{name}.json"
        if not profile.exists():
            return None
        listed = self.work / "profile.txt"
        functions = json.loads(profile.read_text())["functions"]
        listed.write_text("".join(f"{function['index']}\n" for function in functions))
        return ["--only", f"@{listed}"]

    def profiled(self, name):
        """The closure and the guards, if only what was recorded is instrumented."""
        flags = self.only(name)
        if not flags:
            return ["–", "–"]
        report = self.analysis(name, *flags)
        return [f"{report['counts']['local']:,}", f"{report.get('guards', 0):,}"]

    def growth(self, name):
        """The code section as a multiple of the original's: with the whole closure, and with the profile."""
        only = self.only(name)
        return [self.code_growth(name, []), self.code_growth(name, only) if only else "–"]

    def code_growth(self, name, flags):
        out = self.work / "instrumented.wasm"
        command = [self.tool, "instrument", self.module(name), "-o", out, *self.entries(name), *flags]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
        if done.returncode == 1 and re.search("unsupported|already instrumented", done.stderr):
            return "refused"
        if done.returncode:
            sys.exit(f"error: {' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
        return f"{code_bytes(out) / code_bytes(self.module(name)):.3f}×"

    def by_binaryen(self, name):
        """How many functions Asyncify instruments; None where it can't, or would take too long."""
        source = self.module(name)
        if source.stat().st_size > WASM_OPT_LIMIT_BYTES:
            return None
        entries = f"--pass-arg=asyncify-imports@{','.join(ENTRIES[name])}"
        command = [NODE, WASM_OPT, source, "-all", "-g", "--asyncify", entries, "--pass-arg=asyncify-verbose", "-o", self.work / "asyncify.wasm"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=WASM_OPT_TIMEOUT_S)
        if done.returncode:
            return None
        said = re.findall(r"^\[asyncify\] (.*) can change the state due to", done.stdout + done.stderr, re.MULTILINE)
        return len(set(said))

    def times(self, name):
        source = self.module(name)
        rounds = []
        for _ in range(self.rounds):
            commands = [[self.validator, source], *(self.command(name, "--precision", level) for level in LEVELS[2:])]
            rounds.append([Run(command, ANALYZED).cpu for command in commands])
        medians = [statistics.median(times) for times in zip(*rounds)]
        ratio = statistics.median(times[-1] / times[0] for times in rounds)
        cells = [f"{time * 1000:,.0f} ms" for time in medians]
        return [f"{source.stat().st_size / (1 << 20):.1f}", *cells, f"{ratio:.1f}×"]

    def many_sites(self):
        """20,000 functions, each with a dynamic call of one type, and all of them in the table."""
        count = 20_000
        source = self.work / "many.wat"
        bodies = "".join(f"(func $f{i} (param i32) (block (call_indirect (local.get 0))))" for i in range(count))
        bodies = bodies.replace("(call_indirect (local.get 0))", "(call_indirect (param i32) (i32.const 0) (local.get 0))")
        listed = " ".join(f"$f{i}" for i in range(count))
        source.write_text(
            f'(module (import "kernel" "kernel_fork" (func $fork (param i32))) (table 30000 funcref) (elem (i32.const 0) $fork {listed}) {bodies})'
        )
        binary = self.work / "many.wasm"
        Run([self.tool, "instrument", source, "-o", binary, "--entry", "no.entry", "--allow-missing-entry"])
        took = statistics.median(Run([self.tool, "analyze", binary]).cpu for _ in range(self.rounds))
        return f"{count:,} functions with {count:,} dynamic calls of one type: {took * 1000:.0f} ms of CPU time.\n"
