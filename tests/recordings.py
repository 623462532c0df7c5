"""Where the recordings of real software lie: those that are sample logs there, the others beside this module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

_HERE = Path(__file__).parent / "recordings"
_SAMPLES = Path(__file__).parent.parent / "sample_logs"
_SAMPLE_OF = {
    "healthy_day": "healthy-day",
    "incident_1_secret_mismatch": "incident-1-secret-mismatch",
    "incident_2_equal_lifetimes": "incident-2-equal-lifetimes",
}


class Recording(NamedTuple):
    """One recording in one of the formats it was written in."""

    name: str
    variant: str
    path: Path
    truth: dict[str, Any]

    @property
    def id(self) -> str:
        """What pytest calls it."""
        return f"{self.name}-{self.variant}"


def recordings() -> list[Recording]:
    """All of them; `logs` as an engineer would find them, `logs_alt` the same traffic in another format."""
    found = []
    for folder in sorted(path for path in _HERE.iterdir() if path.is_dir()):
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        sample = _SAMPLE_OF.get(folder.name)
        logs = _SAMPLES / sample if sample else folder / "logs"
        found.append(Recording(folder.name, "logs", logs, truth))
        found.append(Recording(folder.name, "logs_alt", folder / "logs_alt", truth))
    return found
