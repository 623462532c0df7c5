"""Measures whole processes: wall time and peak memory, several commands in turn, the best of a few rounds.

A process starts with the peak memory of the one that starts it, and the one that runs the tests is large. So each
command is started by this file, run as a program of its own that imports next to nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Took:
    """What one process took: seconds of the clock, the most bytes it held at once, and what it wrote."""

    seconds: float
    peak: int
    output: str = ""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Took:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message is what it wrote.
    """
    starter = [sys.executable, "-I", "-S", __file__, *command]
    done = subprocess.run(
        starter, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=True
    )
    told = json.loads(done.stderr.splitlines()[-1])
    if told["code"]:
        raise RuntimeError(f"{' '.join(command)}: exit code {told['code']}\n{done.stderr[-2000:]}")
    return Took(told["seconds"], told["peak"], done.stdout)


def in_turn(
    commands: Mapping[str, Sequence[str]], rounds: int, environment: Mapping[str, str] | None = None
) -> dict[str, list[Took]]:
    """Run each command once a round, so that a slow moment of the machine hits none of them alone."""
    took: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            took[name].append(run(command, environment))
    return took


def best(runs: Sequence[Took]) -> Took:
    """The quickest run, with the highest peak of any."""
    quickest = min(runs, key=lambda one: one.seconds)
    return Took(quickest.seconds, max(one.peak for one in runs), quickest.output)


def read_once(path: Path) -> None:
    """Have the file in the page cache, for the first to read it too."""
    with path.open("rb", buffering=0) as file:
        while file.read(2**24):
            pass


def _start(command: list[str]) -> None:
    begin = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    unit = 1 if sys.platform == "darwin" else 1024
    told = {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "peak": usage.ru_maxrss * unit}
    sys.stderr.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    _start(sys.argv[1:])
