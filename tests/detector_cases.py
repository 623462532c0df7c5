"""The cases of the detectors: scripts of events, and what is found in them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import polars as pl

from authforensics.correlate import Options, correlate
from authforensics.schema import Sessions
from authforensics.tokens.carried import Carried
from script import ENDPOINTS, play, tokens

CASES = sorted((Path(__file__).parent / "cases" / "detectors").glob("*.toml"))


def detector(path: Path) -> str:
    """The detector that a case is about."""
    return path.name.split(".")[0]


def load(path: Path) -> dict[str, Any]:
    """A case as it is written."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def played(case: dict[str, Any]) -> pl.DataFrame:
    """The events of a case."""
    return play(case["script"], case.get("devices", 1), case.get("stagger", 0.0))


def shown(case: dict[str, Any]) -> Carried:
    """The tokens that can be read in a case."""
    return tokens(case["script"], case.get("devices", 1), case.get("stagger", 0.0))


def sessions(events: pl.DataFrame) -> Sessions:
    """What detectors see of them."""
    return correlate(events, Options(endpoints=ENDPOINTS)).sessions
