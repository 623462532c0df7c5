"""Lines of proxies, applications and identity servers: cut or not they say the same, and damaged ones have their place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect.blocks import Text, cleaned, counted
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.read import Block, Digest, parse
from authforensics.collect.recognize import Match, named
from authforensics.schema import COLLECTED

_FOLDER = Path(__file__).parent.parent / "cases" / "formats"
_CUT = ("haproxy", "envoy", "istio", "logfmt")
_OTHERS = ("keycloak", "monolog", "rails", "uvicorn", "morgan")
_PUT = (
    '"',
    "\\",
    " ",
    '" "',
    "-",
    "\t",
    "\u2028",
    "\r",
    "[",
    "]",
    ",",
    "\x85",
    "{",
    "}",
    "=",
    ":",
    "/",
    "é",
    "\x1b[0m",
)


def _known(name: str) -> tuple[str, ...]:
    cases = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob(f"{name}.*toml"))]
    return (*named(name).samples, *(line for case in cases for line in case["lines"]))


@st.composite
def _blocks(draw: st.DrawFn, name: str) -> bytes:
    """Some lines of a format, a few of them damaged: cut off, doubled, with characters or bytes put in or taken out."""
    made = []
    for line in draw(st.lists(st.sampled_from(_known(name)), min_size=1, max_size=12)):
        place = draw(st.integers(0, len(line)))
        change = draw(st.sampled_from(("none", "none", "none", "cut", "put", "drop", "twice", "flip")))
        whole = line.encode()
        made.append(
            {
                "none": whole,
                "cut": line[:place].encode(),
                "put": (line[:place] + draw(st.sampled_from(_PUT)) + line[place:]).encode(),
                "drop": (line[:place] + line[place + 1 :]).encode(),
                "twice": whole + whole,
                "flip": whole[:place] + bytes([draw(st.integers(1, 255))]) + whole[place + 1 :],
            }[change]
        )
    end = draw(st.sampled_from((b"\n", b"\r\n")))
    return end.join(made) + draw(st.sampled_from((b"", end)))


def _both(name: str, data: bytes, settings: Settings) -> tuple[Block[pl.DataFrame], Block[pl.DataFrame], int]:
    form = named(name)
    parser = form.prepare(_known(name), settings)
    assert parser is not None
    match = Match(form, parser, 1.0, 1 << 20)
    digest = Digest(tuple(COLLECTED), lambda events: events.sort("line_number"))
    text, _ = cleaned(data, first=True)
    block = Text(text, 7, counted(text))
    return parse(block, match, "a", "a/b.log", digest), parse(block.lines, match, "a", "a/b.log", digest), block.count


@pytest.mark.parametrize("name", _CUT)
@given(data=st.data(), tz=st.sampled_from((None, "Asia/Tokyo")))
def test_lines_say_the_same_when_cut(name: str, data: st.DataObject, tz: str | None) -> None:
    cut, one_by_one, count = _both(name, data.draw(_blocks(name)), Settings(tz=tz))
    assert cut.counts == one_by_one.counts
    assert sum(cut.counts.values()) == count
    assert_frame_equal(cut.rejects, one_by_one.rejects)
    assert cut.zones == one_by_one.zones
    if one_by_one.taken is None:
        assert cut.taken is None
    else:
        assert cut.taken is not None
        texts = {name: pl.String for name, dtype in COLLECTED.items() if isinstance(dtype, pl.Categorical)}
        assert_frame_equal(cut.taken.cast(texts), one_by_one.taken.cast(texts))


@pytest.mark.parametrize("name", _OTHERS)
@given(data=st.data())
def test_each_line_has_one_place_whatever_was_done_to_it(name: str, data: st.DataObject) -> None:
    _, one_by_one, count = _both(name, data.draw(_blocks(name)), Settings())
    assert sum(one_by_one.counts.values()) == count
    assert (one_by_one.rejects["reason"].str.len_chars() > 0).all()


@pytest.mark.parametrize("name", _CUT)
def test_samples_are_cut(name: str) -> None:
    form = named(name)
    for sample in form.samples:
        parser = form.prepare([sample], Settings())
        assert isinstance(parser, Cutting)
        cut = parser.cut((sample + "\n").encode())
        assert cut is not None
        assert cut[1].to_list() == [True]
