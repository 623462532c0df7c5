"""Lines of every format, some of them damaged, and what a block of them says: as a whole, and line by line."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect.blocks import Text, cleaned, counted
from authforensics.collect.format import Settings
from authforensics.collect.found import Found
from authforensics.collect.read import Block, Digest, parse
from authforensics.collect.recognize import Match, named
from authforensics.schema import COLLECTED, Disposition

_FOLDER = Path(__file__).parent / "cases" / "formats"
_PUT = (
    *('"', "\\", " ", '" "', "-", "\t", "\u2028", "\r", "[", "]", ",", "\x85", "{", "}", "=", ":", "/", "é", "#", "0"),
    *("\x1b[0m", "\ufffd", "\n", "\n#Fields: a b c d\n"),
)


def known(name: str) -> tuple[str, ...]:
    """The lines of a format that its samples and cases have; of a layout that is given none."""
    cases = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob(f"{name}.*toml"))]
    lines = [line for case in cases if "log_format" not in case for line in case["lines"]]
    return (*named(name).samples, *lines)


@st.composite
def damaged(draw: st.DrawFn, lines: Sequence[str]) -> bytes:
    """Some of these, in any order, a few cut, doubled, joined, flipped, or with characters put in or taken out."""
    made = []
    for line in draw(st.lists(st.sampled_from(lines), min_size=1, max_size=12)):
        place = draw(st.integers(0, len(line)))
        whole = line.encode()
        changed = {
            "none": whole,
            "cut": line[:place].encode(),
            "tail": line[place:].encode(),
            "put": (line[:place] + draw(st.sampled_from(_PUT)) + line[place:]).encode(),
            "drop": (line[:place] + line[place + 1 :]).encode(),
            "twice": whole + whole,
            "join": whole + draw(st.sampled_from(lines)).encode(),
            "flip": whole[:place] + bytes([draw(st.integers(1, 255))]) + whole[place + 1 :],
        }
        made.append(changed[draw(st.sampled_from(("none", "none", *changed)))])
    end = draw(st.sampled_from((b"\n", b"\r\n")))
    return end.join(made) + draw(st.sampled_from((b"", end)))


def both(
    name: str, sample: Sequence[str], data: bytes, settings: Settings
) -> tuple[Block[pl.DataFrame], Block[pl.DataFrame], int]:
    """A block read as a whole, the same line by line, and how many lines it has."""
    form = named(name)
    parser = form.prepare(sample, settings)
    assert parser is not None
    match = Match(form, parser, 1.0, 1 << 20)
    digest = Digest(tuple(COLLECTED), lambda events: events.sort("line_number"))
    text, _ = cleaned(data, first=True)
    block = Text(text, 7, counted(text))
    found = Found(Path("b.log"), "a/b.log", "a", named=True)
    return parse(block, match, found, digest), parse(block.lines, match, found, digest), block.count


def assert_same(whole: Block[pl.DataFrame], single: Block[pl.DataFrame]) -> None:
    """Both say the same."""
    assert whole.counts == single.counts
    assert_frame_equal(whole.rejects, single.rejects)
    assert whole.zones == single.zones
    assert (whole.taken is None) == (single.taken is None)
    if whole.taken is not None and single.taken is not None:
        texts = {name: pl.String for name, dtype in COLLECTED.items() if isinstance(dtype, pl.Categorical)}
        assert_frame_equal(whole.taken.cast(texts), single.taken.cast(texts))


def assert_accounted_for(block: Block[pl.DataFrame], count: int) -> None:
    """Each line has one fate, and a reject a reason."""
    assert sum(block.counts.values()) == count
    assert block.rejects.height == block.counts.get(Disposition.REJECT.value, 0)
    assert (block.rejects["reason"].str.len_chars() > 0).all()
