"""Scripts of events (`10:00:01 dev-a refresh_ok`) → COLLECTED events, as if a log had been read.

One event a line: a time, a device, an event of `states.AuthEvent` (or `write_denied`: a refused POST), then words
`name=value`: `reason=` (said by the log), `path=`, `took=` (seconds; no duration is logged without it), `status=`,
`upstream=`, `version=`, `platform=`, `ip=` (and no device id), `from=` (the address of a device that has one), `ua=`;
`in=` (where in the line its token can be read: `query/access_token`, `message`, …) and `signed=` (who signed that:
`env:SECRET_KEY`, `the-literal-secret`, `nobody-known`; not tried without it);
`every=` (seconds) and `times=` say it again. A device `fleet` stands for `devices` of them, each `stagger` seconds after
the one before.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from authforensics.schema import COLLECTED, EndpointClass
from authforensics.tokens.carried import Carried, carried, sighted
from authforensics.tokens.proof import Signer

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ENDPOINTS = {
    "ANY ^/api/": EndpointClass.API,
    "ANY ^/auth/refresh$": EndpointClass.REFRESH,
    "ANY ^/login$": EndpointClass.LOGIN,
    "ANY ^/logout$": EndpointClass.LOGOUT,
}
_CALLS = {
    "login_ok": ("POST", "/login", 200),
    "login_denied": ("POST", "/login", 401),
    "login_failed": ("POST", "/login", 503),
    "refresh_ok": ("POST", "/auth/refresh", 200),
    "refresh_denied": ("POST", "/auth/refresh", 401),
    "refresh_failed": ("POST", "/auth/refresh", 503),
    "api_ok": ("GET", "/api/items", 200),
    "write_ok": ("POST", "/api/items", 201),
    "api_denied": ("GET", "/api/items", 401),
    "write_denied": ("POST", "/api/items", 401),
    "api_anonymous": ("GET", "/api/items", 401),
    "forbidden": ("GET", "/api/items", 403),
    "logout": ("POST", "/logout", 204),
    "ignored": ("GET", "/api/items", 503),
}
_TEXTS = {
    "signature_invalid": "invalid signature",
    "token_expired": "jwt expired",
    "refresh_expired": "refresh token expired",
    "refresh_reused": "refresh token reuse detected",
    "malformed": "jwt malformed",
    "key_not_found": "no applicable key found in the JSON Web Key Set",
    "audience_mismatch": "jwt audience invalid",
    "issuer_mismatch": "jwt issuer invalid",
    "not_yet_valid": "jwt not active",
    "algorithm_rejected": "invalid algorithm",
    "revoked": "token has been revoked",
    "refresh_revoked": "refresh token has been revoked",
    "other": "insufficient permissions",
    "missing_token": "Bearer",
}
_LINE = re.compile(r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?)\s+(?P<device>\S+)\s+(?P<event>\w+)(?P<rest>.*)")


def play(text: str, devices: int = 1, stagger: float = 0.0) -> pl.DataFrame:
    """The COLLECTED events of a script, in the order of time, as lines of one file."""
    rows = _rows(text, devices, stagger)
    numbered = [{**row, "line_number": number} for number, row in enumerate(rows, 1)]
    return pl.DataFrame([{name: row.get(name) for name in COLLECTED} for row in numbered], schema=COLLECTED)


def tokens(text: str, devices: int = 1, stagger: float = 0.0) -> Carried:
    """The tokens that the lines of a script carry, and who signed them."""
    signed = {row["token"]: row["signed"] for row in _rows(text, devices, stagger) if row["signed"]}
    return carried(sighted(play(text, devices, stagger)), {token: _signer(name) for token, name in signed.items()})


def _signer(name: str) -> Signer | None:
    if name == "nobody-known":
        return None
    known = name.startswith("the-literal")
    return Signer(
        name.replace("-", " "), "published_default" if known else "configured", "", "a default" if known else ""
    )


def _rows(text: str, devices: int, stagger: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.strip().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        assert match is not None, f"line {number} of the script: {line!r}"
        words = dict(word.split("=", 1) for word in match["rest"].split())
        at = DAY + timedelta(hours=int(match["h"]), minutes=int(match["m"]), seconds=float(match["s"]))
        if match["device"].startswith("fleet"):
            names = [(f"{match['device']}-{index:03d}", stagger * index) for index in range(devices)]
        else:
            names = [(match["device"], 0.0)]
        again = [float(words.get("every", 0)) * turn for turn in range(int(words.get("times", 1)))]
        times = [(name, at + timedelta(seconds=late + later)) for name, late in names for later in again]
        rows += [_row(time, name, match["event"], words) for name, time in times]
    return sorted(rows, key=lambda row: row["timestamp"])


def _row(at: datetime, device: str, event: str, words: dict[str, str]) -> dict[str, Any]:
    method, path, status = _CALLS[event]
    took = float(words["took"]) if "took" in words else None
    reason = words.get("reason", "missing_token" if event == "api_anonymous" else None)
    return {
        "system": "case",
        "source": "case.log",
        "kind": "request",
        "timestamp": at,
        "started_at": None if took is None else at - timedelta(seconds=took),
        "duration_ms": None if took is None else took * 1000,
        "client_ip": words.get("ip", words.get("from", "192.0.2.1")),
        "user_agent": words.get("ua"),
        "device_id": None if "ip" in words else device,
        "method": method,
        "path": words.get("path", path),
        "route": words.get("path", path),
        "status": int(words.get("status", status)),
        "upstream": words.get("upstream"),
        "app_version": words.get("version"),
        "platform": words.get("platform"),
        "reason_text": None if reason is None else _TEXTS[reason],
        "clock": 0.001,
        "token": zlib.crc32(f"{device} {words.get('signed')}".encode()) if "in" in words else None,
        "token_where": words["in"].replace("/", " ") if "in" in words else None,
        "signed": words.get("signed"),
    }
