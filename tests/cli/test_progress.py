"""Progress: on a terminal, after a second, and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from authforensics.cli.progress import Bar, progress_bar
from authforensics.collect import Step

#: A pipeline that reads two files for some time, and studies devices for some more.
SLOW = """
import sys, time, types
from authforensics.collect import Step
def analyze(paths, progress, **options):
    for _ in range({ticks}):
        if progress: progress(Step("a\\x1b[2J.log", 1, 2, 3_000_000, 4_000_000))
        time.sleep(0.1)
    if progress: progress(Step("b.log", 2, 2, 4_000_000, 4_000_000))
    time.sleep({study})
    made = types.SimpleNamespace(to_html=str, to_json=str, to_markdown=str, close=str)
    made.document, made.environment_files = None, ()
    return made
pipeline = types.ModuleType("authforensics.pipeline")
pipeline.analyze = analyze
sys.modules["authforensics.pipeline"] = pipeline
import authforensics.cli.analyze as command
command.print_summary = command._exit_code = lambda *_, **__: 0
sys.modules["authforensics.cli.remarks"] = types.SimpleNamespace(
    remarks=lambda document, log_format: (), offers=lambda document, files: ()
)
from authforensics.__main__ import main
main()
"""


def _drawn(
    tmp_path, *arguments: str, ticks: int, study: float = 0, term: str = "xterm-256color", stop: bool = False
) -> tuple[int, str]:
    """The exit code, and what a terminal gets as it is; with `stop` a signal arrives once something is drawn."""
    (tmp_path / "access.log").touch()
    ours, theirs = pty.openpty()
    search = os.pathsep.join(filter(None, sys.path))
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW.format(ticks=ticks, study=study), "analyze", "access.log", "--no-html", *arguments],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": search, "TERM": term, "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        parts: list[bytes] = []
        # Reading from a terminal that nobody has open any more is an error on Linux.
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            try:
                if select.select([ours], [], [], 0.05)[0]:
                    parts.append(os.read(ours, 1 << 16))
                    if stop and b"left" in parts[-1]:
                        process.terminate()
            except OSError:
                break
    os.close(ours)
    return process.returncode, b"".join(parts).decode()


def test_a_terminal_is_told_how_far_the_run_is(tmp_path):
    code, drawn = _drawn(tmp_path, ticks=25, study=0.8)
    assert code == 0, drawn
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn)
    assert re.search(r"3\.0 MB of 4\.0 MB, [\d.]+ [kM]B/s, 0:00:0\d left, 1 of 2 files done, a\\x1b\[2J\.log", text), (
        text
    )
    assert "studying devices" in text
    assert text.index("MB/s") < text.index("studying devices")
    assert "\x1b[2J" not in drawn
    # Gone at the end: the cursor is shown, and the line wiped.
    assert drawn.endswith("\x1b[2K")
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")


def test_a_terminal_is_left_as_it_was_found_by_an_interrupt(tmp_path):
    code, drawn = _drawn(tmp_path, ticks=600, stop=True)
    assert code == 143
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    assert drawn.endswith("\x1b[2Kauthforensics: error: terminated\r\n")


@pytest.mark.parametrize(
    ("arguments", "term", "ticks"),
    [
        ([], "xterm", 1),
        (["-q"], "xterm", 14),
        (["--no-progress"], "xterm", 14),
        ([], "dumb", 14),
    ],
)
def test_nothing_is_drawn_before_a_second_or_where_it_is_not_wanted(tmp_path, arguments, term, ticks):
    assert _drawn(tmp_path, *arguments, ticks=ticks, term=term) == (0, "")


def test_nothing_is_drawn_where_standard_error_is_no_terminal(capfd):
    with progress_bar(enabled=True) as bar:
        assert bar is None
    assert capfd.readouterr() == ("", "")


def _step(size: int, files: int = 0, all_files: int = 1, *, fetching: bool = False) -> Step:
    return Step("access.log", files, all_files, size, 1000, fetching)


def test_what_is_told_follows_the_run(monkeypatch):
    clock = iter([100.0, 102.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    bar = Bar()
    assert bar.told() == ("reading", 0, None)
    bar.step(_step(500))
    assert bar.told() == ("500 bytes of 1.0 kB, 250 bytes/s, 0:00:02 left, access.log", 500, 1000)
    bar.step(_step(1000, files=1))
    assert bar.told() == ("studying devices", 0, None)
    bar.doing("writing the results")
    assert bar.told() == ("writing the results", 0, None)


def test_objects_are_fetched_before_anything_is_read(monkeypatch):
    clock = iter([100.0, 104.0, 110.0, 112.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    bar = Bar()
    bar.step(_step(400, files=1, all_files=3, fetching=True))
    fetched = "fetched 400 bytes of 1.0 kB, 100 bytes/s, 0:00:06 left, 1 of 3 files done, access.log"
    assert bar.told() == (fetched, 400, 1000)
    bar.step(_step(1000, files=3, all_files=3, fetching=True))
    assert bar.told() == ("reading", 0, None)
    bar.step(_step(500))
    assert bar.told() == ("500 bytes of 1.0 kB, 250 bytes/s, 0:00:02 left, access.log", 500, 1000)


def test_nothing_is_promised_before_anything_is_read(monkeypatch):
    clock = iter([100.0, 101.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    bar = Bar()
    bar.step(_step(0, all_files=3))
    assert bar.told() == ("0 bytes of 1.0 kB, 0 of 3 files done, access.log", 0, 1000)
