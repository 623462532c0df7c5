"""Finds the ids that application messages name in their text."""

from __future__ import annotations

import polars as pl

_ID = "[A-Za-z0-9_.:-]*[A-Za-z0-9_]"


def user_in(message: pl.Expr) -> pl.Expr:
    """The user that `user=…`, `uid=…`, `user_id=…` or `sub=…` names."""
    return _named(message, "user|uid|user_id|userid|userId|sub", "[A-Za-z0-9_.@:|+-]*[A-Za-z0-9_]")


def request_in(message: pl.Expr) -> pl.Expr:
    """The request that `request_id=…` or `req_id=…` names."""
    return _named(message, "request_id|requestId|req_id|reqId|reqid|x-request-id", _ID)


def device_in(message: pl.Expr) -> pl.Expr:
    """The device that `device_id=…` names."""
    return _named(message, "device_id|deviceId|device|installation_id", _ID)


def _named(message: pl.Expr, names: str, value: str) -> pl.Expr:
    # To look for the names alone takes a fifth of the time.
    naming = pl.when(message.str.contains(f"(?:{names})=")).then(message)
    return naming.str.extract(rf"(?:^|[\s,;(\[{{])(?:{names})=[\"']?({value})")
