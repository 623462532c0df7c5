"""Files and folders among which the requests of one fleet are dealt out are instances, where nothing else names them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from authforensics.correlate import correlate
from authforensics.correlate.instances import instances
from authforensics.schema import COLLECTED, TEXT
from script import play
from traffic import BEGIN, Call, Folder, dealt, traffic, without_ids


def found(logs: dict[str, list[Call]], **upstream: str) -> dict[str, str]:
    requests = Folder(logs).requests().lazy().with_columns(system=pl.lit("logs").cast(TEXT))
    if upstream:
        requests = requests.with_columns(upstream=pl.lit(upstream["upstream"]).cast(TEXT))
    return instances(requests, {name: name for name in logs}, dict.fromkeys(logs, "combined"))


def two(seed: int = 1) -> list[list[Call]]:
    rng = random.Random(seed)
    calls = without_ids(traffic(rng, 2000, 3600))
    return [list(log) for log in dealt(rng, calls, lambda _, __: rng.randrange(2)).values()]


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (("a/access.log", "b/access.log"), ("a", "b")),
        (("web/node-1/app.log", "web/node-2/app.log"), ("node-1", "node-2")),
        (("api-1.log", "api-2.log"), ("api-1.log", "api-2.log")),
        (("logs/api-1.log", "logs/api-2.log"), ("api-1.log", "api-2.log")),
    ],
)
def test_logs_among_which_requests_are_dealt_out_are_instances(names: tuple[str, str], called: tuple[str, str]):
    logs = dict(zip(names, two(), strict=True))
    assert found(logs) == dict(zip(names, called, strict=True))
    # Not where lines say it.
    assert found(logs, upstream="10.0.0.7:8000") == {}


def test_files_of_one_log_are_one_instance():
    one, other = two()
    half = len(one) // 2
    requests = Folder({"a/x.log.1": one[:half], "a/x.log": one[half:], "b/x.log": other}).requests()
    sets = {"a/x.log.1": "a/x", "a/x.log": "a/x", "b/x.log": "b/x"}
    names = instances(requests.lazy().with_columns(system=pl.lit("logs").cast(TEXT)), sets, {})
    assert names == {"a/x.log.1": "a", "a/x.log": "a", "b/x.log": "b"}


def test_logs_of_different_things_are_no_instances():
    one, other = two()
    # Other times, other clients, other calls.
    assert found({"a.log": one, "b.log": [replace(call, at=call.at + 7200) for call in other]}) == {}
    strangers = [replace(call, device=call.device + 100, client_ip=f"10.9.0.{call.device}") for call in other]
    assert found({"a.log": one, "b.log": strangers}) == {}
    assert found({"a.log": one, "b.log": [replace(call, route=f"/shop{call.route}") for call in other]}) == {}
    alone = [[replace(call, device=1, client_ip="127.0.0.1") for call in log] for log in (one, other)]
    assert found({"a.log": alone[0], "b.log": alone[1]}) == {}


def test_the_instance_is_that_of_every_request_without_one():
    whole = play("10:00:00 fleet api_ok every=10 times=20", devices=9, stagger=1)
    turn = pl.int_range(pl.len()) % 2
    logs = whole.with_columns(source=pl.format("node{}.log", turn).cast(TEXT))
    events = correlate(logs.with_columns(line_number=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32))).sessions.events
    names = events.select(pl.col("source", "upstream").cast(pl.String)).unique().sort("source").rows()
    assert names == [("node0.log", "node0.log"), ("node1.log", "node1.log")]


def test_who_answered_what_a_proxy_tells_is_known_by_the_logs_of_the_servers():
    rng = random.Random(3)
    calls = [replace(call, at=float(int(call.at))) for call in without_ids(traffic(rng, 2000, 3600))]
    servers = dealt(rng, calls, lambda _, __: rng.randrange(2))
    rows = pl.DataFrame(
        [
            {
                "system": "logs",
                "source": name,
                "line_number": number,
                "timestamp": BEGIN + timedelta(seconds=call.at),
                "kind": "request",
                "method": call.method,
                "path": call.route,
                "route": call.route,
                "status": call.status,
                "client_ip": call.client_ip,
                "user_agent": "App/1",
            }
            for name, log in {"access.log": calls, **servers}.items()
            for number, call in enumerate(log, 1)
        ]
    )
    blank = {name: pl.lit(None, dtype) for name, dtype in COLLECTED.items() if name not in rows.columns}
    whole = rows.with_columns(**blank).select(pl.col(name).cast(dtype) for name, dtype in COLLECTED.items())
    seen = correlate(whole)
    assert set(seen.ground.echoes.originals.values()) == {"access.log"}
    events = seen.sessions.events.filter(pl.col("source") == "access.log").sort("line_number")
    truth = {id(call): name for name, log in servers.items() for call in log}
    right = [truth[id(calls[line - 1])] for line in events["line_number"]]
    told = pl.DataFrame({"told": events["upstream"].cast(pl.String), "right": right})
    assert told["told"].is_not_null().mean() > 0.9
    assert (told.drop_nulls()["told"] == told.drop_nulls()["right"]).mean() > 0.99
