"""Owns `compose`: the name that `docker compose logs` and those that run several programs put in front of each line."""

from __future__ import annotations

from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://docs.docker.com/reference/cli/docker/compose/logs/; names are padded, and coloured on terminals;
# https://docs.docker.com/reference/cli/docker/service/logs/ (`api.1.x8k2j9@node1`); foreman has the clock in front, pm2
# a number.
_COLOUR = r"(?:\x1b\[[0-9;]*m)?"
_NAME = r"(?P<instance>(?:\d{1,3}\|)?[A-Za-z0-9][\w.@-]*)"
_LINE = rf"^{_COLOUR}(?:\d{{2}}:\d{{2}}:\d{{2}} )?{_NAME} +\|{_COLOUR} ?(?P<inner>.*)$"

WRAPPER = Wrapper(
    name="compose",
    title="docker compose logs, docker service logs, foreman, pm2",
    samples=("web-1  | hello world",),
    prepare=by_pattern(_LINE),
    taken="if no less sure",
    header=r"^Attaching to ",
    at_once=True,
)
