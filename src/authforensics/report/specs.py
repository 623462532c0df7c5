"""The figures as plain data: a document becomes what plotly.js draws.

plotly's own classes check every property, which takes most of a page's time; that these pass is tested instead.
Backgrounds are transparent and no text colour is set, so that a page can lend the figures its own scheme. Text of a log
is escaped, because plotly reads a subset of HTML in its labels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from html import escape
from typing import Any, TypeAlias

from authforensics.document import Band, Document, Mark, Population, Rate, Timeline
from authforensics.findings import Incident
from authforensics.redact import redact, visible
from authforensics.report import moments, palette, selection, wording
from authforensics.schema import Reason
from authforensics.states import MEANING

#: A figure, or part of one, as plotly itself writes it in JSON.
Spec: TypeAlias = dict[str, Any]

_GRID = "rgba(128,138,150,0.22)"
_LANES = ("API", "refresh", "login", "state")
_MOST_BARS = 160
_MOST_TINTS = 400
_WRAP = 84
_LONGEST_LINE = 12 * _WRAP
_TIMES: Spec = {
    "ticklen": 4,
    "tickangle": 0,
    "tickformatstops": [
        {"dtickrange": [None, 1000], "value": "%H:%M:%S.%3f\n%Y-%m-%d"},
        {"dtickrange": [1000, 60_000], "value": "%H:%M:%S\n%Y-%m-%d"},
        {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%Y-%m-%d"},
        {"dtickrange": [86_400_000, None], "value": "%Y-%m-%d"},
    ],
}
_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440))
_MEANING: dict[str, str] = {state.value: text for state, text in MEANING.items()}
_PATTERN = {"api_denied": "", "refresh_denied": "/", "login_denied": "x"}


def fleet(document: Document, system: str) -> Spec:
    """Devices of a system by state over time, the ill at the base line, with incidents' onsets and phases."""
    rows = sorted((row for row in document.populations if row.system == system), key=lambda row: row.at)
    incidents = _incidents(document, system)
    traces = [_area(state, rows) for state in palette.STATE if any(row.states.get(state) for row in rows)]
    layout = _layout(340, "devices", _range(document, system))
    layout["hovermode"] = "x unified"
    phased = [incident for incident in incidents if incident.phases]
    moments.onsets(layout, incidents)
    moments.deploys(layout, document)
    if phased:
        traces += [_phase_strip(row, incident) for row, incident in enumerate(phased)]
        strip = min(0.3, 0.07 * len(phased))
        layout["yaxis"] |= {"domain": [0, 0.95 - strip]}
        layout["yaxis2"] = {"domain": [1 - strip, 1], "visible": False, "fixedrange": True, "anchor": "x"}
        layout |= {"barmode": "overlay", "uniformtext": {"mode": "hide", "minsize": 10}}
    return {"data": traces, "layout": layout}


def denials(document: Document, system: str) -> Spec:
    """Denials of a system over time, stacked by what was denied and why."""
    rows = [row for row in document.rates if row.system == system and row.auth_event in wording.DENIALS]
    step = _step(rows)
    bars: dict[tuple[str, str | None], Counter[datetime]] = defaultdict(Counter)
    for row in rows:
        bars[row.auth_event, row.reason][_floor(row.minute, step)] += row.count
    order = sorted(bars, key=lambda key: (wording.DENIALS.index(key[0]), -bars[key].total(), key[1] or ""))
    layout = _layout(340, f"denials per {wording.duration(step.total_seconds())}", _range(document, system))
    layout |= {"barmode": "stack", "hovermode": "closest"}
    moments.onsets(layout, _incidents(document, system))
    moments.deploys(layout, document)
    return {"data": [_bars(key, bars[key], step) for key in order], "layout": layout}


def device_timeline(document: Document, timeline: Timeline) -> Spec:
    """One device: its states as bands, its requests as symbols in lanes, every one with its log line on hover."""
    layout = _layout(350, None, _reach(timeline))
    layout["yaxis"] |= {
        "tickvals": list(range(len(_LANES))),
        "ticktext": list(_LANES),
        "range": [-0.6, len(_LANES) - 0.45],
        "fixedrange": True,
        "showgrid": False,
    }
    layout |= {"hovermode": "closest", "barmode": "overlay", "uniformtext": {"mode": "hide", "minsize": 9}}
    bands: dict[str, list[Band]] = defaultdict(list)
    for band in timeline.bands:
        bands[band.state].append(band)
    if bands and len(timeline.bands) <= _MOST_TINTS:
        layout["shapes"] = [_tint(state, bands[state]) for state in bands]
    start = min((one.first_seen for one in timeline.bands), default=None)
    concerned = [
        incident
        for incident in _incidents(document, timeline.system)
        if timeline.device_id in incident.device_ids and start and incident.first_seen >= start
    ]
    moments.onsets(layout, concerned)
    moments.deploys(layout, document)
    marks: dict[str, list[Mark]] = defaultdict(list)
    for mark in timeline.marks:
        marks[mark.auth_event].append(mark)
    traces = [_bands(state, bands[state]) for state in _known_first(bands, palette.STATE)]
    traces += [_marks(event, marks[event]) for event in _known_first(marks, palette.MARK)]
    return {"data": traces, "layout": layout}


def _layout(height: int, unit: str | None, shown: list[str] | None) -> Spec:
    axis = {"gridcolor": _GRID, "linecolor": _GRID, "zeroline": False, "tickcolor": _GRID, "automargin": True}
    reach = {"range": shown} if shown else {}
    title = {"standoff": 8} | ({"text": unit} if unit else {})
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 52, "r": 14, "t": 26, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 12},
        "hoverlabel": {"align": "left", "namelength": -1, "font": {"size": 12}},
        "legend": _legend(),
        "xaxis": {**axis, "type": "date", "showgrid": False, "ticks": "outside", **reach, **_TIMES},
        "yaxis": {**axis, "title": title, "rangemode": "tozero", "fixedrange": True},
    }


def _legend() -> Spec:
    place = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
    return {**place, "traceorder": "normal", "itemwidth": 30, "font": {"size": 11.5}}


def _area(state: str, rows: Sequence[Population]) -> Spec:
    return {
        "type": "scatter",
        "name": _shown(wording.label(state)),
        "x": [moments.at(row.at) for row in rows],
        "y": [row.states.get(state, 0) for row in rows],
        "stackgroup": "states",
        "mode": "lines" if len(rows) > 1 else "markers",
        "line": {"width": 0, "shape": "hv", "color": palette.STATE[state]},
        "fillcolor": palette.STATE[state],
        "hovertemplate": "%{y} %{fullData.name}<extra></extra>",
    }


def _phase_strip(row: int, incident: Incident) -> Spec:
    phases = incident.phases
    return {
        "type": "bar",
        "orientation": "h",
        "yaxis": "y2",
        "y": [-row] * len(phases),
        "width": 0.8,
        "base": [moments.at(one.first_seen) for one in phases],
        "x": [_milliseconds(one.first_seen, one.last_seen) for one in phases],
        "marker": {"color": [palette.PHASE[one.name] for one in phases]},
        "text": [wording.phase(one.name) for one in phases],
        "textposition": "inside",
        "insidetextanchor": "start",
        "textangle": 0,
        "textfont": {"color": "#ffffff", "size": 11},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _bars(key: tuple[str, str | None], counts: Counter[datetime], step: timedelta) -> Spec:
    event, reason = key
    name = f"{wording.label(event).removesuffix(' denied')}: {_shown(wording.label(reason))}"
    colour = palette.REASON.get(reason, palette.REASON[Reason.OTHER])
    minutes = sorted(counts)
    return {
        "type": "bar",
        "name": name,
        "x": [moments.at(minute) for minute in minutes],
        "y": [counts[minute] for minute in minutes],
        "width": step / timedelta(milliseconds=1),
        "offset": 0,
        "marker": {"color": colour, "line": {"width": 0}, "pattern": {"shape": _PATTERN[event], "size": 6}},
        "hovertemplate": "%{y} denied<br>%{fullData.name}<br>from %{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
    }


def _bands(state: str, bands: Sequence[Band]) -> Spec:
    name = _shown(wording.label(state))
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": [_LANES.index("state")] * len(bands),
        "width": 0.62,
        "base": [moments.at(band.first_seen) for band in bands],
        "x": [_milliseconds(band.first_seen, band.last_seen) for band in bands],
        "marker": {"color": palette.STATE.get(state, palette.GREY), "line": {"width": 0}},
        "text": [name] * len(bands),
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"color": "#ffffff", "size": 11},
        "customdata": [
            [
                wording.span(band.first_seen, band.last_seen),
                wording.duration((band.last_seen - band.first_seen).total_seconds()),
            ]
            for band in bands
        ],
        "hovertemplate": "<b>%{fullData.name}</b> for %{customdata[1]}<br>"
        f"{_MEANING.get(state, '')}<br>%{{customdata[0]}}<extra></extra>",
    }


def _tint(state: str, bands: Sequence[Band]) -> Spec:
    """All stretches of a state in one shape: hundreds of shapes take plotly seconds."""
    bottom, top = -0.6, len(_LANES) - 1.5
    reaches = [
        (moments.at(band.first_seen).replace(" ", "_"), moments.at(band.last_seen).replace(" ", "_")) for band in bands
    ]
    return {
        "type": "path",
        "layer": "below",
        "path": "".join(f"M{first},{bottom}H{last}V{top}H{first}Z" for first, last in reaches),
        "fillcolor": palette.STATE.get(state, palette.GREY),
        "opacity": 0.13,
        "line": {"width": 0},
    }


def _marks(event: str, marks: Sequence[Mark]) -> Spec:
    lane, symbol, colour = palette.MARK.get(event, ("API", "circle", palette.GREY))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _shown(wording.label(event)),
        "x": [moments.at(mark.timestamp) for mark in marks],
        "y": [_LANES.index(lane)] * len(marks),
        "marker": {"symbol": symbol, "color": colour, "size": 9, "line": {"width": 1.2 if "open" in symbol else 0}},
        "customdata": [_mark_text(mark) for mark in marks],
        "hovertemplate": "<b>%{fullData.name}</b>%{customdata[0]}<br>%{x|%Y-%m-%d %H:%M:%S.%L} UTC<br>"
        "%{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>",
    }


def _mark_text(mark: Mark) -> list[str]:
    """What a mark's hover shows beside event and time: reason, request and answer, place, log line."""
    reason = f": {wording.label(mark.reason)}" if mark.reason else ""
    place = f"{mark.source}:{mark.line_number}"
    return [_shown(reason), _answer(mark.method, mark.route, mark.status), _shown(place), _wrapped(redact(mark.text))]


@lru_cache(maxsize=1024)
def _answer(method: str | None, route: str | None, status: int | None) -> str:
    request = " ".join(part for part in (method, route) if part) or "no request"
    return _wrapped(f"{request} → {status}" if status is not None else request)


def _shown(text: str) -> str:
    """`text` as plotly's labels show it; they know no entity for a quote, and need none."""
    return escape(visible(text), quote=False)


def _wrapped(text: str) -> str:
    """`text` escaped for plotly, broken into lines of even length wherever that falls: it is a log line, not prose."""
    shown = visible(text)
    if len(shown) > _LONGEST_LINE:
        shown = shown[: _LONGEST_LINE - 1] + "…"
    return "<br>".join(escape(shown[start : start + _WRAP], quote=False) for start in range(0, len(shown), _WRAP))


def _known_first(found: Iterable[str], known: Iterable[str]) -> list[str]:
    names = list(known)
    return sorted(found, key=lambda name: (names.index(name) if name in names else len(names), name))


def _incidents(document: Document, system: str) -> list[Incident]:
    return [incident for incident in selection.incidents(document) if incident.system == system]


def _range(document: Document, system: str) -> list[str] | None:
    return _padded(*wording.period([one for one in document.systems if one.system == system]))


def _reach(timeline: Timeline) -> list[str] | None:
    times = [at for band in timeline.bands for at in (band.first_seen, band.last_seen)]
    times += [mark.timestamp for mark in timeline.marks]
    return _padded(min(times, default=None), max(times, default=None))


def _padded(first: datetime | None, last: datetime | None) -> list[str] | None:
    """An axis range with a little air; left to plotly where there is nothing to reach over."""
    if first is None or last is None or first == last:
        return None
    margin = (last - first) * 0.012
    return [moments.at(first - margin), moments.at(last + margin)]


def _step(rows: Sequence[Rate]) -> timedelta:
    """The smallest step that keeps a chart of the rows readable."""
    if not rows:
        return _STEPS[0]
    reach = max(row.minute for row in rows) - min(row.minute for row in rows)
    return next((step for step in _STEPS if reach / step <= _MOST_BARS), _STEPS[-1])


def _floor(at: datetime, step: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return at - (at - epoch) % step


def _milliseconds(first: datetime, last: datetime) -> float:
    return max((last - first) / timedelta(milliseconds=1), 1.0)
