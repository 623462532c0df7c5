"""Owns `kubectl`: pod and container that `kubectl logs --prefix` puts in front of each line."""

from __future__ import annotations

from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_logs/
_LINE = r"^\[pod/(?P<instance>[^/\]\s]+)/[^/\]\s]+\] ?(?P<inner>.*)$"

WRAPPER = Wrapper(
    name="kubectl",
    title="kubectl logs --prefix",
    samples=("[pod/api-6d4b75cb6d-hx8k2/api] hello world",),
    prepare=by_pattern(_LINE),
    at_once=True,
)
