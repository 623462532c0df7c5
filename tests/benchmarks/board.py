"""Holds what was measured and the bounds it is held to, and writes both as Markdown tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Took


@dataclass(frozen=True)
class Bound:
    """A measured figure that must not be above `limit`, and should be at `aim`."""

    name: str
    measured: float
    limit: float
    aim: float | None = None
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.measured <= self.limit

    def __str__(self) -> str:
        verdict = "met" if self.met else "NOT met"
        return f"{self.name}: {_short(self.measured)}{self.unit}, at most {_short(self.limit)}{self.unit}: {verdict}"


@dataclass
class Board:
    """All rows of one run of the benchmarks."""

    lines: int
    rows: list[tuple[str, int | None, Took, float | None]] = field(default_factory=list)
    forms: list[tuple[str, int, float, float, str]] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, took: Took, lines: int | None = None, beside: Took | None = None) -> None:
        """One process, and how it compares with `beside`, the analysis of the same turn."""
        self.rows.append((name, lines, took, took.seconds / beside.seconds if beside else None))

    def add_form(self, name: str, lines: int, seconds: float, share: float, verdict: str) -> None:
        """What reading a layout took, of all processors, and its lines per second as a share of combined's."""
        self.forms.append((name, lines, seconds, share, verdict))

    def hold(self, *bounds: Bound) -> list[str]:
        """Note the bounds; returns those that are not met, in words."""
        self.bounds += bounds
        return [str(bound) for bound in bounds if not bound.met]

    def markdown(self, versions: dict[str, str]) -> str:
        """Everything, with what it was measured on."""
        told = ", ".join(f"{name} {version}" for name, version in versions.items())
        parts = [
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with {told}; {os.cpu_count()} cores ({_processor()}).",
            table(
                ("", "lines", "seconds", "lines/s", "peak MB", "time / analyze"),
                (_cells(*row) for row in self.rows),
            ),
            table(
                ("reading", "lines", "CPU seconds", "lines/s", "of combined", "at least 0.5"),
                (
                    (name, f"{lines:,}", f"{seconds:.2f}", f"{lines / seconds:,.0f}", f"{share:.2f}", verdict)
                    for name, lines, seconds, share, verdict in sorted(self.forms, key=lambda form: form[3])
                ),
            ),
            table(
                ("bound", "measured", "at most", "aim", ""),
                (
                    (
                        bound.name,
                        f"{_short(bound.measured)}{bound.unit}",
                        f"{_short(bound.limit)}{bound.unit}",
                        "" if bound.aim is None else f"{_short(bound.aim)}{bound.unit}",
                        "met" if bound.met else "NOT met",
                    )
                    for bound in self.bounds
                ),
            ),
            *self.notes,
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def write(self, path: Path, versions: dict[str, str]) -> str:
        """Write the tables; returns them."""
        text = self.markdown(versions)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return text


def _cells(name: str, lines: int | None, took: Took, ratio: float | None) -> tuple[str, ...]:
    speed = "" if lines is None else f"{lines / took.seconds:,.0f}"
    shown = "" if lines is None else f"{lines:,}"
    seconds = f"{took.seconds:.3f}" if took.seconds < 1 else f"{took.seconds:.2f}"
    return name, shown, seconds, speed, f"{took.peak / 1e6:,.0f}", "" if ratio is None else f"{ratio:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in a terminal too; nothing if there are no rows."""
    cells = [tuple(row) for row in rows]
    if not cells:
        return ""
    widths = [max(3, *(len(row[index]) for row in [head, *cells])) for index in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *rest = zip(row, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]) + " |"

    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([line(head), rule, *(line(row) for row in cells)])


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 0.2 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
