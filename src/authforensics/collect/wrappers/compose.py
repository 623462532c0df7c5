"""Owns `compose`: the name of a service that `docker compose logs` puts in front of each line."""

from __future__ import annotations

from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://docs.docker.com/reference/cli/docker/compose/logs/; names are padded, and coloured on terminals.
_COLOUR = r"(?:\x1b\[[0-9;]*m)?"
_LINE = rf"^{_COLOUR}(?P<instance>[A-Za-z0-9][\w.-]*) +\|{_COLOUR} ?(?P<inner>.*)$"

WRAPPER = Wrapper(
    name="compose",
    title="docker compose logs",
    samples=("web-1  | hello world",),
    prepare=by_pattern(_LINE),
    taken="if no less sure",
    header=r"^Attaching to ",
)
