"""What one device did, for the terminal: a line a request, runs of calls alike as one, findings where they begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from authforensics.redact import visible
from authforensics.report import palette, wording
from authforensics.report.hanging import one_line

if TYPE_CHECKING:
    from datetime import date

    from rich.console import RenderableType

    from authforensics.devices import Entry, Journal
    from authforensics.findings import Finding

#: What stands before an event, and its style: granted, refused, no verdict, left.
_MARKS = {
    "login_ok": ("+", "green"),
    "refresh_ok": ("+", "cyan"),
    "api_ok": ("+", "green"),
    "login_denied": ("x", "red"),
    "refresh_denied": ("x", "bold red"),
    "api_denied": ("x", "red"),
    "api_anonymous": ("x", "yellow"),
    "refresh_failed": ("?", "yellow"),
    "forbidden": ("!", "yellow"),
    "logout": ("-", "blue"),
}
_INSIDE, _OUTSIDE = "│ ", "  "


def render(found: Journal) -> RenderableType:
    """The device, then its requests in order."""
    parts: list[Text] = [Text(visible(found.device_id), "bold")]
    parts += [Text(f"  {name:<9} {visible(value)}") for name, value in facts(found)]
    if found.findings:
        named = ", ".join(f"{one.detector} ({one.severity.value})" for one in found.findings)
        parts.append(Text(f"  {'Findings':<9} {visible(named)}"))
    parts.append(Text())
    ids = {one.id: one for one in found.findings}
    labels = max((len(wording.label(one.auth_event)) for one in found.entries), default=0)
    states = max((len(wording.label(one.state)) for one in found.entries), default=0)
    day: date | None = None
    for number, entry in enumerate(found.entries):
        if found.omitted and number == len(found.entries) // 2:
            parts.append(Text(f"… {left_out(found)} …", "dim"))
        if entry.first_seen.date() != day:
            day = entry.first_seen.date()
            parts.append(Text(f"{day} (UTC)", "bold"))
        parts += [_span(ids[one], begins=True) for one in entry.begins]
        parts += _lines(entry, labels, states)
        parts += [_span(ids[one], begins=False) for one in entry.ends]
    return Group(*parts)


def facts(found: Journal) -> Iterator[tuple[str, str]]:
    """What is known of the device, by name."""
    client = " ".join(part for part in (found.platform, found.app_version) if part)
    if client:
        yield "Client", client
    yield "System", found.system
    yield "State", f"{wording.label(found.state)} at the end of the log"
    silent = found.requests - found.told
    others = f"; {wording.number(silent)} without bearing on its session left out" if silent else ""
    yield "Requests", f"{wording.number(found.requests)}, {wording.number(found.denied)} refused{others}"


def left_out(found: Journal) -> str:
    """What is missing in the middle of a journal that is too long."""
    return f"{wording.count(found.omitted, 'request')} left out; --since and --until show a part of the log"


def folded(entry: Entry) -> str:
    """What follows the first of a run of calls alike."""
    kind = {"api_ok": "accepted call", "api_denied": "refused call"}.get(entry.auth_event, "request")
    alike = kind if kind != "request" else f"{wording.label(entry.auth_event)} request"
    return f"… {wording.count(entry.count - 1, f'more {alike}')} until {wording.precise(entry.last_seen)[11:]} …"


def _lines(entry: Entry, labels: int, states: int) -> Iterator[Text]:
    mark, style = _MARKS.get(entry.auth_event, (" ", ""))
    gutter = _INSIDE if entry.inside else _OUTSIDE
    request = " ".join(part for part in (entry.method, entry.route) if part)
    late = ", made before the last verdict was in" if entry.straggler else ""
    reason = f"  {wording.label(entry.reason)}" if entry.reason else ""
    yield one_line(
        Text.assemble(
            (gutter, "red"),
            f"{wording.precise(entry.first_seen)[11:]:<12}  ",
            (f"{mark} {wording.label(entry.auth_event):<{labels}}", style),
            f"  {entry.status if entry.status is not None else '-':>3}  ",
            (f"{wording.label(entry.state):<{states}}", palette.STATE.get(entry.state, "")),
            f"  {visible(request)}{reason}{late}",
        )
    )
    if entry.count > 1:
        yield one_line(Text.assemble((gutter, "red"), (f"{'':12}  {folded(entry)}", "dim")))


def _span(finding: Finding, *, begins: bool) -> Text:
    if not begins:
        ending = "goes on" if finding.ongoing else "ends"
        return one_line(Text(f"└ {visible(finding.detector)} {ending}", "red"))
    severity = f"{visible(finding.detector)} ({finding.severity.value})"
    return one_line(Text.assemble((f"┌ {severity} ", "bold red"), visible(finding.summary)))
