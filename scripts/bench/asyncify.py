"""The section `asyncify` of `bench`: the same protocol by wasm-fork and by Binaryen's pass, optimised and not.

Binaryen's wasm-opt is that on PATH with --native, a program of the machine's own; else that of an npm package, which is compiled to WebAssembly: its time
is several times that of a native one, and is listed to show the order of things. Speed is steady state, as in the section `steady`, and for PHP the CPU time
of whole processes: the entry never unwinds during the work. A pause is an unwind and a rewind of a small program at some depth.
"""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from binaryen import FEATURES
from measure import Run, Table

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE / "work"
WAYS = ["size", "balanced", "speed"]
PEERS = {"Asyncify": [], "Asyncify -O2": ["-O2"]}
NAMES = ["sqljs", "wasmoon-lua54", "runno-quickjs", "agentos-bash", "python312-wasi", "php84-node-jspi"]
# name: what the program is called, and its work
WASI = {"agentos-bash": ("bash", "other.bash"), "python312-wasi": ("python", "other.py")}
# Beside those of `bench`.
ENTRIES = {"php84-node-jspi": "wasi_snapshot_preview1.fd_write"}
PHP = "php-wasm-node-8-4-3.1.54/jspi/php_8_4.js"
# What Binaryen needs for one module.
TIMEOUT_S = 1200
MIB = 1 << 20
# depth: how often it is paused in a round
DEPTHS = {10: 100_000, 1000: 2000}


def features(wasm_opt):
    """Those of FEATURES that this wasm-opt knows."""
    known = subprocess.run([*wasm_opt, "--help"], capture_output=True, text=True).stdout
    return [feature for feature in FEATURES if feature in known]


class Asyncify:
    """`bench`: for the work folder and the tool; `steady`: what runs programs side by side; `stripped`: a module's bytes less debug information."""

    def __init__(self, bench, steady, modules, stripped, wasm_opt, packages):
        self.bench = bench
        self.steady = steady
        self.modules = modules
        self.stripped = stripped
        self.wasm_opt = wasm_opt
        self.packages = packages
        self.features = features(wasm_opt)

    def source(self, name):
        """The module, and its entry."""
        if name in self.modules:
            return self.modules[name][:2]
        return self.modules["sqljs"][0].with_name(f"{name}.wasm"), ENTRIES[name]

    def made(self, name):
        """Way → (file, run of the tool) for all that can be made."""
        source, entry = self.source(name)
        made = {}
        for way in WAYS:
            out = self.bench.work / f"{name}.asyncify.{way}.wasm"
            command = [self.bench.tool, "instrument", source, "-o", out, "--entry", entry, "--abi", "asyncify", "--optimize", way]
            made[way] = (out, Run(command))
        for peer, passes in PEERS.items():
            out = self.bench.work / f"{name}.{peer.replace(' ', '')}.wasm"
            # It has assertions that fail, for exceptions say.
            run = Run(["timeout", TIMEOUT_S, *self.by_binaryen(source, entry, passes, out)], statuses=range(-64, 256))
            if out.exists():
                made[peer] = (out, run)
        return made

    def by_binaryen(self, source, entry, passes, out):
        return [*self.wasm_opt, *self.features, source, "--asyncify", f"--pass-arg=asyncify-imports@{entry}", *passes, "-o", out]

    def brotli(self, files):
        stripped = []
        for file in files:
            stripped.append(self.bench.work / f"{file.stem}.stripped")
            stripped[-1].write_bytes(self.stripped(file))
        return json.loads(Run([self.steady.node, WORK / "brotli.mjs", *stripped]).output)

    def pauses(self):
        """What an unwind, a rewind and the rest of the run take, for each way: ten locals are live in each frame."""
        original = self.bench.work / "frames.wasm"
        Run([self.bench.tool, "instrument", WORK / "frames.wat", "-o", original, "--entry", "no.entry", "--allow-missing-entry"])
        modules = {}
        for way in WAYS:
            modules[way] = self.bench.work / f"frames.{way}.wasm"
            Run([self.bench.tool, "instrument", original, "-o", modules[way], "--entry", "env.entry", "--abi", "asyncify", "--optimize", way])
        for peer, passes in PEERS.items():
            modules[peer] = self.bench.work / f"frames.{peer.replace(' ', '')}.wasm"
            Run(self.by_binaryen(original, "env.entry", passes, modules[peer]))
        table = Table("a pause", *modules)
        for depth, times in DEPTHS.items():
            command = [self.steady.node, "--no-liftoff", WORK / "frames.mjs", max(9, self.bench.rounds), depth, times, *modules.values()]
            rounds = json.loads(Run(command).output)
            medians = [statistics.median(times[i] for times in rounds) for i in range(len(modules))]
            cells = (f"{median:.0f} ns, {median * (depth + 1) / 1000:.1f} µs" for median in medians)
            table.row(f"at a depth of {depth:,}: for each frame, and in all", *cells)
        return table

    def speed(self, name, modules):
        """Seconds of the original, and the others' ratios to that."""
        if name not in ENTRIES:
            given = self.steady.input(name) if name not in WASI else self.wasi(name)
            return self.steady.ratios(name, modules, ["--no-liftoff"], **given)
        # Whole processes, in another order each time.
        command = [self.steady.node, "--no-liftoff", HERE.parent / "workloads" / "drivers" / "php.mjs", self.packages / PHP]
        rounds = []
        for first in range(self.bench.rounds):
            runs = {module: Run([*command, module, WORK / "other.php"]) for module in modules[first % len(modules) :] + modules[: first % len(modules)]}
            if len({run.output for run in runs.values()}) != 1:
                sys.exit(f"error: {name}: what was instrumented prints something else")
            rounds.append([runs[module].cpu for module in modules])
        seconds = statistics.median(times[0] for times in rounds)
        return seconds, [statistics.median(times[i] / times[0] for times in rounds) for i in range(1, len(modules))]

    @staticmethod
    def wasi(name):
        program, work = WASI[name]
        return {"program": "wasi", "args": [program, f"/in/{work}"], "dirs": {"/in": str(WORK)}, "env": {"PYTHONHASHSEED": "0"}}

    def section(self, only=None):
        ways = [*WAYS, *PEERS]
        sizes, tools = Table("size / brotli", "entry", *ways), Table("seconds of CPU, peak", *ways)
        speeds = Table("V8, optimised code", "original", "again", *ways)
        for name in only or NAMES:
            source, entry = self.source(name)
            made = self.made(name)
            files = [source, *(file for file, _ in made.values())]
            raw = [len(self.stripped(file)) for file in files]
            growth = {
                way: f"{size / raw[0]:.3f}× / {packed / brotli[0]:.3f}×"
                for brotli in [self.brotli(files)]
                for way, size, packed in zip(made, raw[1:], brotli[1:])
            }
            sizes.row(name, f"`{entry}`", *(growth.get(way, "–") for way in ways))
            runs = {way: f"{run.cpu:.2f} s, {run.peak / MIB:,.0f} MiB" for way, (_, run) in made.items()}
            tools.row(name, *(runs.get(way, "–") for way in ways))
            again = self.bench.work / f"{name}.again.wasm"
            shutil.copyfile(source, again)
            seconds, (noise, *ratios) = self.speed(name, [source, again, *files[1:]])
            ratios = dict(zip(made, (f"{ratio:.3f}×" for ratio in ratios)))
            speeds.row(name, f"{seconds:.2f} s", f"{noise:.3f}×", *(ratios.get(way, "–") for way in ways))
        return "### The asyncify ABI\n\n" + "\n".join(str(table) for table in (sizes, tools, speeds, self.pauses()))
