"""Whether it is over, for the terminal: the answer, the matrix of platforms and endpoints, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from authforensics.redact import visible
from authforensics.report import wording

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.devices import Recovery, RecoveryCell

#: Devices that are named; the document has them all.
_SHOWN = 5
_STYLE = {"recovered": "bold green", "nothing": "bold green", "ill": "bold red"}
_ADVICE = {
    "unseen": "Wait until such a device calls, or have somebody open the app; then run this again on the newer log.",
    "unproven": "A granted refresh or a login proves nothing: wait for accepted calls there, then run this again.",
}


def answer(found: Recovery) -> Text:
    """The answer in one sentence."""
    return Text(visible(found.headline), _STYLE.get(found.outcome, "bold yellow"))


def render(found: Recovery) -> RenderableType:
    """All of it but the `command`, which must not be broken into lines."""
    parts: list[RenderableType] = [answer(found)]
    if found.cells:
        parts += [Text(), _matrix(found)]
    parts += [line for cell in found.cells if cell.endpoints for line in _refusing(cell, found)]
    if found.ill_devices:
        parts += [Text(), Text("Still refused", "bold"), *_devices(found)]
        more = found.ill + found.new - min(len(found.ill_devices), _SHOWN)
        parts += [Text(f"  and {wording.number(more)} more: --json lists them", "dim")] if more > 0 else []
    elif found.outcome in _ADVICE:
        parts += [Text(), Text(_ADVICE[found.outcome])]
    return Group(*parts)


def _several(found: Recovery) -> bool:
    return len({cell.system for cell in found.cells}) > 1


def _matrix(found: Recovery) -> Table:
    several, new = _several(found), any(cell.new for cell in found.cells)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in (*(["System"] if several else []), "Platform", "Endpoints"):
        table.add_column(name)
    for name in ("Ill before", "Well", "Still ill", "Unproven", "Not seen", *(["Ill since"] if new else [])):
        table.add_column(name, justify="right")
    table.add_column("")
    for cell in found.cells:
        counts = [cell.devices, cell.well, cell.ill, cell.unproven, cell.unseen, *([cell.new] if new else [])]
        names = [*([cell.system] if several else []), cell.platform or "unknown", wording.label(cell.endpoint_class)]
        style = "red" if cell.ill or cell.new else "green" if cell.proven else "yellow"
        state = "not recovered" if cell.ill or cell.new else "proven" if cell.proven else "not proven"
        cells = [Text(visible(name)) for name in names] + [Text(wording.number(count)) for count in counts]
        table.add_row(*cells, Text(state, style))
    return table


def _refusing(cell: RecoveryCell, found: Recovery) -> Iterator[Text]:
    where = f"{cell.system}, " if _several(found) else ""
    named = f"{where}{cell.platform or 'unknown'} {wording.label(cell.endpoint_class)}"
    yield Text(visible(f"Refused on {named}: {', '.join(cell.endpoints)}"), "dim")


def _devices(found: Recovery) -> Iterator[Text]:
    for one in found.ill_devices[:_SHOWN]:
        client = " ".join(part for part in (one.platform, one.app_version) if part)
        reason = f" ({wording.label(one.reason)})" if one.reason else ""
        since = ", not ill before" if one.new else ""
        times = wording.count(one.refused, "refusal")
        told = f"  {client}  {times} since{since}; last {wording.moment(one.last_refused)} by {one.endpoint}{reason}"
        yield Text.assemble("  ", (visible(one.device_id), "cyan"), visible(told), no_wrap=True, overflow="ellipsis")


def command(found: Recovery, paths: Sequence[str]) -> Text | None:
    """What shows the first device that is still ill; None where nobody is."""
    if not found.ill_devices:
        return None
    words = ["authforensics", "timeline", *paths, "--device", found.ill_devices[0].device_id]
    return Text.assemble("See one: ", (visible(shlex.join(words)), "bold"))
