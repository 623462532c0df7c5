"""Owns `json`: one JSON object a line, a request where it has a status, else an application's message."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect import json_lines
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.provider_events import recorded
from authforensics.schema import Kind


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    parser = json_lines.parser(sample, settings)
    # What those mean by their keys their own formats know.
    return None if parser is None or recorded(sample) else parser


FORMAT = Format(
    name="json",
    title="JSON lines of nginx, Caddy, Traefik, Envoy, Istio, pino, ECS and the like",
    samples=(
        '{"time":"2025-10-02T12:00:08+00:00","remote_addr":"203.0.113.9","request_uri":"/api","status":"200"}',
        '{"level":40,"time":1759406409392,"msg":"token verification failed","err":{"message":"jwt expired"}}',
    ),
    time="either",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
)
