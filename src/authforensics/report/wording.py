"""How numbers, times and the document's names are written for people, alike in every output."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from authforensics.document import Document, System, Unit
from authforensics.findings import Incident, Scope, duration

__all__ = [
    "count", "deploys", "device_time", "duration", "facts", "is_over", "joined", "label", "moment", "number",
    "percent", "period", "phase", "precise", "read_line", "scope", "shorten", "span", "unit",
]  # fmt: skip

_DEPLOYS_SHOWN = 3
DENIALS = ("api_denied", "refresh_denied", "login_denied")

_PHASES = {
    "refresh_denied": "refresh denied",
    "refresh_ok_api_denied": "refresh OK, API denied",
    "api_denied": "API denied",
    "recovering": "recovering",
    "recovered": "recovered",
}
_JOINED = {
    "log": "the access log itself",
    "request_id": "request id",
    "path_time": "path and time",
    "class_time": "kind of endpoint and time",
}
_UNITS = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}
_TOLD = {
    "name": "as its name says",
    "values": "as its values tell",
    "assumed": "assumed: neither its name nor its values tell",
}
_EVENTS = {"api_ok": "API OK", "api_denied": "API denied", "api_anonymous": "API anonymous"}
_SCOPE = {
    "upstream": "upstream",
    "app_version": "app version",
    "platform": "platform",
    "endpoint": "endpoint",
    "key_id": "key id",
    "client": "client",
    "network": "network",
}


def label(name: str | None) -> str:
    """An identifier (`signature_invalid`, `api_ok`) in words."""
    if name is None:
        return "no reason logged"
    return _EVENTS.get(name) or name.replace("_ok", "_OK").replace("_", " ")


def joined(how: str) -> str:
    """By what a refusal's reason was found."""
    return _JOINED.get(how, label(how))


def phase(name: str) -> str:
    """The name of an incident's phase in words."""
    return _PHASES.get(name, label(name))


def moment(at: datetime | None) -> str:
    """A time in UTC to the second; the zone is not written."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds") if at else "-"


def precise(at: datetime) -> str:
    """A time in UTC, to the millisecond where the log has it so fine."""
    return moment(at) + (f".{at.microsecond // 1000:03d}" if at.microsecond else "")


def span(first: datetime | None, last: datetime | None) -> str:
    """From one time to another, the date written once where it is the same; in UTC, with the zone."""
    if first is None or last is None:
        return "no time known"
    since, until = moment(first), moment(last)
    if since == until:
        return f"{since} UTC"
    return f"{since} to {until[11:] if since[:10] == until[:10] else until} UTC"


def number(value: float) -> str:
    """A number with thousands separated; a fraction to three digits."""
    whole = float(value).is_integer() or abs(value) >= 999.5
    return f"{value:,.0f}" if whole else f"{value:.3g}"


def count(value: int, noun: str) -> str:
    """`1 device`, `44 devices`, `no devices`; `noun` is singular, with a plural in -s."""
    return f"{number(value) if value else 'no'} {noun}{'' if value == 1 else 's'}"


def percent(part: float, whole: float) -> str:
    """A share: `73 %`, `0.4 %`, `< 0.1 %`."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "< 0.1 %"
    return f"{share:.1f} %" if 0 < share < 1 or 99 < share < 100 else f"{share:.0f} %"


def device_time(seconds: float) -> str:
    """Time summed over devices."""
    unit, amount = ("minute", round(seconds / 60, 1)) if seconds < 3600 else ("hour", round(seconds / 3600, 1))
    return f"{number(amount)} device-{unit}{'' if amount == 1 else 's'}"


def shorten(text: str, limit: int) -> str:
    """`text` cut in its middle, where the ends are what tells ids apart."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def failed(incident: Incident) -> bool:
    """Whether anything failed for anybody; what could be forged needs no failure."""
    return bool(incident.requests_denied or incident.device_seconds or incident.phases)


def is_over(incident: Incident) -> str:
    """Whether it is over, as far as the log tells."""
    if not failed(incident):
        return "nothing fails; it lasts as long as tokens are signed so"
    if incident.outcome == "relieved":
        who = "the device" if incident.devices == 1 else "every device"
        return f"refusals go on when the log ends, but {who} was accepted again"
    if incident.ongoing:
        ill = incident.devices_ill
        if incident.renewed:
            return incident.renewed.told(ill)
        return "still going on when the log ends" + (f": {count(ill, 'device')} still refused" if ill else "")
    if incident.devices_ill:
        return f"no new denials; {count(incident.devices_ill, 'device')} not well again"
    if incident.outcome == "unproven":
        many = f"but none of {count(incident.devices, 'device')} was"
        who = "and the device was not" if incident.devices == 1 else many
        return f"not proven over: no refusal since {moment(incident.last_seen)[11:]}, {who} seen to be well again"
    if incident.devices_recovered < incident.devices:
        return f"over: {number(incident.devices_recovered)} of {count(incident.devices, 'device')} proven well"
    return f"over: {'the device' if incident.devices == 1 else 'every affected device'} is well again"


def facts(incident: Incident) -> list[tuple[str, str]]:
    """What a person asks first about an incident, as pairs of question and answer."""
    lasted = (incident.last_seen - incident.first_seen).total_seconds()
    unseen = incident.devices - incident.devices_recovered - incident.devices_ill
    after = [f"{number(incident.devices_recovered)} well"]
    after += [f"{number(incident.devices_ill)} still ill"] if incident.ongoing or incident.devices_ill else []
    after += [f"{number(unseen)} not seen since"] if unseen > 0 else []
    share = percent(incident.devices, incident.devices_seen)
    others = f"; {number(incident.devices_obeyed)} more were sent to login" if incident.devices_obeyed else ""
    users = f", {count(incident.users, 'user')}" if incident.users is not None else ""
    return [
        ("Since", f"{moment(incident.first_seen)} UTC"),
        ("Until", "ongoing" if incident.ongoing else f"{moment(incident.last_seen)} UTC"),
        ("Lasted", duration(lasted) if lasted >= 1 else "under a second"),
        *([("Just before", deploys(incident))] if incident.deploys else []),
        ("Devices affected", f"{number(incident.devices)} of {number(incident.devices_seen)} ({share}){users}{others}"),
        *(_cost(incident, after) if failed(incident) else []),
    ]


def _cost(incident: Incident, after: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("Afterwards", ", ".join(after)),
        ("Requests denied", number(incident.requests_denied)),
        ("Writes lost", number(incident.writes_lost)),
        ("Time lost", device_time(incident.device_seconds)),
    ]


def deploys(incident: Incident) -> str:
    """What was deployed just before it, the last first."""
    told = [
        f"{one.name}, {duration(one.seconds)} before" if one.seconds >= 0.5 else f"{one.name}, at the same time"
        for one in incident.deploys[:_DEPLOYS_SHOWN]
    ]
    more = len(incident.deploys) - len(told)
    return "; ".join(told) + (f"; and {count(more, 'more deploy')}" if more else "")


def scope(confined: Scope) -> list[tuple[str, Sequence[str]]]:
    """The dimensions that an incident is confined to, with their values."""
    values = ((words, getattr(confined, name)) for name, words in _SCOPE.items())
    return [(words, found) for words, found in values if found]


def period(systems: Sequence[System]) -> tuple[datetime | None, datetime | None]:
    """First and last time seen in any of the systems."""
    first = [system.first_seen for system in systems if system.first_seen]
    last = [system.last_seen for system in systems if system.last_seen]
    return min(first, default=None), max(last, default=None)


def unit(one: Unit) -> str:
    """In which unit a field is taken, and what says so."""
    name = None if one.unit is None else _UNITS[one.unit]
    if one.kind == "time":
        return f"{one.field}: {f'{name} since 1970' if name else 'since 1970, in several units'}, as its digits tell"
    return f"{one.field}: {name}, {_TOLD[one.how]}" if name else f"{one.field}: in the unit that each value names"


def read_line(document: Document) -> str:
    """What was read, from when to when, in one sentence."""
    lines = sum(source.lines for source in document.sources)
    rejects = sum(source.rejects for source in document.sources)
    used = [source for source in document.sources if source.format]
    systems = f" in {count(len(document.systems), 'system')}" if len(document.systems) > 1 else ""
    devices = sum(system.identity.devices for system in document.systems)
    unread = f", {number(rejects)} not understood ({percent(rejects, lines)})" if rejects else ", all understood"
    copies = sum(source.duplicates for source in document.sources)
    twice = f", {number(copies)} of them copies that count once" if copies else ""
    text = f"Read {count(lines, 'line')} of {count(len(used), 'file')}{systems}{twice}{unread if lines else ''}"
    first, last = period(document.systems)
    when = f"; {count(devices, 'device')}, {span(first, last)}" if first else ""
    return f"{text}{when}; took {duration(document.run.seconds)}."
