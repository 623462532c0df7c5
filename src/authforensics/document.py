"""The frozen, versioned result that every renderer reads: JSON, loads back from its own JSON, has a JSON Schema."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from authforensics.devices import Client, Recovery
from authforensics.errors import BrokenInput
from authforensics.findings import Deploy, Finding, Frozen, Incident, Moment, Severity

SCHEMA: Final = "authforensics/1"


class Run(Frozen):
    """This run: the only part that differs between two runs on the same input.

    `stages` has the seconds of each pass: `read` (over the files), `survey` (over the partitions, for refusals that
    messages may explain), `study` (over the partitions: sessions, states, detectors), `diagnose` and `document`.
    """

    version: str
    started_at: Moment
    seconds: float
    stages: dict[str, float] = Field(default_factory=dict)
    partitions: int = 1
    options: dict[str, Any]


class Verdict(Frozen):
    """The answer, in one sentence a person on call can act on."""

    severity: Severity | Literal["unknown"]
    headline: str


class Rung(Frozen):
    """One rung of the identity ladder that was used: `share` of the requests it identifies."""

    key: str
    share: float
    confidence: Literal["high", "medium", "low"]


class Identity(Frozen):
    """How devices were told apart.

    `crowded`: several pass for one, as nearly all requests carry the address of a proxy: `devices` are too few.
    """

    ladder: tuple[Rung, ...]
    devices: int
    crowded: bool = False


class Lifetime(Frozen):
    """A lifetime in seconds: it is in [`low`, `high`]; `seconds` is the round value in there, or the best estimate.

    `counts_from` says what starts a refresh token's, where the log tells: the login, or each refresh anew (then it ends
    sessions that rest). It holds for tokens given from `since` on and before `until`, to clients of these platforms and
    versions; null, empty: all. `partial`: only for some of these, and nothing in the log tells which.
    """

    seconds: float
    low: float
    high: float
    samples: int
    how: Literal["claims", "inferred"]
    counts_from: Literal["login", "refresh"] | None = None
    since: Moment | None = None
    until: Moment | None = None
    platform: tuple[str, ...] = ()
    app_version: tuple[str, ...] = ()
    partial: bool = False


class Lifetimes(Frozen):
    """The lifetimes of both tokens, where the log tells them. `note` says what a person should know about them.

    Where there are several of one token, `access` and `refresh` are the last that most tokens had, and the `_others`
    the rest. Where none is known, `_at_least` is the age at which tokens were still accepted.
    """

    access: Lifetime | None = None
    refresh: Lifetime | None = None
    access_others: tuple[Lifetime, ...] = ()
    refresh_others: tuple[Lifetime, ...] = ()
    access_at_least: float | None = None
    refresh_at_least: float | None = None
    note: str | None = None


class Join(Frozen):
    """How the application log's messages were joined to requests."""

    messages: int
    denials: int
    explained: int
    how: dict[str, int]


class Offset(Frozen):
    """By how many seconds the clock of a log is ahead of that of another log of the same traffic.

    `seconds` is the median over `pairs` of lines about one request, `spread` the median of what they differ from it;
    `how` these were found: by `request_id`, by `requests` that both logs tell of, or by the `refusals` that messages
    speak of. `note` says what is to be known of one that matters: it is more than clocks may differ by.
    """

    source: str
    against: str
    seconds: float
    spread: float
    pairs: int
    how: Literal["request_id", "requests", "refusals"]
    note: str | None = None


class System(Frozen):
    """The files of one folder (or of folders that share ids): judged by itself."""

    system: str
    sources: tuple[str, ...]
    requests: int
    messages: int
    first_seen: Moment | None
    last_seen: Moment | None
    identity: Identity
    lifetimes: Lifetimes
    join: Join
    out_of_order: float
    offsets: tuple[Offset, ...] = ()
    notes: tuple[str, ...] = ()


class Unit(Frozen):
    """The unit that the numbers of a field are taken in: of a duration, or of a time since 1970.

    `how` that is known: the `name` says it (or the product, by the other names), the `values` do (by their size, or
    each names its own: then `unit` is null if they differ), or neither does, and the usual one is `assumed`.
    """

    field: str
    kind: Literal["duration", "time"]
    unit: Literal["ns", "us", "ms", "s"] | None
    how: Literal["name", "values", "assumed"]


class RejectSample(Frozen):
    """A line that could not be read, and why."""

    line_number: int
    reason: str
    text: str


class Source(Frozen):
    """One file and what became of its lines: `lines` is the sum of the dispositions.

    `log_format` is what `--log-format` would say of a layout that was inferred; `columns` what the configuration would
    say of columns whose values alone tell what they hold; `units` has the fields whose unit the format leaves open.
    """

    system: str
    source: str
    format: str | None
    wrapper: str | None = None
    confidence: float = 0.0
    log_format: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    timezone: str | None = None
    units: tuple[Unit, ...] = ()
    lines: int = 0
    records: int = 0
    events: int = 0
    continuations: int = 0
    rejects: int = 0
    blank: int = 0
    header: int = 0
    filtered: int = 0
    duplicates: int = 0
    first_seen: Moment | None = None
    last_seen: Moment | None = None
    reject_samples: tuple[RejectSample, ...] = ()
    note: str | None = None
    broken: bool = False

    @property
    def naive(self) -> bool:
        """Whether its times carry no zone and were given none."""
        return (self.timezone or "").endswith("(assumed)")

    @property
    def accounted(self) -> int:
        """The sum of the dispositions; equals `lines`."""
        return (
            self.events + self.continuations + self.rejects + self.blank + self.header + self.filtered + self.duplicates
        )


class Endpoint(Frozen):
    """One route and what it was taken for."""

    system: str
    route: str
    endpoint_class: str
    how: Literal["pattern", "learned", "config"]
    requests: int
    denied: int


class Rate(Frozen):
    """Events of one minute."""

    system: str
    minute: Moment
    auth_event: str
    reason: str | None
    count: int


class Population(Frozen):
    """How many devices were in which state at the end of one step of time: what the fleet chart draws."""

    system: str
    at: Moment
    states: dict[str, int]


class Leak(Frozen):
    """A place where tokens can be read in the logs: a part of the lines of a file, and what they are called there.

    `tokens` and `lines` count those that differ; `line_number` is the first. `where`: `body` is any field that is none
    of the others, of a request's body or of the log itself.
    """

    system: str
    source: str
    line_number: int
    where: Literal["query", "header", "cookie", "body", "message"]
    field: str | None = None
    tokens: int = 1
    lines: int = 1


class Signer(Frozen):
    """A candidate key that signed tokens of the logs: how many of those that were tried, which are a few of each kind.

    `how`: what was done to it before it signed (`decoded from base64`); `what` kind of default it is.
    """

    system: str
    candidate: str
    tokens: int
    kind: Literal["configured", "published_default"]
    how: str = ""
    what: str = ""


class EnvironmentRemark(Frozen):
    """What is to be said of the dotenv file that was named; no value of it is here."""

    code: str
    level: Literal["error", "warning", "note"]
    text: str


class Tokens(Frozen):
    """What the tokens in the logs tell.

    `seen` counts those that can be read, `tried` those of them that candidate keys were tried on, `unknown` those of
    which none of the candidates is the key. `environment` is about the dotenv file that was named, `notes` about keys
    that were left out.
    """

    seen: int = 0
    tried: int = 0
    unknown: int = 0
    leaks: tuple[Leak, ...] = ()
    signed_by: tuple[Signer, ...] = ()
    environment: tuple[EnvironmentRemark, ...] = ()
    notes: tuple[str, ...] = ()


class Device(Frozen):
    """One device that has a finding or belongs to an incident."""

    system: str
    device_id: str
    platform: str | None
    app_version: str | None
    events: int
    state: str
    findings: tuple[str, ...]


class Band(Frozen):
    """A stretch of time that a device spent in one state."""

    state: str
    first_seen: Moment
    last_seen: Moment


class Mark(Frozen):
    """One request on a timeline, with its log line."""

    timestamp: Moment
    auth_event: str
    reason: str | None
    method: str | None
    route: str | None
    status: int | None
    source: str
    line_number: int
    text: str


class Timeline(Frozen):
    """One device over time. `omitted` counts the marks that were thinned out."""

    system: str
    device_id: str
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    omitted: int = 0


class Document(Frozen):
    """The whole result."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["authforensics/1"] = Field(default=SCHEMA, alias="schema")
    run: Run
    verdict: Verdict
    systems: tuple[System, ...]
    sources: tuple[Source, ...]
    endpoints: tuple[Endpoint, ...]
    rates: tuple[Rate, ...]
    populations: tuple[Population, ...] = ()
    findings: tuple[Finding, ...]
    incidents: tuple[Incident, ...]
    deploys: tuple[Deploy, ...] = ()
    tokens: Tokens = Tokens()
    clients: tuple[Client, ...] = ()
    clients_omitted: int = 0
    devices: tuple[Device, ...]
    devices_omitted: int = 0
    timelines: tuple[Timeline, ...] = ()
    timelines_omitted: int = 0
    recovery: Recovery | None = None

    def to_json(self, indent: int | None = 2) -> str:
        """The document as JSON text in ASCII; the same document gives the same bytes."""
        data = self.model_dump(mode="json", by_alias=True)
        try:
            return to_json(data, indent=indent, ensure_ascii=True, inf_nan_mode="null").decode() + "\n"
        except PydanticSerializationError:
            # Bytes of the command line that are no UTF-8.
            return json.dumps(data, indent=indent, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Document:
        """Load what `to_json` wrote.

        Raises:
            BrokenInput: it is not such a document; says which field is wrong.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "document"
            raise BrokenInput(f"not an {SCHEMA} document: {place}: {first['msg']}") from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the document."""
    schema = Document.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
