"""The figures for Python: plotly `Figure`s, checked by plotly, which are returned and never shown or written."""

from __future__ import annotations

import plotly.graph_objects as go

from authforensics.document import Document, Timeline
from authforensics.report import specs


def fleet(document: Document, system: str) -> go.Figure:
    """Devices of a system by state over time, the ill at the base line, with incidents' onsets and phases."""
    return _figure(specs.fleet(document, system))


def denials(document: Document, system: str) -> go.Figure:
    """Denials of a system over time, stacked by what was denied and why."""
    return _figure(specs.denials(document, system))


def device_timeline(document: Document, timeline: Timeline) -> go.Figure:
    """One device: its states as bands, its requests as symbols in lanes, every one with its log line on hover."""
    return _figure(specs.device_timeline(document, timeline))


def _figure(spec: specs.Spec) -> go.Figure:
    """Without plotly's default template, whose background and colours would be added."""
    return go.Figure(data=spec["data"], layout={**spec["layout"], "template": {}})
