"""Owns the options that several commands have: each is declared once, and means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FormatName = Annotated[str, typer.Option("--format", metavar="NAME|auto", help="Format of all files.")]
LogFormat = Annotated[
    str | None, typer.Option(metavar="STRING", help="An nginx log_format or Apache LogFormat string.")
]
NginxConf = Annotated[
    Path | None, typer.Option(metavar="FILE", help="An nginx configuration: which log has which log_format.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Configuration file. [default: authforensics.toml beside the logs or in the working directory]",
    ),
]
Zone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Zone of times that carry none. [default: UTC, with a warning]")
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Draw no progress bar.")]
Color = Annotated[str, typer.Option(metavar="auto|always|never", help="Colors; NO_COLOR is honoured.")]
