"""Two logs of the same requests count once; logs of servers that share the requests count each."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.correlate import echoes
from authforensics.schema import REQUESTS
from examples import examples

_BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)
_CALLS = (("GET", "/api/me", 40), ("GET", "/api/items", 30), ("POST", "/api/orders", 12), ("POST", "/auth/refresh", 18))
_STATUSES = ((200, 90), (401, 8), (404, 2))


@dataclass(frozen=True)
class Call:
    """One request, as a log tells of it."""

    at: float
    device: int
    method: str
    route: str
    status: int
    request_id: int | None = None
    device_id: str | None = None
    client_ip: str = ""
    reason: str | None = None


def traffic(rng: random.Random, count: int, seconds: float, devices: int = 50) -> list[Call]:
    """Requests of devices that don't wait for each other."""
    methods = [(method, route) for method, route, _ in _CALLS]
    made = []
    for number, at in enumerate(sorted(rng.uniform(0, seconds) for _ in range(count))):
        method, route = rng.choices(methods, [weight for *_, weight in _CALLS])[0]
        status = rng.choices([one for one, _ in _STATUSES], [weight for _, weight in _STATUSES])[0]
        device = rng.randrange(devices)
        made.append(Call(at, device, method, route, status, number + 1, client_ip=f"10.0.0.{device}"))
    return made


def behind(rng: random.Random, calls: Sequence[Call], late: float = 0.05) -> list[Call]:
    """What the server behind the proxy tells of them: a little earlier, and it knows the proxy only."""
    return [replace(one, at=one.at - rng.uniform(0, late), client_ip="172.17.0.2", request_id=None) for one in calls]


def without_ids(calls: Sequence[Call]) -> list[Call]:
    return [replace(one, request_id=None) for one in calls]


@dataclass(frozen=True)
class Folder:
    """Logs by their names, the format of each, and folders that the configuration names."""

    logs: Mapping[str, Sequence[Call]]
    kinds: dict[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    naive: tuple[str, ...] = ()

    def requests(self) -> pl.DataFrame:
        """All of them as REQUESTS."""
        rows = [
            {
                "system": name.rpartition("/")[0] or "logs",
                "source": name,
                "line_number": number,
                "timestamp": _BEGIN + timedelta(seconds=one.at),
                "timed": False,
                "method": one.method,
                "route": one.route,
                "status": one.status,
                "client_ip": one.client_ip,
                "user_agent": f"App/{one.device % 7}",
                "device_id": one.device_id,
                "request_id": None if one.request_id is None else one.request_id * 7_919_999_999_999 % 2**64,
                "reason": one.reason,
            }
            for name, calls in self.logs.items()
            for number, one in enumerate(calls, start=1)
        ]
        return pl.DataFrame(rows, schema=REQUESTS)

    def found(self) -> echoes.Echoes:
        """What is found of them."""
        sets = {name: name for name in self.logs}
        kinds = {name: self.kinds.get(name, "combined") for name in self.logs}
        return echoes.find(self.requests().lazy(), sets, kinds, self.fixed, self.naive)


def told(found: echoes.Echoes) -> dict[str, int]:
    return dict(found.told)


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


def dealt(rng: random.Random, calls: Sequence[Call], choose: Callable[[int, Call], int]) -> dict[str, Sequence[Call]]:
    """The requests as a balancer deals them out."""
    logs: dict[str, list[Call]] = {"one.log": [], "other.log": []}
    for number, one in enumerate(calls):
        logs[("one.log", "other.log")[choose(number, one)]].append(one)
    return {name: calls for name, calls in logs.items() if calls}


_BALANCERS: dict[str, Callable[[random.Random], Callable[[int, Call], int]]] = {
    "random": lambda rng: lambda _, __: rng.randrange(2),
    "round robin": lambda _: lambda number, __: number % 2,
    "by address": lambda _: lambda __, one: one.device % 2,
    "by address, one of many": lambda _: lambda __, one: int(one.device < 3),
    "by call": lambda _: lambda __, one: int(one.method == "GET"),
}


@pytest.mark.parametrize("balancer", _BALANCERS)
@examples(0.5)
@given(
    seed=st.integers(0, 1 << 16), count=st.sampled_from([100, 1000, 5000]), seconds=st.sampled_from([120, 600, 36_000])
)
def test_what_servers_share_counts_each(balancer: str, seed: int, count: int, seconds: int) -> None:
    rng = random.Random(seed)
    calls = without_ids(traffic(rng, count, seconds))
    assert told(Folder(dealt(rng, calls, _BALANCERS[balancer](rng))).found()) == {}


def sessions(rng: random.Random, count: int, seconds: float, address: str | None = None) -> list[Call]:
    """Requests of devices that send a few in a row."""
    methods = [("POST", "/graphql"), ("POST", "/auth/refresh")]
    made = []
    for begin in (rng.uniform(0, seconds) for _ in range(count)):
        device = rng.randrange(50)
        for number in range(rng.randint(2, 9)):
            method, route = rng.choice(methods)
            at = begin + number * rng.uniform(0.2, 1.5)
            made.append(Call(at, device, method, route, 200, client_ip=address or f"10.0.0.{device}"))
    return sorted(made, key=lambda one: one.at)


@pytest.mark.parametrize("address", [None, "172.17.0.1"])
@pytest.mark.parametrize("seed", range(3))
def test_servers_that_take_turns_at_each_call_count_each(address: str | None, seed: int) -> None:
    """Their counts never differ by more than 1: those of a client, by its address or its user agent, do."""
    rng = random.Random(seed)
    turns = {route: itertools.count() for route in ("/graphql", "/auth/refresh")}
    logs = dealt(rng, sessions(rng, 800, 3600, address), lambda _, one: next(turns[one.route]) % 2)
    assert told(Folder(logs).found()) == {}


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


def test_servers_with_clients_of_their_own_count_each() -> None:
    """Apps that are all woken at the same time, and half of them call one server, half the other one."""
    rng = random.Random(18)
    calls = []
    for begin in sorted(rng.uniform(0, 7200) for _ in range(80)):
        for device in range(56):
            at, address = begin + rng.uniform(0, 3), f"10.0.0.{device}"
            calls.append(Call(at, device, "GET", "/api/items", 200, client_ip=address))
            calls.append(Call(at + 0.5, device, "POST", "/ack", 200, client_ip=address))
    calls.sort(key=lambda one: one.at)
    assert told(Folder(dealt(rng, calls, lambda _, one: int(one.device < 28))).found()) == {}


def broadcasts(rng: random.Random, kinds: int) -> list[Call]:
    """What all servers are told at once, now and then."""
    at = [(rng.uniform(0, 7200), f"/purge/{kind}") for kind in range(kinds) for _ in range(40)]
    return [Call(when, 0, "POST", route, 200, client_ip="10.9.9.9") for when, route in at]


def test_what_all_servers_are_told_proves_nothing_of_what_they_share() -> None:
    rng = random.Random(19)
    everywhere = broadcasts(rng, 10)
    calls = [replace(one, method="POST", route="/graphql", status=200) for one in traffic(rng, 5000, 7200)]
    shared = dealt(rng, without_ids(calls), lambda _, __: rng.randrange(2))
    logs = {name: sorted([*some, *everywhere], key=lambda one: one.at) for name, some in shared.items()}
    assert told(Folder(logs).found()) == {}


def test_calls_whose_counts_differ_count_each() -> None:
    """Those of probes that each server gets of its own, beside many calls that are the same."""
    rng = random.Random(20)
    calls = without_ids(traffic(rng, 3000, 7200))
    probes = [[Call(rng.uniform(0, 7200), 0, "GET", "/healthz", 200) for _ in range(100)] for _ in range(2)]
    logs = {"access.log": [*calls, *probes[0]], "app.log": [*behind(rng, calls), *probes[1]]}
    folder = Folder({name: sorted(log, key=lambda one: one.at) for name, log in logs.items()})
    left = folder.found().left(folder.requests())
    assert left["route"].cast(pl.String).eq("/healthz").sum() == 200
    assert left.height == len(calls) + 200


def test_few_requests_prove_nothing() -> None:
    rng = random.Random(20)
    calls = without_ids(traffic(rng, 30, 3600))
    assert told(Folder({"access.log": calls, "app.log": behind(rng, calls)}).found()) == {}


def test_probes_at_regular_intervals_prove_nothing() -> None:
    """Two servers that are probed as often as each other, and share few requests."""
    rng = random.Random(3)
    probes = [
        {
            name: [Call(at + start, 0, "GET", route, 200) for at in range(0, 3600, every)]
            for name, start in (("one.log", 1), ("other.log", 1 + apart))
        }
        for route, every, apart in (("/healthz", 10, 0), ("/metrics", 15, 4), ("/readyz", 5, 2))
    ]
    shared = dealt(rng, without_ids(traffic(rng, 60, 3600)), lambda _, __: rng.randrange(2))
    logs = {
        name: sorted([*calls, *(one for each in probes for one in each[name])], key=lambda one: one.at)
        for name, calls in shared.items()
    }
    assert told(Folder(logs).found()) == {}


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
    real = sorted(_BEGIN.timestamp() * 1000 + one.at * 1000 for one in calls if one.status == 401)
    assert all(abs(one - other) < 200 for one, other in zip(times, real, strict=True))


def test_servers_that_share_requests_do_so_in_any_zone() -> None:
    rng = random.Random(19)
    calls = without_ids(traffic(rng, 5000, 12 * 3600))
    folder = Folder(dealt(rng, calls, lambda _, __: rng.randrange(2)), naive=("one.log", "other.log"))
    assert told(folder.found()) == {}


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


def test_ids_that_services_pass_on_prove_nothing() -> None:
    """A request of a user is several among services: of one id, but of other calls."""
    rng = random.Random(13)
    calls = traffic(rng, 2000, 3600)
    inner = [replace(one, method="GET", route="/internal/users") for one in calls]
    assert told(Folder({"access.log": calls, "users.log": inner}).found()) == {}


@pytest.mark.parametrize("restart", [100, 500])
def test_ids_that_are_counted_anew_prove_nothing(restart: int) -> None:
    """Of two servers that have each id, sooner or later, of each call."""
    rng = random.Random(21)
    logs = dealt(rng, traffic(rng, 10_000, 36_000), lambda _, __: rng.randrange(2))
    counted = {
        name: [
            replace(one, request_id=at % restart + 1, device=0, client_ip="10.0.0.1") for at, one in enumerate(calls)
        ]
        for name, calls in logs.items()
    }
    assert told(Folder(counted).found()) == {}


def test_ids_that_servers_count_side_by_side_prove_nothing() -> None:
    """They take turns, and nearly all is one call: the same id is one of the same call, a moment later."""
    rng = random.Random(22)
    calls = [replace(one, method="POST", route="/graphql", status=200) for one in traffic(rng, 5000, 7200)]
    calls = [replace(one, route="/login") if rng.random() < 0.02 else one for one in calls]
    logs = dealt(rng, calls, lambda number, _: number % 2)
    counted = {name: [replace(one, request_id=at) for at, one in enumerate(some, 1)] for name, some in logs.items()}
    assert told(Folder(counted).found()) == {}


def test_a_reason_that_only_the_server_knows_is_heard() -> None:
    rng = random.Random(14)
    calls = without_ids(traffic(rng, 2000, 3600))
    said = [replace(one, reason="token_expired" if one.status == 401 else None) for one in behind(rng, calls)]
    heard = Folder({"access.log": calls, "app.log": said}).found().overheard
    assert heard.height == sum(one.status == 401 for one in calls)
    assert set(heard["hint"].cast(pl.String)) == {"api", "refresh"}
    assert set(heard["stem"].cast(pl.String)) == {"me", "items", "orders", "refresh"}


def test_one_log_is_not_looked_at() -> None:
    """That costs nothing where there is one log, or one in parts."""
    nothing = pl.LazyFrame(schema=REQUESTS).map_batches(lambda frame: pytest.fail("was read"))
    assert echoes.find(nothing, {"a.log": "a", "a.log.1": "a"}, {}).originals == {}
