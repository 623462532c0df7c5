"""`analyze`: what it asks of the pipeline, what it prints where, and how it ends."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from authforensics.findings import Severity


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_default_is_a_summary_and_a_report(run, tmp_path):
    code, out, err = run("analyze", "access.log")
    assert (code, err) == (0, "authforensics: warning: access.log: 1 of 101 lines can't be read; line 17: no time\n")
    assert out == "SUMMARY Fresh tokens are refused since 04:25 UTC report=authforensics-report.html\n"
    assert _names(tmp_path) == ["access.log", "authforensics-report.html"]
    assert (tmp_path / "authforensics-report.html").read_text() == "<!doctype html><title>report</title>"


def test_options_reach_the_pipeline(run, calls):
    run(
        *(
            "analyze",
            "access.log",
            "-",
            "--format",
            "log_format",
            "--log-format",
            "$msec $status",
            "--nginx-conf",
            "nginx.conf",
            "--since",
            "2h",
            "--until",
            "1h",
        ),
        *("--path", "^/api/", "--status", "401,5xx", "--device", "ios-0012", "--device", "203.0.113.9"),
        *("--tz", "Asia/Tokyo", "--device-key", "x_device_id", "--only", "refresh_loop", "--only", "login_loop"),
        *(
            "--deploys",
            "deploys.csv",
            "--skip",
            "refresh_churn",
            "--strict",
            "--no-html",
            "--memory",
            "1.5GiB",
            "--work-dir",
            ".",
        ),
    )
    assert calls == [
        {
            "paths": ["access.log", "-"],
            "format": "log_format",
            "log_format": "$msec $status",
            "nginx_conf": Path("nginx.conf"),
            "since": "2h",
            "until": "1h",
            "path": "^/api/",
            "status": "401,5xx",
            "device": ["ios-0012", "203.0.113.9"],
            "tz": "Asia/Tokyo",
            "device_key": "x_device_id",
            "only": ["refresh_loop", "login_loop"],
            "skip": ["refresh_churn"],
            "strict": True,
            "config": None,
            "memory": 3 << 29,
            "work_dir": Path(),
            "deploys": Path("deploys.csv"),
            "env_file": None,
            "secrets": None,
            "jwks": (),
            "show_claims": False,
            "fingerprint_key": None,
            "progress": None,
        }
    ]


def test_automatic_format_is_no_format(run, calls):
    run("analyze", "access.log", "--format", "auto")
    assert calls[0]["format"] is None


def test_the_configuration_file_is_found_and_read(run, calls, tmp_path):
    (tmp_path / "authforensics.toml").write_text('tz = "Asia/Tokyo"\n')
    run("analyze", "access.log")
    assert calls[0]["config"].tz == {"*": "Asia/Tokyo"}


def test_a_named_configuration_file_wins_over_a_found_one(run, calls, tmp_path):
    (tmp_path / "authforensics.toml").write_text('tz = "Asia/Tokyo"\n')
    (tmp_path / "mine.toml").write_text('tz = "Europe/Berlin"\n')
    run("analyze", "access.log", "--config", "mine.toml")
    assert calls[0]["config"].tz == {"*": "Europe/Berlin"}


def test_a_mistake_in_the_configuration_file_points_to_its_line(run, calls, tmp_path):
    (tmp_path / "authforensics.toml").write_text('tz = "UTC"\n[endpoints]\n"GET /x" = "apy"\n')
    result = run("analyze", "access.log")
    assert result.code == 2
    assert "authforensics.toml:3: unknown endpoint class 'apy'; did you mean 'api'?" in result.err
    assert calls == []


def test_json_on_standard_output_is_nothing_else(run, document):
    code, out, _ = run("analyze", "access.log", "--json", "-", "--no-html")
    assert code == 0
    assert out == document.to_json()


def test_markdown_on_standard_output_is_nothing_else(run):
    assert run("analyze", "access.log", "--markdown", "-", "--no-html").out == "# Fresh tokens are refused — 日本\n"


def test_everything_can_be_written_at_once(run, tmp_path, document):
    result = run(
        "analyze", "access.log", "--html", "r.html", "--json", "d.json", "--markdown", "m.md", "--export", "tables"
    )
    assert result.code == 0
    assert _names(tmp_path) == ["access.log", "d.json", "m.md", "r.html", "tables"]
    assert _names(tmp_path / "tables") == ["events.parquet", "findings.parquet", "rejects.parquet", "sessions.parquet"]
    assert (tmp_path / "d.json").read_text(encoding="utf-8") == document.to_json()
    assert [line for line in result.err.splitlines() if "wrote" in line] == [
        "authforensics: wrote d.json",
        "authforensics: wrote m.md",
        "authforensics: wrote tables",
    ]


def test_an_earlier_result_is_replaced_whole(run, tmp_path):
    (tmp_path / "d.json").write_text("old" * 100_000)
    run("analyze", "access.log", "--json", "d.json")
    assert json.loads((tmp_path / "d.json").read_text())["schema"] == "authforensics/1"


def test_new_files_have_the_rights_any_new_file_has(run, tmp_path):
    run("analyze", "access.log")
    (tmp_path / "other").touch()
    assert (tmp_path / "authforensics-report.html").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_stays_a_link(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "d.json").symlink_to("elsewhere/real.json")
    assert run("analyze", "access.log", "--json", "d.json").code == 0
    assert (tmp_path / "d.json").is_symlink()
    assert json.loads((tmp_path / "elsewhere" / "real.json").read_text())["schema"] == "authforensics/1"


def test_a_pipe_is_written_to_and_not_replaced(run, tmp_path, document):
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text(encoding="utf-8")))
    reader.start()
    code = run("analyze", "access.log", "--no-html", "--json", "pipe").code
    reader.join(timeout=10)
    assert (code, read) == (0, [document.to_json()])
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "-", "--markdown", "-"], "--json - and --markdown - both want standard output"),
        (["--html", "r.html", "--no-html"], "--html and --no-html exclude each other"),
        (["--html", "-"], "--html: expected a file"),
        (["--html", "no/such/r.html"], "--html: no directory no/such to write r.html to"),
        (["--json", "."], "--json: expected a file, . is a directory"),
        (["--json", "access.log"], "--json: access.log is an input as well"),
        (["--json", "x", "--markdown", "./x"], "--markdown: x is the file of --json as well"),
        (["--export", "access.log"], "--export: expected a directory, access.log is a file"),
        (["--export", "no/such"], "--export: no directory no to make such in"),
        (["--export-format", "parkett"], "--export-format: unknown export format 'parkett'; did you mean 'parquet'?"),
        (["--fail-on", "hgh"], "--fail-on: unknown severity 'hgh'; did you mean 'high'?"),
        (["--color", "sometimes"], "--color: unknown color setting 'sometimes'; known: always, auto, never"),
        (["--log-format", ""], "--log-format: expected an nginx log_format or Apache LogFormat string, found nothing"),
        (["--log-format", "%t %>s", "--format", "combined"], "--log-format and --format combined exclude each other"),
        (["--config", "no.toml"], "no.toml: configuration file can't be read: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_analysis(run, calls, tmp_path, arguments, message):
    code, out, err = run("analyze", "access.log", *arguments)
    assert (code, out) == (2, "")
    assert f"authforensics: error: {message}" in err
    assert err.count("\n") == 1
    assert calls == []
    assert _names(tmp_path) == ["access.log"]


def test_a_directory_that_cannot_be_written_to_is_said_before_the_analysis(run, calls, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    result = run("analyze", "access.log")
    assert result.code == 2
    assert "--html: directory . can't be written to; --no-html writes no report" in result.err
    assert calls == []


def test_one_output_that_fails_leaves_no_other(run, calls, monkeypatch, tmp_path):
    def fail(self, *_args, **_options):
        raise OSError(28, "No space left on device", "events.parquet")

    monkeypatch.setattr("polars.DataFrame.write_parquet", fail)
    result = run("analyze", "access.log", "--json", "d.json", "--export", "tables")
    assert result.code == 1
    assert result.err.endswith("authforensics: error: tables/events.parquet: No space left on device\n")
    assert _names(tmp_path) == ["access.log"]


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [
        ("critical", None, 0),
        ("none", "low", 0),
        ("low", "low", 11),
        ("medium", "low", 12),
        ("medium", "high", 0),
        ("high", "high", 13),
        ("critical", "low", 14),
        ("critical", "critical", 14),
    ],
)
def test_the_exit_code_tells_the_worst_severity(run, monkeypatch, document, severity, fail_on, code):
    level = {"severity": Severity(severity)}
    changed = document.model_copy(
        update={
            "findings": tuple(finding.model_copy(update=level) for finding in document.findings),
            "incidents": tuple(incident.model_copy(update=level) for incident in document.incidents),
        }
    )
    analyze = sys.modules["authforensics.pipeline"].analyze

    def worse(paths, **options):
        analysis = analyze(paths, **options)
        analysis.document = changed
        return analysis

    monkeypatch.setattr(sys.modules["authforensics.pipeline"], "analyze", worse)
    assert run("analyze", "access.log", *(["--fail-on", fail_on] if fail_on else [])).code == code


def test_quiet_is_the_verdict_alone(run):
    code, out, err = run("analyze", "access.log", "-q")
    assert (code, out, err) == (0, "critical: Fresh tokens are refused since 04:25 UTC\n", "")


@pytest.mark.parametrize(
    ("color", "no_color", "colored"),
    [("auto", "", False), ("always", "", True), ("always", "1", True), ("never", "", False)],
)
def test_colors(run, monkeypatch, color, no_color, colored):
    from rich.text import Text

    console = sys.modules["authforensics.report.console"]
    monkeypatch.setattr(console, "render", lambda *_: Text("bad", style="bold red"))
    monkeypatch.setenv("NO_COLOR", no_color)
    assert ("\x1b[" in run("analyze", "access.log", "--color", color).out) is colored


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_no_color_is_honoured_on_a_terminal(run, monkeypatch, no_color, colored):
    from rich.text import Text

    monkeypatch.setattr(sys.modules["authforensics.report.console"], "render", lambda *_: Text("bad", style="bold red"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert ("\x1b[" in run("analyze", "access.log").out) is colored


def _full() -> OSError:
    return OSError(28, "No space left on device")


def test_an_error_names_the_output_that_could_not_be_written(run, monkeypatch, tmp_path):
    opened = Path.open

    def full(path, mode="r", **options):
        if mode == "xb":
            raise _full()
        return opened(path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    result = run("analyze", "access.log", "--no-html", "--json", "d.json")
    assert (result.code, result.err) == (1, "authforensics: error: d.json: No space left on device\n")
    assert _names(tmp_path) == ["access.log"]


@pytest.mark.parametrize("option", ["--html", "--json", "--markdown"])
def test_a_full_device_is_named(run, option):
    if not Path("/dev/full").is_char_device():
        pytest.skip("no /dev/full here")
    result = run("analyze", "access.log", *([] if option == "--html" else ["--no-html"]), option, "/dev/full")
    assert (result.code, result.err) == (1, "authforensics: error: /dev/full: No space left on device\n")


@pytest.mark.parametrize("arguments", [[], ["-q"], ["--json", "-"]])
def test_a_full_standard_output_is_named(run, monkeypatch, arguments):
    class Full(io.BytesIO):
        def write(self, data):
            raise _full()

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Full(), encoding="utf-8", write_through=True))
    result = run("analyze", "access.log", "--no-html", *arguments)
    assert result.code == 1
    assert result.err.endswith("authforensics: error: standard output: No space left on device\n")


@pytest.mark.parametrize(
    ("columns", "width"),
    [("0", 80), ("5", 40), ("40", 40), ("200", 200), ("wide", 80), ("-1", 80), (None, 100)],
)
def test_the_summary_has_room(run, monkeypatch, columns, width):
    from rich.rule import Rule

    monkeypatch.setattr(sys.modules["authforensics.report.console"], "render", lambda *_: Rule(characters="x"))
    monkeypatch.setattr("shutil.os.get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert run("analyze", "access.log", "--no-html").out == "x" * width + "\n"


def test_an_input_that_cannot_be_looked_at_is_left_to_the_reading(run, calls, monkeypatch):
    looked = os.stat

    def refuse(path, *arguments, **named):
        if "shut" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", refuse)
    assert run("analyze", "shut", "shut/access.log", "--no-html").code == 0
    assert [call["paths"] for call in calls] == [["shut", "shut/access.log"]]
