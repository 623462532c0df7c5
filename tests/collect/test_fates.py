"""Damaged lines of every case, bare and inside of every wrapper: each has one fate, and a reject says why."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from authforensics.collect import Options
from authforensics.errors import InputError
from collecting import Read, collect
from damage import damaged
from examples import examples

CASES = Path(__file__).parent.parent / "cases"
FORMATS = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((CASES / "formats").glob("*"))}
WRAPPERS = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((CASES / "wrappers").glob("*"))
}
#: What no reason that is meant for people has in it.
MACHINE = re.compile(r"Error\b|Exception|Traceback|polars|None|nan|<[a-z]+ |0x[0-9a-f]{6}|[{}]|\\[xu]")
RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def wrapped(name: str, line: str) -> str:
    """A line inside of a wrapper; what holds objects only gets it as one of their values."""
    table = '"' + line.replace('"', '""') + '"'
    bare = line if line.startswith("{") and line.endswith("}") else json.dumps({"message": line})
    marks = {"%text%": line, "%json%": json.dumps(line), "%json_line%": json.dumps(line + "\n"), "%csv%": table}
    around = WRAPPERS[name]["around"]
    for mark, text in {**marks, "%object%": bare}.items():
        around = around.replace(mark, text)
    return around


def assert_each_has_one_fate(path: Path, data: bytes, options: Options) -> None:
    """What is read of a file accounts for each of its lines, whether or not the file is known for a log."""
    path.write_bytes(data)
    os.utime(path, (1_780_000_000,) * 2)
    try:
        read = collect([path], options)
    except InputError as error:
        refused = str(error)
    else:
        assert_accounted(read, data)
        return
    assert path.name in refused
    assert not MACHINE.search(refused.partition(": best guess")[0])


def assert_accounted(read: Read, data: bytes) -> None:
    """The lines of a file that was read are all there, and a reject has a reason in words."""
    for source in read.sources:
        assert source.lines == source.accounted
        if source.format is not None:
            assert source.records == source.events + source.filtered
    rejects = read.rejects
    assert rejects.height == sum(source.rejects for source in read.sources)
    assert read.events.height == sum(source.events for source in read.sources)
    assert read.events["timestamp"].null_count() == 0
    for reason in rejects["reason"].unique(maintain_order=True):
        assert " " in reason
        assert len(reason) < 200
        assert not MACHINE.search(reason)
    if len(read.sources) == 1 and not is_document(data):
        # A last line without an end is one, too.
        assert read.sources[0].lines == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def is_document(data: bytes) -> bool:
    """Whether records may be taken apart, or found, otherwise than line by line."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n\0")[:1] in {b"{", b"["}


def options_of(case: dict[str, object]) -> Options:
    """How a case is read."""
    return Options(**{key: case[key] for key in ("format", "log_format", "tz") if key in case})


def check(name: str, around: str | None, draw: st.DataObject, folder: Path) -> None:
    """Damage some lines of a case and see what becomes of them; a log that wrappers are known by stands before them."""
    lines: Sequence[str] = [line for line in FORMATS[name]["lines"] if line]
    if around is not None:
        lines = [wrapped(around, line) for line in lines]
    before = WRAPPERS[around].get("before", []) if around else []
    whole = "".join(f"{line}\n" for line in (*before, *lines)) if draw.draw(st.booleans()) else ""
    data = whole.encode() + draw.draw(damaged(lines))
    assert_each_has_one_fate(folder / "case.log", data, options_of(FORMATS[name]))


AROUND = [name for name, case in WRAPPERS.items() if "around" in case]


@examples(0.4, RELAXED)
@given(st.sampled_from(sorted(FORMATS)), st.sampled_from([None, *AROUND]), st.data())
def test_damaged_lines_have_one_fate_each(tmp_path, name, around, data):
    check(name, around, data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_damaged_lines_of_each_case_have_one_fate_each(tmp_path, name):
    @examples(0.25, RELAXED)
    @given(st.data())
    def some(data):
        check(name, None, data, tmp_path)

    some()


@pytest.mark.slow
@pytest.mark.parametrize("around", AROUND)
def test_damaged_lines_in_each_wrapper_have_one_fate_each(tmp_path, around):
    @examples(0.4, RELAXED)
    @given(st.sampled_from(sorted(FORMATS)), st.data())
    def some(name, data):
        check(name, around, data, tmp_path)

    some()


@examples(0.3, RELAXED)
@given(st.sampled_from(sorted(WRAPPERS)), st.data())
def test_damaged_odd_lines_of_a_wrapper_have_one_fate_each(tmp_path, name, data):
    lines = [line for line in (*WRAPPERS[name].get("before", []), *WRAPPERS[name]["lines"]) if line]
    assert_each_has_one_fate(tmp_path / "case.log", data.draw(damaged(lines)), Options())
