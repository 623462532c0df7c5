"""Owns `combined`: what nginx and Apache write unless told otherwise."""

from __future__ import annotations

from authforensics.simulate.record import Exchange
from authforensics.simulate.writer import Page, Writer


def _line(one: Exchange, page: Page) -> str:
    at = page.at(one.ended)
    return (
        f'{one.address} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "{one.method} {one.path} HTTP/1.1" {one.status} {one.size}'
        f' "-" "{one.agent}"'
    )


WRITER = Writer("combined access log of nginx or Apache", "combined", False, frozenset(), _line)
