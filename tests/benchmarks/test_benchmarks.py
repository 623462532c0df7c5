"""How fast and how frugal: `authforensics` beside what else can be done with the same file, in one run.

What is held to a bound is a ratio of one run, or a peak of memory. The bounds are those of five million lines; of fewer
lines (AUTHFORENSICS_BENCH_LINES) start-up is too large a part, so they are printed only.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from pathlib import Path

import pytest

from benchmarks import bare, carrying, commands
from benchmarks.board import Board, Bound
from benchmarks.commands import ANALYZE, BYTES, COUNT, GOACCESS, SHARE, SQL, SQL_CSV, WC
from benchmarks.forms import FORMS, TEXT
from benchmarks.logs import Logs
from benchmarks.measure import Took, best, in_turn, read_once, run

pytestmark = pytest.mark.bench

FULL = 5_000_000
LINES = int(os.environ.get("AUTHFORENSICS_BENCH_LINES", str(FULL)))
ROUNDS = int(os.environ.get("AUTHFORENSICS_BENCH_ROUNDS", "3"))
GROWTH = os.environ.get("AUTHFORENSICS_BENCH_GROWTH", "yes") != "no"
STEPS = (LINES // 5, LINES, *([LINES * 5] if GROWTH else []))
SMALL = 2_000
FORM_LINES = min(LINES, 300_000)
STARTS = 15
RESULT = Path(__file__).parents[2] / "build" / "benchmarks.md"
PLACE = {"PYTHONPATH": commands.source_path()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where logs and outputs are: a folder that is kept and used again, if one is named."""
    named = os.environ.get("AUTHFORENSICS_BENCH_DIR")
    if not named:
        return tmp_path_factory.mktemp("bench")
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)


@pytest.fixture(scope="module")
def logs(folder):
    """Writes the logs of so many lines and has them in the page cache."""

    def written(lines: int, kinds: str = "combined") -> Logs:
        run(commands.generate(folder, lines, kinds), PLACE)
        made = Logs(folder, lines)
        for kind in kinds.split(","):
            read_once(getattr(made, kind))
        return made

    return written


@pytest.fixture(scope="module")
def board():
    """What is measured; printed and written when the last test is done."""
    made = Board(LINES)
    made.notes.append("A peak below 15 MB is that of the program that starts the others.")
    made.notes += [f"Left out: {reason}." for reason in commands.missing()]
    yield made
    print(f"\n\n{made.write(RESULT, commands.versions())}\nwritten to {RESULT}")


def outputs(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir(exist_ok=True)
    return place


def looping(place: Path) -> set[str]:
    """The devices that an analysis found in a loop."""
    document = json.loads((place / "analysis.json").read_text(encoding="utf-8"))
    return {finding["device_id"] for finding in document["findings"] if finding["detector"] == "refresh_loop"}


def planted(made: Logs) -> dict[str, set[str]]:
    return {name: set(values) for name, values in json.loads(made.planted.read_text(encoding="utf-8")).items()}


def check(unmet: list[str]) -> None:
    assert LINES < FULL or not unmet, "\n".join(unmet)


def ratio(one: Took, other: Took) -> float:
    return one.seconds / other.seconds


def test_beside_peers(board, folder, logs):
    made = logs(LINES)
    place = outputs(folder, "combined")
    log = made.combined
    started = {ANALYZE: commands.analyze(log, place), SHARE: commands.shares(log)}
    started |= {**commands.raw(log), **commands.peers(log, place)}
    took = {name: best(runs) for name, runs in in_turn(started, ROUNDS, PLACE).items()}
    for name, one in took.items():
        if name != SHARE:
            board.add(name, one, LINES, took[ANALYZE])

    truth = planted(made)["pairs"]
    assert looping(place) == truth
    assert int(took[COUNT].output) == LINES
    assert int(took[BYTES].output) + LINES == log.stat().st_size
    assert WC not in took or int(took[WC].output.split()[0]) == LINES
    assert GOACCESS not in took or f'"valid_requests": {LINES},' in (place / "goaccess.html").read_text("utf-8")
    for name in {SQL, SQL_CSV} & set(took):
        assert set(json.loads(took[name].output)["devices"]) == truth, name

    mine = took[ANALYZE]
    bounds = [
        Bound("time of pl.scan_lines counting", ratio(mine, took[COUNT]), 20, 12),
        Bound("peak memory, GB", mine.peak / 1e9, 0.8),
        Bound("state machine and detectors, of the run", float(took[SHARE].output) / took[SHARE].seconds, 1 / 4),
    ]
    if GOACCESS in took:
        bounds.insert(0, Bound("time of GoAccess", ratio(mine, took[GOACCESS]), 1 / 8, 1 / 12))
    if SQL in took:
        bounds.insert(1, Bound("time of DuckDB with SQL by hand", ratio(mine, took[SQL]), 1, 0.5))
    check(board.hold(*bounds))


def test_other_forms_of_the_log(board, folder, logs):
    made = logs(LINES, "combined,json,gzip")
    forms = {"combined": made.combined, "JSON lines": made.json, "gzip": made.gzip}
    started = {name: commands.analyze(path, outputs(folder, f"form-{name}")) for name, path in forms.items()}
    took = {name: best(runs) for name, runs in in_turn(started, ROUNDS, PLACE).items()}
    for name in ("JSON lines", "gzip"):
        board.add(f"analyze, {name}", took[name], LINES, took["combined"])
    truth = planted(made)
    assert looping(folder / "form-JSON lines") == truth["device_ids"]
    assert looping(folder / "form-gzip") == truth["pairs"]
    check(
        board.hold(
            Bound("time of JSON lines, of the combined log's", ratio(took["JSON lines"], took["combined"]), 1.4),
            Bound("time of gzip, of the plain file's", ratio(took["gzip"], took["combined"]), 1.3),
        )
    )


def test_tokens_in_lines(board, folder):
    """Tokens that are looked at, beside texts as long in their place."""
    lines = LINES // 5
    place = folder / f"carrying-{lines}"
    place.mkdir(exist_ok=True)
    run([sys.executable, "-m", "benchmarks.carrying", str(place), str(lines)], PLACE)
    logs = {"opaque": place / "opaque.log", "tokens": place / "tokens.log"}
    for log in logs.values():
        read_once(log)
    started = {name: commands.analyze(log, outputs(place, name)) for name, log in logs.items()}
    took = {name: best(runs) for name, runs in in_turn(started, ROUNDS, PLACE).items()}
    board.add("analyze, opaque texts in lines", took["opaque"], lines)
    board.add("analyze, tokens in lines", took["tokens"], lines)
    seen = json.loads((place / "tokens" / "analysis.json").read_text(encoding="utf-8"))["tokens"]["seen"]
    assert seen == lines * carrying.TOKENS // carrying.LINES
    share = ratio(took["tokens"], took["opaque"])
    check(board.hold(Bound("time of lines with tokens, of those with opaque texts", share, 1.4)))


def test_layouts(board, folder):
    """The same traffic in every layout: how many lines a second are read, as a share of combined's."""
    run(commands.generate_forms(folder, FORM_LINES), PLACE)
    logs = {name: form.path(folder, FORM_LINES) for name, form in FORMS.items()}
    for log in logs.values():
        read_once(log)
    started = {name: commands.reading(log, FORMS[name]) for name, log in logs.items()}
    told = {
        name: min((json.loads(one.output) for one in runs), key=lambda one: one["seconds"])
        for name, runs in in_turn(started, ROUNDS, PLACE).items()
    }
    speed = {name: one["lines"] / one["seconds"] for name, one in told.items()}
    shares = {name: each / speed[TEXT] for name, each in speed.items()}
    assert all(one["events"] == FORM_LINES for one in told.values())
    for name, one in told.items():
        verdict = ("met" if shares[name] >= 0.5 else "NOT met") if FORMS[name].whole else ""
        board.add_form(name, one["lines"], one["seconds"], shares[name], verdict)
    slowest = min((name for name in FORMS if FORMS[name].whole), key=lambda name: shares[name])
    check(board.hold(Bound(f"CPU of the slowest layout ({slowest}), of combined's", 1 / shares[slowest], 2)))


def test_growth(board, folder, logs):
    sizes = {lines: logs(lines) for lines in STEPS}
    started = {
        str(lines): commands.analyze(made.combined, outputs(folder, f"size-{lines}")) for lines, made in sizes.items()
    }
    took = {int(name): best(runs) for name, runs in in_turn(started, min(ROUNDS, 2), PLACE).items()}
    for lines, one in took.items():
        board.add("analyze, growth", one, lines, took[LINES])
        assert looping(folder / f"size-{lines}") == planted(sizes[lines])["pairs"], lines
    if GROWTH:
        small, large = took[LINES], took[LINES * 5]
        check(
            board.hold(
                Bound("time of 5 times the lines", ratio(large, small), 5.5),
                Bound("peak memory of 5 times the lines", large.peak / small.peak, 1.2),
            )
        )


def test_small_log(board, folder, logs):
    made = logs(SMALL)
    place = outputs(folder, "small")
    took = best(in_turn({ANALYZE: commands.analyze(made.combined, place)}, ROUNDS, PLACE)[ANALYZE])
    board.add("analyze, a small log", took, SMALL)
    assert looping(place) == planted(made)["pairs"]
    # Of the clock alone nothing is asserted: it is told.
    board.hold(Bound(f"seconds of {SMALL:,} lines, report included", took.seconds, 2))


def test_start_up(board, folder):
    from authforensics.cli.app import app

    alone = folder / "bare.py"
    alone.write_text(bare.source(app, "authforensics"), encoding="utf-8")
    python = sys.executable
    started = {
        "authforensics --help": [python, "-m", "authforensics", "--help"],
        "a bare typer app --help": [python, str(alone), "--help"],
        "import authforensics.cli.app": [python, "-c", "import authforensics.cli.app"],
        "import authforensics.pipeline": [python, "-c", "import authforensics.pipeline"],
        "import polars": [python, "-c", "import polars"],
        "python, nothing": [python, "-c", ""],
    }
    runs = in_turn(started, STARTS, PLACE)
    took = {
        name: Took(statistics.median(one.seconds for one in each), max(one.peak for one in each), each[0].output)
        for name, each in runs.items()
    }
    for name, one in took.items():
        board.add(name, one)
    mine, typer_alone = took["authforensics --help"], took["a bare typer app --help"]
    assert mine.output == typer_alone.output
    unmet = board.hold(Bound("--help, of a bare typer app's", ratio(mine, typer_alone), 1.5))
    assert not unmet, unmet
