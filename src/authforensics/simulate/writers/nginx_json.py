"""Owns `nginx_json`: nginx's access log as JSON, with the headers that apps send."""

from __future__ import annotations

import json

from authforensics.simulate.record import Exchange
from authforensics.simulate.writer import DEVICE_ID, MILLISECONDS, REASON, REQUEST_ID, Page, Writer, bearer_error


def _line(one: Exchange, page: Page) -> str:
    at = page.at(one.ended)
    fields = {
        "time": f"{at:%Y-%m-%dT%H:%M:%S}+00:00",
        "msec": f"{at.timestamp():.3f}" if MILLISECONDS in page.tells else None,
        "remote_addr": one.address,
        "request_id": page.seen(REQUEST_ID, one.request_id),
        "request_method": one.method,
        "request_uri": one.path,
        "server_protocol": "HTTP/2.0",
        "status": str(one.status),
        "body_bytes_sent": str(one.size),
        "request_time": f"{one.ended - one.started:.3f}",
        "upstream_addr": one.instance or "",
        "http_user_agent": one.agent,
        "http_x_device_id": page.seen(DEVICE_ID, one.actor.device_id),
        "http_x_app_version": one.version if one.actor.known else None,
        "sent_http_www_authenticate": page.seen(REASON, bearer_error(one)),
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})


WRITER = Writer(
    "nginx's access log as JSON", "json", False, frozenset({DEVICE_ID, REQUEST_ID, REASON, MILLISECONDS}), _line
)
