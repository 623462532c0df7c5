"""Simulates clients and servers, writes their logs, and knows the truth about them, because it made it.

A scenario says who there is, what the servers do and what goes wrong. Nothing here knows how anything is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from authforensics.simulate.scenario import load, packaged

if TYPE_CHECKING:
    from authforensics.simulate.record import Exchange
    from authforensics.simulate.scenario import Logs, Scenario
    from authforensics.simulate.truth import Truth
    from authforensics.simulate.writer import Writer

__all__ = ["Simulated", "check", "load", "packaged", "simulate"]

#: How far a line may be behind its time in the file: servers write from several processes.
_BEHIND = 0.05


@dataclass(frozen=True)
class Simulated:
    """A run: what the log has, and what is true of it. It can be written in any variant."""

    scenario: Scenario
    name: str
    seed: int
    #: The requests in the log, in the order of its lines; none that was lost or lies beyond its ends.
    written: Sequence[Exchange]
    shared: dict[str, str]

    def lines(self, writer: Writer, tells: Iterable[str]) -> list[str]:
        """The lines of one log."""
        from authforensics.simulate.writer import Page

        page = Page(self.scenario.start, frozenset(tells) & writer.tells)
        return [line for one in self.written if (line := writer.line(one, page)) is not None]

    def truth(self, logs: Truth) -> Truth:
        """What is true of it; `logs` says what the files tell."""
        from authforensics.simulate.truth import truth

        return truth(self.scenario, self.name, self.seed, written=self.written, shared=self.shared, logs=logs)

    def write(self, folder: Path, logs: Logs | None = None) -> list[Path]:
        """Write `logs/access.log`, `logs/app.log` where the application logs, `deploys.jsonl` and `truth.json`.

        Raises:
            UnknownName: there is no such log format.
        """
        from authforensics.simulate.truth import deploys

        logs = logs or self.scenario.logs
        chosen = check(logs)
        asked = _tells(logs)
        texts = {f"logs/{name}": self.lines(writer, asked) for name, writer in chosen.items()}
        told = {
            name: {
                "format": writer.reads,
                "writer": logs.format if name == "access.log" else logs.application,
                "lines": len(texts[f"logs/{name}"]),
                "tells": sorted(asked & writer.tells),
            }
            for name, writer in chosen.items()
        }
        texts["deploys.jsonl"] = [json.dumps(one) for one in deploys(self.scenario)]
        texts["truth.json"] = [json.dumps(self.truth(told), indent=1)]
        made = []
        for name, lines in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
            made.append(path)
        return made


def simulate(name: str, seed: int = 1) -> Simulated:
    """Run a scenario: a packaged one by name, or the TOML file at a path. The same seed gives the same run.

    Raises:
        UnknownName, MissingInput, BadValue: as `load`.
    """
    return run(load(name), Path(name).name.removesuffix(".toml"), seed)


def run(scenario: Scenario, name: str, seed: int = 1) -> Simulated:
    """Run a scenario."""
    from authforensics.simulate.chance import Chance
    from authforensics.simulate.clocks import HOUR
    from authforensics.simulate.world import World

    world = World(scenario, seed)
    exchanges = world.run().exchanges
    fate = Chance(seed, "log")
    inside = [one for one in exchanges if 0 <= one.ended < scenario.hours * HOUR]
    kept = [one for one in inside if not fate.happens(scenario.logs.lost)]
    behind = {id(one): one.ended + fate.between(0, _BEHIND) for one in kept}
    return Simulated(scenario, name, seed, sorted(kept, key=lambda one: behind[id(one)]), world.shared)


def check(logs: Logs) -> dict[str, Writer]:
    """The files that are written, and who writes each.

    Raises:
        UnknownName: there is no such log format.
    """
    chosen = {"access.log": _writer(logs.format, application=False)}
    if logs.application is not None:
        chosen["app.log"] = _writer(logs.application, application=True)
    return chosen


def _writer(name: str, *, application: bool) -> Writer:
    from authforensics.errors import UnknownName
    from authforensics.simulate.writer import writers

    known = {key: writer for key, writer in writers().items() if writer.application is application}
    if name not in known:
        raise UnknownName("application log" if application else "access log", name, known)
    return known[name]


def _tells(logs: Logs) -> set[str]:
    from authforensics.simulate import writer

    said = {writer.DEVICE_ID: logs.device_id, writer.REQUEST_ID: logs.request_id, writer.REASON: logs.reason}
    said[writer.MILLISECONDS] = logs.resolution == "ms"
    return {name for name, told in said.items() if told}
