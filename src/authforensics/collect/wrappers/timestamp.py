"""Owns `timestamp`: a time in front of each line, as docker, kubectl, pm2 and CloudWatch put it there if asked to."""

from __future__ import annotations

from authforensics.collect.peel_text import ISO, by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://docs.docker.com/reference/cli/docker/container/logs/ (--timestamps),
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html, https://docs.aws.amazon.com/cli/latest/reference/logs/tail.html
# https://pm2.keymetrics.io/docs/usage/log-management/ (--time), whose times end with a colon
_LINE = rf"^(?P<at>{ISO}|\d{{4}}-\d{{2}}-\d{{2}}T\d{{2}}:\d{{2}}:\d{{2}}):? (?P<inner>.*)$"

WRAPPER = Wrapper(
    name="timestamp",
    title="a time in front: docker logs -t, kubectl logs --timestamps, CloudWatch export to S3, aws logs tail, pm2",
    samples=("2026-03-01T10:02:03.123456789Z hello world",),
    prepare=by_pattern(_LINE),
    taken="if no less sure",
    at_once=True,
)
