"""Which colour and which symbol stand for what: the same in every figure, on the page and in the terminal.

The colours start from the Okabe-Ito set, which people with any kind of colour blindness can tell apart, and are moved
just far enough to be seen on white and on near-black alike. Shape or text says the same wherever a colour says it.
"""

from __future__ import annotations

from authforensics.findings import Severity
from authforensics.schema import Reason
from authforensics.states import AuthEvent, AuthState

GREEN = "#0a9d76"
SKY = "#4aa8dc"
YELLOW = "#dfb92f"
ORANGE = "#ea8a1c"
VERMILLION = "#d9541e"
PURPLE = "#a8478c"
PINK = "#cc79a7"
BLUE = "#2f7fc1"
BROWN = "#a5803f"
SLATE = "#6d7988"
GREY = "#9aa3ad"
PALE = "#bcc4cc"

#: From ill to well: the order in which states are stacked, so that what is ill is read off the base line.
STATE: dict[str, str] = {
    AuthState.ZOMBIE: PURPLE,
    AuthState.REJECTED: VERMILLION,
    AuthState.REFRESH_DENIED: ORANGE,
    AuthState.REFRESH_PENDING: BROWN,
    AuthState.CHALLENGED: YELLOW,
    AuthState.REFRESHED: SKY,
    AuthState.AUTHENTICATED: GREEN,
    AuthState.LOGGED_OUT: SLATE,
    AuthState.UNKNOWN: GREY,
    AuthState.ANONYMOUS: PALE,
}

REASON: dict[str | None, str] = {
    Reason.SIGNATURE_INVALID: VERMILLION,
    Reason.TOKEN_EXPIRED: SKY,
    Reason.REFRESH_EXPIRED: ORANGE,
    Reason.REFRESH_REUSED: PURPLE,
    Reason.REFRESH_REVOKED: PINK,
    Reason.NOT_YET_VALID: YELLOW,
    Reason.MALFORMED: BROWN,
    Reason.ALGORITHM_REJECTED: BLUE,
    Reason.KEY_NOT_FOUND: "#8a5fbf",
    Reason.AUDIENCE_MISMATCH: "#4f9d9d",
    Reason.ISSUER_MISMATCH: "#7d9a3c",
    Reason.MISSING_TOKEN: SLATE,
    Reason.REVOKED: "#b8606e",
    Reason.OTHER: PALE,
    None: GREY,
}

SEVERITY: dict[str, str] = {
    Severity.CRITICAL: "#b3261e",
    Severity.HIGH: "#b4520b",
    Severity.MEDIUM: "#836100",
    Severity.LOW: "#28629c",
    Severity.NONE: "#0b7355",
    "unknown": "#5b6672",
}

PHASE: dict[str, str] = {
    "refresh_denied": ORANGE,
    "refresh_ok_api_denied": VERMILLION,
    "api_denied": PINK,
    "recovering": SKY,
    "recovered": GREEN,
}

#: Lane of the timeline, plotly symbol and colour of each auth event: granted is round, refused a cross, no verdict a
#: diamond.
MARK: dict[str, tuple[str, str, str]] = {
    AuthEvent.LOGIN_OK: ("login", "circle", GREEN),
    AuthEvent.LOGIN_DENIED: ("login", "x", VERMILLION),
    AuthEvent.LOGOUT: ("login", "square", SLATE),
    AuthEvent.REFRESH_OK: ("refresh", "circle", SKY),
    AuthEvent.REFRESH_DENIED: ("refresh", "x", ORANGE),
    AuthEvent.REFRESH_FAILED: ("refresh", "diamond", BROWN),
    AuthEvent.API_OK: ("API", "circle", GREEN),
    AuthEvent.API_DENIED: ("API", "x", VERMILLION),
    AuthEvent.FORBIDDEN: ("API", "triangle-up", YELLOW),
    AuthEvent.API_ANONYMOUS: ("API", "circle-open", SLATE),
    AuthEvent.IGNORED: ("API", "line-ns-open", GREY),
}
