"""The verdict: one sentence a person on call can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from authforensics.diagnose.crowds import NOBODY, Crowd
from authforensics.diagnose.deploys import BY_CHANCE
from authforensics.diagnose.tally import Ended, Tally
from authforensics.diagnose.wording import after, clock, plural
from authforensics.document import Verdict
from authforensics.findings import Incident, Severity
from authforensics.schema import TOKEN_FAULTS, Reason

#: From this share of the calls on it is told that they were answered 403: scanners are everywhere. From the other one
#: on it may be how tokens are refused, where nothing else is.
_FORBIDDEN, _MOSTLY_FORBIDDEN = 0.01, 0.05
#: Messages of which nothing comes are told from so many on, and from this share of the calls: bots send anything.
_MESSAGES, _TOLD = 3, 0.001
#: At most so many statuses are told.
_STATUSES = 3
#: What finds sessions that are accepted and should not be.
_ACCEPTED = {"logged_out_reuse", "session_shared"}
_STATE = {
    "ongoing": "still going on",
    "relieved": "all accepted again, but refusals go on",
    "over": "over",
    "unproven": "not proven over",
}


def verdict(
    incidents: Sequence[Incident],
    counted: Tally,
    *,
    systems: int,
    told: pl.DataFrame,
    crowds: Mapping[str, Crowd] = NOBODY,
) -> Verdict:
    """Judge the whole.

    Args:
        incidents: all of them, the worst first.
        counted: what was refused and what became of it.
        systems: how many systems there are; the sentence names them if there is more than one.
        told: application messages, `timestamp` and `reason`: all there is to say where no access log was read, and
            what speaks against it where it tells of no refusal.
        crowds: the systems whose devices can't be told apart: how many are hit is not known there.
    """
    if crowds and (not incidents or incidents[0].severity.rank <= Severity.LOW.rank):
        return Verdict(severity="unknown", headline=_crowded(crowds, incidents, named=systems > 1))
    if not incidents:
        if not counted.requests:
            return Verdict(severity="unknown", headline=_without_requests(told))
        if counted.refused and not counted.accepted:
            return Verdict(severity="unknown", headline=_never_accepted(counted))
        faults = told.filter(pl.col("reason").cast(pl.String).is_in(TOKEN_FAULTS))
        refused = counted.refused or counted.refreshes_refused
        if not refused and faults.height >= max(_MESSAGES, _TOLD * counted.requests):
            return _contradicted(counted, faults)
        if not refused and not counted.challenged and counted.forbidden >= _MOSTLY_FORBIDDEN * counted.requests:
            return Verdict(severity="unknown", headline=_forbidden(counted))
        return Verdict(severity=Severity.NONE, headline=_ordinary(counted))
    worst = incidents[0]
    words = _sentence(worst, named=systems > 1, crowded=worst.system in crowds)
    if len(incidents) > 1:
        words = f"{len(incidents)} incidents. {words} Also: " + "; ".join(
            _short(other, named=systems > 1, crowded=other.system in crowds) for other in incidents[1:4]
        )
        words += "." if len(incidents) <= 4 else f"; and {len(incidents) - 4} more."
    words += "".join(f" {_indistinct(name, one, named=systems > 1)}" for name, one in crowds.items())
    return Verdict(severity=worst.severity, headline=words)


def _crowded(crowds: Mapping[str, Crowd], incidents: Sequence[Incident], *, named: bool) -> str:
    """Where devices can't be told apart: what was refused, and when; first what is known of other systems."""
    others = [one for one in incidents if one.system not in crowds]
    told = [_sentence(one, named=named) for one in others[:1]]
    for name, one in crowds.items():
        refused = f"{one.refused:,} of {plural(one.calls, 'call')} were refused for their token"
        if (peak := one.peak) is not None:
            when = f"from {peak.first:%Y-%m-%d} {clock(peak.first)} to {clock(peak.last + timedelta(minutes=1))} UTC"
            refused += f", {peak.share:.0%} of those {when}, and {peak.else_:.0%} of the others"
        told += [_indistinct(name, one, named=named), f"{refused}."]
        cause = next((each.root_causes[0] for each in incidents if each.system == name), None)
        if cause is not None and cause.cause != "undetermined":
            told.append(f"Perhaps: {cause.title[0].lower()}{cause.title[1:]}.")
    return " ".join(told)


def _indistinct(name: str, one: Crowd, *, named: bool) -> str:
    text = str(one)
    return f"{name}: {text}." if named else f"{text[0].upper()}{text[1:]}."


def _ordinary(counted: Tally) -> str:
    """No incident: what was refused, and what became of it, without claiming more."""
    seen = f"No incident: {plural(counted.devices, 'device')}, {plural(counted.requests, 'request')};"
    told: list[str] = []
    unjudged = _unjudged(counted)
    if not counted.refused:
        told.append(
            "no call was refused for its token" if not unjudged else "no call is known to be refused for its token"
        )
    elif counted.healed == counted.refused:
        whose = "all of devices that were" if counted.refused > 1 else "of a device that was"
        told.append(f"{plural(counted.refused, 'call')} refused, {whose} accepted again")
    else:
        rest = counted.refused - counted.healed - counted.strangers
        parts = [f"{counted.healed:,} of devices that were accepted again"] if counted.healed else []
        parts += [f"{counted.strangers:,} of callers without a session"] if counted.strangers else []
        parts += [f"{rest:,} with no call after them to tell"] if rest > 0 else []
        told.append(f"{plural(counted.refused, 'call')} refused, {', '.join(parts)}")
    for count, what in (
        (counted.refreshes_refused, "refresh{es} refused"),
        (counted.refreshes_failed, f"refresh{{es}} without a verdict ({_failing(counted)}"),
        (counted.logins_refused, "login{s} refused"),
    ):
        told += (
            [f"{count:,} {what.format(es='' if count == 1 else 'es', s='' if count == 1 else 's')}"] if count else []
        )
    if counted.row is not None:
        row = counted.row
        when = f"{row.first_seen:%Y-%m-%d} {clock(row.first_seen)} to {clock(row.last_seen)} UTC"
        told.append(
            f"{row.count:,} refreshes of {row.devices:,} devices in a row did not succeed, from {when}:"
            " look at the refresh endpoint"
        )
    told += [_ended(counted.ended)] if counted.ended else []
    return f"{seen} {'; '.join([*told, *unjudged])}."


def _failing(counted: Tally) -> str:
    """What refreshes without a verdict were answered, and at which instances, if at some only."""
    found = counted.failing
    if not found:
        return "5xx, 429, timeout)"
    told = ", ".join("timeout" if status is None else str(status) for status in found.statuses[:_STATUSES])
    if not found.instances:
        return f"{told})"
    when = f"from {found.first_seen:%Y-%m-%d} {clock(found.first_seen)} to {clock(found.last_seen)} UTC"
    there, elsewhere = (f"{failed:,} of {total:,}" for failed, total in (found.there, found.elsewhere))
    return f"{told}), {there} at {' and '.join(found.instances)} {when}, {elsewhere} elsewhere: look there"


def _ended(one: Ended) -> str:
    when = f"{one.first_seen:%Y-%m-%d} {clock(one.first_seen)} to {clock(one.last_seen)} UTC"
    said = f" ({one.reason})" if one.reason else ""
    return (
        f"sessions of {one.devices:,} devices ended together, their refresh refused{said}, and began anew, from {when}"
    )


def _unjudged(counted: Tally) -> list[str]:
    """What was answered with a refusal that may be one of a token, or not."""
    told = []
    # Of those some are judged where others are refused.
    if counted.challenged and not counted.refused:
        told.append(
            f"{plural(counted.challenged, 'call')} answered 401 as container registries and git ask for credentials,"
            " not judged"
        )
    if counted.forbidden >= _FORBIDDEN * max(counted.requests, 1):
        calls = f"{plural(counted.forbidden, 'call')} ({counted.forbidden / counted.requests:.0%})"
        told.append(f"{calls} answered 403 by routes that never answer 401, not judged")
    return told


def _contradicted(counted: Tally, faults: pl.DataFrame) -> Verdict:
    """No refusal is known, and yet messages say what is wrong with tokens."""
    unjudged = _unjudged(counted)
    if not unjudged and (faults["reason"].cast(pl.String) == Reason.TOKEN_EXPIRED.value).all():
        # Where a token is of use but not asked for, an old one is as good as none.
        return Verdict(severity=Severity.NONE, headline=f"{_ordinary(counted)} Yet there are {_said(faults)}.")
    devices, requests = plural(counted.devices, "device"), plural(counted.requests, "request")
    told = "; ".join([f"No call is known to be refused for its token, but there are {_said(faults)}", *unjudged])
    return Verdict(severity="unknown", headline=f"{told}. Read were {requests} of {devices}.")


def _forbidden(counted: Tally) -> str:
    calls = f"{counted.forbidden:,} of {plural(counted.requests, 'call')}"
    return (
        f"No call of the API is answered 401, but {calls} of {plural(counted.devices, 'device')} are answered 403:"
        " if that is how this service refuses tokens, the log does not tell it from a missing permission."
    )


def _never_accepted(counted: Tally) -> str:
    calls = f"{plural(counted.refused, 'call')} refused and none accepted, of {plural(counted.devices, 'device')}"
    return f"{calls}: the log does not tell a broken service from callers without a session."


def _without_requests(told: pl.DataFrame) -> str:
    reasons = told.filter(pl.col("reason").is_not_null())
    if reasons.is_empty():
        return "No request was found in these logs: nothing can be said about sessions."
    wanted = "Add the access log to see who is affected, and whether it is over."
    return f"No access log was read, only messages: {_said(reasons)}. {wanted}"


def _said(messages: pl.DataFrame) -> str:
    """How many messages name which reason, and when: the three that are named most."""
    reasons = (
        messages.group_by(pl.col("reason").cast(pl.String))
        .agg(pl.len(), first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
        .sort("len", "reason", descending=[True, False])
    )
    return "; ".join(
        f"{plural(count, 'message')} of {reason} from {first:%Y-%m-%d} {clock(first)} to {clock(last)} UTC"
        for reason, count, first, last in reasons.head(3).rows()
    )


def _sentence(one: Incident, *, named: bool, crowded: bool = False) -> str:
    where = f"{one.system}: " if named else ""
    cause = one.root_causes[0]
    unknown = cause.cause == "undetermined"
    why = f"{one.title}, the cause is not clear" if unknown else cause.title
    why = why[0].lower() + why[1:]
    sure = "" if cause.confidence == "high" or unknown else " (likely)"
    lost = f", {plural(one.writes_lost, 'write')} lost" if one.writes_lost else ""
    others = f" ({one.devices_obeyed:,} more were sent to login)" if one.devices_obeyed else ""
    met = "refused" if one.requests_denied >= one.devices and not _ACCEPTED & set(one.detectors) else "affected"
    who = f"{one.devices:,} of {plural(one.devices_seen, 'device')} {met}{others}"
    who = f"{plural(one.requests_denied, 'request')} refused, of an unknown number of devices" if crowded else who
    return f"{where}{why if where else why[0].upper() + why[1:]}{sure}: {who}{lost}, {_when(one)}."


def _when(one: Incident) -> str:
    """Since when or from when to when, after which deploy, and whether it is over."""
    deploy = next((f" ({after(near)})" for near in one.deploys if near.chance <= BY_CHANCE), "")
    day, first, last = f"{one.first_seen:%Y-%m-%d}", clock(one.first_seen), clock(one.last_seen)
    if one.ongoing:
        renewed = one.renewed if one.outcome == "ongoing" else None
        state = f"; {renewed.told(one.devices_ill)}" if renewed else f", {_STATE[one.outcome]}"
        return f"since {day} {first} UTC{deploy}{state}"
    ending = "over" if one.outcome == "over" else "not seen since, but no device proven well"
    if one.first_seen.date() != one.last_seen.date():
        return f"from {day} {first}{deploy} to {one.last_seen:%Y-%m-%d} {last} UTC, {ending}"
    if first == last:
        return f"on {day} at {first} UTC{deploy}, {ending}"
    return f"on {day} from {first}{deploy} to {last} UTC, {ending}"


def _short(one: Incident, *, named: bool, crowded: bool) -> str:
    where = f"{one.system}: " if named else ""
    unknown = one.root_causes[0].cause == "undetermined"
    title = f"{one.title}, the cause is not clear" if unknown else one.root_causes[0].title
    who = plural(one.requests_denied, "request") if crowded else plural(one.devices, "device")
    return f"{where}{title[0].lower()}{title[1:]} ({who}, {_STATE[one.outcome]})"
