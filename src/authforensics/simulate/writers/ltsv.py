"""Owns `ltsv`: labeled tab-separated values, as nginx and Apache are set up to write them."""

from __future__ import annotations

from authforensics.simulate.record import Exchange
from authforensics.simulate.writer import DEVICE_ID, MILLISECONDS, REQUEST_ID, Page, Writer


# Reference: http://ltsv.org/
def _line(one: Exchange, page: Page) -> str:
    at = page.at(one.ended)
    exact = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+00:00"
    time = exact if MILLISECONDS in page.tells else f"[{at:%d/%b/%Y:%H:%M:%S} +0000]"
    fields = {
        "time": time,
        "host": one.address,
        "req": f"{one.method} {one.path} HTTP/2.0",
        "status": str(one.status),
        "size": str(one.size),
        "ua": one.agent,
        "reqtime": f"{one.ended - one.started:.3f}",
        "upstream_addr": one.instance or "-",
        "request_id": page.seen(REQUEST_ID, one.request_id) or "-",
        "device_id": page.seen(DEVICE_ID, one.actor.device_id) or "-",
        "app_version": (one.version if one.actor.known else None) or "-",
    }
    return "\t".join(f"{label}:{value}" for label, value in fields.items())


WRITER = Writer("labeled tab-separated values", "ltsv", False, frozenset({DEVICE_ID, REQUEST_ID, MILLISECONDS}), _line)
