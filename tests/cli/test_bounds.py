"""`--memory` and `--work-dir`: what they take, and what is said of all else before anything is read."""

from __future__ import annotations

import pytest

from authforensics.cli import bounds
from authforensics.errors import BadValue


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16000000", 16_000_000),
        ("16777216", 16 << 20),
        ("16M", 16_000_000),
        ("512M", 512_000_000),
        ("512m", 512_000_000),
        ("512MB", 512_000_000),
        ("512MiB", 512 << 20),
        ("2G", 2_000_000_000),
        ("1.5GiB", 3 << 29),
        (".5GiB", 1 << 29),
        (" 1 GiB ", 1 << 30),
        ("1T", 10**12),
        (None, None),
    ],
)
def test_a_size_is_so_many_bytes(text, size):
    assert bounds.memory(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "M", "lots", "-1", "-512M", "0", "0M", "0.0G", "1e9", "1_000M", "512 M B", "512Mbit", "512Q", "1G!"),
        *("1G1", "0x10M", "nan", "inf", "1,5G", "٣G", "1.G", "512M\n512M"),
    ],
)
def test_anything_else_is_refused(run, calls, text):
    result = run("analyze", "access.log", f"--memory={text}")
    assert (result.code, result.out, calls) == (2, "", [])
    assert result.err.startswith("authforensics: error: --memory: expected a size such as 512M, 2G or 1.5GiB; ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("text", ["1", "15M", "15.999M", "1kB"])
def test_there_is_a_least_size(text):
    with pytest.raises(BadValue, match=f"^--memory: expected at least 16M, found '{text}'$"):
        bounds.memory(text)


def test_temporary_files_go_into_a_directory_that_is_there(run, calls, tmp_path):
    (tmp_path / "room").mkdir()
    assert run("analyze", "access.log", "--work-dir", "room").code == 0
    assert str(calls[0]["work_dir"]) == "room"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no/such", "--work-dir: no directory no/such"),
        ("access.log", "--work-dir: expected a directory, access.log is a file"),
        ("", "--work-dir: expected a directory, found nothing"),
    ],
)
def test_any_other_place_is_refused(run, calls, path, message):
    result = run("analyze", "access.log", "--work-dir", path)
    assert (result.code, result.err, calls) == (2, f"authforensics: error: {message}\n", [])


def test_a_directory_that_cannot_be_written_to_is_refused(run, calls, monkeypatch, tmp_path):
    (tmp_path / "shut").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != "shut")
    result = run("analyze", "access.log", "--work-dir", "shut")
    assert (result.code, calls) == (2, [])
    assert result.err == "authforensics: error: --work-dir: directory shut can't be written to\n"
