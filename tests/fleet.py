"""A fleet of devices and the server they talk to, simulated: what it logs, and who was refused why and when.

The server's rules are functions of the time in seconds since the log starts. Each device lives by itself, with its own seeded
randomness. The record (`World.requests`) knows the reason of each refusal whether or not the log that is written tells it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from random import Random

LOG_STARTS = datetime(2025, 11, 4, 6, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NEVER = float("inf")

Call = tuple[str, str]
LOGIN: Call = ("POST", "/auth/login")
_REFRESH: Call = ("POST", "/auth/refresh")
_CALLS: tuple[Call, ...] = (
    ("GET", "/api/orders"),
    ("POST", "/api/orders"),
    ("GET", "/api/cart"),
    ("GET", "/api/products/{}"),
)


class LogStyle(StrEnum):
    """How much the log tells."""

    JSON = "json"  # devices, versions, upstreams and durations, but no reasons
    JSON_REASONS = "json_reasons"  # the same, and why a call was refused
    COMBINED = "combined"  # whole seconds, no durations, only address and user agent to tell devices apart


class Refusal(StrEnum):
    """Why the server refused, in the words it logs."""

    EXPIRED = "jwt expired"
    SIGNATURE = "invalid signature"
    REFRESH_EXPIRED = "refresh token expired"
    NO_TOKEN = "missing token"
    PASSWORD = "invalid password"


@dataclass(frozen=True)
class Token:
    """An access token and the refresh token that came with it."""

    key: str
    expires: float
    refresh_expires: float


@dataclass(frozen=True)
class Device:
    """One client and its manners."""

    number: int
    start: float = 0.0
    stop: float = NEVER
    pause: float = 45.0  # on average, between two visits
    signed_in: bool = False  # holds a token when it is first seen
    proactive: bool = False  # refreshes a minute before the token expires
    refreshes: bool = True
    gives_up: bool = True  # goes to the login when refused for good; else it calls on
    patient: bool = True  # tries again later where a refresh has no verdict; else it goes to the login
    parallel: int = 1  # at most so many calls at once
    version: str = "3.4.1"
    address: str = ""
    user_agent: str = ""

    @property
    def platform(self) -> str:
        """The operating system."""
        return "android" if self.number % 3 else "ios"

    @property
    def ip(self) -> str:
        """The address it calls from: its own, unless it is behind a shared one."""
        return self.address or f"10.20.{self.number // 200}.{self.number % 200 + 1}"

    @property
    def agent(self) -> str:
        """The user agent it sends."""
        return self.user_agent or f"ShopApp/{self.version} ({self.platform}; model {self.number})"


@dataclass(frozen=True)
class Request:
    """One answered request, as the simulator knows it."""

    ended: float
    took: float
    device: Device
    method: str
    path: str
    status: int
    upstream: str
    refusal: Refusal | None


@dataclass
class Server:
    """What the server does, as functions of the time."""

    upstreams: tuple[str, ...] = ("10.1.0.1:8080",)
    signs_with: Callable[[float], str] = lambda _: "current"
    accepts: Callable[[float, Token, str], bool] = lambda _, token, __: token.key == "current"
    access_lifetime: Callable[[float], float] = lambda _: 15 * MINUTE
    refresh_lifetime: Callable[[float], float] = lambda _: 30 * DAY
    session_lifetime: float = NEVER  # from the login on, however often it refreshes
    is_down: Callable[[float], bool] = lambda _: False
    refresh_is_down: Callable[[float], bool] = lambda _: False

    def issue(self, at: float, session_started: float) -> Token:
        """Give a token to a session."""
        refresh_expires = min(at + self.refresh_lifetime(at), session_started + self.session_lifetime)
        return Token(self.signs_with(at), at + self.access_lifetime(at), refresh_expires)

    def judge_call(self, at: float, token: Token, upstream: str) -> Refusal | None:
        """Why a call is refused, if it is."""
        if not self.accepts(at, token, upstream):
            return Refusal.SIGNATURE
        return Refusal.EXPIRED if at > token.expires else None


@dataclass
class World:
    """A server, its devices' requests, and the log of them."""

    server: Server
    hours: float = 4.0
    seed: int = 1
    slow_refusals: bool = False  # a refusal may take seconds, while new calls are answered at once
    requests: list[Request] = field(default_factory=list)

    @property
    def end(self) -> float:
        """When the log ends."""
        return self.hours * HOUR

    def live(self, devices: Iterable[Device]) -> World:
        """Let devices live until the log ends."""
        for device in devices:
            _Client(self, device).live()
        return self

    def refuse(self, at: float, device: Device, call: Call, refusal: Refusal) -> None:
        """Refuse one call of somebody who has no session."""
        self.answer(at, device, call, lambda _: refusal, Random(f"{self.seed} {device.number} {at}"))

    def answer(
        self, at: float, device: Device, call: Call, judge: Callable[[str], Refusal | None], random: Random
    ) -> Request:
        """Answer a request through one of the upstreams; `judge` says whether that one refuses it."""
        upstream = random.choice(self.server.upstreams)
        down = self.server.is_down(at) or (call == _REFRESH and self.server.refresh_is_down(at))
        refusal = None if down else judge(upstream)
        took = abs(random.gauss(0.05, 0.015)) + 0.005
        if refusal is not None and self.slow_refusals:
            took = random.choice((0.05, 0.05, 1.5, 4.0))
        status = 502 if down else 200 if refusal is None else 401
        answered = Request(at + took, took, device, *call, status, upstream, refusal)
        self.requests.append(answered)
        return answered

    def refused(self, *refusals: Refusal) -> Iterator[Request]:
        """The requests that were refused for one of these reasons."""
        return (one for one in self.requests if one.refusal in refusals)

    def write(self, path: Path, style: LogStyle) -> None:
        """Write the log: a line when a request ends, as servers do."""
        with path.open("w", encoding="utf-8") as file:
            for one in sorted(self.requests, key=lambda one: one.ended):
                file.write(_combined_line(one) if style is LogStyle.COMBINED else _json_line(one, style))


class _Client:
    """One device at work."""

    def __init__(self, world: World, device: Device) -> None:
        self._world, self._device, self._now = world, device, device.start
        self._random = Random(f"{world.seed} {device.number}")
        self._session_started = self._now
        self._token: Token | None = None
        if device.signed_in:
            issued = self._now - self._random.uniform(0, world.server.access_lifetime(0))
            self._session_started, self._token = issued, world.server.issue(issued, issued)

    def live(self) -> None:
        """Visit until the log ends; login where there is no session."""
        while self._now < min(self._device.stop, self._world.end):
            if self._token is None and not self._login():
                self._wait(5, 30)
            elif self._visit():
                self._now += self._random.expovariate(1 / self._device.pause)
            else:
                self._token = None
                self._wait(10, 60)

    def _visit(self) -> bool:
        """Make the calls of one visit; whether there is still a session to go on with."""
        device = self._device
        assert self._token is not None
        if device.proactive and self._now > self._token.expires - MINUTE:
            self._refresh()
        if self._call() or not device.refreshes:
            return True
        status = self._refresh()
        over = status == 401 or (status == 502 and not device.patient) or (status == 200 and not self._call())
        return not (over and device.gives_up)

    def _call(self) -> bool:
        """Call the API, several times at once if the device does that; whether none was refused."""
        device, token = self._device, self._token
        assert token is not None
        starts, answers = [], []
        for _ in range(self._random.randint(1, device.parallel)):
            starts.append(self._now + (self._random.uniform(0, 0.3) if device.parallel > 1 else 0))
            method, path = self._random.choice(_CALLS)
            call = method, path.format(self._random.randint(1, 999))
            judge = partial(self._world.server.judge_call, starts[-1], token)
            answers.append(self._world.answer(starts[-1], device, call, judge, self._random))
        refused = [one.ended for one in answers if one.refusal is not None]
        # The first refusal is acted upon; the others may still be on their way.
        self._now = max(min(refused or [answers[-1].ended]), *starts, 0) + 0.01
        return not refused

    def _login(self) -> bool:
        answered = self._world.answer(self._now, self._device, LOGIN, lambda _: None, self._random)
        self._now = answered.ended + 0.05
        if answered.status == 200:
            self._session_started = answered.ended
            self._token = self._world.server.issue(answered.ended, answered.ended)
        return answered.status == 200

    def _refresh(self) -> int:
        """Refresh, a device with parallel calls up to three times at once; the status of the answer."""
        token, at = self._token, self._now
        assert token is not None
        refusal = Refusal.REFRESH_EXPIRED if at > token.refresh_expires else None
        copies = self._random.randint(1, min(3, self._device.parallel))
        answers = [
            self._world.answer(at, self._device, _REFRESH, lambda _: refusal, self._random) for _ in range(copies)
        ]
        answered = max(answers, key=lambda one: one.ended)
        self._now = answered.ended + 0.02
        if answered.status == 200:
            self._token = self._world.server.issue(answered.ended, self._session_started)
        return answered.status

    def _wait(self, least: float, most: float) -> None:
        self._now += self._random.uniform(least, most)


def _json_line(one: Request, style: LogStyle) -> str:
    device = one.device
    fields = {
        "time": f"{LOG_STARTS + timedelta(seconds=one.ended):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "remote_addr": device.ip,
        "method": one.method,
        "path": one.path,
        "status": one.status,
        "request_time": round(one.took, 3),
        "user_agent": device.agent,
        "device_id": f"device-{device.number:04d}",
        "upstream_addr": one.upstream,
        "app_version": device.version,
        "platform": device.platform,
    }
    if style is LogStyle.JSON_REASONS and one.refusal is not None:
        fields["error"] = one.refusal.value
    return json.dumps(fields) + "\n"


def _combined_line(one: Request) -> str:
    ended = LOG_STARTS + timedelta(seconds=one.ended)
    request = f'"{one.method} {one.path} HTTP/1.1" {one.status} 512 "-" "{one.device.agent}"'
    return f"{one.device.ip} - - [{ended:%d/%b/%Y:%H:%M:%S} +0000] {request}\n"
