"""Numbers, times and deploys in the words of evidence sentences."""

from __future__ import annotations

from datetime import datetime

from authforensics.findings import CLOCK, Preceding, duration


def clock(moment: datetime) -> str:
    """A time of day, UTC, to the second."""
    return moment.strftime("%H:%M:%S")


def instant(moment: datetime) -> str:
    """A time of day, UTC, to the tenth of a second where it is known so well."""
    return clock(moment) + (f".{moment.microsecond // 100_000}" if moment.microsecond else "")


def after(deploy: Preceding) -> str:
    """How long after a deploy something was: `0.2 s after deploy v41`."""
    words = ("deploy", "restart", "release", "rollout", "rollback", CLOCK)
    told = any(word in deploy.name.lower() for word in words)
    name = deploy.name if told else f"deploy {deploy.name}"
    if deploy.seconds < 0.1:
        return f"at the same time as {name}"
    gap = f"{round(deploy.seconds, 1):g} s" if deploy.seconds < 10 else duration(deploy.seconds)
    return f"{gap} after {name}"


def plural(count: int, noun: str) -> str:
    """`1 device`, `1,234 devices`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
