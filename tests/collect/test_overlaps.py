"""Exports whose times overlap: lines that are in both count once; what only looks alike counts as it stands."""

from __future__ import annotations

import gzip
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect.discover import discover
from authforensics.collect.overlaps import overlaps
from collecting import collect


def at(number: int, per_second: int = 2) -> str:
    second = number // per_second
    return f"25/Dec/2025:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000"


def combined(number: int) -> bytes:
    return (
        f"203.0.113.{number * 7 % 50} - - [{at(number)}] "
        f'"GET /api/{number % 13} HTTP/1.1" {(200, 401)[number % 5 == 0]} {number * 31 % 97} "-" "app/1"\n'
    ).encode()


def python_logging(number: int) -> bytes:
    second = number // 2
    stamp = f"2025-12-25 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02},{number % 2 * 500:03}"
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no\n' if number % 9 == 0 else ""
    return f"{stamp} ERROR auth token {number * 7 % 50} expired\n{trace}".encode()


def syslog(number: int) -> bytes:
    second = number // 2
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return b"<134>Dec 25 " + clock.encode() + b" web nginx: " + combined(number)


def json_lines(number: int) -> bytes:
    return b'{"time":%d.%d,"status":401,"method":"GET","uri":"/api/%d","remote_addr":"203.0.113.%d"}\n' % (
        1766620800 + number // 2,
        number % 2 * 5,
        number,
        number * 7 % 50,
    )


LAYOUTS = [combined, python_logging, syslog, json_lines]


def text(layout, numbers) -> bytes:
    return b"".join(map(layout, numbers))


def shared_of(folder) -> dict[str, tuple[str, int, int]]:
    found = overlaps(discover([folder]), {})
    return {source: (lines.original, lines.first, lines.count) for source, lines in found.items()}


def seen(collected) -> list[tuple]:
    columns = [name for name in collected.events.columns if name not in {"source", "line_number", "zone"}]
    return sorted(collected.events.select(columns).cast(pl.String).rows(), key=str)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_two_exports_count_once(layout, packed, tmp_path):
    folders = [tmp_path / "once" / "web", tmp_path / "twice" / "web"]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "all.log").write_bytes(text(layout, range(600)))
    later = text(layout, range(300, 600))
    (folders[1] / "later.log").write_bytes(gzip.compress(later) if packed else later)
    earlier = text(layout, range(360))
    (folders[1] / "morning.log").write_bytes(gzip.compress(earlier) if packed else earlier)
    once, twice = (collect([folder]) for folder in folders)
    copies = text(layout, range(300, 360)).count(b"\n")
    accounts = {source.source: (source.duplicates, source.note) for source in twice.sources}
    said = f"{copies} lines, 1 to {copies}, are in morning.log, too: counted there"
    assert accounts == {"later.log": (copies, said), "morning.log": (0, None)}
    assert all(source.accounted == source.lines for source in twice.sources)
    assert sum(source.rejects for source in twice.sources) == 0
    assert seen(twice) == seen(once)


@given(
    begin=st.integers(0, 399),
    length=st.integers(0, 400),
    seed=st.integers(0, 9),
    names=st.permutations(["a.log", "b.log"]),
    newline=st.booleans(),
    block=st.sampled_from([1 << 22, 700]),
    whole=st.integers(0, 9).map(lambda number: number == 0),
)
def test_what_is_in_both_counts_once_whatever_is_cut(
    tmp_path_factory, begin, length, seed, names, newline, block, whole
):
    """Some lines stand several times in the log itself: those stay."""
    random.seed(seed)
    log = [line for number in range(400) for line in [combined(number)] * random.choice([1, 1, 1, 2, 5])]
    first, second = log[: begin + length], log[begin:]
    if not first or not second:
        return
    folder = tmp_path_factory.mktemp("two")
    (folder / names[0]).write_bytes(b"".join(first) if newline else b"".join(first)[:-1])
    (folder / names[1]).write_bytes(gzip.compress(b"".join(second), 1) if seed % 2 else b"".join(second))
    both = log[begin : begin + length]
    found = shared_of(folder)
    counted = sum(count for _, _, count in found.values())
    assert counted in {0, len(both)}
    if len(set(both)) >= 25:
        assert counted == len(both)
    if not whole:
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("authforensics.collect.recognize.block_size", lambda _sample: block)
        patched.setattr("authforensics.collect.collection.duplicates", lambda _found: {})
        collected = collect([folder])
    assert all(source.accounted == source.lines for source in collected.sources)
    assert collected.events.height == len(first) + len(second) - counted


def test_an_export_within_another_counts_there(tmp_path):
    (tmp_path / "a.log").write_bytes(text(combined, range(100, 200)))
    (tmp_path / "day.log").write_bytes(text(combined, range(600)))
    assert shared_of(tmp_path) == {"a.log": ("day.log", 1, 100)}
    collected = collect([tmp_path])
    assert {source.source: (source.events, source.duplicates) for source in collected.sources} == {
        "a.log": (0, 100),
        "day.log": (600, 0),
    }


def test_three_exports_in_a_row_count_each_line_once(tmp_path):
    for name, numbers in (("c", range(300)), ("a", range(200, 500)), ("b", range(250, 700))):
        (tmp_path / f"{name}.log").write_bytes(text(combined, numbers))
    assert shared_of(tmp_path) == {"a.log": ("c.log", 1, 100), "b.log": ("a.log", 1, 250)}
    assert collect([tmp_path]).events.height == 700


def test_the_header_of_an_export_is_its_own(tmp_path):
    header = b"time,status,method,path,user\n"
    rows = [f"2025-12-25T04:{n // 60:02}:{n % 60:02}Z,401,GET,/api/{n},u{n % 9}\n".encode() for n in range(300)]
    (tmp_path / "a.csv").write_bytes(header + b"".join(rows[:200]))
    (tmp_path / "b.csv").write_bytes(header + b"".join(rows[150:]))
    assert shared_of(tmp_path) == {"b.csv": ("a.csv", 2, 50)}
    collected = collect([tmp_path])
    assert collected.events.height == 300
    assert [(source.header, source.duplicates) for source in collected.sources] == [(1, 0), (1, 50)]


def test_the_same_lines_under_other_headers_count_once(tmp_path):
    lines = text(combined, range(100))
    (tmp_path / "a.log").write_bytes(b"# from web-1\n" + lines)
    (tmp_path / "b.log").write_bytes(b"# exported again, at noon\n" + lines)
    assert len(shared_of(tmp_path)) == 1


def test_an_export_that_breaks_off_is_shared_up_to_there(tmp_path):
    (tmp_path / "a.log").write_bytes(text(combined, range(200))[:-30])
    (tmp_path / "b.log").write_bytes(text(combined, range(100, 300)))
    assert shared_of(tmp_path) == {"b.log": ("a.log", 1, 99)}


def burst(count: int) -> bytes:
    return combined(7200) * count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(text(combined, range(300)), text(combined, range(300, 600)), id="rotated"),
        pytest.param(text(combined, range(300)) + burst(90), burst(90) + text(combined, range(7202, 7400)), id="burst"),
        pytest.param(
            text(combined, range(300)) + combined(900),
            text(combined, range(100, 250)) + combined(901),
            id="alike for a while only",
        ),
        pytest.param(text(combined, range(300)), text(combined, range(295, 600)), id="too few to tell"),
        pytest.param(
            text(combined, range(300)),
            b"".join(combined(n).replace(b"app/1", b"app/2") for n in range(200, 400)),
            id="another",
        ),
    ],
)
def test_what_only_looks_alike_counts_as_it_stands(one, other, tmp_path):
    (tmp_path / "a.log").write_bytes(one)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(other))
    assert shared_of(tmp_path) == {}
    assert collect([tmp_path]).events.height == (one + other).count(b"\n")


def test_a_file_that_repeats_itself_is_no_copy(tmp_path):
    (tmp_path / "a.log").write_bytes(text(combined, range(100)) * 3)
    assert shared_of(tmp_path) == {}
    assert collect([tmp_path]).events.height == 300


def test_files_of_two_systems_are_not_compared(tmp_path):
    for name, numbers in (("one", range(300)), ("two", range(200, 500))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.log").write_bytes(text(combined, numbers))
    assert shared_of(tmp_path) == {}


def test_a_rotated_set_is_not_searched(tmp_path, monkeypatch):
    for number in range(3):
        (tmp_path / f"access.log.{number}").write_bytes(text(combined, range(number * 300, number * 300 + 300)))
    searched = []
    places = overlaps.__globals__["_places"]
    monkeypatch.setitem(
        overlaps.__globals__, "_places", lambda one, wanted: searched.extend(wanted) or places(one, wanted)
    )
    assert shared_of(tmp_path) == {}
    assert searched == []


def test_neither_long_lines_nor_text_that_returns_take_long(tmp_path):
    cycle = "".join(f"{word} and more of it, so that it is long enough to tell\n" * 2 for word in "abcdefghijkl")
    (tmp_path / "a.log").write_text(cycle * 4_000, encoding="utf-8")
    (tmp_path / "b.log").write_text(cycle * 2_000 + "z\n" + cycle * 2_000, encoding="utf-8")
    (tmp_path / "c.log").write_text("x" * 400_000, encoding="utf-8")
    # Minutes, if every place were compared to its end.
    assert overlaps(discover([tmp_path]), {}) == {}
