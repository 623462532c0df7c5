"""Lines are fetched from where they are; that must not show in their text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import fetch_lines
from authforensics.collect.blocks import Condition, cleaned, counted, texts
from authforensics.collect.read import File

ENDS = {"lf": b"\n", "crlf": b"\r\n"}


def read(path: Path, size: int = 1) -> File:
    """The file as `collect` leaves it behind."""
    file = File(path, size)
    ends = [0]
    for data in texts(path, size, Condition()):
        text, _ = cleaned(data, first=not file.counts)
        file.counts.append(counted(text))
        ends.append(ends[-1] + len(data))
    return replace(file, ends=ends[1:])


def same(file: File, numbers: list[int]) -> pl.DataFrame:
    """The lines, fetched from where they are, if reading all gives the same."""
    wanted = pl.DataFrame({"source": ["log"] * len(numbers), "line_number": numbers})
    fetched = fetch_lines({"log": file}, wanted)
    assert fetched.equals(fetch_lines({"log": replace(file, ends=None)}, wanted))
    return fetched


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_lines_of_many_blocks_are_found(tmp_path, end, last):
    path = tmp_path / "log"
    lines = [f"{number} {'ü' * (number % 97)}".encode() for number in range(1, 40_001)]
    path.write_bytes(end.join(lines) + last)
    file = read(path, 300_000)
    assert len(file.counts) > 2
    numbers = [1, 2, 64, 65, 66, 128, 129, 20_000, 39_999, 40_000, 40_001, 2_000_000]
    first = file.counts[0]
    fetched = same(file, [*numbers, first - 1, first, first + 1])
    assert fetched["line_number"].max() == 40_000
    assert all(text.split()[0] == str(number) for number, text in fetched.select("line_number", "text").rows())


@pytest.mark.parametrize(
    "start",
    [b"\xef\xbb\xbf", b"\0\0\0", b"\xff\xfe", b"a\r\n", b"a\r\r\n", b"a\rb\n", b"\n\n", b"\r\n"],
    ids=["bom", "nul", "no utf-8", "crlf", "cr crlf", "cr", "blank", "blank crlf"],
)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_is_taken_from_lines_does_not_lead_astray(tmp_path, start, end):
    path = tmp_path / "log"
    path.write_bytes(start + end.join(b"line %d" % number for number in range(300)) + end)
    assert same(read(path, 100), list(range(1, 310))).height >= 300


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf"]), max_size=400))
def test_any_bytes(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("again") / "log"
    path.write_bytes(b"".join(pieces))
    same(read(path), list(range(1, 402)))


def test_of_a_file_that_was_cut_off_since_what_is_left_is_found(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(1, 1001)))
    file = read(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert same(file, [3, 500, 900])["text"].to_list() == ["line 3"]
