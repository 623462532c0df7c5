"""The program: version, help, exit codes, and one line an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest

from authforensics.errors import BadValue, BrokenInput, MissingInput, NothingReadable, UnknownName

HEAVY = {"polars", "plotly", "jinja2", "jwt", "pydantic", "rich", "numpy", "pyspark"}


def _python(code: str, *, cwd=None, env=None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(env or {})},
    )


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        # typer itself parses the arguments of a command with pydantic.
        (["analyze", "--help"], HEAVY - {"pydantic"}),
        (["explain", "--help"], HEAVY - {"pydantic"}),
        (["formats", "--help"], HEAVY - {"pydantic"}),
        (["simulate", "--help"], HEAVY - {"pydantic"}),
        (["timeline", "--help"], HEAVY - {"pydantic"}),
        (["token", "--help"], HEAVY - {"pydantic"}),
        (["verify", "--help"], HEAVY - {"pydantic"}),
    ],
)
def test_help_imports_nothing_heavy(arguments, heavy):
    code = f"""
import sys
from authforensics.cli.app import run
code = run({arguments!r})
print("IMPORTED", sorted(set(name.split('.')[0] for name in sys.modules) & {heavy!r}))
sys.exit(code)
"""
    done = _python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "IMPORTED []"


def test_version(run):
    assert run("--version") == (0, f"authforensics {version('authforensics')}\n", "")


def test_help_names_every_command_and_no_other(run):
    code, out, _ = run("--help")
    assert code == 0
    assert [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line] == [
        "analyze",
        "explain",
        "formats",
        "simulate",
        "timeline",
        "token",
        "verify",
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NothingReadable("x.log: nothing to read"), 1),
        (BrokenInput("x.log: breaks off"), 1),
        (MissingInput("x.log: no such file"), 2),
        (BadValue("--since: expected a time"), 2),
        (UnknownName("detector", "refresh_lop", ["refresh_loop"]), 2),
        (PermissionError(13, "Permission denied", "x.log"), 1),
        (MemoryError(), 1),
    ],
)
def test_an_error_is_one_line_and_a_code(run, fail, error, code, tmp_path):
    fail(error)
    result = run("analyze", "access.log")
    assert result.code == code
    assert result.out == ""
    assert result.err.startswith("authforensics: error: ")
    assert result.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["access.log"]


def test_the_nearest_name_is_offered(run, fail):
    fail(UnknownName("detector", "refresh_lop", ["refresh_loop", "login_loop"]))
    assert "did you mean 'refresh_loop'?" in run("analyze", "access.log").err


def test_a_bug_tells_its_place_but_not_the_log(run, fail):
    fail(ValueError("could not parse 'Bearer abcdef'"))
    result = run("analyze", "access.log")
    assert result.code == 1
    assert "internal error at conftest.py:" in result.err
    assert "abcdef" not in result.err
    shown = run("analyze", "access.log", "-vv").err
    assert "abcdef" not in shown
    assert "conftest.py" in shown
    assert "\nValueError (what it says is left out" in shown


def test_an_error_cannot_drive_the_terminal(run, fail):
    fail(MissingInput("\x1b[2Jx.log\r: no such file"))
    assert run("analyze", "access.log").err == "authforensics: error: \\x1b[2Jx.log\\x0d: no such file\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["analyze"],
        ["analyze", "access.log", "--frmat", "combined"],
        ["analyse", "access.log"],
        ["analyze", "access.log", "--json"],
        ["timeline"],
    ],
)
def test_wrong_usage_is_one_line_and_code_2(run, calls, arguments):
    result = run(*arguments)
    assert result.code == 2
    assert result.err.startswith("authforensics: error: ")
    assert result.err.count("\n") == 1
    assert "--help'" in result.err
    assert calls == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("moment", ["run", "to_html", "write_csv"])
def test_a_signal_ends_the_run_and_leaves_nothing_behind(tmp_path, number, code, moment):
    (tmp_path / "access.log").write_text("a line\n", encoding="utf-8")
    program = f"""
import os, signal, sys, types
import polars as pl
signal.signal(signal.SIGINT, signal.default_int_handler)
def stop(*_, **__): os.kill(os.getpid(), {int(number)}); import time; time.sleep(10)
def fine(*_, **__): return "text"
frame = pl.DataFrame({{"path": ["/"]}})
class Analysis:
    events = rejects = sessions = findings = frame
    to_json = to_markdown = close = fine
    to_html = stop if {moment!r} == "to_html" else fine
def analyze(*_, **__):
    if {moment!r} == "run": stop()
    if {moment!r} == "write_csv": pl.DataFrame.write_csv = stop
    return Analysis()
pipeline = types.ModuleType("authforensics.pipeline")
pipeline.analyze = analyze
sys.modules["authforensics.pipeline"] = pipeline
sys.argv = ["authforensics", "analyze", "access.log", "--json", "d.json", "--export", "tables", "--export-format", "csv"]
from authforensics.__main__ import main
main()
"""
    done = _python(program, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr in {f"authforensics: error: {word}\n" for word in ("interrupted", "terminated", "hung up")}
    assert [path.name for path in tmp_path.iterdir()] == ["access.log"]


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    command = f'"{sys.executable}" -m authforensics explain document | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout == "{\n0\n"
    assert done.stderr == ""
