"""Owns `simulate`: labelled logs of a scenario, or the list of scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authforensics.cli.messages import say
from authforensics.cli.sources import check_choice
from authforensics.errors import BadValue

if TYPE_CHECKING:
    from authforensics.simulate.scenario import Logs

_RESOLUTIONS = ("ms", "s")
_NONE = "none"


def simulate(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENARIO]",
            help="A scenario's name, or a TOML file of your own. Without one, all are listed.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where logs and truth are written.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same bytes.")] = 1,
    format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Format of the access log. [default: the scenario's]")
    ] = None,
    application: Annotated[
        str | None,
        typer.Option(metavar="NAME|none", help="Format of the application log. [default: the scenario's]"),
    ] = None,
    device_id: Annotated[
        bool | None, typer.Option("--device-id/--no-device-id", help="Log device ids, in formats that can.")
    ] = None,
    request_id: Annotated[
        bool | None, typer.Option("--request-id/--no-request-id", help="Log request ids, in formats that can.")
    ] = None,
    reason: Annotated[
        bool | None, typer.Option("--reason/--no-reason", help="Log why a call was refused, in formats that can.")
    ] = None,
    resolution: Annotated[str | None, typer.Option(metavar="ms|s", help="How exact times are.")] = None,
) -> None:
    """Write the logs of a simulated incident or healthy day, and the truth about it (truth.json)."""
    from authforensics import simulate as stage

    if scenario is None:
        if out is not None:
            raise BadValue("simulate: --out says where logs are written, and no scenario is named")
        for name in stage.packaged():
            typer.echo(f"{name:32} {stage.load(name).title}")
        return
    if out is None:
        raise BadValue("simulate: --out DIR is missing")
    if resolution is not None:
        check_choice("resolution", "--resolution", resolution, _RESOLUTIONS)
    chosen = stage.load(scenario).logs.model_copy(
        update={
            name: None if value == _NONE else value
            for name, value in {
                "format": format,
                "application": application,
                "device_id": device_id,
                "request_id": request_id,
                "reason": reason,
                "resolution": resolution,
            }.items()
            if value is not None
        }
    )
    _write(scenario, seed, out, chosen)


def _write(scenario: str, seed: int, out: Path, logs: Logs) -> None:
    from authforensics import simulate as stage

    stage.check(logs)
    for path in stage.simulate(scenario, seed).write(out, logs):
        say("note", f"wrote {path}")
