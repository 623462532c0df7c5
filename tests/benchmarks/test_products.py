"""How fast what products write as JSON is read, and what wrappers hand on: beside nginx's JSON, and beside bare lines.

Each case of a format becomes a log of many lines. CPU is compared, of the quickest of some rounds; the bound is half
the lines per second of what a log is compared with.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import commands, products
from benchmarks.board import Board, Bound
from benchmarks.logs import Logs
from benchmarks.measure import in_turn, run

pytestmark = pytest.mark.bench

FULL = 100_000
LINES = min(FULL, int(os.environ.get("AUTHFORENSICS_BENCH_LINES", str(FULL))))
ROUNDS = int(os.environ.get("AUTHFORENSICS_BENCH_ROUNDS", "3"))
RESULT = Path(__file__).parents[2] / "build" / "benchmarks-products.md"
PLACE = {"PYTHONPATH": commands.source_path()}
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Measured:
    """A log, its format, and the log that it is compared with."""

    path: Path
    format: str
    beside: str


def write(path: Path, source: str, *around: str) -> Path:
    run([sys.executable, "-m", "benchmarks.products", str(path), str(LINES), source, *around], PLACE)
    return path


def per_line(logs: dict[str, Measured]) -> dict[str, float]:
    """The seconds of CPU for a line of each."""
    started = {
        name: [sys.executable, str(HERE / "reading.py"), str(log.path), log.format] for name, log in logs.items()
    }
    told = {name: [json.loads(one.output) for one in runs] for name, runs in in_turn(started, ROUNDS, PLACE).items()}
    assert all(one["events"] == LINES for runs in told.values() for one in runs)
    return {name: min(one["seconds"] for one in runs) / LINES for name, runs in told.items()}


@pytest.fixture(scope="module")
def board():
    made = Board(LINES)
    yield made
    print(f"\n\n{made.write(RESULT, commands.versions())}\nwritten to {RESULT}")


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> dict[str, Measured]:
    """nginx's lines as JSON and as text."""
    folder = tmp_path_factory.mktemp("bare")
    run(commands.generate(folder, LINES, "combined,json"), PLACE)
    made = Logs(folder, LINES)
    return {"json": Measured(made.json, "json", "json"), "combined": Measured(made.combined, "combined", "combined")}


def hold(board: Board, logs: dict[str, Measured], bare: dict[str, Measured]) -> None:
    took = per_line({**bare, **logs})
    bounds = [
        Bound(f"CPU of {name}, of {log.beside} as nginx writes it", took[name] / took[log.beside], 2)
        for name, log in logs.items()
    ]
    unmet = board.hold(*sorted(bounds, key=lambda bound: -bound.measured))
    assert LINES < FULL or not unmet, "\n".join(unmet)


def test_products(board, bare, tmp_path):
    logs = {
        name: Measured(write(tmp_path / f"{name}.log", name), name.partition(".")[0], "json")
        for name in products.names()
    }
    hold(board, logs, bare)


def test_wrappers(board, bare, tmp_path):
    logs = {
        f"{inner} in {name}": Measured(write(tmp_path / f"{inner}-{name}.log", str(log.path), name), inner, inner)
        for name, around in products.wrappers().items()
        for inner, log in bare.items()
        if inner == "json" or "%object%" not in around
    }
    hold(board, logs, bare)
