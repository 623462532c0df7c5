"""Owns `istio`: the access log of Istio's proxies in its default text format, which tells why a request was refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from authforensics.collect import envoy_lines
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

_LINE = re.compile(r"^\[\d{4}-[^\]]*\] \".*?\" (?:\d{1,3}|-) [^\"]+ \"[^\"]*\"(?: \"[^\"]*\")? (?:\d+|-) (?:\d+|-) ")


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return envoy_lines.istio_parser() if any(map(_LINE.match, sample)) else None


FORMAT = Format(
    name="istio",
    title="access log of Istio (Envoy), its default text with the details of the response",
    samples=(
        (
            '[2025-10-02T12:00:08.383Z] "GET /api/me HTTP/1.1" 401 - jwt_authn_access_denied{Jwt_is_expired} - "-"'
            ' 0 14 5 - "203.0.113.7" "okhttp/4.12.0" "8d4d6c2e-3f4f-9c3a-a4a4-6b8b0a8f4a37" "shop.example" "-"'
            " inbound|8080|| - 10.244.0.7:8080 203.0.113.7:0 - default"
        ),
        (
            '[2025-10-02T12:00:09.012Z] "POST /api/orders HTTP/1.1" 200 - via_upstream - "-" 156 91 34 33 "-"'
            ' "curl/8.5.0" "f47ac10b-58cc-4372-a567-0e02b2c3d479" "orders:8080" "10.244.3.12:8080"'
            " outbound|8080||orders.svc 10.244.1.5:54321 10.96.45.67:8080 10.244.1.5:33210 - default"
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
)
