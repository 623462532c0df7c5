"""What a run leaves behind that is interrupted, or has no room, at whatever moment: nothing, and one line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from authforensics.cli import signals
from authforensics.cli.outputs import staged, text_writer

DEVICES, LINES = 3_000, 300_000
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SIGNALS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated"), signal.SIGHUP: (129, "hung up")}
#: Signals arrive as they would at a terminal, whatever whoever runs the tests ignores.
START = """
import resource, runpy, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
"""
RUN = "runpy.run_module('authforensics', run_name='__main__', alter_sys=True)"
#: What polars and the system can take from a run that is given little: enough for no table.
LITTLE = "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """Enough lines for partitions, with refreshes, refusals and devices."""
    path = tmp_path_factory.mktemp("logs") / "access.log"
    calls = ['"GET /api/items/{} HTTP/1.1" 200', '"POST /auth/refresh HTTP/1.1" 200', '"GET /api/items HTTP/1.1" 401']
    with path.open("w") as file:
        for number in range(LINES):
            stamp = (BEGIN + timedelta(seconds=number / 4)).strftime("%d/%b/%Y:%H:%M:%S +0000")
            device, call = number * 7 % DEVICES, calls[number % 11 % 3].format(number)
            file.write(f'10.0.{device >> 8}.{device & 255} - - [{stamp}] {call} 17 "-" "Ferry/2.1 (iOS 17.1)"\n')
    return path


@pytest.fixture
def place(tmp_path) -> Path:
    """Three empty directories: `here` to run in, `work` for partitions, `tmp` for all else."""
    for name in ("here", "work", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def _left(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.parent != place)


@contextmanager
def _started(place: Path, *arguments: str, before: str = "", program: str = RUN) -> Iterator[subprocess.Popen[str]]:
    search = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        [sys.executable, "-c", START + before + program, *arguments],
        cwd=place / "here",
        env={**os.environ, "PYTHONPATH": search, "TMPDIR": str(place / "tmp")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _analyze(place: Path, *paths: str | Path, before: str = "") -> contextmanager[subprocess.Popen[str]]:
    """Every kind of output, and partitions."""
    outputs = ("--json", "d.json", "--markdown", "m.md", "--export", "tables")
    bounds = ("--memory", "16M", "--work-dir", str(place / "work"))
    return _started(place, "analyze", *map(str, paths), *outputs, *bounds, before=before)


def _wait_for(place: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    while not any(place.glob(pattern)):
        assert process.poll() is None, f"it ended before there was any {pattern}: {process.stderr.read()}"
        time.sleep(0.002)


def _ends(process: subprocess.Popen[str], place: Path, number: signal.Signals) -> None:
    code, word = SIGNALS[number]
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", f"authforensics: error: {word}\n")
    assert _left(place) == []


TABLES = [f"here/tables/{name}.parquet" for name in ("events", "findings", "rejects", "sessions")]
OUTPUTS = ["here/authforensics-report.html", "here/d.json", "here/m.md", "here/tables", *TABLES]


def _ends_whole(process: subprocess.Popen[str], place: Path, number: signal.Signals) -> None:
    """As `_ends`, or it was done before that, or at least its outputs were."""
    code, word = SIGNALS[number]
    _, err = process.communicate(timeout=60)
    left = _left(place)
    assert left in ([], OUTPUTS)
    assert "Traceback" not in err
    if process.returncode == 0:
        assert left == OUTPUTS
    else:
        assert (process.returncode, err.splitlines()[-1]) == (code, f"authforensics: error: {word}")


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_while_standard_input_is_kept(place, log, number):
    with _analyze(place, "-") as process:
        process.stdin.write(log.read_text()[: 1 << 20])
        process.stdin.flush()
        _wait_for(place, "work/*/*", process)
        process.send_signal(number)
        _ends(process, place, number)


PHASES = {
    "partitions": "work/*/requests/*.arrow",
    "studies": "work/*/events/*.arrow",
    "outputs": "here/.m.md.*.tmp",
}


def test_an_interrupt_while_partitions_are_written(place, log):
    with _analyze(place, log) as process:
        _wait_for(place, PHASES["partitions"], process)
        process.send_signal(signal.SIGTERM)
        _ends(process, place, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("later", [0, 0.2, 0.5])
def test_an_interrupt_in_every_phase(place, log, phase, number, later):
    with _analyze(place, log) as process:
        _wait_for(place, PHASES[phase], process)
        time.sleep(later)
        process.send_signal(number)
        _ends_whole(process, place, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0])
def test_an_interrupt_at_any_moment(place, log, moment, number):
    with _analyze(place, log, before="print('begun', flush=True)\n") as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(moment)
        process.send_signal(number)
        _ends_whole(process, place, number)


def test_more_interrupts_do_not_disturb_the_cleaning(place, log):
    with _analyze(place, log) as process:
        _wait_for(place, PHASES["partitions"], process)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        _ends(process, place, signal.SIGINT)


#: A pipeline that puts files aside and does something else then.
PUT_ASIDE = """
import os, threading, time, types
from pathlib import Path
from authforensics.partitions import WorkDirectory
kept = []
def analyze(paths, **options):
    kept.append(WorkDirectory(options["work_dir"]))
    (kept[0].path / "table").write_text("rows")
    {then}
    return types.SimpleNamespace(to_html=str, to_json=str, to_markdown=str, close=kept[0].close, document=None)
pipeline = types.ModuleType("authforensics.pipeline")
pipeline.analyze = analyze
sys.modules["authforensics.pipeline"] = pipeline
from authforensics.__main__ import main
main()
"""
STUCK = """import ctypes
    system, lock = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    system.pthread_mutex_init(lock, None)
    while True: system.pthread_mutex_lock(lock)"""
SWALLOWED = """try: time.sleep(60)
    except BaseException: pass
    time.sleep(60)"""
IN_FINALIZER = """class Odd:
        def __del__(self): time.sleep(60)
    del [Odd()][0]
    time.sleep(60)"""
BUSY_THREADS = """def add():
        while True:
            try: (kept[0].path / f"{time.monotonic_ns()}").write_text("rows")
            except Exception: pass
    for _ in range(4): threading.Thread(target=add).start()
    time.sleep(60)"""


@pytest.mark.parametrize(
    ("then", "number"),
    [
        *((STUCK, number) for number in SIGNALS),
        *((then, signal.SIGTERM) for then in (SWALLOWED, IN_FINALIZER, BUSY_THREADS)),
    ],
    ids=["stuck-int", "stuck-term", "stuck-hup", "swallowed", "in a finalizer", "busy threads"],
)
def test_an_interrupt_that_cannot_unwind_the_run(place, then, number):
    (place / "tmp" / "access.log").touch()
    arguments = ("analyze", str(place / "tmp"), "--work-dir", str(place / "work"))
    with _started(place, *arguments, program=PUT_ASIDE.format(then=then)) as process:
        _wait_for(place, "work/*/table", process)
        time.sleep(0.1)
        process.send_signal(number)
        (place / "tmp" / "access.log").unlink()
        _ends(process, place, number)


def test_what_the_caller_ignores_stays_ignored(place):
    then = "os.kill(os.getpid(), signal.SIGHUP); time.sleep(0.8)"
    ignored = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    arguments = ("analyze", str(place / "tmp"), "--work-dir", str(place / "work"), "--no-html", "--json", "-", "-q")
    ended = PUT_ASIDE.format(then=f"{then}; print('went on', flush=True); os._exit(0)")
    with _started(place, *arguments, before=ignored, program=ended) as process:
        assert process.communicate(timeout=60) == ("went on\n", "")


def test_outputs_appear_all_or_none(place):
    """The signal arrives between the first output's renaming and the second's."""
    then = """replace = Path.replace
    def interrupted(*paths):
        replace(*paths)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    Path.replace = interrupted"""
    arguments = ("analyze", str(place / "tmp"), "--json", "d.json", "--markdown", "m.md", "--work-dir", "../work")
    with _started(place, *arguments, program=PUT_ASIDE.format(then=then)) as process:
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert _left(place) == ["here/authforensics-report.html", "here/d.json", "here/m.md"]


TABLE = pl.DataFrame({"number": range(1_000)})


@pytest.mark.parametrize(
    "write", [text_writer("text"), TABLE.write_parquet, TABLE.write_csv], ids=["text", "parquet", "csv"]
)
def test_an_output_that_is_written_while_it_is_removed_does_not_come_back(tmp_path, write):
    """The thread that watches for signals removes outputs while another is still at work on them."""

    def removed(file):
        assert len(list(tmp_path.rglob("*.tmp"))) == 1
        signals._cleaning[-1]()
        write(file)

    def both():
        with staged() as stage:
            stage(tmp_path / "tables" / "first", removed)
            assert list(tmp_path.iterdir()) == []
            stage(tmp_path / "tables" / "second", write)

    with pytest.raises(signals.Stopped):
        both()
    assert list(tmp_path.iterdir()) == []


def _fails(process: subprocess.Popen[str], place: Path, message: str, stdin: str | None = None) -> None:
    out, err = process.communicate(stdin, timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == f"authforensics: error: {message}\n"
    assert _left(place) == []


def test_no_room_for_partitions(place, log):
    with _analyze(place, log, before=LITTLE) as process:
        _fails(process, place, f"{place}/work: no room for temporary files; name a directory with room: --work-dir")


def test_no_room_for_standard_input(place, log):
    with _analyze(place, "-", before=LITTLE) as process:
        out, err = process.communicate(log.read_text()[: 1 << 20], timeout=60)
    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert f"standard input: no room for it in {place}/work" in err
    assert "--work-dir" in err
    assert _left(place) == []


@pytest.mark.slow
def test_no_room_on_a_small_disk(place, log):
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place / "work"], check=False)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with _analyze(place, log) as process:
            _fails(process, place, f"{place}/work: no room for temporary files; name a directory with room: --work-dir")
    finally:
        subprocess.run(["umount", place / "work"], check=True)


def test_the_work_directory_is_taken_away(place, log):
    with _analyze(place, log) as process:
        _wait_for(place, PHASES["partitions"], process)
        while process.poll() is None:
            for path in (place / "work").iterdir():
                shutil.rmtree(path, ignore_errors=True)
        what = "the temporary files there can't be used any more (No such file or directory)"
        _fails(process, place, f"{place}/work: {what}; --work-dir names another place")
