"""Scenarios: what a run simulates, as TOML. Their schema, their defaults, and errors that name file and key.

Times are hours since the log starts, durations of tokens and pauses are seconds.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from authforensics.config import decode_message, line_of
from authforensics.errors import BadValue, MissingInput, UnknownName
from authforensics.findings import Frozen
from authforensics.schema import Reason

Words = Annotated[tuple[str, ...], Field(strict=False)]
Span = Annotated[tuple[float, float], Field(strict=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Status = Annotated[int, Field(ge=100, le=599)]
Claim = Literal["key", "algorithm", "audience", "issuer"]
Platform = Literal["ios", "android", "web"]
Called = Literal["login", "refresh", "api", "logout"]
Why = Annotated[Reason, Field(strict=False)]


class _Part(Frozen):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ServerRules(_Part):
    """What the servers do."""

    access_lifetime: Positive = 900.0
    refresh_lifetime: Positive = 14 * 86400.0
    #: Each refresh starts the refresh lifetime anew.
    sliding: bool = True
    #: From the login on, however often it is refreshed.
    session_lifetime: Positive | None = None
    #: Browsers drop the cookie with the access token at this age.
    cookie_lifetime: Positive | None = None
    rotates: bool = True
    #: How long a refresh token that was used may be used again.
    reuse_grace: float = 30.0
    reuse_ends_session: bool = True
    leeway: float = 0.0
    #: How far the clock is ahead.
    clock: float = 0.0
    #: How long other instances don't know a new token.
    lag: float = 0.0
    mint: dict[Claim, str] = Field(default_factory=dict)
    #: Whose tokens get those claims.
    mint_by: Annotated[tuple[Literal["login", "refresh"], ...], Field(strict=False)] = ("login", "refresh")
    accept: dict[Claim, Words] = Field(default_factory=dict)
    unknown_key: Literal["signature_invalid", "key_not_found"] = "signature_invalid"
    enforces_logout: bool = True
    strips_header: bool = False
    refused_status: Status = 401
    refresh_refused_status: Status = 401
    #: Answers that are given whatever was asked.
    answers: dict[Called, Status] = Field(default_factory=dict)
    answers_share: Share = 1.0
    answers_reason: Why | None = None
    answers_text: str | None = None
    answers_by: Literal["application", "edge"] = "application"
    #: Share of calls that take seconds.
    slow: Share = 0.012


class Manners(_Part):
    """What a client does."""

    #: Refreshes so long before its token expires; 0: when it is refused.
    proactive: float = 0.0
    #: Refreshes before every visit, however fresh its token is.
    churns: bool = False
    on_denied: Literal["refresh", "ignore", "retry", "logout"] = "refresh"
    on_rejected: Literal["login", "loop", "wait", "ignore"] = "login"
    #: How long a new token that is refused is kept, with "wait".
    patience: Positive = 180.0
    on_refresh_denied: Literal["login", "ignore", "retry"] = "login"
    on_refresh_failed: Literal["keep", "logout"] = "keep"
    retries: int = 0
    retry_pause: Positive = 3.0
    #: Goes to the login when its app is opened anew and its session is over.
    wakes: Share = 0.25
    #: Parallel calls share one refresh.
    single_flight: bool = True
    adopts: Literal["always", "after_login", "never"] = "always"
    stores_rotated: bool = True
    #: Share of refreshes whose answer never arrives.
    loses_response: Share = 0.0
    sends: Literal["token", "malformed", "wrong_scheme"] = "token"
    refresh_sends: Literal["token", "nothing"] = "token"
    #: A connection that is made anew so often with the token that was there first.
    socket_every: Positive | None = None
    #: Calls that go on after a logout, and how far apart.
    after_logout: int = 0
    after_logout_pause: Positive = 20.0
    #: Share of requests of tokens in the query of the address.
    token_in_query: Share = 0.0


def _phones() -> dict[Platform, float]:
    return {"ios": 2.0, "android": 3.0}


class Group(_Part):
    """Devices of a kind."""

    name: str
    count: Annotated[int, Field(ge=1)]
    platforms: dict[Platform, Positive] = Field(default_factory=_phones)
    versions: dict[str, Positive] = Field(default_factory=lambda: {"3.4.0": 1.0, "3.4.1": 4.0})
    arrives: Span = (-1.0, 6.0)
    stays: Span = (1.0, 3.5)
    #: Seconds in use, out of use, and between visits, on average.
    active: Positive = 420.0
    away: Positive = 900.0
    pause: Positive = 40.0
    parallel: Annotated[int, Field(ge=1)] = 3
    tabs: Annotated[int, Field(ge=1)] = 1
    #: Shares: holds a token when it is first seen; logs out after use; changes its network between uses.
    signed_in: Share = 0.7
    logs_out: Share = 0.02
    roams: Share = 0.08
    mistypes: Share = 0.03
    #: So many devices share an address; 1: each has its own.
    nat: Annotated[int, Field(ge=1)] = 1
    #: One user has so many devices.
    devices_per_user: Annotated[int, Field(ge=1)] = 1
    #: "METHOD /path"; empty: the scenario's.
    calls: Words = ()
    #: An update to this version from that hour on, when the app is opened anew.
    updates: dict[str, float] = Field(default_factory=dict)
    manners: Manners = Manners()


class Strangers(_Part):
    """Who calls without ever having had a session."""

    scanners: int = 3
    monitors: int = 2
    crawlers: int = 2
    visitors: int = 25


class Intruder(_Part):
    """Who uses what isn't theirs."""

    kind: Literal["stuffing", "replay", "clone"]
    #: Stuffing: addresses and attempts in all. Replay and clone: victims.
    addresses: int = 12
    attempts: int = 2500
    success: Share = 0.004
    victims: int = 5


class Policy(_Part):
    """Settings of the servers that differ by design, for a time or for some."""

    #: In hours; null: from before the log begins, or until after it ends.
    since: float | None = None
    until: float | None = None
    #: To whom and what it applies; empty: all.
    groups: Words = ()
    platforms: Words = ()
    versions: Words = ()
    instances: Words = ()
    paths: Words = ()
    share: Share = 1.0
    server: ServerRules | None = None


class Fault(Policy):
    """One thing that is wrong, for a time and for some: its settings replace those of servers or clients."""

    cause: str
    #: Other answers that are right, too.
    also: Words = ()
    #: The least log that suffices to tell the cause.
    decidable: Literal["access", "application", "never"]
    #: Why less does not, where an access log alone is less.
    undecided: str | None = None
    #: What the log must tell, one of these, to show that anything is wrong; empty: any does. And why others don't.
    shown_by: Annotated[tuple[Literal["device_id", "reason"], ...], Field(strict=False)] = ()
    unseen: str | None = None
    #: Detectors of whole fleets that should see it; those of single devices follow from what each device did.
    detectors: Words = ()
    clients: Manners | None = None
    #: All sessions there are end when it begins, for this reason.
    ends_sessions: Why | None = None
    #: An update loses what its clients had stored, when they are next opened.
    forgets: bool = False
    intruder: Intruder | None = None
    #: The name of the deploy that brought it.
    deploy: str | None = None


class Logs(_Part):
    """What is written, unless the caller wants it otherwise."""

    format: str = "nginx_json"
    application: str | None = "pino"
    device_id: bool = True
    request_id: bool = True
    reason: bool = False
    resolution: Literal["ms", "s"] = "ms"
    #: Share of lines that get lost.
    lost: Share = 0.001


class Scenario(_Part):
    """A run."""

    title: str
    healthy: bool = False
    start: datetime = datetime(2025, 10, 7, 5, 0, tzinfo=UTC)
    hours: Positive = 8.0
    #: How long it runs before the log begins, and after it ends.
    margin: Positive = 1.0
    by_day: bool = False
    api: Literal["rest", "php", "versioned"] = "rest"
    instances: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("10.0.0.1:8080", "10.0.0.2:8080")
    #: A device is always served by the same instance.
    sticky: bool = False
    server: ServerRules = ServerRules()
    clients: Annotated[tuple[Group, ...], Field(strict=False, min_length=1)]
    strangers: Strangers = Strangers()
    policies: Annotated[tuple[Policy, ...], Field(strict=False)] = ()
    faults: Annotated[tuple[Fault, ...], Field(strict=False)] = ()
    #: Short times in which the edge answers 502 to everything: what nobody would call an incident.
    blips: Annotated[tuple[Span, ...], Field(strict=False)] = ()
    #: Deploys that did no harm: name to hour.
    deploys: dict[str, float] = Field(default_factory=dict)
    logs: Logs = Logs()

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return sum(group.count for group in self.clients)

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        names = [group.name for group in self.clients]
        if len(set(names)) < len(names):
            raise ValueError("groups of clients with names of their own")
        for fault in self.faults:
            for kind, named, known in (("groups", fault.groups, names), ("instances", fault.instances, self.instances)):
                if strange := set(named) - set(known):
                    raise ValueError(f"{kind} of '{fault.cause}' that exist, not {', '.join(sorted(strange))}")
            if fault.since is None and (fault.ends_sessions or fault.forgets or fault.deploy or fault.intruder):
                raise ValueError(f"'since' for '{fault.cause}': what happens once happens at a time")
        if self.healthy == any(fault.cause for fault in self.faults):
            raise ValueError("faults, or 'healthy = true'")
        return self


@cache
def packaged() -> dict[str, str]:
    """The scenarios that come with the package: name to text."""
    folder = files("authforensics.simulate") / "scenarios"
    found = {item.name.removesuffix(".toml"): item for item in folder.iterdir() if item.name.endswith(".toml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def load(name: str) -> Scenario:
    """A packaged scenario by its name, or one of your own by the path of its file, which ends in `.toml`.

    Raises:
        UnknownName: no scenario has that name, or a file has a key that doesn't exist.
        MissingInput: there is no such file.
        BadValue: the file isn't TOML, or a value isn't what is expected.
    """
    if not name.endswith(".toml"):
        if name not in packaged():
            raise UnknownName("scenario", name, packaged())
        return read(packaged()[name], f"{name}.toml")
    try:
        return read(Path(name).read_text(encoding="utf-8-sig"), name)
    except OSError as error:
        raise MissingInput(f"{name}: scenario can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{name}: expected TOML in UTF-8, found byte 0x{error.object[error.start]:02x}") from error


def read(text: str, place: str) -> Scenario:
    """A scenario from its text.

    Raises:
        UnknownName: it has a key that doesn't exist.
        BadValue: it isn't TOML, or a value isn't what is expected.
    """
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadValue(decode_message(Path(place), text, str(error))) from error
    except ValidationError as error:
        raise _explained(error.errors()[0], place, text) from error


def _explained(error: ErrorDetails, place: str, text: str) -> BadValue | UnknownName:
    """The first validation error as one line with its place."""
    key = tuple(str(part) for part in error["loc"] if isinstance(part, str) and part != "[key]")
    where = f"{place}:{_line(error['loc'], key, text)}"
    if error["type"] == "extra_forbidden":
        return UnknownName("key", key[-1], _keys_of(key[:-1]), where)
    if error["type"] == "missing":
        return BadValue(f"{where}: '{'.'.join(key)}' is missing")
    if error["type"] == "value_error":
        return BadValue(f"{where}: expected {error['msg'].removeprefix('Value error, ')}")
    expected = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return BadValue(f"{where}: {'.'.join(key)}: expected {expected}, found {error['input']!r}")


def _line(loc: tuple[int | str, ...], key: tuple[str, ...], text: str) -> int:
    """The line of a key: of tables that are repeated (`[[faults]]`), in the one that is meant."""
    lines, above = text.splitlines(), 0
    if len(loc) > 1 and isinstance(number := loc[1], int):
        heads = [at for at, line in enumerate(lines) if line.strip() == f"[[{loc[0]}]]"]
        above = heads[number] if number < len(heads) else 0
    return above + line_of("\n".join(lines[above:]), key)


_PARTS: dict[str, type[_Part]] = {
    "clients": Group,
    "faults": Fault,
    "policies": Policy,
    "server": ServerRules,
    "manners": Manners,
    "strangers": Strangers,
    "logs": Logs,
    "intruder": Intruder,
}


def _keys_of(table: tuple[str, ...]) -> list[str]:
    """The keys that a table may have."""
    part: type[_Part] = Scenario
    for name in table:
        part = Manners if (part, name) == (Fault, "clients") else _PARTS.get(name, part)
    return list(part.model_fields)
