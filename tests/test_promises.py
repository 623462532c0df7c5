"""What the product promises whoever runs it, held against the real command line: broken input, misuse, what may not be read."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen, run

import pytest

from commanded import COMMAND, Analyze, combined, runner


@pytest.fixture
def analyze(tmp_path: Path) -> Analyze:
    """Run `analyze` in an empty working directory."""
    return runner(tmp_path / "work")


def _good(lines: int = 40) -> str:
    return "".join(combined(number, "/api/items") + "\n" for number in range(lines))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """One good log among a cut archive, a binary file and an empty one."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "good.log").write_text(_good())
    whole = gzip.compress(os.urandom(64) + _good(2000).encode(), mtime=0)
    (folder / "garbage.log.gz").write_bytes(whole[:4] + b"\xff" * 64)
    (folder / "binary.log").write_bytes(bytes(range(256)) * 16)
    (folder / "empty.log").touch()
    return folder


def test_broken_files_are_named_with_their_reason_and_the_rest_is_analysed(analyze: Analyze, broken: Path) -> None:
    ran = analyze("--no-html", "--json", "-", broken)
    assert ran.returncode == 0, ran.stderr
    sources = {source["source"]: source for source in json.loads(ran.stdout)["sources"]}
    assert sources["good.log"]["events"] == 40
    assert sources["empty.log"]["note"] == "empty"
    assert sources["binary.log"]["note"] == "binary"
    assert "gzip" in sources["garbage.log.gz"]["note"]
    told = [line for line in ran.stderr.splitlines() if "garbage.log.gz" in line]
    assert len(told) == 1
    assert "not read whole" in told[0]


def test_the_terminal_names_every_file_that_was_left_alone(analyze: Analyze, broken: Path) -> None:
    ran = analyze("--no-html", broken)
    shown = " ".join(ran.stdout.split())
    for name, why in (("garbage.log.gz", "gzip"), ("binary.log", "binary"), ("empty.log", "empty")):
        assert re.search(rf"{re.escape(name)} \([^)]*{why}", shown), (name, shown)


def test_strict_refuses_what_cannot_be_read_whole(analyze: Analyze, broken: Path) -> None:
    ran = analyze("--no-html", "--strict", broken)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert "garbage.log.gz" in ran.stderr


def test_an_archive_that_breaks_off_gives_what_it_has(analyze: Analyze, tmp_path: Path) -> None:
    lines = "".join(combined(number, f"/api/items/{number * 7919 % 10007}") + "\n" for number in range(3000))
    whole = gzip.compress(lines.encode(), mtime=0)
    (tmp_path / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    ran = analyze("--no-html", "--json", "-", tmp_path / "cut.log.gz")
    assert ran.returncode == 0, ran.stderr
    source = json.loads(ran.stdout)["sources"][0]
    assert 0 < source["events"] < 3000
    assert "breaks off" in ran.stderr
    assert analyze("--no-html", "--strict", tmp_path / "cut.log.gz").returncode == 1


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "empty"), (bytes(range(256)) * 16, "binary"), (_good().encode("utf-16"), "UTF-16")]
)
def test_nothing_readable_is_one_line_and_exit_1(analyze: Analyze, tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "only.log").write_bytes(content)
    ran = analyze("--no-html", tmp_path / "only.log")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert why in ran.stderr


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark_change_nothing(
    analyze: Analyze, tmp_path: Path, ending: bytes, mark: bytes
) -> None:
    (tmp_path / "a.log").write_bytes(mark + _good().encode().replace(b"\n", ending))
    (source,) = json.loads(analyze("--no-html", "--json", "-", tmp_path / "a.log").stdout)["sources"]
    assert (source["lines"], source["events"], source["rejects"]) == (40, 40, 0)


# Usage


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("missing.log",), "missing.log"),
        (("*.nothing",), "*.nothing"),
        (("--format", "combinde", "LOG"), "combined"),
        (("--only", "refresh_lop", "LOG"), "refresh_loop"),
        (("--tz", "Mars/Olympus", "LOG"), "Mars/Olympus"),
        (("--since", "soonish", "LOG"), "soonish"),
        (("--fail-on", "terrible", "LOG"), "critical"),
        (("--export-format", "xls", "LOG"), "parquet"),
        (("--color", "purple", "LOG"), "always"),
        (("--html", ".", "LOG"), "directory"),
        (("--html", "LOG", "LOG"), "input"),
        (("--html", "no/such/place.html", "LOG"), "no/such"),
        (("--json", "-", "--markdown", "-", "LOG"), "standard output"),
        (("--verbos", "LOG"), "--verbose"),
        ((), "PATH"),
    ],
)
def test_misuse_is_one_line_that_helps_and_exit_2(
    analyze: Analyze, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    log = tmp_path / "good.log"
    log.write_text(_good())
    ran = analyze(*(str(log) if one == "LOG" else one for one in arguments))
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert expected in ran.stderr
    assert log.read_text() == _good()
    assert list((tmp_path / "work").iterdir()) == []


def _as_who_may_not() -> tuple[str, ...]:
    """A prefix under which permissions bind, root or not; skips where there is none."""
    if os.geteuid() != 0:
        return ()
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    try:
        usable = run((*prefix, "true"), check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        usable = False
    if not usable:
        pytest.skip("root reads everything here")
    return prefix


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder with a good log, and with a file and a folder that may not be read."""
    folder = tmp_path / "logs"
    (folder / "inner").mkdir(parents=True)
    (folder / "good.log").write_text(_good())
    (folder / "locked.log").write_text(_good())
    (folder / "locked.log").chmod(0)
    (folder / "inner").chmod(0)
    yield folder
    (folder / "inner").chmod(0o700)


def test_what_may_not_be_read_is_named_and_the_rest_is_analysed(analyze: Analyze, locked: Path) -> None:
    who = _as_who_may_not()
    ran = analyze("--no-html", "--json", "-", locked, before=who)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["sources"]
    for name in ("locked.log", "inner"):
        assert [line for line in ran.stderr.splitlines() if name in line and "Permission denied" in line], ran.stderr
    assert analyze("--no-html", "--strict", locked, before=who).returncode == 1


def test_a_directory_that_may_not_be_read_is_one_line(analyze: Analyze, locked: Path) -> None:
    ran = analyze("--no-html", locked / "inner", before=_as_who_may_not())
    assert ran.returncode in {1, 2}
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert "Permission denied" in ran.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "good.log"
    log.write_text(_good())
    command = [*COMMAND, "--no-html", "--json", "-", str(log)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with Popen(command, stdout=PIPE, stderr=PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
