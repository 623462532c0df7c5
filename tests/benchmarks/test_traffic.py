"""What the benchmarks rest on: the traffic is exactly as long as asked, in order, the same each time, and as planted."""

from __future__ import annotations

import gzip
import json
import re

import polars as pl
import pytest

from benchmarks import traffic
from benchmarks.logs import Logs

LINES = 20_000
LINE = r'^(?<ip>\S+) - - \[25/Dec/2025:(?<clock>[\d:]{8}) \+0000\] "(?<request>[A-Z]+ \S+) HTTP/1\.1" (?<status>\d{3}) \d+ "-" "(?<agent>[^"]*)"$'


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Logs:
    logs = Logs(tmp_path_factory.mktemp("traffic"), LINES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traffic, "WINDOW_LINES", 3_000)
        logs.write()
    return logs


@pytest.fixture(scope="module")
def lines(made) -> pl.DataFrame:
    text = pl.Series("line", made.combined.read_text(encoding="utf-8").splitlines())
    parsed = text.str.extract_groups(LINE).struct.unnest()
    assert parsed.null_count().sum_horizontal().item() == 0
    return parsed.with_columns(device=pl.concat_str("ip", pl.lit("|"), "agent"))


def test_has_the_lines_asked_for_in_order_of_time(lines):
    assert lines.height == LINES
    assert lines["clock"].is_sorted()


def test_the_same_seed_gives_the_same_day_and_another_seed_another():
    first, again, other = (pl.concat(traffic.windows(traffic.plan(LINES, seed))) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_lines_of_one_window_and_of_many_are_in_one_order(monkeypatch):
    monkeypatch.setattr(traffic, "WINDOW_LINES", 1_000)
    windows = list(traffic.windows(traffic.plan(LINES)))
    assert len(windows) == LINES / 1_000
    assert pl.concat(windows)["time"].is_sorted()


def test_only_planted_devices_are_refused_with_a_new_token(lines, made):
    calls = lines.filter(pl.col("request").str.contains(" /api/"))
    refreshed = pl.col("request").str.contains("/api/auth/refresh") & (pl.col("status") == "200")
    refused = (pl.col("status") == "401") & refreshed.shift().over("device")
    cycles = calls.filter(refused).group_by("device").len()
    planted = json.loads(made.planted.read_text(encoding="utf-8"))
    assert set(cycles["device"]) == set(planted["pairs"])
    assert cycles["len"].min() >= 2
    assert len(planted["pairs"]) == len(set(planted["device_ids"])) == round(LINES / 50 * 0.03)


def test_a_refused_call_is_made_again_after_the_refresh(lines):
    own = lines.filter(pl.col("agent").str.starts_with("Shop/")).with_columns(
        before=pl.col("request").shift(2).over("device"),
        refused=pl.col("status").shift(2).over("device") == "401",
        refreshed=pl.col("request").shift(1).over("device").str.contains("/api/auth/refresh"),
    )
    retried = own.filter(pl.col("refreshed") & pl.col("refused") & (pl.col("status") == "200"))
    assert retried.height > 100
    assert (retried["request"] == retried["before"]).mean() > 0.9  # of parallel calls the first is made again


def test_json_and_gzip_tell_the_same(made):
    combined = made.combined.read_text(encoding="utf-8")
    assert gzip.decompress(made.gzip.read_bytes()).decode() == combined
    told = [json.loads(line) for line in made.json.read_text(encoding="utf-8").splitlines()]
    parsed = [re.match(LINE.replace("?<", "?P<"), line).groupdict() for line in combined.splitlines()]
    assert [
        (
            one["remote_addr"],
            f"{one['request_method']} {one['request_uri']}",
            str(one["status"]),
            one["http_user_agent"],
        )
        for one in told
    ] == [(one["ip"], one["request"], one["status"], one["agent"]) for one in parsed]
