"""`formats`: what it lists, and what it says of files."""

from __future__ import annotations

import gzip

import pytest

from authforensics.collect import formats
from authforensics.collect.wrapper import wrappers
from authforensics.redact import visible

COMBINED = '203.0.113.7 - - [25/Dec/2025:13:{:02}:00 +0900] "GET /api/me HTTP/1.1" 401 5 "-" "curl/8.5.0"\n'
PYTHON = "2025-12-25 13:00:{:02},000 - app.auth - WARNING - refused\n"


@pytest.fixture(autouse=True)
def wide(run, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "access.log").unlink()


def _rows(out: str) -> dict[str, str]:
    return {line.split()[0]: line for line in out.splitlines() if line.strip()}


def test_every_format_and_wrapper_is_listed_with_a_line(run):
    code, out, err = run("formats")
    assert (code, err) == (0, "")
    rows = _rows(out)
    told = "".join(out.split())
    for name, one in {**formats(), **wrappers()}.items():
        assert name in rows
        samples = ["".join(visible(sample).split())[:30] for sample in one.samples]
        assert not samples or any(sample in told for sample in samples), name
    assert out.index("Formats\n") < out.index("combined") < out.index("Wrappers") < out.index("\ndocker ")


def test_a_line_of_a_format_is_one_and_not_its_header(run):
    out = run("formats").out
    assert "#Fields" not in out
    assert "\t" not in out


def test_what_files_are_is_told(run, tmp_path):
    lines = "".join(COMBINED.format(minute) for minute in range(19)) + "?\n"
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "app.log").write_text("".join(PYTHON.format(second) for second in range(5)))
    (tmp_path / "notes.log").write_text("nothing\nof\ninterest\n")
    code, out, err = run("formats", ".")
    rows = _rows(out)
    assert code == 0
    assert rows["File"].split() == ["File", "Format", "Sure", "Runner-up", "Zone", "Span", "Rejects"]
    told = " ".join(rows["access.log.1.gz"].split())
    assert told == ("access.log.1.gz combined 94% common, 86% +09:00 2025-12-25 04:00:00 to 04:18:00 UTC 5 %")
    assert "python_logging" in rows["app.log"]
    assert "UTC (assumed)" in rows["app.log"]
    assert "no known log format" in rows["notes.log"]
    assert "app.log: times carry no zone, taken for UTC; --tz ZONE says otherwise" in err
    assert "access.log.1.gz: 1 of 20 lines can't be read; line 20: not a line of the format combined" in err


def test_the_wrapper_is_told(run, tmp_path):
    inner = COMBINED.format(0).rstrip().replace('"', '\\"')
    line = f'{{"log":"{inner}\\n","stream":"stdout","time":"2025-12-25T04:00:01.5Z"}}\n'
    (tmp_path / "c.log").write_text(line * 3)
    assert "docker > combined" in run("formats", "c.log").out


def test_options_and_the_configuration_file_say_how_files_are_read(run, tmp_path):
    (tmp_path / "app.log").write_text(PYTHON.format(0))
    (tmp_path / "authforensics.toml").write_text('tz = "Asia/Tokyo"\n')
    assert "Asia/Tokyo" in run("formats", "app.log").out
    assert "Europe/Paris" in run("formats", "app.log", "--tz", "Europe/Paris").out
    (tmp_path / "authforensics.toml").write_text('format = "combned"\n')
    code, _, err = run("formats", "app.log")
    assert code == 2
    assert "authforensics.toml:1: unknown format 'combned'; did you mean 'combined'?" in err


def test_nothing_readable_is_told_and_an_error(run, tmp_path):
    (tmp_path / "notes.log").write_text("nothing\nof\ninterest\n")
    code, out, err = run("formats", "notes.log")
    assert code == 1
    assert "notes.log  no known log format" in out
    assert err == "authforensics: error: no line of any input could be read (notes.log: no known log format)\n"


def test_a_missing_path_is_usage(run):
    assert run("formats", "nowhere.log").code == 2


@pytest.mark.parametrize(
    "arguments", [("--tz", "UTC"), ("--format", "combined"), ("--format", "combined", "--log-format", "$status", "x")]
)
def test_options_that_mean_nothing_are_refused(run, arguments):
    code, out, err = run("formats", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_a_name_cannot_drive_the_terminal(run, tmp_path):
    (tmp_path / "a\x1b[2Jb.log").write_text(COMBINED.format(0))
    (tmp_path / "c\x1b[2Jd.log").write_text("?\n")
    code, out, _ = run("formats", ".")
    assert code == 0
    assert "\x1b" not in out
    assert out.count("\\x1b[2J") == 2


def test_the_units_that_were_taken_are_told(run, tmp_path):
    line = '{{"ts":1766635200{:03},"method":"GET","path":"/a","status":401,"duration":{}}}\n'
    (tmp_path / "a.json").write_text("".join(line.format(number, number * 1_000_000) for number in range(12, 20)))
    (tmp_path / "b.json").write_text("".join(line.format(number, number) for number in range(12, 20)))
    out = run("formats", ".").out
    assert out.endswith(
        "\nUnits\n"
        "a.json  duration: nanoseconds, as its values tell\n"
        "a.json  ts: milliseconds since 1970, as its digits tell\n"
        "b.json  duration: milliseconds, assumed: neither its name nor its values tell\n"
        "b.json  ts: milliseconds since 1970, as its digits tell\n"
    )
