"""What is there twice counts once, and says so."""

from __future__ import annotations

import gzip
import zipfile

import pytest

from authforensics.collect.discover import discover
from authforensics.collect.duplicates import duplicates
from collecting import collect


def lines(count: int) -> bytes:
    return "".join(
        f"203.0.113.{number % 256} - - [25/Dec/2025:13:{number // 60 % 60:02}:{number % 60:02} +0000] "
        f'"GET /api/{number} HTTP/1.1" 401 {number} "-" "app/1"\n'
        for number in range(count)
    ).encode()


def test_the_same_file_plain_compressed_and_in_an_archive_counts_once(tmp_path):
    data = lines(300)
    (tmp_path / "access.log").write_bytes(data)
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("access.log", data)
    collected = collect([tmp_path])
    accounts = {source.source: (source.events, source.duplicates, source.lines) for source in collected.sources}
    assert accounts == {
        "access.log": (300, 0, 300),
        "access.log.gz": (0, 300, 300),
        "export.zip!access.log": (0, 300, 300),
    }
    assert all(source.accounted == source.lines for source in collected.sources)
    notes = [source.note for source in collected.sources if source.duplicates]
    assert notes == ["a copy of access.log: counted there"] * 2
    assert collected.events.height == 300


@pytest.mark.parametrize("shorter", ["a.log", "z.log"])
def test_a_copy_made_while_the_file_grew_counts_where_it_is_longer(shorter, tmp_path):
    (tmp_path / "m.log").write_bytes(lines(300))
    (tmp_path / shorter).write_bytes(lines(200))
    collected = collect([tmp_path])
    assert {source.source: source.events for source in collected.sources} == {"m.log": 300, shorter: 0}


def test_files_that_only_begin_alike_are_both_read(tmp_path):
    (tmp_path / "a.log").write_bytes(lines(200))
    (tmp_path / "b.log").write_bytes(lines(199) + b"x" + lines(1))
    assert duplicates(discover([tmp_path])) == {}


def test_three_copies_count_where_the_longest_is(tmp_path):
    for name, count in (("a.log", 100), ("b.log", 200), ("c.log", 300), ("d.log", 300), ("e.log", 100)):
        (tmp_path / name).write_bytes(lines(count))
    assert duplicates(discover([tmp_path])) == dict.fromkeys(("a.log", "b.log", "d.log", "e.log"), "c.log")


def test_a_few_lines_may_be_alike_by_chance(tmp_path):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(lines(2))
    assert duplicates(discover([tmp_path])) == {}


def test_nothing_is_a_copy_of_what_is_left_alone(tmp_path):
    for name in (".hidden.log", "access.log"):
        (tmp_path / name).write_bytes(lines(100))
    assert duplicates(discover([tmp_path])) == {}
