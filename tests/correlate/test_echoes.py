"""Requests that two logs tell of count once; what only one of them tells is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from authforensics import local
from authforensics.addresses import proxies
from authforensics.pipeline import analyze
from traffic import BEGIN, Call, Folder, behind, dealt, sessions, told, traffic, without_ids


def test_a_proxys_log_and_the_servers_count_once() -> None:
    rng = random.Random(1)
    calls = without_ids(traffic(rng, 2000, 3600))
    folder = Folder({"access.log": calls, "app.log": behind(rng, calls)}, {"app.log": "json"})
    found = folder.found()
    assert found.originals == {"app.log": "access.log"}
    left = found.left(folder.requests())
    assert left["source"].unique().cast(pl.String).to_list() == ["access.log"]
    assert left.height == len(calls)
    # The requests next to the ends are those of both logs, too.
    assert told(found) == {"app.log": len(calls)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("count", "late"), [(120, 0.5), (1000, 2.0), (6000, 0.01), (6000, 2.0)])
def test_few_requests_and_late_ones_will_do(seed: int, count: int, late: float) -> None:
    rng = random.Random(seed)
    calls = without_ids(traffic(rng, count, 3600))
    folder = Folder({"access.log": calls, "app.log": behind(rng, calls, late)})
    assert told(folder.found()) == {"app.log": count}


def test_logs_of_two_minutes_will_do() -> None:
    rng = random.Random(2)
    calls = without_ids(traffic(rng, 600, 120))
    whole = Folder({"access.log": calls, "app.log": behind(rng, calls)})
    assert told(whole.found()) == {"app.log": 600}


@pytest.mark.parametrize("address", [None, "172.17.0.1"])
def test_an_api_of_one_path_counts_once_where_clients_are_known(address: str | None) -> None:
    rng = random.Random(22)
    calls = [one for one in sessions(rng, 1500, 3600, address) if one.route == "/graphql"]
    found = Folder({"access.log": calls, "app.log": behind(rng, calls)}).found()
    assert list(found.told.values()) == [len(calls)]
    turns = dealt(rng, calls, lambda number, _: number % 2)
    assert told(Folder(turns).found()) == {}
    # The counts of servers that take turns are the same: a client that makes most calls proves nothing.
    nobody = [replace(one, device=int(rng.random() < 0.1), client_ip="172.17.0.1") for one in calls]
    assert told(Folder({"access.log": nobody, "app.log": behind(rng, nobody)}).found()) == {}


def test_what_only_one_of_them_tells_is_kept() -> None:
    rng = random.Random(4)
    calls = without_ids(traffic(rng, 3000, 7200))
    files = [Call(rng.uniform(0, 7200), 1, "GET", "/app.js", 200, client_ip="10.0.0.1") for _ in range(500)]
    probes = [Call(at, 0, "GET", "/healthz", 200, client_ip="172.17.0.1") for at in range(0, 7200, 10)]
    whole = sorted([*calls, *files], key=lambda one: one.at)
    folder = Folder({"access.log": whole, "app.log": sorted([*behind(rng, calls), *probes], key=lambda one: one.at)})
    left = folder.found().left(folder.requests())
    routes = left.filter(pl.col("source") == "app.log")["route"].unique().cast(pl.String).to_list()
    assert routes == ["/healthz"]
    assert left.height == len(whole) + len(probes)


def test_the_log_that_tells_devices_apart_counts() -> None:
    rng = random.Random(5)
    calls = without_ids(traffic(rng, 1000, 3600))
    named = [replace(one, device_id=f"d{one.device}") for one in behind(rng, calls)]
    assert Folder({"access.log": calls, "app.log": named}).found().originals == {"access.log": "app.log"}


def test_the_log_that_knows_some_more_clients_counts_whatever_else_the_other_one_knows() -> None:
    rng = random.Random(8)
    calls = without_ids(traffic(rng, 1500, 3600, devices=10))
    told_why = [replace(one, reason="token_expired") for one in behind(rng, calls)]
    assert Folder({"access.log": calls, "app.log": told_why}).found().originals == {"app.log": "access.log"}


def test_a_log_that_knows_the_proxy_only_never_counts_before_one_that_knows_clients() -> None:
    by_name = pl.DataFrame({"client_ip": ["127.0.0.1", "::1", None, "198.51.100.7"], "len": [90, 5, 3, 2]})
    assert proxies(by_name).to_list() == ["127.0.0.1", "::1", None]
    assert proxies(by_name.with_columns(len=pl.Series([90, 5, 3, 20]))).is_empty()
    # An office behind no proxy at all.
    assert proxies(pl.DataFrame({"client_ip": [f"10.0.0.{number}" for number in range(8)], "len": [9] * 8})).is_empty()
    rng = random.Random(9)
    calls = [replace(one, client_ip="203.0.113.9") for one in without_ids(traffic(rng, 1500, 3600))]
    told_why = [replace(one, reason="token_expired") for one in behind(rng, calls)]
    assert Folder({"access.log": calls, "app.log": told_why}).found().originals == {"app.log": "access.log"}


def test_one_file_counts_before_several_whose_seconds_leave_the_order_open() -> None:
    rng = random.Random(10)
    calls = [replace(one, at=float(int(one.at))) for one in without_ids(traffic(rng, 3000, 3600))]
    servers = dealt(rng, calls, lambda _, __: rng.randrange(2))
    more = {
        name: [*log, Call(3600.0, 1, "GET", "/healthz", 200, client_ip="10.0.0.1")] for name, log in servers.items()
    }
    whole = Folder({"access.log": calls, **more}, dict.fromkeys(servers, "json"))
    assert whole.found().originals == {"one.log": "access.log", "other.log": "access.log"}
    # Of finer times the order is known.
    exact = without_ids(traffic(rng, 3000, 3600))
    servers = dealt(rng, exact, lambda _, __: rng.randrange(2))
    more = {
        name: [*log, Call(3600.0, 1, "GET", "/healthz", 200, client_ip="10.0.0.1")] for name, log in servers.items()
    }
    rough = [replace(one, at=float(int(one.at))) for one in exact]
    assert set(Folder({"access.log": rough, **more}, dict.fromkeys(servers, "json")).found().originals) == {
        "access.log"
    }


def test_numbers_of_servers_that_write_at_one_time_are_no_rotation(tmp_path: Path) -> None:
    rng = random.Random(11)
    calls = [replace(one, at=float(int(one.at))) for one in without_ids(traffic(rng, 1200, 3600))]
    one, other = dealt(rng, calls, lambda _, __: rng.randrange(2)).values()
    halves = [[call for call in calls if call.at < 1800], [call for call in calls if call.at >= 1800]]
    for names, logs in ((("api-1.log", "api-2.log"), (one, other)), (("old.log.1", "old.log"), halves)):
        folder = tmp_path / names[0]
        folder.mkdir()
        for name, log in zip(names, logs, strict=True):
            (folder / name).write_text("".join(_line(call) for call in log))
    for names, logs in (("api-1.log", {"api-1.log", "api-2.log"}), ("old.log.1", {"old"})):
        studied = analyze(tmp_path / names).studied
        found = local.sets(studied.found, studied.collected).values()
        assert {name.rpartition("/")[2] for name in found} == logs


def _line(call: Call) -> str:
    when = BEGIN + timedelta(seconds=call.at)
    asked = f"{call.method} {call.route} HTTP/1.1"
    return f'{call.client_ip} - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "{asked}" {call.status} 17 "-" "App/1"\n'


@pytest.mark.parametrize("kind", ["combined", "json"])
def test_a_proxy_before_several_servers(kind: str) -> None:
    rng = random.Random(6)
    calls = without_ids(traffic(rng, 3000, 3600))
    servers = dealt(rng, behind(rng, calls), lambda _, __: rng.randrange(2))
    folder = Folder({"access.log": calls, **servers}, dict.fromkeys(servers, kind))
    assert folder.found().originals == {"one.log": "access.log", "other.log": "access.log"}


def test_several_proxies_before_a_server() -> None:
    rng = random.Random(7)
    calls = without_ids(traffic(rng, 3000, 3600))
    proxies = dealt(rng, calls, lambda _, __: rng.randrange(2))
    folder = Folder({"app.log": behind(rng, calls), **proxies}, {"app.log": "json"})
    assert folder.found().originals == {"app.log": "other.log"}


def test_folders_that_tell_of_the_same_requests_are_one_system() -> None:
    rng = random.Random(16)
    calls = without_ids(traffic(rng, 3000, 3600))
    servers = dealt(rng, behind(rng, calls), lambda _, __: rng.randrange(2))
    foreign = without_ids(traffic(rng, 3000, 3600))
    logs = {"nginx/access.log": calls, **{f"app/{name}": log for name, log in servers.items()}, "c/x.log": foreign}
    found = Folder(logs).found()
    assert found.originals == {"app/one.log": "nginx/access.log", "app/other.log": "nginx/access.log"}
    assert found.joined == {"nginx": "app"}
    assert Folder(logs, fixed=("nginx",)).found().originals == {}


def test_a_balancer_and_its_servers_in_folders_of_their_own() -> None:
    rng = random.Random(20)
    calls = without_ids(traffic(rng, 3000, 3600))
    servers = dealt(rng, behind(rng, calls), lambda _, __: rng.randrange(2))
    logs = {"lb/access.log": calls, **{f"{name.removesuffix('.log')}/access.log": log for name, log in servers.items()}}
    found = Folder(logs).found()
    assert found.originals == dict.fromkeys(("one/access.log", "other/access.log"), "lb/access.log")
    assert found.joined == {"one": "lb", "other": "lb"}


def test_many_folders_are_compared_by_what_is_called_most_often() -> None:
    rng = random.Random(17)
    logs = {}
    for number in range(20):
        calls = [replace(one, route=f"/{number}{one.route}") for one in without_ids(traffic(rng, 300, 3600))]
        logs[f"service{number}/access.log"] = calls
    logs["proxy/access.log"] = [replace(one, client_ip="10.0.0.9") for one in logs["service7/access.log"]]
    assert Folder(logs).found().joined == {"service7": "proxy"}


def test_many_calls_that_are_as_frequent_are_compared_in_one_order() -> None:
    """Of many logs some calls are looked at only: the same ones of each, whatever the order of rows."""
    logs = {}
    for number in range(20):
        times = range(4000 if number < 3 else 30)
        calls = [Call(at, at % 50, "GET", f"/{number}/{at}", 200, number * 9999 + at, client_ip="1") for at in times]
        logs[f"service{number}/access.log"] = calls
        if number < 3:
            logs[f"proxy{number}/access.log"] = calls
    assert Folder(logs).found().joined == {f"service{number}": f"proxy{number}" for number in range(3)}


def test_several_systems_of_three_logs() -> None:
    """Each log is compared, and of two that are the same no third one is said to be."""
    rng = random.Random(23)
    logs: dict[str, Sequence[Call]] = {}
    for number in range(5):
        calls, others = (
            [replace(one, route=f"/{what}{number}{one.route}") for one in without_ids(traffic(rng, 400, 3600))]
            for what in ("same", "other")
        )
        here = {"access.log": calls, "app.log": behind(rng, calls), "other.log": others}
        logs |= {f"system{number}/{name}": log for name, log in here.items()}
    found = Folder(logs).found()
    assert found.originals == {f"system{number}/app.log": f"system{number}/access.log" for number in range(5)}


@pytest.mark.parametrize("hours", [-7, 0.75, 2])
@pytest.mark.parametrize("count", [2000, 20_000])
def test_a_log_of_another_zone(hours: float, count: int) -> None:
    rng = random.Random(18)
    calls = without_ids(traffic(rng, count, 12 * 3600))
    said = [replace(one, reason="token_expired" if one.status == 401 else None) for one in behind(rng, calls)]
    logs = {"access.log": calls, "app.log": [replace(one, at=one.at + hours * 3600) for one in said]}
    assert told(Folder(logs).found()) == {}
    found = Folder(logs, naive=("app.log",)).found()
    assert told(found) == {"app.log": count}
    (offset,) = found.offsets.values()
    assert (offset.source, offset.against, offset.how) == ("app.log", "access.log", "requests")
    assert abs(offset.seconds - hours * 3600) < 0.1
    # What it says is heard at the time of the other one.
    times = sorted(found.overheard["timestamp"].dt.epoch("ms"))
    real = sorted(BEGIN.timestamp() * 1000 + one.at * 1000 for one in calls if one.status == 401)
    assert all(abs(one - other) < 200 for one, other in zip(times, real, strict=True))


def test_three_logs_in_a_row() -> None:
    rng = random.Random(8)
    calls = without_ids(traffic(rng, 2000, 3600))
    inner = behind(rng, calls)
    found = Folder({"cdn.log": calls, "nginx.log": inner, "app.log": behind(rng, inner)}).found()
    assert found.originals == {"nginx.log": "cdn.log", "app.log": "cdn.log"}
    assert told(found) == {"app.log": 2000, "nginx.log": 2000}


@pytest.mark.parametrize(("ahead", "behind_it"), [("", "/v1"), ("/gateway", "")])
def test_a_prefix_that_the_proxy_takes_away_or_puts_there(ahead: str, behind_it: str) -> None:
    rng = random.Random(9)
    calls = without_ids(traffic(rng, 2000, 3600))
    folder = Folder(
        {
            "access.log": [replace(one, route=ahead + one.route) for one in calls],
            "app.log": [replace(one, route=behind_it + one.route) for one in behind(rng, calls)],
        }
    )
    assert told(folder.found()) == {"app.log": 2000}


def test_where_the_log_that_counts_has_gaps_the_other_one_is_needed() -> None:
    rng = random.Random(10)
    calls = without_ids(traffic(rng, 10_000, 10 * 3600))
    missing = [one for one in calls if not 5 * 3600 <= one.at < 5.5 * 3600]
    folder = Folder({"access.log": missing, "app.log": behind(rng, calls)})
    left = folder.found().left(folder.requests())
    assert left.height == len(calls)
    assert left.filter(pl.col("source") == "app.log").height == len(calls) - len(missing)


@pytest.mark.parametrize("ids", [True, False])
def test_of_a_short_gap_hardly_anything_is_lost(ids: bool) -> None:
    """What is next to it, at most: half of what two minutes hold at either end."""
    rng = random.Random(21)
    calls = traffic(rng, 12_000, 2 * 3600)
    inner = behind(rng, calls) if not ids else [replace(one, at=one.at + 45, client_ip="172.17.0.2") for one in calls]
    missing = [one for one in calls if not 3700 <= one.at < 4000]
    folder = Folder({"access.log": missing if ids else without_ids(missing), "app.log": inner})
    left = folder.found().left(folder.requests())
    gap = len(calls) - len(missing)
    assert gap > 400
    assert left.filter(pl.col("source") == "app.log").height >= gap - 2 * gap / 5


def test_a_log_that_covers_more_time_counts_beyond_the_other_one() -> None:
    rng = random.Random(11)
    calls = without_ids(traffic(rng, 8000, 4 * 3600))
    folder = Folder({"access.log": [one for one in calls if one.at < 3600], "app.log": behind(rng, calls)})
    left = folder.found().left(folder.requests())
    assert abs(left.height - len(calls)) < 40


def test_request_ids_prove_it_where_times_do_not() -> None:
    """Of a server that has one log of two left, and whose clock is a minute ahead."""
    rng = random.Random(12)
    calls = traffic(rng, 2000, 3600)
    half = [replace(one, at=one.at + 60, client_ip="172.17.0.2") for one in calls if rng.random() < 0.5]
    named = [replace(one, device_id=f"d{one.device}", reason="token_expired") for one in half]
    found = Folder({"access.log": calls, "app.log": named}, {"app.log": "json"}).found()
    assert found.originals == {"app.log": "access.log"}
    # What it knows of devices, and of reasons, is heard.
    assert found.overheard["device_id"].count() == found.overheard["reason"].count() == found.told["app.log"]
    assert found.told["app.log"] == len(half)


def test_a_reason_that_only_the_server_knows_is_heard() -> None:
    rng = random.Random(14)
    calls = without_ids(traffic(rng, 2000, 3600))
    said = [replace(one, reason="token_expired" if one.status == 401 else None) for one in behind(rng, calls)]
    heard = Folder({"access.log": calls, "app.log": said}).found().overheard
    assert heard.height == sum(one.status == 401 for one in calls)
    assert set(heard["hint"].cast(pl.String)) == {"api", "refresh"}
    assert set(heard["stem"].cast(pl.String)) == {"me", "items", "orders", "refresh"}
