"""NULs in a text: what they leave of it, and what is binary all the same."""

from __future__ import annotations

import pytest

from authforensics.errors import NothingReadable
from collecting import collect

LINE = b'203.0.113.7 - - [25/Dec/2025:13:00:00 +0000] "GET /api/me HTTP/1.1" 200 5 "-" "curl/8.5.0"\n'


@pytest.mark.parametrize(
    "data",
    [
        LINE * 50 + b"\0" * 900 + LINE * 50,
        b"\0" * 100_000 + LINE * 100,
        LINE.replace(b"api", b"a\0i") * 100,
        LINE * 100 + b"\0" * 5_000,
    ],
)
def test_a_text_with_a_few_nuls_is_read(tmp_path, data):
    (tmp_path / "access.log").write_bytes(data)
    (source,) = collect([tmp_path]).sources
    assert (source.events, source.rejects) == (100, 0)


@pytest.mark.parametrize(
    "data",
    [b"\0" * 5_000, LINE.decode().encode("utf-16-le") * 100, bytes(range(256)) * 20, b"\0\1text\n" * 500],
)
def test_what_is_no_text_stays_binary(tmp_path, data):
    (tmp_path / "access.log").write_bytes(data)
    with pytest.raises(NothingReadable, match=r"access\.log: binary"):
        collect([tmp_path])
