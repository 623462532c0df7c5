"""Owns `pino`: the log of a Node.js application that verifies with jsonwebtoken."""

from __future__ import annotations

import json

from authforensics.schema import Reason
from authforensics.simulate.record import Exchange, Kind
from authforensics.simulate.writer import DEVICE_ID, JSONWEBTOKEN, MILLISECONDS, REQUEST_ID, Page, Writer, said

_GRANTED = {Kind.LOGIN: "signed in", Kind.REFRESH: "token refreshed", Kind.LOGOUT: "signed out"}
_EXPIRED = {Reason.TOKEN_EXPIRED: "TokenExpiredError", Reason.NOT_YET_VALID: "NotBeforeError"}


def _line(one: Exchange, page: Page) -> str | None:
    if one.instance is None or not (one.explained or one.kind in _GRANTED):
        return None
    fields: dict[str, object] = {
        "level": 40 if one.explained else 30,
        "time": int(page.at(one.ended).timestamp() * 1000),
        "pid": 17,
        "hostname": one.instance,
        "reqId": page.seen(REQUEST_ID, one.request_id),
        "deviceId": page.seen(DEVICE_ID, one.actor.device_id),
        "sub": one.user,
        "method": one.method,
        "url": one.path.partition("?")[0],
    }
    if one.explained and one.reason is not None:
        kind = _EXPIRED.get(one.reason, "JsonWebTokenError")
        fields["err"] = {"type": kind, "message": said(one, JSONWEBTOKEN)}
        fields["msg"] = "request refused"
    else:
        fields["msg"] = _GRANTED[one.kind] if one.status < 400 else f"{one.kind.value} failed"
    return json.dumps({name: value for name, value in fields.items() if value is not None})


WRITER = Writer(
    "log of a Node.js application (pino)", "json", True, frozenset({DEVICE_ID, REQUEST_ID, MILLISECONDS}), _line
)
