"""Which deploys were close before an incident, and how likely one would be so close by accident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from authforensics.findings import CLOCK, Deploy, Preceding

#: How long before an onset a deploy is told: the most common access lifetime, in which every client meets a change.
NEAR_SECONDS = 900.0
#: How much later than the onset one may be: clocks, and logs that count whole seconds.
SLACK_SECONDS = 1.0
#: A deploy that is as close by accident at most so often is evidence: the usual level of significance.
BY_CHANCE = 0.05


def preceding(deploys: Sequence[Deploy], onset: datetime, begin: datetime, end: datetime) -> tuple[Preceding, ...]:
    """The deploys shortly before `onset`, the last first.

    Their chance: that of so many of their kind, at any times from `begin` to `end` of the log, one is as close or
    closer. Restarts that the log tells of are of kinds of their own: a server may restart its workers all day.
    """
    near = timedelta(seconds=NEAR_SECONDS)
    slack = timedelta(seconds=SLACK_SECONDS)
    inside = Counter(_kind(one) for one in deploys if begin - near <= one.time <= end)
    span = max((end - begin).total_seconds(), 1.0)
    found = []
    for one in sorted(deploys, key=lambda one: (one.time, one.name), reverse=True):
        seconds = (onset - one.time).total_seconds()
        if -slack.total_seconds() <= seconds <= NEAR_SECONDS:
            close = min((abs(seconds) + SLACK_SECONDS) / span, 1.0)
            chance = round(1 - (1 - close) ** max(inside[_kind(one)], 1), 6)
            found.append(Preceding(time=one.time, name=one.name, seconds=round(seconds, 3), chance=chance))
    return tuple(found)


def _kind(deploy: Deploy) -> str:
    return deploy.name if deploy.name.startswith(("restart of ", CLOCK)) else ""
