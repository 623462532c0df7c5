"""Where tokens can be read is summed up the same however the log is cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from authforensics.schema import COLLECTED
from authforensics.tokens.carried import carried, merged, sighted
from authforensics.tokens.proof import Signer

START = datetime(2025, 12, 25, 4, tzinfo=UTC)
WHERES = ["query access_token", "header", None, "query access_token", "header"]


def events(count: int) -> pl.DataFrame:
    rows = {
        "system": ["shop"] * count,
        "source": ["a.log"] * count,
        "line_number": range(1, count + 1),
        "timestamp": [START + timedelta(seconds=number) for number in range(count)],
        "token": [number % 7 if number % 3 else None for number in range(count)],
        "token_where": [WHERES[number % 5] for number in range(count)],
        "expires_at": [START] * count,
        "besides": [None] * count,
        "status": [200 if number % 4 else 401 for number in range(count)],
    }
    return pl.DataFrame(rows, schema={name: COLLECTED[name] for name in rows})


def test_pieces_make_the_whole():
    whole = events(60)
    parts = [sighted(whole[begin : begin + 11]) for begin in range(0, 60, 11)]
    twice = merged([merged(parts[:2]), merged(parts[2:]), merged([])])
    assert_frame_equal(twice, merged([sighted(whole)]))


def test_places_count_lines_and_tokens_and_show_the_first():
    found = carried(sighted(events(60)), {1: Signer("default", "published_default"), 2: None})
    assert found.seen == 7
    rows = found.places.select("where", "field", "tokens", "lines", "line_number").rows()
    readable = events(60).drop_nulls(["token", "token_where"])
    assert {f"{where} {name or ''}".strip(): lines for where, name, _, lines, _ in rows} == dict(
        readable["token_where"].cast(pl.String).value_counts().rows()
    )
    assert [(tokens, first) for _, _, tokens, _, first in rows] == [(7, 2), (7, 6)]
    assert found.known_to_all() == ["default"]
    assert found.within({"shop": "api"}).places["system"].unique().to_list() == ["api"]


def test_every_token_of_a_line_counts():
    other = {"token": 9, "token_where": "query refresh_token", "expires_at": None}
    besides = pl.Series("besides", [[other], None, None, None], dtype=COLLECTED["besides"])
    lines = events(4).with_columns(besides)
    found = carried(sighted(lines), {})
    rows = found.places.select("where", "field", "tokens", "line_number").rows()
    assert ("query", "refresh_token", 1, 1) in rows
    assert found.seen == 2


def test_without_tokens_there_is_nothing():
    assert carried(merged([sighted(events(1))]), {}).seen == 0
