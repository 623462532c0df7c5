"""Damaged JSON lines of every product: each has one fate, and blocks of them say what their lines say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import Options
from authforensics.collect.format import Cutting
from authforensics.collect.lay_out import classify
from authforensics.collect.normalize import normalize
from authforensics.collect.recognize import named
from authforensics.schema import Disposition

FORMATS = ("json", "auth0", "okta", "entra", "cloudtrail", "firebase")
CASES = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8"))["lines"]
    for path in sorted((Path(__file__).parent.parent / "cases" / "formats").glob("*.toml"))
    if path.name.partition(".")[0] in FORMATS
}
#: Those whose objects stand in their lines as they are.
CASES = {name: lines for name, lines in CASES.items() if lines[0].startswith(("{", "["))}


def numbered(lines: list[str]) -> pl.LazyFrame:
    numbers = pl.int_range(1, len(lines) + 1, dtype=pl.UInt32, eager=True)
    return pl.LazyFrame({"line_number": numbers, "line": pl.Series(lines, dtype=pl.String)})


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The name of a case, and some of its lines: changed, cut, doubled, joined."""
    name = draw(st.sampled_from(sorted(CASES)))
    made = []
    for line in draw(st.lists(st.sampled_from(CASES[name]), min_size=1, max_size=6)):
        place, end = draw(st.integers(0, len(line))), draw(st.integers(0, 4))
        put = draw(st.sampled_from(('"', "\\", "{", "}", "[", ",", ":", "\u2028", "\\x22", "-", "null", "7", "\x7f")))
        change = draw(st.sampled_from(("none", "none", "cut", "put", "drop", "twice", "other")))
        changed = {
            "cut": line[:place],
            "put": line[:place] + put + line[place:],
            "drop": line[:place] + line[place + end :],
            "twice": line + line,
            "other": line + draw(st.sampled_from(CASES[draw(st.sampled_from(sorted(CASES)))])),
        }
        made.append(changed.get(change, line))
    return name, made


@given(damaged())
def test_every_damaged_line_has_one_fate_and_says_the_same_in_a_block(drawn):
    name, lines = drawn
    form = named(name.partition(".")[0])
    whole = [line for line in CASES[name] if not line.endswith(('"', ":", "{")) and line.startswith("{")]
    parser = form.prepare(whole, Options().settings())
    assert parser is not None
    laid = classify(normalize(parser(numbered(lines)), form, "", ""), form).collect()
    assert laid.height == len(lines)
    assert laid["disposition"].null_count() == 0
    lost = laid.filter(pl.col("disposition") == Disposition.REJECT.value)
    assert lost["reason"].null_count() == 0
    cut = parser.cut("\n".join(lines).encode()) if isinstance(parser, Cutting) else None
    if cut is not None and len(cut[1]) == len(lines):
        slow = parser(numbered(lines)).collect().drop("line_number", "line")
        quick = cut[0].collect()
        missing = {name: pl.lit(None, dtype) for name, dtype in slow.schema.items() if name not in quick.columns}
        assert quick.with_columns(**missing).select(slow.columns).filter(cut[1]).equals(slow.filter(cut[1]))


@pytest.mark.parametrize("name", FORMATS)
def test_plain_lines_are_read_in_blocks(name):
    form = named(name)
    parser = form.prepare(form.samples, Options().settings())
    assert isinstance(parser, Cutting)
    cut = parser.cut("\n".join(form.samples).encode())
    assert cut is not None
    assert cut[1].all()
    assert cut[0].collect()["matched"].all()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "json"])
def test_records_of_identity_providers_are_no_lines_of_an_application(name):
    assert named("json").prepare(named(name).samples, Options().settings()) is None
