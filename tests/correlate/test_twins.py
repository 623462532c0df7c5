"""Logs of servers that share the requests are not taken for logs of the same ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.correlate.twins import twins
from authforensics.schema import REQUESTS
from examples import examples
from traffic import Call, Folder, behind, dealt, sessions, told, traffic, without_ids

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


@pytest.mark.parametrize("address", [None, "172.17.0.1"])
@pytest.mark.parametrize("seed", range(3))
def test_servers_that_take_turns_at_each_call_count_each(address: str | None, seed: int) -> None:
    """Their counts never differ by more than 1: those of a client, by its address or its user agent, do."""
    rng = random.Random(seed)
    turns = {route: itertools.count() for route in ("/graphql", "/auth/refresh")}
    logs = dealt(rng, sessions(rng, 800, 3600, address), lambda _, one: next(turns[one.route]) % 2)
    assert told(Folder(logs).found()) == {}


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


def test_servers_that_share_requests_do_so_in_any_zone() -> None:
    rng = random.Random(19)
    calls = without_ids(traffic(rng, 5000, 12 * 3600))
    folder = Folder(dealt(rng, calls, lambda _, __: rng.randrange(2)), naive=("one.log", "other.log"))
    assert told(folder.found()) == {}


def test_one_log_is_not_looked_at() -> None:
    """That costs nothing where there is one log, or one in parts."""
    nothing = pl.LazyFrame(schema=REQUESTS).map_batches(lambda frame: pytest.fail("was read"))
    assert twins(nothing, {"a.log": "a", "a.log.1": "a"}, {}) == []
