"""From logs alone: who keeps getting 401, since when, why, and whether it is over.

>>> import authforensics
>>> analysis = authforensics.analyze("logs/")
>>> analysis.incidents, analysis.findings, analysis.timeline("ios-0012")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authforensics.analysis import Analysis
    from authforensics.pipeline import analyze, read_events, run_detectors, sessionize
    from authforensics.spark import analyze_table

__all__ = ["Analysis", "analyze", "analyze_table", "read_events", "run_detectors", "sessionize"]


def __getattr__(name: str) -> object:
    """Load the library when it is first used: the command line's help must not wait for it."""
    if name in __all__:
        module = {"analyze_table": "spark", "Analysis": "analysis"}.get(name, "pipeline")
        return getattr(import_module(f"authforensics.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
