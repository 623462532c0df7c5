"""What is claimed and by which lines: `Finding`, `Evidence`, `Incident`, `RootCause`, frozen.

A finding without evidence can't be constructed. Severity says how bad it is, confidence how sure we are: two things.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


class Severity(StrEnum):
    """How bad it is, for those who are affected."""

    NONE = "none"  # benign
    LOW = "low"  # noise or cost only, or a single device
    MEDIUM = "medium"  # a user group or a slow bleed, three devices or more; or one device for over an hour
    HIGH = "high"  # locked out or data lost for three devices or more; or a slow bleed for 10 % of them
    CRITICAL = "critical"  # locked out or data lost for 10 % of the active devices, or 20 of them

    @property
    def rank(self) -> int:
        """0 for none to 4 for critical."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """How sure we are."""

    LOW = "low"  # weak identity or a small sample
    MEDIUM = "medium"  # the pattern alone
    HIGH = "high"  # a deciding observation (a reason in the log, two independent checks) and nothing weighty against

    @property
    def rank(self) -> int:
        """0 for low to 2 for high."""
        return list(Confidence).index(self)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, as everywhere in the document."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def duration(seconds: float) -> str:
    """A duration by its two largest units: `3 h 12 min`."""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95 and seconds % 1:
        return f"{seconds:.1f} s"
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        amount, rest = divmod(rest, size)
        if amount or parts:
            parts.append((amount, unit))
    return " ".join(f"{amount} {unit}" for amount, unit in parts[:2] if amount)


def lost(writes: float) -> str:
    """How many writes were lost, as the end of a sentence: `, 3 writes lost`; nothing where none was."""
    return f", {writes:,.0f} write{'' if writes == 1 else 's'} lost" if writes else ""


Moment = Annotated[datetime, PlainSerializer(iso, return_type=str, when_used="json")]


class Frozen(BaseModel):
    """A record that can't be changed and refuses fields it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(Frozen):
    """One log line that carries a claim. `role`: primary lines are the claim, context lines are its surroundings."""

    source: str
    line_number: int = Field(ge=1)
    timestamp: Moment
    auth_event: str
    role: Literal["primary", "context"] = "primary"
    text: str = ""


class Finding(Frozen):
    """One pattern seen on one device, or on the fleet (`device_id` null); `devices` 0: it is about the log itself."""

    id: str
    system: str
    detector: str
    severity: Severity
    confidence: Confidence
    device_id: str | None
    devices: int = Field(ge=0)
    first_seen: Moment
    last_seen: Moment
    ongoing: bool
    count: int = Field(ge=1)
    reason: str | None
    summary: str
    measures: dict[str, float | int | str]
    evidence: tuple[Evidence, ...] = Field(min_length=1)


class Phase(Frozen):
    """A stretch of an incident in which most of the affected devices were in one predicament."""

    name: Literal["refresh_denied", "refresh_ok_api_denied", "api_denied", "recovering", "recovered"]
    first_seen: Moment
    last_seen: Moment


class Scope(Frozen):
    """The dimension values that the incident is confined to; an empty list: not confined in that dimension.

    `client` is the product that the user agent names first, `network` the /24 (IPv6: /48) of the address.
    """

    upstream: tuple[str, ...] = ()
    app_version: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    key_id: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    network: tuple[str, ...] = ()


#: How the name of a deploy begins that is none, but the clock of a log that goes back.
CLOCK = "the step back of the clock of "


class Deploy(Frozen):
    """What was deployed or restarted, and when; or what else changed then."""

    time: Moment
    name: str


class Preceding(Deploy):
    """A deploy shortly before an incident.

    `seconds` from it to the onset, under a second negative where it is within the clocks' resolution; `chance` is the
    probability that one of so many deploys is so close by accident.
    """

    seconds: float
    chance: float = Field(ge=0, le=1)


class RootCause(Frozen):
    """One explanation of an incident, with what a person can check for and against it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    cause: str
    title: str
    confidence: Confidence
    score: float = Field(ge=0, le=1)
    for_: tuple[str, ...] = Field(alias="for")
    against: tuple[str, ...]
    missing: tuple[str, ...]
    check: str
    remediation: str


class Renewed(Frozen):
    """New tokens are accepted again: those given `since`, `used` by now, of which so many were `accepted`."""

    since: Moment
    used: int = Field(ge=1)
    accepted: int = Field(ge=1)

    def told(self, ill: int) -> str:
        """In words, with the number of devices that are still refused."""
        who = {0: "old ones are still refused", 1: "1 device goes on with an old one"}
        rest = who.get(ill, f"{ill:,} devices go on with old ones")
        return (
            f"new tokens accepted since {self.since:%Y-%m-%d %H:%M:%S} UTC ({self.accepted:,} of {self.used:,}); {rest}"
        )


class Incident(Frozen):
    """Findings that share time, kind and scope.

    `first_seen`: the first event of it in the log, mostly a refusal, with which the phases begin; or, where a session
    is used by somebody else, what he did before.
    `ongoing`: refusals have not stopped when the log ends; of the devices that were not accepted again, `devices_ill`
    were refused shortly before that. `devices_obeyed`: devices that are not affected, because theirs ended with their
    sessions, and they logged in again or left.
    `device_ids` is complete: every device with a denial that belongs to it. `users` are those that used these devices
    last, as far as the log names them; null: it names none. `deploys` are those shortly before its
    onset, the last first. `renewed`: new tokens were refused, and are not any more, but older ones are; null elsewhere.
    """

    id: str
    system: str
    title: str
    summary: str
    detectors: tuple[str, ...] = Field(min_length=1)
    severity: Severity
    first_seen: Moment
    last_seen: Moment
    ongoing: bool
    devices: int = Field(ge=1)
    users: int | None = None
    device_ids: tuple[str, ...] = Field(min_length=1)
    devices_seen: int = Field(ge=1)
    devices_recovered: int = Field(ge=0)
    devices_ill: int = Field(ge=0)
    devices_obeyed: int = Field(ge=0, default=0)
    requests_denied: int = Field(ge=0)
    writes_lost: int = Field(ge=0)
    device_seconds: float = Field(ge=0)
    findings: tuple[str, ...] = Field(min_length=1)
    scope: Scope
    deploys: tuple[Preceding, ...] = ()
    renewed: Renewed | None = None
    phases: tuple[Phase, ...]
    root_causes: tuple[RootCause, ...] = Field(min_length=1)

    @property
    def outcome(self) -> Literal["ongoing", "relieved", "over", "unproven"]:
        """Unproven: refusals have stopped, but no device was seen to be accepted since its last one.

        Relieved: they have not stopped, but every device was accepted since.
        """
        if self.ongoing:
            return "relieved" if self.devices_recovered == self.devices else "ongoing"
        return "over" if self.devices_recovered else "unproven"
