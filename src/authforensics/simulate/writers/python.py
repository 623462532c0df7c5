"""Owns `python`: the log of a Python application that verifies with PyJWT."""

from __future__ import annotations

from authforensics.simulate.record import Exchange, Kind
from authforensics.simulate.writer import MILLISECONDS, PYJWT, Page, Writer, said

_GRANTED = {Kind.LOGIN: "password", Kind.REFRESH: "refresh_token"}


def _line(one: Exchange, page: Page) -> str | None:
    if one.instance is None or not (one.explained or one.kind in _GRANTED):
        return None
    at = page.at(one.ended)
    path = one.path.partition("?")[0]
    if one.explained:
        level, message = "WARNING", f"JWT validation failed: {said(one, PYJWT)}"
    elif one.status < 400:
        level, message = "INFO", f"Issued tokens grant={_GRANTED.get(one.kind, '-')}"
    else:
        level, message = "ERROR", f"No tokens issued grant={_GRANTED.get(one.kind, '-')}"
    stamp = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}"
    return f"{stamp} - app.auth - {level} - {message} path={path} user={one.user or '-'}"


WRITER = Writer("Python logging", "python_logging", True, frozenset({MILLISECONDS}), _line)
