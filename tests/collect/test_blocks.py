"""A file is read in the same blocks whether it is compressed or not: what is joined of several lines is the same."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect.blocks import Condition, block_size, texts
from authforensics.collect.sample import take


def _blocks(path: Path, data: bytes, size: int) -> list[bytes]:
    path.write_bytes(data)
    condition = Condition()
    blocks = list(texts(path, size, condition))
    assert condition.reason is None
    return blocks


@given(
    lines=st.lists(st.integers(0, 40), max_size=60),
    times=st.sampled_from((1, 200)),
    ended=st.booleans(),
    size=st.sampled_from((1, 7, 100, 5_000, 300_000)),
)
def test_blocks_are_the_same_plain_and_compressed(tmp_path_factory, lines, times, ended, size):
    data = b"\n".join(b"x" * length * times for length in lines) + b"\n" * ended
    folder = tmp_path_factory.mktemp("blocks")
    plain = _blocks(folder / "a.log", data, size)
    assert b"".join(plain) == data
    assert all(len(block) >= size and block.endswith(b"\n") for block in plain[:-1])
    assert _blocks(folder / "a.log.gz", gzip.compress(data), size) == plain
    assert _blocks(folder / "a.log.bz2", bz2.compress(data), size) == plain


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_how_long_blocks_are_is_told_from_the_same_lines(tmp_path, pack):
    """Of a plain file, other lines are looked at too."""
    data = b"short\n" * 1_000 + b"as long as a line of a log is, or longer\n" * 60_000
    plain, packed = tmp_path / "a.log", tmp_path / "a.log.gz"
    plain.write_bytes(data)
    packed.write_bytes(pack(data))
    of_plain, of_packed = take(plain).lines, take(packed).lines
    assert len(of_plain) > len(of_packed)
    assert block_size(of_plain) == block_size(of_packed)
