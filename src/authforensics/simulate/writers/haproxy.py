"""Owns `haproxy`: HAProxy's HTTP lines as syslog keeps them, with a captured user agent."""

from __future__ import annotations

from authforensics.simulate.record import Exchange
from authforensics.simulate.writer import MILLISECONDS, Page, Writer


# Reference: https://docs.haproxy.org/3.0/configuration.html#8.2.3
def _line(one: Exchange, page: Page) -> str:
    began, ended, took = page.at(one.started), page.at(one.ended), round((one.ended - one.started) * 1000)
    server = one.instance.replace(":", "_") if one.instance else "<NOSRV>"
    date = f"{began:%d/%b/%Y:%H:%M:%S}.{began.microsecond // 1000:03d}"
    agent = one.agent.replace("{", "#7B").replace("}", "#7D").replace('"', "#22")
    return (
        f"{ended:%b} {ended.day:2d} {ended:%H:%M:%S} lb1 haproxy[2141]: {one.address}:{40000 + one.size} [{date}] web~"
        f" api/{server} 0/0/0/{took}/{took} {one.status} {one.size} - - ---- 12/12/3/1/0 0/0 {{{agent}}}"
        f' "{one.method} {one.path} HTTP/2.0"'
    )


WRITER = Writer("HTTP log of HAProxy", "haproxy", False, frozenset({MILLISECONDS}), _line)
