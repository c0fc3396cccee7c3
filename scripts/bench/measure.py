"""What the sections of `bench` measure with and print."""

import os
import subprocess
import sys
import tempfile
import time


def verdict(value, limit):
    """What to say of a figure that should not be above `limit`."""
    if limit is None:
        return ""
    return f"≤ {limit:.2f}×" + ("" if value <= limit else " **missed**")


class Run:
    """A finished process: wall-clock and CPU seconds, peak memory in bytes, standard output and error."""

    def __init__(self, command, statuses=(0,)):
        with tempfile.TemporaryFile() as out:
            start = time.perf_counter()
            process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.PIPE)
            errors = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.wall = time.perf_counter() - start
            out.seek(0)
            self.output = out.read()
            self.errors = errors
        if process.returncode not in statuses:
            sys.stderr.buffer.write(errors[-2000:])
            sys.exit(f"error: {' '.join(map(str, command))}: status {process.returncode}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss * 1024


class Table:
    """Markdown; columns that are numbers are aligned to the right."""

    def __init__(self, *columns):
        self.lines = ["| " + " | ".join(columns) + " |", "|---" + "|--:" * (len(columns) - 1) + "|"]

    def row(self, *cells):
        self.lines.append("| " + " | ".join(cells) + " |")

    def __str__(self):
        return "\n".join(self.lines) + "\n"
