"""The verdict: one sentence a person on call can act on."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.diagnose.tally import Tally
from authforensics.diagnose.wording import clock, plural
from authforensics.document import Verdict
from authforensics.findings import Incident, Severity


def verdict(incidents: Sequence[Incident], counted: Tally, *, systems: int, told: pl.DataFrame) -> Verdict:
    """Judge the whole.

    Args:
        incidents: all of them, the worst first.
        counted: what was refused and what became of it.
        systems: how many systems there are; the sentence names them if there is more than one.
        told: application messages, `timestamp` and `reason`: all there is to say where no access log was read.
    """
    if not incidents:
        if not counted.requests:
            return Verdict(severity="unknown", headline=_without_requests(told))
        if counted.refused and not counted.accepted:
            return Verdict(severity="unknown", headline=_never_accepted(counted))
        return Verdict(severity=Severity.NONE, headline=_ordinary(counted))
    worst = incidents[0]
    words = _sentence(worst, named=systems > 1)
    if len(incidents) > 1:
        words = f"{len(incidents)} incidents. {words} Also: " + "; ".join(
            _short(other, named=systems > 1) for other in incidents[1:4]
        )
        words += "." if len(incidents) <= 4 else f"; and {len(incidents) - 4} more."
    return Verdict(severity=worst.severity, headline=words)


def _ordinary(counted: Tally) -> str:
    """No incident: what was refused, and what became of it, without claiming more."""
    seen = f"No incident: {plural(counted.devices, 'device')}, {plural(counted.requests, 'request')};"
    told: list[str] = []
    if not counted.refused:
        told.append("no call was refused for its token")
    elif counted.healed == counted.refused:
        told.append(f"{plural(counted.refused, 'call')} refused, each accepted again after a refresh or login")
    else:
        rest = counted.refused - counted.healed - counted.strangers
        parts = [f"{counted.healed:,} accepted again after a refresh or login"] if counted.healed else []
        parts += [f"{counted.strangers:,} of callers without a session"] if counted.strangers else []
        parts += [f"{rest:,} with no call after them to tell"] if rest > 0 else []
        told.append(f"{plural(counted.refused, 'call')} refused, {', '.join(parts)}")
    for count, what in (
        (counted.refreshes_refused, "refreshes refused"),
        (counted.refreshes_failed, "refreshes without a verdict (5xx, 429, timeout)"),
        (counted.logins_refused, "logins refused"),
    ):
        told += [f"{count:,} {what}"] if count else []
    if counted.row is not None:
        row = counted.row
        when = f"{row.first_seen:%Y-%m-%d} {clock(row.first_seen)} to {clock(row.last_seen)} UTC"
        told.append(
            f"{row.count:,} refreshes of {row.devices:,} devices in a row did not succeed, from {when}:"
            " look at the refresh endpoint"
        )
    return f"{seen} {'; '.join(told)}."


def _never_accepted(counted: Tally) -> str:
    calls = f"{plural(counted.refused, 'call')} refused and none accepted, of {plural(counted.devices, 'device')}"
    return f"{calls}: the log does not tell a broken service from callers without a session."


def _without_requests(told: pl.DataFrame) -> str:
    reasons = (
        told.filter(pl.col("reason").is_not_null())
        .group_by(pl.col("reason").cast(pl.String))
        .agg(pl.len(), first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
        .sort("len", "reason", descending=[True, False])
    )
    if reasons.is_empty():
        return "No request was found in these logs: nothing can be said about sessions."
    said = "; ".join(
        f"{plural(count, 'message')} of {reason} from {first:%Y-%m-%d} {clock(first)} to {clock(last)} UTC"
        for reason, count, first, last in reasons.head(3).rows()
    )
    wanted = "Add the access log to see who is affected, and whether it is over."
    return f"No access log was read, only messages: {said}. {wanted}"


def _sentence(one: Incident, *, named: bool) -> str:
    where = f"{one.system}: " if named else ""
    cause = one.root_causes[0]
    unknown = cause.cause == "undetermined"
    why = f"{one.title}, the cause is not clear" if unknown else cause.title
    why = why[0].lower() + why[1:]
    sure = "" if cause.confidence == "high" or unknown else " (likely)"
    lost = f", {plural(one.writes_lost, 'write')} lost" if one.writes_lost else ""
    when = (
        f"since {one.first_seen:%Y-%m-%d} {clock(one.first_seen)} UTC, still going on"
        if one.ongoing
        else f"on {one.first_seen:%Y-%m-%d} from {clock(one.first_seen)} to {clock(one.last_seen)} UTC, over"
    )
    return (
        f"{where}{why if where else why[0].upper() + why[1:]}{sure}:"
        f" {one.devices:,} of {plural(one.devices_seen, 'device')} refused{lost}, {when}."
    )


def _short(one: Incident, *, named: bool) -> str:
    where = f"{one.system}: " if named else ""
    state = "still going on" if one.ongoing else "over"
    title = one.root_causes[0].title
    return f"{where}{title[0].lower()}{title[1:]} ({plural(one.devices, 'device')}, {state})"
