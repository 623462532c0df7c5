"""Compressed, truncated and undecodable files: whatever can be read is, and the rest is said."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random

import pytest

from authforensics.collect import Options, fetch_lines
from authforensics.collect.compression import ZstdDecompressor, chunks
from authforensics.errors import BrokenInput
from collecting import collect

if hasattr(ZstdDecompressor, "decompressobj"):
    from zstandard import compress as zstd_compress
else:
    from compression.zstd import compress as zstd_compress


def lines(count: int, seed: int = 1) -> bytes:
    chance = random.Random(seed)
    return "".join(
        f"203.0.113.{chance.randrange(256)} - - [25/Dec/2025:13:{number // 60 % 60:02}:{number % 60:02} +0000] "
        f'"GET /{chance.random()} HTTP/1.1" 200 {chance.randrange(9999)} "-" "curl/8.5.0"\n'
        for number in range(count)
    ).encode()


PACK = {"gz": gzip.compress, "zst": zstd_compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", PACK)
def test_compression_is_seen_by_content_and_changes_nothing(tmp_path, kind):
    data = lines(500)
    (tmp_path / "plain.log").write_bytes(data)
    (tmp_path / "packed.log").write_bytes(PACK[kind](data))
    plain, packed = (collect([tmp_path / name]) for name in ("plain.log", "packed.log"))
    assert packed.events.drop("source").equals(plain.events.drop("source"))
    assert not packed.sources[0].broken


@pytest.mark.parametrize("kind", PACK)
def test_members_are_joined(tmp_path, kind):
    path = tmp_path / "packed"
    path.write_bytes(PACK[kind](lines(10)) + PACK[kind](lines(20, seed=2)))
    assert collect([path]).events.height == 30


def test_a_name_does_not_make_a_file_compressed(tmp_path):
    (tmp_path / "access.log.gz").write_bytes(lines(3))
    assert collect([tmp_path]).events.height == 3


@pytest.mark.parametrize("kind", ["gz", "zst", "xz"])
def test_what_came_before_a_break_is_kept_and_the_break_is_a_reject(tmp_path, kind):
    packed = PACK[kind](lines(20_000))
    path = tmp_path / "access.log"
    path.write_bytes(packed[: len(packed) // 2])
    collected = collect([path])
    (source,) = collected.sources
    assert source.broken
    assert 1_000 < source.events < 20_000
    assert source.lines == source.events + 1
    assert collected.rejects["line_number"].to_list() == [source.lines]
    assert "end here" in collected.rejects["reason"][0]
    assert f"breaks off at line {source.lines}" in source.note
    with pytest.raises(BrokenInput, match=r"access\.log: breaks off at line"):
        collect([path], Options(strict=True))


def test_damage_in_the_middle_keeps_what_came_before(tmp_path):
    packed = bytearray(gzip.compress(lines(20_000)))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = b"\xff" * 64
    path = tmp_path / "access.log.gz"
    path.write_bytes(packed)
    (source,) = collect([path]).sources
    assert source.broken
    assert source.events > 1_000


def test_zeros_after_a_gzip_member_are_padding(tmp_path):
    path = tmp_path / "padded.gz"
    path.write_bytes(gzip.compress(b"a\n") + b"\0" * 100)
    assert b"".join(chunk for chunk, _ in chunks(path)) == b"a\n"


def test_a_file_whose_first_byte_is_lost_already_is_a_broken_source(tmp_path):
    (tmp_path / "good.log").write_bytes(lines(3))
    (tmp_path / "bad.gz").write_bytes(gzip.compress(lines(3))[:9])
    source = next(source for source in collect([tmp_path]).sources if source.source == "bad.gz")
    assert (source.broken, source.lines) == (True, 0)
    assert "broken gzip data" in source.note


def test_bytes_that_are_no_utf8_lose_no_line(tmp_path):
    data = lines(3).replace(b"curl", b"c\xfcrl", 1)
    (tmp_path / "access.log").write_bytes(data)
    collected = collect([tmp_path])
    assert collected.events["user_agent"].to_list() == ["c\ufffdrl/8.5.0", "curl/8.5.0", "curl/8.5.0"]
    assert "not UTF-8" in collected.sources[0].note
    assert not collected.sources[0].broken


def test_a_byte_order_mark_and_windows_line_ends_are_no_content(tmp_path):
    (tmp_path / "access.log").write_bytes(b"\xef\xbb\xbf" + lines(2).replace(b"\n", b"\r\n"))
    (source,) = collect([tmp_path]).sources
    assert (source.events, source.rejects) == (2, 0)


@pytest.mark.parametrize("broken", [False, True])
def test_lines_are_fetched_again_redacted(tmp_path, broken):
    secret = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"
    data = lines(5).replace(b"GET /", b"GET /?token=" + secret + b"&x=", 1)
    (tmp_path / "access.log").write_bytes(data.replace(b"curl", b"\xff", 1) if broken else data)
    collected = collect([tmp_path])
    wanted = collected.events.filter(collected.events["line_number"].is_in([1, 4])).select("source", "line_number")
    fetched = fetch_lines(collected.files, wanted)
    assert fetched.columns == ["source", "line_number", "text"]
    assert fetched["line_number"].to_list() == [1, 4]
    assert "[redacted" in fetched["text"][0]
    assert secret.decode()[:20] not in fetched["text"][0]
    assert fetched["text"][1] == data.decode().splitlines()[3]


def test_fetched_lines_are_cut_and_unknown_ones_are_not_there(tmp_path):
    long = lines(1).replace(b"curl", b"c" * 5_000)
    (tmp_path / "access.log").write_bytes(long)
    collected = collect([tmp_path])
    wanted = collected.events.select("source", "line_number")
    unknown = wanted.with_columns(source=wanted["source"] + "x")
    assert len(fetch_lines(collected.files, wanted)["text"][0]) <= 2_000
    assert fetch_lines(collected.files, unknown).is_empty()
