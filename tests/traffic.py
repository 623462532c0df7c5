"""Made requests, and what several logs tell of them; shared by tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from authforensics.correlate import echoes
from authforensics.correlate.twins import twins
from authforensics.schema import REQUESTS

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)


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
                "timestamp": BEGIN + timedelta(seconds=one.at),
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
        requests = self.requests().lazy()
        return echoes.settled(requests, twins(requests, sets, kinds, self.fixed, self.naive), sets)


def told(found: echoes.Echoes) -> dict[str, int]:
    return dict(found.told)


def dealt(rng: random.Random, calls: Sequence[Call], choose: Callable[[int, Call], int]) -> dict[str, Sequence[Call]]:
    """The requests as a balancer deals them out."""
    logs: dict[str, list[Call]] = {"one.log": [], "other.log": []}
    for number, one in enumerate(calls):
        logs[("one.log", "other.log")[choose(number, one)]].append(one)
    return {name: calls for name, calls in logs.items() if calls}


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
