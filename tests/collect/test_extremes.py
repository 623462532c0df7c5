"""What no log has by itself: values at the ends of their range, and tables that are made to break their reader."""

from __future__ import annotations

import json

import polars as pl
import pytest

from authforensics.collect.discover import discover
from authforensics.collect.har_entry import _credential
from authforensics.schema import EVENTS
from collecting import collect

PLAIN = '203.0.113.9 - - [25/Dec/2025:13:00:0{} +0000] "GET /a HTTP/1.1" 401 12 "-" "app/1"'


@pytest.mark.parametrize(
    "time", ["31/Dec/9999:23:55:36 -1200", "01/Jan/0001:00:00:36 +1200", "01/Jan/0000:00:00:00 +0000"]
)
def test_a_time_that_cannot_be_is_a_reject_and_takes_no_other_line_down(tmp_path, time):
    lines = [PLAIN.format(number) for number in range(9)]
    (tmp_path / "a.log").write_text("\n".join([*lines, PLAIN.replace("25/Dec/2025:13:00:0{} +0000", time)]) + "\n")
    (source,) = collect([tmp_path]).sources
    assert (source.events, source.rejects) == (9, 1)


@pytest.mark.parametrize("duration", ["1e999999", "99999999999999999999", "nan", "-5"])
def test_a_duration_that_cannot_be_is_none(tmp_path, duration):
    line = {"time": "2025-12-25T13:00:09Z", "method": "GET", "path": "/a", "status": 401, "duration": duration}
    (tmp_path / "a.log").write_text((json.dumps(line) + "\n") * 3, encoding="utf-8")
    read = collect([tmp_path])
    assert read.sources[0].events == 3
    assert read.events["duration_ms"].to_list() == [None] * 3


def test_columns_that_are_nested_too_deeply_are_left_out(tmp_path):
    deep: pl.DataType = pl.Int64()
    for _ in range(200):
        deep = pl.List(deep)
    table = {"time": ["2025-12-25T13:00:09Z"], "method": ["GET"], "path": ["/a"], "status": [401]}
    pl.DataFrame(table).with_columns(x=pl.Series([None], dtype=deep)).write_parquet(tmp_path / "a.parquet")
    assert collect([tmp_path]).sources[0].events == 1


def exported(names: list[str]) -> pl.DataFrame:
    rows = pl.DataFrame({"system": names})
    return rows.select(
        pl.lit(None, dtype).alias(name) if name != "system" else "system" for name, dtype in EVENTS.items()
    )


def test_the_names_of_systems_in_a_table_say_nothing_secret(tmp_path):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiIsImlhdCI6MTc2NjYzNjgwMH0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
    exported([f"Bearer {token}", f"Bearer {token}x", "shop\x1b[31m"]).write_parquet(tmp_path / "a.parquet")
    parts = discover([tmp_path])
    assert len({part.source for part in parts}) == 3
    assert not any("eyJzdWIi" in part.source or "\x1b" in part.source for part in parts)


def test_a_table_of_too_many_systems_says_so(tmp_path):
    exported([f"s{number}" for number in range(201)]).write_parquet(tmp_path / "a.parquet")
    (part,) = discover([tmp_path])
    assert part.problem == "a table of 201 systems: at most 200 can be told apart"


@pytest.mark.parametrize(
    "header", ["abcdefghijklmnopqrstuvwxyz", "SECRETsecretSECRET key=value", "Bearer \ud800" + "x" * 40]
)
def test_a_credential_is_told_by_its_fingerprint_only(header):
    shown = _credential(header)
    assert shown is not None
    assert shown.split()[0] in {"other", "Bearer"}
    assert not any(word in shown for word in ("abcdef", "SECRET", "xxxx"))
