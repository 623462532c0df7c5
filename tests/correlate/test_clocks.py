"""Clocks of logs that are apart: told where enough pairs agree, and set right for the join; never guessed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from authforensics import analyze
from authforensics.correlate import clocks
from authforensics.schema import TEXT, TIMESTAMP

AT = datetime(2025, 12, 25, 4, 0, 0, tzinfo=UTC)
EXPIRED = "JWT validation failed: Signature has expired"


def _calls(count, apart=47.0, seed=3):
    """Times and ids of calls of which every one is refused, some time apart."""
    chance, at = random.Random(seed), AT
    for number in range(count):
        at += timedelta(seconds=chance.uniform(0.6, 1.4) * apart)
        yield at, f"req-{number:04}", f"10.0.0.{number % 9}"


def _access(file, calls, *, ids, off=timedelta()):
    lines = []
    for at, request, client in calls:
        for moment, status in ((at - timedelta(seconds=5), 200), (at, 401)):
            own = {"request_id": f"{request}-{status}"} if ids else {}
            when = (moment + off).isoformat(timespec="milliseconds")
            call = {"request_method": "GET", "request_uri": "/api/me", "status": status, "http_user_agent": "Shop/1"}
            lines.append(json.dumps({"time": when, "remote_addr": client, **call, **own}))
    file.write_text("\n".join(lines) + "\n")


def _app(file, calls, *, ids, off=timedelta()):
    lines = []
    for at, request, _ in calls:
        moment = at + off - timedelta(milliseconds=20)
        text = EXPIRED + (f" request_id={request}-401" if ids else "")
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03} - app.auth - WARNING - {text}")
    file.write_text("\n".join(lines) + "\n")


def _system(folder, **options):
    analysis = analyze(folder, **options)
    (system,) = analysis.document.systems
    return system


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("hours", [9, -5, 5.5])
def test_an_application_that_logs_local_time_is_found_out_and_joined_all_the_same(tmp_path, ids, hours):
    calls = list(_calls(40))
    _access(tmp_path / "access.log", calls, ids=ids)
    _app(tmp_path / "app.log", calls, ids=ids, off=timedelta(hours=hours))
    system = _system(tmp_path)
    (offset,) = system.offsets
    assert (offset.source, offset.against, offset.pairs) == ("app.log", "access.log", 40)
    assert offset.how == ("request_id" if ids else "refusals")
    assert abs(offset.seconds - hours * 3600) < 0.1
    assert offset.spread < 0.1
    zone = {9: "of UTC+09:00: --tz +09:00", -5: "of UTC-05:00: --tz -05:00", 5.5: "of UTC+05:30: --tz ZONE"}[hours]
    assert zone in offset.note
    assert offset.note in system.notes
    assert (system.join.denials, system.join.explained) == (40, 40)


def test_what_the_note_says_sets_it_right(tmp_path):
    calls = list(_calls(40))
    _access(tmp_path / "access.log", calls, ids=False)
    _app(tmp_path / "app.log", calls, ids=False, off=timedelta(hours=9))
    system = _system(tmp_path, tz="+09:00")
    assert (system.offsets, system.join.explained) == ((), 40)


@pytest.mark.parametrize("seconds", [37.0, -8.0])
def test_clocks_that_nobody_sets_are_told_by_the_second(tmp_path, seconds):
    calls = list(_calls(40))
    _access(tmp_path / "access.log", calls, ids=False)
    _app(tmp_path / "app.log", calls, ids=False, off=timedelta(seconds=seconds))
    system = _system(tmp_path)
    (offset,) = system.offsets
    assert abs(offset.seconds - seconds) < 0.1
    assert offset.note.endswith("one of their clocks is wrong")
    assert system.join.explained == 40


def test_two_proxies_are_compared_by_the_ids_they_share(tmp_path):
    calls = list(_calls(30))
    _access(tmp_path / "edge.log", calls, ids=True)
    _access(tmp_path / "inner.log", calls, ids=True, off=timedelta(seconds=12))
    (offset,) = _system(tmp_path).offsets
    assert (offset.source, offset.against, offset.pairs) == ("inner.log", "edge.log", 60)
    assert offset.seconds == pytest.approx(12, abs=0.01)


def test_clocks_that_agree_are_told_and_need_no_note(tmp_path):
    calls = list(_calls(30))
    _access(tmp_path / "access.log", calls, ids=True)
    _app(tmp_path / "app.log", calls, ids=True)
    (offset,) = _system(tmp_path).offsets
    assert abs(offset.seconds) < 0.1
    assert offset.note is None


def test_ids_that_do_not_agree_tell_nothing(tmp_path):
    calls, chance = list(_calls(40)), random.Random(5)
    _access(tmp_path / "access.log", calls, ids=True)
    _app(tmp_path / "app.log", [(at + timedelta(hours=chance.uniform(0, 9)), *rest) for at, *rest in calls], ids=True)
    assert _system(tmp_path).offsets == ()


@pytest.mark.parametrize(("count", "apart"), [(4, 47.0), (400, 1.5)], ids=["few", "dense"])
def test_messages_that_fit_everywhere_or_are_few_tell_nothing(tmp_path, count, apart):
    calls = list(_calls(count, apart))
    _access(tmp_path / "access.log", calls, ids=False)
    _app(tmp_path / "app.log", calls, ids=False, off=timedelta(seconds=30))
    assert _system(tmp_path).offsets == ()


def test_every_minute_fits_at_any_minute_and_tells_nothing(tmp_path):
    calls = [(AT + timedelta(minutes=number), f"req-{number}", "10.0.0.1") for number in range(60)]
    _access(tmp_path / "access.log", calls, ids=False)
    _app(tmp_path / "app.log", calls, ids=False, off=timedelta(seconds=30))
    assert _system(tmp_path).offsets == ()


def test_partitions_and_rotated_files_tell_the_same(tmp_path):
    calls = list(_calls(40))
    _access(tmp_path / "access.log", calls, ids=True)
    _app(tmp_path / "app.log.1", calls[:20], ids=True, off=timedelta(hours=9))
    _app(tmp_path / "app.log", calls[20:], ids=True, off=timedelta(hours=9))
    whole, parts = _system(tmp_path), _system(tmp_path, memory=20_000)
    (offset,) = whole.offsets
    assert (offset.source, offset.pairs) == ("app.log", 40)
    assert parts == whole


def test_a_sketch_is_the_same_in_whatever_order_blocks_come(monkeypatch):
    monkeypatch.setattr(clocks, "KEPT", 30)
    monkeypatch.setattr(clocks, "ALL", 100)
    chance = random.Random(1)
    rows = [
        ("a", f"a/{number % 7}.log", chance.randrange(300), AT + timedelta(seconds=number), number % 3 > 0)
        for number in range(2_000)
    ]
    whole = pl.DataFrame(rows, schema=clocks.SKETCH, orient="row")

    def by_blocks(order):
        blocks = [clocks.merged([whole[start : start + 50]]) for start in order]
        while len(blocks) > 1:
            blocks = [clocks.merged(blocks[place : place + 3]) for place in range(0, len(blocks), 3)]
        return blocks[0].cast({"system": pl.String, "source": pl.String}).sort(pl.all())

    starts = list(range(0, 2_000, 50))
    assert_frame_equal(by_blocks(starts), by_blocks(chance.sample(starts, len(starts))))
    assert 100 <= by_blocks(starts).height < 120


@pytest.mark.parametrize(("rows", "repeated"), [(100, 1), (9_000, 1), (30_000, 1), (30_000, 40), (30_000, 10_000)])
def test_a_sketch_of_a_part_has_the_least_ids_of_all_of_it(rows, repeated):
    ids = (pl.int_range(rows, eager=True) // repeated).hash(seed=7)
    named = {"system": pl.lit("shop", TEXT), "source": pl.lit("access.log", TEXT)}
    times = pl.lit(AT, TIMESTAMP) + pl.duration(seconds=pl.int_range(pl.len()))
    requests = pl.DataFrame({"request_id": ids}).with_columns(**named, timestamp=times.cast(TIMESTAMP))
    found = clocks.sketch(requests, requests.clear()).sort("request_id")
    whole = requests.group_by("request_id").agg(at=pl.col("timestamp").min()).sort("request_id")
    assert found.select("request_id", "at").rows() == whole.head(clocks.KEPT).rows()
