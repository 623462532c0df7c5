"""Numbers in the words of evidence sentences."""

from __future__ import annotations

from datetime import datetime


def clock(moment: datetime) -> str:
    """A time of day, UTC, to the second."""
    return moment.strftime("%H:%M:%S")


def plural(count: int, noun: str) -> str:
    """`1 device`, `1,234 devices`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
