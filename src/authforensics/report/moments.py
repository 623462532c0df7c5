"""Moments on the figures: when incidents began, when something was deployed, as lines across them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from authforensics.document import Document
from authforensics.findings import Deploy, Incident
from authforensics.redact import visible
from authforensics.report import palette, wording

_LINE = "rgba(128,138,150,0.85)"
_MOST_ONSETS = 4
#: Deploys drawn, and those of them with their name beside the line: more would cover what they are compared with.
_MOST_DEPLOYS, _MOST_NAMES = 100, 12
_LONGEST_NAME = 20


def at(moment: datetime) -> str:
    """As plotly takes times: without a zone, always UTC; the milliseconds only where there are some."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return text.removesuffix("000")


def onsets(layout: dict[str, Any], incidents: Sequence[Incident]) -> None:
    """Add a line at the onset of each incident, with its time."""
    for height, incident in enumerate(incidents[:_MOST_ONSETS]):
        place = at(incident.first_seen)
        _line(layout, place, {"color": _LINE, "width": 1.4, "dash": "dot"})
        layout.setdefault("annotations", []).append(
            {
                "text": f"onset {wording.moment(incident.first_seen)[11:]}",
                "x": place,
                "xref": "x",
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "xanchor": "left" if height % 2 == 0 else "right",
                "yshift": 2,
                "showarrow": False,
                "font": {"size": 11},
            }
        )


def deploys(layout: dict[str, Any], document: Document) -> None:
    """Add a line at each deploy in view, the name along it; of very many, those nearest to the onset of an incident."""
    first, last = layout["xaxis"].get("range", ("", "~"))
    shown = [one for one in document.deploys if first <= at(one.time) <= last]
    begun = [incident.first_seen for incident in document.incidents]
    if len(shown) > _MOST_NAMES and begun:
        shown.sort(key=lambda one: min(abs(one.time - onset) for onset in begun))
    for number, one in enumerate(shown[:_MOST_DEPLOYS]):
        _line(layout, at(one.time), {"color": palette.BLUE, "width": 1.2, "dash": "dash"})
        if number < _MOST_NAMES:
            layout.setdefault("annotations", []).append(_name(one))


def _line(layout: dict[str, Any], place: str, line: dict[str, Any]) -> None:
    layout.setdefault("shapes", []).append(
        {"type": "line", "xref": "x", "yref": "paper", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": line}
    )


def _name(deploy: Deploy) -> dict[str, Any]:
    return {
        "text": escape(visible(wording.shorten(deploy.name, _LONGEST_NAME)), quote=False),
        "hovertext": escape(visible(f"{deploy.name}, {wording.precise(deploy.time)} UTC"), quote=False),
        "x": at(deploy.time),
        "xref": "x",
        "xanchor": "center",
        "y": 0.98,
        "yref": "paper",
        "yanchor": "top",
        "textangle": -90,
        "showarrow": False,
        "font": {"size": 10.5, "color": "#ffffff"},
        "bgcolor": palette.BLUE,
        "borderpad": 1,
    }
