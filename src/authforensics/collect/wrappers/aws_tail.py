"""Owns `aws_tail`: time and log stream that `aws logs tail` puts in front of each line."""

from __future__ import annotations

from authforensics.collect.peel_text import ISO, by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://docs.aws.amazon.com/cli/latest/reference/logs/tail.html (detailed). Streams of ECS and Lambda
# have slashes, those of EC2 are an instance's name, others a number in hexadecimal digits. Digits and slashes alone are
# the day with which lines of Go, nginx and Caddy begin.
_PART = r"[\w.\[\]$#-]"
_NAME = rf"{_PART}*[A-Za-z_.\[\]$#-]{_PART}*"
_STREAM = (
    rf"(?:(?:[0-9]+/)+{_NAME}(?:/{_PART}+)*|{_NAME}(?:/{_PART}+)+"
    r"|i-[0-9a-f]{8,17}|[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27})"
)
_LINE = rf"^(?P<at>{ISO}) (?P<instance>{_STREAM}) (?P<inner>.*)$"

WRAPPER = Wrapper(
    name="aws_tail",
    title="aws logs tail",
    samples=("2026-03-01T10:02:03.123000+00:00 ecs/api/0f9de17a6465404e8b1b2356dc13c2f8 hello world",),
    prepare=by_pattern(_LINE),
)
