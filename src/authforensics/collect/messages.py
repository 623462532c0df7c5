"""Finds the ids that application messages name in their text."""

from __future__ import annotations

import polars as pl

_USER_IS = r"(?:^|[\s,;(\[{])(?:user|uid|user_id|userid|userId|sub)=[\"']?([A-Za-z0-9_.@:|+-]*[A-Za-z0-9_])"
_REQUEST_IS = (
    r"(?:^|[\s,;(\[{])(?:request_id|requestId|req_id|reqId|reqid|x-request-id)=[\"']?([A-Za-z0-9_.:-]*[A-Za-z0-9_])"
)
_DEVICE_IS = r"(?:^|[\s,;(\[{])(?:device_id|deviceId|device|installation_id)=[\"']?([A-Za-z0-9_.:-]*[A-Za-z0-9_])"


def user_in(message: pl.Expr) -> pl.Expr:
    """The user that `user=…`, `uid=…`, `user_id=…` or `sub=…` names."""
    return message.str.extract(_USER_IS)


def request_in(message: pl.Expr) -> pl.Expr:
    """The request that `request_id=…` or `req_id=…` names."""
    return message.str.extract(_REQUEST_IS)


def device_in(message: pl.Expr) -> pl.Expr:
    """The device that `device_id=…` names."""
    return message.str.extract(_DEVICE_IS)
