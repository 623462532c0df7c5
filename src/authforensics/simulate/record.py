"""What happened, as the simulator knows it: actors, the tokens they hold, and every request with what it meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from authforensics.schema import Reason


class Kind(StrEnum):
    """What a request is for."""

    LOGIN = "login"
    REFRESH = "refresh"
    API = "api"
    LOGOUT = "logout"
    PUBLIC = "public"


@dataclass(slots=True)
class Actor:
    """Who sends requests: a device with the app, or a stranger."""

    name: str
    user: str | None
    platform: str
    version: str | None
    address: str
    agent: str
    group: str
    known: bool = True
    #: What the device says it is; strangers say nothing.
    device_id: str | None = None


@dataclass(slots=True)
class Family:
    """One login and all tokens that came of it."""

    number: int
    user: str
    started: float
    #: Why it is over, and the fault that ended it.
    ended: Reason | None = None
    ended_by: str | None = None
    logged_out: float | None = None


@dataclass(slots=True)
class Grant:
    """An access token and the refresh token that came with it. Times are those of the clock of who issued it."""

    number: int
    family: Family
    by: Kind
    issued: float
    instance: str
    claims: dict[str, str]
    #: Which fault gave a claim, or a lifetime, its value.
    flaws: dict[str, str]
    expires: float
    refresh_expires: float
    cookie_expires: float
    #: When the refresh token was first used.
    used: float | None = None
    accepted: bool = False


@dataclass(slots=True)
class Exchange:
    """One request and its answer, with what no log tells.

    `grant` is the number of the token it carried (0: none), `issued` of the one it got; `received`: whether the client
    saw the answer; `fault` the cause that made it what it is (null: as on a healthy day); `intent` what the client was
    about where that isn't plain; `age` the seconds since its token was issued.
    """

    actor: Actor
    kind: Kind
    method: str
    path: str
    started: float
    ended: float
    status: int
    size: int
    request_id: str
    address: str
    agent: str
    version: str | None
    user: str | None
    instance: str | None
    reason: Reason | None = None
    text: str | None = None
    grant: int = 0
    family: int = 0
    issued: int = 0
    age: float | None = None
    lifetime: float | None = None
    received: bool = True
    fault: str | None = None
    intent: str | None = None
    fresh_by: Kind | None = None
    logged_out: float | None = None
    #: The token as it was sent, where the log shows it.
    token: str | None = None

    @property
    def refused(self) -> bool:
        """Refused because of its credential, or the lack of one, as far as its status tells."""
        return 400 <= self.status < 500 and (self.reason is not None or self.status == 401)

    @property
    def explained(self) -> bool:
        """Refused by somebody who knows why."""
        return self.refused and self.reason is not None

    @property
    def accepted(self) -> bool:
        """An answer that proves the credential."""
        return self.kind is Kind.API and self.status < 400 and self.grant > 0

    @property
    def writes(self) -> bool:
        """Changes something on the server."""
        return self.method in {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(slots=True)
class Record:
    """All requests of a run, in the order in which they ended."""

    actors: list[Actor] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
