"""Who called, in lines of the CLF family: an address or a name, and nothing that a tool has put in front of it."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics.collect import Options
from authforensics.collect.format import Cutting
from authforensics.collect.recognize import named
from collecting import collect

REST = '[25/Dec/2025:13:00:{:02} +0000] "GET /api/me HTTP/1.1" 401 12 "-" "Shop/3.1"'
LINE = f"203.0.113.7 - {{}} {REST}"
#: What is in front of a line, and what is known of who called.
CALLERS = {
    "203.0.113.7 - - ": ("203.0.113.7", None),
    "203.0.113.7 - alice ": ("203.0.113.7", "alice"),
    "203.0.113.7 - frank jones ": ("203.0.113.7", "frank jones"),
    "203.0.113.7:44929 - - ": ("203.0.113.7", None),
    "2001:db8::7 - - ": ("2001:db8::7", None),
    "::1 - - ": ("::1", None),
    "fe80::1%eth0 - - ": ("fe80::1%eth0", None),
    "[2001:db8::7]:44929 - - ": ("2001:db8::7", None),
    "::ffff:203.0.113.7 - - ": ("203.0.113.7", None),
    "client-7.example.com - - ": ("client-7.example.com", None),
    "localhost - - ": ("localhost", None),
    "unix: - - ": ("unix:", None),
    "shop.example:443 203.0.113.7 - - ": ("203.0.113.7", None),
    "shop.example 203.0.113.7, 10.0.0.1 - - ": ("203.0.113.7", None),
}
#: What tools put in front of lines that may be taken for a part of them.
PREFIXES = (
    "/var/log/nginx/access.log:",
    "access.log.2.gz:",
    "access.log:17:",
    "api-6d4b75cb6d-hx8k2 api ",
    "shop api-6d4b75cb6d-hx8k2 api ",
    "[api-6d4b75cb6d-hx8k2 api] ",
    "13:00:00 web.1  | ",
    "2025-12-25T13:00:00.123456789Z [inf]  ",
    "Dec 25 01:00:00 PM  ",
    "2025-12-25 13:00:00 ",
)


def both_ways(lines: list[str]) -> list[pl.DataFrame]:
    """What the format makes of lines one by one, and of a block of them."""
    parser = named("combined").prepare(lines, Options().settings())
    assert isinstance(parser, Cutting)
    one = parser(pl.LazyFrame({"line_number": range(len(lines)), "line": lines})).collect()
    cut = parser.cut("".join(f"{line}\n" for line in lines).encode())
    assert cut is not None
    return [one, cut[0].collect().filter(cut[1])]


def test_who_called_is_told(tmp_path):
    for number, front in enumerate(CALLERS):
        lines = [f"{front}{REST.format(second)}\n" for second in range(5)]
        (tmp_path / f"{number:02}.log").write_text("".join(lines))
    events = collect([tmp_path]).events.unique("source", keep="first").sort(pl.col("source").cast(pl.String))
    assert events.select("client_ip", "user_id").rows() == list(CALLERS.values())


@pytest.mark.parametrize("user", ["-", "alice"])
def test_what_a_tool_puts_in_front_is_no_caller(user, tmp_path):
    for number, prefix in enumerate(PREFIXES):
        lines = [prefix + LINE.format(user, second) for second in range(12)]
        one, cut = both_ways(lines)
        assert not one["matched"].any()
        assert cut.is_empty()
        (tmp_path / f"{number:02}.txt").write_text("\n".join(lines) + "\n")
    told = collect([tmp_path])
    assert [source.rejects for source in told.sources] == [0] * len(PREFIXES)
    assert told.events.group_by("source").agg(pl.col("client_ip").unique().cast(pl.String))["client_ip"].to_list() == [
        ["203.0.113.7"]
    ] * len(PREFIXES)
