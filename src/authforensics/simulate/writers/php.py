"""Owns `php`: the error log of a PHP application that verifies with firebase/php-jwt."""

from __future__ import annotations

from authforensics.simulate.record import Exchange, Kind
from authforensics.simulate.writer import PHP_JWT, Page, Writer, said

_GRANTED = {Kind.LOGIN, Kind.REFRESH}


def _line(one: Exchange, page: Page) -> str | None:
    if one.instance is None or not (one.explained or one.kind in _GRANTED):
        return None
    script = one.path.partition("?")[0].rpartition("/")[2].removesuffix(".php")
    user = one.user or "-"
    said_so = f"JWT decode failed: {said(one, PHP_JWT)}" if one.explained else "ok" if one.status < 400 else "failed"
    return f"[{page.at(one.ended):%d-%b-%Y %H:%M:%S} UTC] [auth] {script}: {said_so} uid={user}"


WRITER = Writer("PHP error log", "php_error", True, frozenset(), _line)
