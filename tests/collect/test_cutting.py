"""Blocks that are cut at their quotes give what the same lines give one by one."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect.blocks import Text, cleaned, counted, lines
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.read import Digest, parse
from authforensics.collect.recognize import Match, named
from authforensics.schema import COLLECTED

_COMBINED = (
    '203.0.113.9 - - [10/Oct/2025:13:55:36 -0700] "GET /index.html HTTP/1.1" 200 2326 "-" "curl/8.5.0"',
    '203.0.113.9 - frank [10/Oct/2025:13:55:36 +0000] "POST /api/users/17/orders/9?device_id=a1 HTTP/2.0" 401 - "-" ""',
    '198.51.100.7, 203.0.113.9 - - [10/Oct/2025:13:55:37 +0000] "GET /a HTTP/1.1" 200 1 "https://a/?q=%22" "x\\"y\\" z"',
    'shop.example:443 203.0.113.9 - - [10/Oct/2025:13:55:38 +0000] "-" 408 - "-" "-"',
    '203.0.113.9 - - [10/Oct/2025:13:55:39 +0000] "GET /survey-results-2025 HTTP/1.1" 200 9 - -',
    '203.0.113.9 - - [31/Feb/2025:13:55:39 +0000] "GET / HTTP/1.1" 200 9 "-" "m\u00e4uschen"',
    '203.0.113.9 - - [10/Oct/2025:13:55:40 +0000] "GET / HTTP/1.1" 401 12 "-" "app" "198.51.100.7" rt=0.120',
    '203.0.113.9 - - [10/Oct/2025:13:55:41 +0000] "\\x16\\x03\\x01" 400 157 "-" "-"',
    '203.0.113.9 - - [10/Oct/2025:13:55:42 +0000] "GET /a HTTP/1.1" 401 5 "x\\" " "Mozilla"',
    "#Software: something",
    "",
)
_COMMON = (
    '203.0.113.9 - frank [10/Oct/2025:13:55:36 -0700] "GET /index.html HTTP/1.0" 200 2326',
    '203.0.113.9 - - [10/Oct/2025:13:55:36 -0700] "GET /index.html HTTP/1.0" 304 -',
    '203.0.113.9 - - [10/Oct/2025:13:55:37 -0700] "GET /v1/9/x HTTP/1.0" 200 12"',
    '203.0.113.9 - - [10/Oct/2025:13:55:37 -0700] "GET /a\\"b HTTP/1.0" 200 12',
    "",
)


@st.composite
def _blocks(draw: st.DrawFn, known: tuple[str, ...]) -> bytes:
    """Some lines, a few of them damaged: cut off, doubled, with characters put in or taken out."""
    made = []
    for line in draw(st.lists(st.sampled_from(known), min_size=1, max_size=12)):
        place = draw(st.integers(0, len(line)))
        change = draw(st.sampled_from(("none", "none", "none", "cut", "put", "drop", "twice")))
        put = draw(st.sampled_from(('"', "\\", " ", '" "', "-", "\t", "\u2028", "\r", "[", ",", "\x85")))
        made.append(
            {
                "none": line,
                "cut": line[:place],
                "put": line[:place] + put + line[place:],
                "drop": line[:place] + line[place + 1 :],
                "twice": line + line,
            }[change]
        )
    end = draw(st.sampled_from(("\n", "\r\n")))
    return (end.join(made) + draw(st.sampled_from(("", end)))).encode()


def _same(name: str, data: bytes) -> None:
    form = named(name)
    parser = form.prepare(form.samples, Settings())
    assert isinstance(parser, Cutting)
    match = Match(form, parser, 1.0, 1 << 20)
    digest = Digest(tuple(COLLECTED), lambda events: events.sort("line_number"))
    text, _ = cleaned(data, first=True)
    block = Text(text, 7, counted(text))
    assert block.lines["line"].to_list() == lines(data, first=True)[0].to_list()
    cut = parse(block, match, "a", "a/b.log", digest)
    one_by_one = parse(block.lines, match, "a", "a/b.log", digest)
    assert cut.counts == one_by_one.counts
    assert_frame_equal(cut.rejects, one_by_one.rejects)
    assert cut.zones == one_by_one.zones
    if one_by_one.taken is None:
        assert cut.taken is None
    else:
        assert cut.taken is not None
        texts = {name: pl.String for name, dtype in COLLECTED.items() if isinstance(dtype, pl.Categorical)}
        assert_frame_equal(cut.taken.cast(texts), one_by_one.taken.cast(texts))


@given(_blocks(_COMBINED))
def test_combined_lines_say_the_same_when_cut(data: bytes) -> None:
    _same("combined", data)


@given(_blocks(_COMMON))
def test_common_lines_say_the_same_when_cut(data: bytes) -> None:
    _same("common", data)


@pytest.mark.parametrize("name", ["combined", "common"])
def test_plain_lines_are_cut(name: str) -> None:
    form = named(name)
    parser = form.prepare(form.samples, Settings())
    assert isinstance(parser, Cutting)
    cut = parser.cut((form.samples[0] + "\n").encode())
    assert cut is not None
    assert cut[1].to_list() == [True]
