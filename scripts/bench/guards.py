"""The section `guards` of `bench`: what guards cost, in closures narrowed to recorded profiles.

Each module is instrumented by the profile of a small run (check/oracle), with guards that undo an unwind, and with guards that
stop the program: the difference is what undoing takes. Then other work is timed, on the original, on a copy of it, which shows the noise,
and on both.
"""

import json
import pathlib
import shutil
import statistics
import sys

from measure import Run, Table, verdict

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
WAYS = ["undo", "trap"]
SPEED_LIMIT = 1.02


class Guards:
    def __init__(self, bench, modules, workloads):
        self.bench = bench
        self.modules = modules
        self.workloads = workloads
        self.profiles = bench.work / "profiles"

    def instrumented(self, name, way):
        source, entry, _ = self.modules[name]
        out = self.bench.work / f"{name}.{way}.wasm"
        options = ["--profile", self.profiles / f"{name}.json", "--on-unprepared", way]
        Run(self.bench.instrument_command(source, entry, out, "balanced", *options))
        return out

    def guards(self, name):
        source, entry, _ = self.modules[name]
        command = [self.bench.tool, "analyze", source, "--entry", entry, "--profile", self.profiles / f"{name}.json"]
        return json.loads(Run([*command, "--format", "json"]).output)["guards"]

    def times(self, name, modules):
        """CPU seconds of the original, and of the others as multiples of it: medians of runs in another order each time."""
        command, rounds = self.workloads[name], []
        for first in range(self.bench.rounds):
            runs = {}
            for module in modules[first % len(modules) :] + modules[: first % len(modules)]:
                runs[module] = Run(command(module))
            if not runs[modules[0]].output or len({run.output for run in runs.values()}) > 1:
                sys.exit(f"error: {name}: an instrumented module prints something else")
            rounds.append([runs[module].cpu for module in modules])
        seconds = statistics.median(times[0] for times in rounds)
        return seconds, [statistics.median(times[i] / times[0] for times in rounds) for i in range(1, len(modules))]

    def section(self, only):
        names = [name for name in self.workloads if not only or name in only]
        Run([SCRIPTS / "check" / "oracle", "--profiles", self.profiles, *names])
        sizes = Table("module", "guards", "original", *(cell for way in WAYS for cell in (way, "file")))
        times = Table("work", "original", "the original again", *WAYS)
        for name in names:
            source = self.modules[name][0]
            again = self.bench.work / f"{name}.again.wasm"
            shutil.copyfile(source, again)
            made = [self.instrumented(name, way) for way in WAYS]
            before = self.bench.without_debug(source)
            after = [self.bench.without_debug(module) for module in made]
            cells = [cell for size in after for cell in (f"+{size - before:,}", f"{size / before:.3f}×")]
            sizes.row(name, f"{self.guards(name):,}", f"{before:,}", *cells)
            seconds, ratios = self.times(name, [source, again, *made])
            cells = [f"{ratio:.3f}× {verdict(ratio, limit)}".strip() for ratio, limit in zip(ratios, [None, SPEED_LIMIT, None])]
            times.row(name, f"{seconds:.2f} s", *cells)
        return f"### Guards\n\n{sizes}\n{times}"
