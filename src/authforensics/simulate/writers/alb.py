"""Owns `alb`: the access log of an AWS application load balancer."""

from __future__ import annotations

from datetime import timedelta

from authforensics.simulate.record import Exchange
from authforensics.simulate.writer import MILLISECONDS, REQUEST_ID, Page, Writer

_ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/api/0f1e2d3c4b5a6978"
_CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"


# Reference: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
def _line(one: Exchange, page: Page) -> str:
    ended, took = page.at(one.ended), one.ended - one.started
    created = ended - timedelta(seconds=round(took, 3))
    target, status = (one.instance, str(one.status)) if one.instance else ("-", "-")
    times = f"0.000 {took:.3f} 0.000" if one.instance else "-1 -1 -1"
    trace = f"Root=1-{one.request_id[:8]}-{one.request_id[8:32]}" if REQUEST_ID in page.tells else "-"
    return (
        f"https {ended:%Y-%m-%dT%H:%M:%S.%f}Z app/api/50dc6c495c0c9188 {one.address}:{40000 + one.size} {target}"
        f" {times} {one.status} {status} 512 {one.size}"
        f' "{one.method} https://api.courier.example:443{one.path} HTTP/2.0"'
        f' "{one.agent}" TLS_AES_128_GCM_SHA256 TLSv1.3 {_ARN} "{trace}" "api.courier.example" "{_CERTIFICATE}"'
        f' 1 {created:%Y-%m-%dT%H:%M:%S.%f}Z "forward" "-" "-" "{target}" "{status}" "-" "-" TID_{one.request_id}'
    )


WRITER = Writer(
    "access log of an AWS application load balancer", "alb", False, frozenset({REQUEST_ID, MILLISECONDS}), _line
)
