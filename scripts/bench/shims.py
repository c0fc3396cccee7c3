"""The section `shim` of `bench`: what repaired calls cost, beside Binaryen's --fpcast-emu, which adapts all calls.

The loops of calls.wat have functions in them that do next to nothing: that is as dear as it gets. Programs are timed as V8
runs them, and once more in optimised code alone, where their start is compiling all of the module. CPython's sites are
the four families of calls that its builds for wasm were seen to trap at: the functions whose slots they go through, by the
indices that they have in this build, which has no names. A stack trace taken in a property of a Python object has them.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

from binaryen import FEATURES
from measure import Run, Table

WORK_FILES = pathlib.Path(__file__).resolve().parent / "work"
SCRIPTS = WORK_FILES.parent.parent
CACHE = pathlib.Path(
    os.environ.get("WASM_FORK_CACHE")
    or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "wasm-fork")
)
CORPUS = CACHE / "corpus"
NODE = CORPUS / "node26" / "bin" / "node"
WASM_OPT = [NODE, CORPUS / "pk" / "binaryen-132.0.0" / "bin" / "wasm-opt", *FEATURES]
LOOPS = ["matching, one function", "matching, eight functions", "mismatching, eight functions"]
FAMILIES = {
    "getset_get": "935",
    "getset_set": "936",
    "PyObject_Repr, from PyUnicode_FromFormatV": "1966",
    "binary_iop1, from PyNumber_InPlaceAdd": "426",
    "binary_op1, from PyNumber_InPlaceAdd": "406",
}
WORK = ["bash", "sqljs"]
MATCHING_LIMIT = 1.02
GROWTH_LIMIT = 0.01


def module_bytes(path):
    """The size of a module without its debug information, which not every rewriting keeps."""
    module = path.read_bytes()
    total = position = 8

    def number():
        nonlocal position
        value = shift = 0
        while True:
            byte = module[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(module):
        start = position
        position += 1
        size = number()
        end = position + size
        if module[start] != 0 or not module[position + 1 :].startswith(b".debug_"):
            total += end - start
        position = end
    return total


def by_mechanism(mechanism):
    return ["--mechanism", mechanism]


class Shims:
    """The section. `modules` and `workloads` are those of `bench`."""

    def __init__(self, tool, rounds, work, modules, workloads):
        self.tool, self.rounds, self.work = tool, rounds, pathlib.Path(work)
        self.modules, self.workloads = modules, workloads
        self.outputs = {}

    def section(self):
        subprocess.run([SCRIPTS / "corpus" / "fetch", "binaryen", "python312-wasi"], check=True, stdout=sys.stderr)
        return f"### Calls that are repaired\n\n{self.calls()}\n{self.programs()}\n{self.sizes()}"

    def shim(self, source, label, *flags):
        out = self.work / f"{source.stem}.{label}.wasm"
        Run([self.tool, "shim", source, "-o", out, *flags])
        return out

    def binaryen(self, source, label, *passes):
        out = self.work / f"{source.stem}.{label}.wasm"
        Run([*WASM_OPT, *passes, source, "-o", out])
        return out

    # ---- A call

    def calls(self):
        text = (WORK_FILES / "calls.wat").read_text()
        exported = self.work / "calls-exported.wat"
        exported.write_text(text.replace("(table $slots", '(table $slots (export "slots")'))
        # The tool reads text; without an entry that the module imports, what it writes is what it read.
        original = self.work / "calls.wasm"
        Run([self.tool, "instrument", WORK_FILES / "calls.wat", "-o", original, "--entry", "no.entry", "--allow-missing-entry"])
        everywhere = ["--all-sites", *by_mechanism("table")]
        modules = {
            "original": original,
            "`table`": self.shim(original, "table", *everywhere),
            "`table`, the host sees the table": self.shim(exported, "exported", *everywhere),
            "`ref-test`": self.shim(original, "ref-test", "--all-sites", *by_mechanism("ref-test")),
            "`--fpcast-emu`": self.binaryen(original, "fpcast", "--fpcast-emu"),
        }
        # An engine that has seen what is called may inline it, and does so in a loop as small as these.
        table = Table("a call under V8", *LOOPS, "matching, one function, not inlined")
        found = [self.time_calls(modules.values(), flags) for flags in ([], ["--no-wasm-inlining-call-indirect"])]
        for number, name in enumerate(modules):
            cells = [self.call_cell(found[0], number, loop) for loop in range(len(LOOPS))]
            table.row(name, *cells, self.call_cell(found[1], number, 0))
        return table

    def time_calls(self, modules, flags):
        return json.loads(Run([NODE, *flags, WORK_FILES / "calls.mjs", max(15, 3 * self.rounds), *modules]).output)

    @staticmethod
    def call_cell(rounds, number, loop):
        if rounds[0][number][loop] is None:
            return "traps"
        time = statistics.median(times[number][loop] for times in rounds)
        # What the original traps at is compared with what it doesn't.
        base = loop if rounds[0][0][loop] is not None else loop - 1
        ratio = statistics.median(times[number][loop] / times[0][base] for times in rounds)
        return f"{time:.2f} ns" + (f", {ratio:.2f}×" if number else "")

    # ---- A program

    def programs(self):
        table = Table("work, all calls repaired", "original", "`table`", "`ref-test`", "`--fpcast-emu`", "target for `table`")
        for name in WORK:
            source = self.modules[name][0]
            modules = [
                source,
                *(self.shim(source, mechanism, "--all-sites", *by_mechanism(mechanism)) for mechanism in ("table", "ref-test")),
                self.binaryen(source, "fpcast", "--fpcast-emu"),
            ]
            for optimised in (False, True):
                rounds = [[self.work_time(name, module, optimised) for module in modules] for _ in range(self.rounds)]
                ratios = [self.ratio(rounds, number) for number in (1, 2, 3)]
                label = f"{name}, optimised code alone" if optimised else name
                before = statistics.median(times[0] for times in rounds)
                met = "" if optimised else f"≤ {MATCHING_LIMIT:.2f}×" + ("" if ratios[0] <= MATCHING_LIMIT else " **missed**")
                table.row(label, f"{before:.2f} s", *(f"{ratio:.3f}×" if ratio else "breaks" for ratio in ratios), met)
        return table

    @staticmethod
    def ratio(rounds, number):
        times = [(times[number], times[0]) for times in rounds]
        return statistics.median(after / before for after, before in times) if all(after for after, _ in times) else None

    def work_time(self, name, module, optimised):
        """CPU seconds of the work, compiling included; None where --fpcast-emu breaks it."""
        command = [part for part in self.workloads[name](module) if optimised or part != "--no-liftoff"]
        if "fpcast" in module.name:
            done = subprocess.run([str(part) for part in command], capture_output=True)
            if done.returncode or done.stdout != self.outputs[name]:
                return None
        run = Run(command)
        if run.output != self.outputs.setdefault(name, run.output) or not run.output:
            sys.exit(f"error: {name}: {module.name} prints something else")
        return run.cpu

    # ---- A module

    def sizes(self):
        table = Table("size, without debug information", "original", "`table`", "`ref-test`", "`--fpcast-emu`", "target for `table`")
        python = CORPUS / "modules" / "python312-wasi.wasm"
        sites = [part for site in FAMILIES.values() for part in ("--site", site)]
        self.size_row(table, "python312-wasi, the calls of its four families", python, sites, GROWTH_LIMIT)
        for name in WORK:
            self.size_row(table, f"{name}, all calls", self.modules[name][0], ["--all-sites"], None)
        return table

    def size_row(self, table, name, source, sites, limit):
        before = module_bytes(source)
        growth = [module_bytes(self.shim(source, f"size-{mechanism}", *sites, *by_mechanism(mechanism))) - before for mechanism in ("table", "ref-test")]
        # wasm-opt writes every module anew, some of them smaller: what it makes without a pass is what its pass added to.
        plain, emulated = (module_bytes(self.binaryen(source, f"size{len(passes)}", *passes)) for passes in ([], ["--fpcast-emu"]))
        cells = [f"{added / before:+.2%}" for added in growth]
        met = "" if limit is None else f"≤ {limit:.0%}" + ("" if growth[0] <= limit * before else " **missed**")
        table.row(name, f"{before:,}", *cells, f"{emulated / plain - 1:+.2%}", met)
