"""The tables that the stages hand to each other, as polars schemas: every column name is defined here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from authforensics.states import AuthEvent, AuthState


class Kind(StrEnum):
    """Whether a line is a request (access log) or a message (application log)."""

    REQUEST = "request"
    MESSAGE = "message"


class Disposition(StrEnum):
    """What became of a line. Every line of a file has exactly one."""

    EVENT = "event"
    CONTINUATION = "continuation"
    REJECT = "reject"
    BLANK = "blank"
    HEADER = "header"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"


class EndpointClass(StrEnum):
    """What an endpoint is for, as far as sessions are concerned."""

    LOGIN = "login"
    REFRESH = "refresh"
    TOKEN = "token"
    LOGOUT = "logout"
    SESSION_CHECK = "session_check"
    USERINFO = "userinfo"
    INTROSPECT = "introspect"
    API = "api"
    PUBLIC = "public"
    PREFLIGHT = "preflight"
    STATIC = "static"
    AUTHORIZE = "authorize"
    REVOKE = "revoke"
    JWKS = "jwks"
    CHALLENGE = "challenge"
    PROBE = "probe"
    REGISTER = "register"
    TICKET = "ticket"


class Reason(StrEnum):
    """Why a call was refused, where something says so."""

    SIGNATURE_INVALID = "signature_invalid"
    TOKEN_EXPIRED = "token_expired"
    REFRESH_EXPIRED = "refresh_expired"
    REFRESH_REUSED = "refresh_reused"
    REFRESH_REVOKED = "refresh_revoked"
    NOT_YET_VALID = "not_yet_valid"
    MALFORMED = "malformed"
    ALGORITHM_REJECTED = "algorithm_rejected"
    KEY_NOT_FOUND = "key_not_found"
    AUDIENCE_MISMATCH = "audience_mismatch"
    ISSUER_MISMATCH = "issuer_mismatch"
    MISSING_TOKEN = "missing_token"
    REVOKED = "revoked"
    OTHER = "other"


#: With one of these a doubtful status refuses a token (K1, K2). `other`: a permission, a password, the client (K4).
TOKEN_FAULTS = tuple(reason for reason in Reason if reason not in (Reason.MISSING_TOKEN, Reason.OTHER))

#: Texts that repeat. One set of categories for all columns, so that they can be compared, coalesced and joined.
TEXT = pl.Categorical(pl.Categories("authforensics"))
#: The place of a line in the order of all lines of all files.
ROW = pl.Int64()

KIND = pl.Enum([kind.value for kind in Kind])
DISPOSITION = pl.Enum([disposition.value for disposition in Disposition])
ENDPOINT_CLASS = pl.Enum([name.value for name in EndpointClass])
REASON = pl.Enum([reason.value for reason in Reason])
AUTH_EVENT = pl.Enum([event.value for event in AuthEvent])
STATE = pl.Enum([state.value for state in AuthState])
TIMESTAMP = pl.Datetime("us", "UTC")
#: Statuses of a request whose header, the token or cookie in it, is too large: what RFC 6585 section 5 says, and what
#: nginx writes into its log.
TOO_LARGE = (431, 494)

#: What the token says that a line carries, all null if it carries none: `token` tells it from others; `token_where` is
#: where in the line it stands and what it is called there (`query access_token`; null: masked, so that nobody could use
#: it). The times are its claims iat, nbf and exp. `besides` are the other tokens of the line that can be used.
CARRIED: dict[str, pl.DataType] = {
    "token": pl.UInt64(),
    "token_where": TEXT,
    "algorithm": TEXT,
    "key_id": TEXT,
    "token_type": TEXT,
    "issuer": TEXT,
    "audience": TEXT,
    "jti": pl.String(),
    "issued_at": TIMESTAMP,
    "not_before": TIMESTAMP,
    "expires_at": TIMESTAMP,
    "besides": pl.List(pl.Struct({"token": pl.UInt64(), "token_where": TEXT, "expires_at": TIMESTAMP})),
}

#: What `collect` makes of a line that is an event. `timestamp` is the end of the request, `started_at` its start;
#: `action` holds the query fields that select an operation (`action=refresh_token`), `route` the path with its ids
#: collapsed and that operation, `reason_text` what the access log
#: itself says about a denial (`WWW-Authenticate`, Envoy's response code details), `message` an application log's text,
#: `clock` the resolution of the line's own time in seconds, `origin` what wrote the line: the exception and the logger
#: that it names, and the format.
COLLECTED: dict[str, pl.DataType] = {
    "system": TEXT,
    "timestamp": TIMESTAMP,
    "started_at": TIMESTAMP,
    "duration_ms": pl.Float64(),
    "source": TEXT,
    "line_number": pl.UInt32(),
    "kind": KIND,
    "client_ip": TEXT,
    "user_agent": TEXT,
    "method": TEXT,
    "path": pl.String(),
    "action": TEXT,
    "route": TEXT,
    "status": pl.UInt16(),
    "bytes": pl.Int64(),
    **dict.fromkeys(("host", "user_id", "device_id", "session_id"), TEXT),
    "request_id": pl.String(),
    **dict.fromkeys(("upstream", "platform", "app_version"), TEXT),
    "reason_text": pl.String(),
    "message": pl.String(),
    "clock": pl.Float32(),
    "origin": TEXT,
    **CARRIED,
}

#: What `correlate` makes of a request on its own, line by line, and all it needs of it: numbers and categories.
#: `timed`: its duration is known; `request_id` is a hash; `reason` what the access log's own field says, `claimed` what
#: the token's own claims do. Of the token that it carries `token` to `expires_at`, see `CARRIED`.
REQUESTS: dict[str, pl.DataType] = {
    "system": TEXT,
    "source": TEXT,
    "line_number": pl.UInt32(),
    "timestamp": TIMESTAMP,
    "started_at": TIMESTAMP,
    "timed": pl.Boolean(),
    "clock": pl.Float32(),
    "method": TEXT,
    "route": TEXT,
    "status": pl.UInt16(),
    **dict.fromkeys(("client_ip", "user_agent", "user_id", "device_id", "session_id"), TEXT),
    "request_id": pl.UInt64(),
    **dict.fromkeys(("upstream", "platform", "app_version"), TEXT),
    "reason": REASON,
    "claimed": REASON,
    "token": pl.UInt64(),
    "key_id": TEXT,
    "issued_at": TIMESTAMP,
    "expires_at": TIMESTAMP,
}

#: The same of an application's message. `reason`: why it says a token was refused, if it does; `hint` which kind of
#: endpoint it speaks of (refresh, login or api); `stem` the word that may name a script or handler.
MESSAGES: dict[str, pl.DataType] = {
    "system": TEXT,
    "source": TEXT,
    "line_number": pl.UInt32(),
    "timestamp": TIMESTAMP,
    "clock": pl.Float32(),
    "client_ip": TEXT,
    "user_id": TEXT,
    "device_id": TEXT,
    "session_id": TEXT,
    "request_id": pl.UInt64(),
    "reason": REASON,
    "hint": TEXT,
    "stem": TEXT,
    "token": pl.UInt64(),
}

#: The exported table of events: `COLLECTED` with what `correlate` found out, without what only it needed.
EVENTS: dict[str, pl.DataType] = {
    "system": pl.String(),
    "timestamp": TIMESTAMP,
    "started_at": TIMESTAMP,
    "duration_ms": pl.Float64(),
    "source": pl.String(),
    "line_number": pl.UInt32(),
    "kind": KIND,
    **dict.fromkeys(("client_ip", "user_agent", "method", "path", "route"), pl.String()),
    "status": pl.UInt16(),
    "bytes": pl.Int64(),
    **dict.fromkeys(
        ("host", "user_id", "device_id", "identity_key", "request_id", "upstream", "platform", "app_version"),
        pl.String(),
    ),
    "endpoint_class": ENDPOINT_CLASS,
    "auth_event": AUTH_EVENT,
    "reason": REASON,
    "key_id": pl.String(),
    "token_id": pl.String(),
    "state": STATE,
    "straggler": pl.Boolean(),
}

#: Lines that could not become events. `text` is redacted.
REJECTS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "line_number": pl.UInt32(),
    "reason": pl.String(),
    "text": pl.String(),
}

#: One row a session of a device: from a login (or its first line) to the next login or its logout.
SESSIONS: dict[str, pl.DataType] = {
    "system": TEXT,
    "device_id": TEXT,
    "session": pl.UInt32(),
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
    **{event.value: pl.UInt32() for event in AuthEvent},
    "state": STATE,
}

#: One row a token that a device was given by a login or a refresh (grant 0: what it held before the log began), and
#: what became of it. Ages are seconds since it was given; `refreshes` counts those since the login; null: none seen.
GRANTS: dict[str, pl.DataType] = {
    "system": TEXT,
    "device_id": TEXT,
    "grant": pl.UInt32(),
    "granted_by": AUTH_EVENT,
    "granted_at": TIMESTAMP,
    "login_at": TIMESTAMP,
    "refreshes": pl.UInt32(),
    "accepted": pl.UInt32(),
    "last_accepted_age": pl.Float64(),
    "refused": pl.UInt32(),
    "first_refused_age": pl.Float64(),
    "refused_reason": REASON,
    "rejected": pl.Boolean(),
    "refresh_denied_age": pl.Float64(),
    "refresh_denied_at": TIMESTAMP,
    "refresh_denied_reason": REASON,
    "last_seen": TIMESTAMP,
    "next_granted_at": TIMESTAMP,
    "next_granted_by": AUTH_EVENT,
}

#: One row a run of refusals of a device, from one accepted call to the next (`closed_at`; null: never accepted again)
#: or to its logout. `barred_at`: the last refused login after a refused refresh; null: none, or one was granted since.
EPISODES: dict[str, pl.DataType] = {
    "system": TEXT,
    "device_id": TEXT,
    "episode": pl.UInt32(),
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
    "closed_at": TIMESTAMP,
    "logged_out": pl.Boolean(),
    "state": STATE,
    "denied": pl.UInt32(),
    "writes": pl.UInt32(),
    "refresh_ok": pl.UInt32(),
    "refresh_denied": pl.UInt32(),
    "refresh_failed": pl.UInt32(),
    "login_ok": pl.UInt32(),
    "rejected_refresh": pl.UInt32(),
    "rejected_login": pl.UInt32(),
    "zombie_denied": pl.UInt32(),
    "reason": REASON,
    "refresh_reason": REASON,
    "session_seen": pl.Boolean(),
    "barred_at": TIMESTAMP,
}

#: Events per minute: what must be seen across devices, small however many events there are.
RATES: dict[str, pl.DataType] = {
    "system": TEXT,
    "minute": TIMESTAMP,
    "auth_event": AUTH_EVENT,
    "reason": REASON,
    "count": pl.UInt32(),
}

#: The document's findings, flat: measures and evidence as JSON text.
FINDINGS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "system": pl.String(),
    "detector": pl.String(),
    "severity": pl.String(),
    "confidence": pl.String(),
    "device_id": pl.String(),
    "devices": pl.UInt32(),
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
    "ongoing": pl.Boolean(),
    "count": pl.UInt32(),
    "reason": pl.String(),
    "summary": pl.String(),
    "measures": pl.String(),
    "evidence": pl.String(),
}


#: One row a device. `identity_key` is the weakest by which any of its requests was told, `alive` whether it ever had a
#: session, or a token to be refused; `platform` and what follows are the last known. `client_ip` and `user_agent` are
#: null where they are the name of all devices.
DEVICES: dict[str, pl.DataType] = {
    "system": TEXT,
    "device_id": TEXT,
    "identity_key": TEXT,
    **dict.fromkeys(("platform", "app_version", "user_id", "client_ip", "user_agent"), TEXT),
    "requests": pl.UInt32(),
    "denied": pl.UInt32(),
    "state": STATE,
    "alive": pl.Boolean(),
}

#: What is kept of the requests that say something about a session, for those who look at all devices. `timed`: the log
#: says how long it took; `traced`: it has a request id; `token`, `key_id` and `issued_at` are those of the token that
#: it carries, where the log shows it.
TRAIL: dict[str, pl.DataType] = {
    "row": ROW,
    "system": TEXT,
    "device_id": TEXT,
    "timestamp": TIMESTAMP,
    "source": TEXT,
    "line_number": pl.UInt32(),
    "method": TEXT,
    "route": TEXT,
    "status": pl.UInt16(),
    "timed": pl.Boolean(),
    "traced": pl.Boolean(),
    **dict.fromkeys(("upstream", "platform", "app_version"), TEXT),
    "token": pl.UInt64(),
    "key_id": TEXT,
    "issued_at": TIMESTAMP,
    "auth_event": AUTH_EVENT,
    "reason": REASON,
    "state": STATE,
    "straggler": pl.Boolean(),
    "episode": pl.UInt32(),
    "granted_by": AUTH_EVENT,
    "granted_at": TIMESTAMP,
    "rejection": pl.Boolean(),
    "write": pl.Boolean(),
}


@dataclass(frozen=True)
class Sessions:
    """What `correlate` makes of the events of a set of devices, a partition, and all that detectors look at.

    `events` are the requests in order of device and time, with the columns of `TRAIL` and, for each, what it belongs
    to: `device` (its device's number in the partition), `session`, `grant` (the token held); `grant_row` and `age`
    (seconds since it was given) of that token; `started_at`.
    `devices` is DEVICES; `changes` tells how many devices came
    to a state, or left it, per step of time (`system`, `at`, `state`, `change`); `counts` how many events of each kind
    there are (`system`, `auth_event`, `straggler`, `count`); `closed` what became of refused calls (`system`, `healed`,
    `strangers`). `spans` has, per system, when its log begins and ends.
    """

    events: pl.DataFrame
    sessions: pl.DataFrame
    grants: pl.DataFrame
    episodes: pl.DataFrame
    rates: pl.DataFrame
    spans: pl.DataFrame
    devices: pl.DataFrame
    changes: pl.DataFrame
    counts: pl.DataFrame
    closed: pl.DataFrame


@dataclass(frozen=True)
class History:
    """The same of all devices together, each table where it is: in memory, or in files.

    `events` has the columns of `TRAIL`, without the requests that say nothing about a session, in parts, one at least:
    each device is in one of them. `episodes` are only those that are no ordinary expiry; `populations` how many devices
    are in which state at the end of each step of time (`system`, `at`, `state`, `devices`). Of one device the rows are
    in order; which device comes first is not told.
    """

    events: Sequence[pl.LazyFrame]
    sessions: pl.LazyFrame
    grants: pl.LazyFrame
    episodes: pl.LazyFrame
    devices: pl.DataFrame
    rates: pl.DataFrame
    populations: pl.DataFrame
    spans: pl.DataFrame
    counts: pl.DataFrame
    closed: pl.DataFrame
