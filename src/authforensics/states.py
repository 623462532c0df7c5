"""`AuthEvent`, `AuthState` and the transition table: what each auth event does to a device in each state."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

#: Seconds that stand for the request's duration where none is logged (semantics, "Order and concurrency").
GRACE_SECONDS = 2.0
#: Seconds that an answer and the next request may be under way, together: a round trip on a bad mobile network. What
#: arrives by then may have been sent before the client had the answer.
#: Reference: RFC 6298 section 2, which waits 1 s for a first round trip; half of it is the usual one of 3G.
WAY_SECONDS = 0.5


class AuthEvent(StrEnum):
    """What one log line means for the session of its device."""

    LOGIN_OK = "login_ok"
    LOGIN_DENIED = "login_denied"
    REFRESH_OK = "refresh_ok"
    REFRESH_DENIED = "refresh_denied"
    REFRESH_FAILED = "refresh_failed"
    API_OK = "api_ok"
    API_DENIED = "api_denied"
    API_ANONYMOUS = "api_anonymous"
    FORBIDDEN = "forbidden"
    LOGOUT = "logout"
    IGNORED = "ignored"


class AuthState(StrEnum):
    """Where the session of a device stands."""

    UNKNOWN = "unknown"
    ANONYMOUS = "anonymous"
    AUTHENTICATED = "authenticated"
    CHALLENGED = "challenged"
    REFRESHED = "refreshed"
    REJECTED = "rejected"
    REFRESH_DENIED = "refresh_denied"
    REFRESH_PENDING = "refresh_pending"
    ZOMBIE = "zombie"
    LOGGED_OUT = "logged_out"


#: One sentence a state, for people: the README, the report and `explain` show these.
MEANING: dict[AuthState, str] = {
    AuthState.UNKNOWN: "first seen mid-session: nothing is assumed",
    AuthState.ANONYMOUS: "calls without a credential",
    AuthState.AUTHENTICATED: "its token was accepted",
    AuthState.CHALLENGED: "its token was refused; a refresh is due",
    AuthState.REFRESHED: "holds a new token, from a refresh or a login, that nothing has proven yet",
    AuthState.REJECTED: "the token it was just given was refused; another refresh alone proves nothing",
    AuthState.REFRESH_DENIED: "its refresh was refused; a login is due",
    AuthState.REFRESH_PENDING: "its refresh got no verdict (5xx, 429, timeout)",
    AuthState.ZOMBIE: "keeps calling after it should have gone to the login screen",
    AuthState.LOGGED_OUT: "logged out",
}

# fmt: off
_U, _N, _A, _C, _R, _X, _D, _P, _Z, _O = AuthState
_TABLE: dict[AuthState, tuple[AuthState, ...]] = {
    # login_ok, login_denied, refresh_ok, refresh_denied, refresh_failed, api_ok, api_denied, api_anonymous, forbidden, logout, ignored
    _U: (_R,    _U,           _R,         _D,             _P,             _A,     _C,         _N,            _U,        _O,     _U),  # unknown
    _N: (_R,    _N,           _R,         _D,             _P,             _A,     _C,         _N,            _N,        _O,     _N),  # anonymous
    _A: (_R,    _A,           _R,         _D,             _P,             _A,     _C,         _A,            _A,        _O,     _A),  # authenticated
    _C: (_R,    _C,           _R,         _D,             _P,             _A,     _C,         _C,            _C,        _O,     _C),  # challenged
    _R: (_R,    _R,           _R,         _D,             _P,             _A,     _X,         _R,            _R,        _O,     _R),  # refreshed: a denial with the new token is what this tool exists for
    _X: (_R,    _X,           _X,         _D,             _P,             _A,     _X,         _X,            _X,        _O,     _X),  # rejected: a refresh alone proves nothing, so only an accepted call or a login ends it
    _D: (_R,    _D,           _R,         _D,             _D,             _A,     _Z,         _Z,            _D,        _O,     _D),  # refresh_denied
    _P: (_R,    _P,           _R,         _D,             _P,             _A,     _C,         _P,            _P,        _O,     _P),  # refresh_pending
    _Z: (_R,    _Z,           _R,         _Z,             _Z,             _A,     _Z,         _Z,            _Z,        _O,     _Z),  # zombie
    _O: (_R,    _O,           _R,         _D,             _O,             _A,     _Z,         _N,            _O,        _O,     _O),  # logged_out
}
# fmt: on

EVENTS: tuple[AuthEvent, ...] = tuple(AuthEvent)
STATES: tuple[AuthState, ...] = tuple(AuthState)
_EVENT_CODE = {event: code for code, event in enumerate(EVENTS)}

if set(_TABLE) != set(STATES) or any(len(row) != len(EVENTS) for row in _TABLE.values()):
    raise AssertionError("the transition table must have one row a state and one cell an event")

#: Row-major codes: `CODES[state * len(EVENTS) + event]` is the code of the next state.
CODES: bytes = bytes(STATES.index(cell) for state in STATES for cell in _TABLE[state])


def step(state: AuthState, event: AuthEvent) -> AuthState:
    """The state that `event` leads to from `state`."""
    return _TABLE[state][_EVENT_CODE[event]]


def transitions() -> Iterator[tuple[AuthState, AuthEvent, AuthState]]:
    """Every cell of the table, row by row."""
    for state in STATES:
        for event, after in zip(EVENTS, _TABLE[state], strict=True):
            yield state, event, after


def mermaid() -> str:
    """The table as a Mermaid state diagram: events that change nothing are left out, those alike are joined."""
    edges: dict[tuple[AuthState, AuthState], list[str]] = {}
    for state, event, after in transitions():
        if after is not state:
            edges.setdefault((state, after), []).append(event.value)
    lines = ["stateDiagram-v2", f"    [*] --> {AuthState.UNKNOWN}"]
    lines += [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in edges.items()]
    return "\n".join(lines)
