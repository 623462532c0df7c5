"""Owns the options that several commands have: each is declared once, and means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="Files, directories, globs, s3:// gs:// az:// paths, or - for standard input."),
]
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
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="2025-12-25T09:00+09:00; 2h: before the last event; now-2h: by the clock."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="As --since.")]
PathPattern = Annotated[
    str | None,
    typer.Option(metavar="PATTERN", help="Only requests whose path or route this regular expression matches."),
]
Statuses = Annotated[
    str | None, typer.Option(metavar="CODES", help="Only requests of these statuses: 401,4xx,200-299.")
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID", help="Only lines with this device, session, user or address, or address|agent; repeatable."
    ),
]
DeviceKey = Annotated[
    str | None, typer.Option(metavar="FIELD", help="The field that tells devices apart. [default: found out]")
]
EnvFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A dotenv file: which of its secrets signed the tokens, and what it lacks."),
]
SecretsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Secrets to be tried, one a line.")]
KeySets = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Public keys to be tried: a JSON Web Key Set, or PEM; repeatable."),
]
ShowClaims = Annotated[
    bool, typer.Option("--show-claims", help="Show what tokens say in log lines, never their signatures.")
]
Anonymize = Annotated[
    bool,
    typer.Option("--anonymize", help="Pseudonyms for client addresses and users, so that a result can be shared."),
]
FingerprintKey = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|env:NAME",
        help="A key of yours: pseudonyms and fingerprints are the same in every run. [default: made for the run]",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Any input that can't be read whole is an error.")]
Engine = Annotated[str, typer.Option(metavar="local|spark", help="What runs the analysis.")]
Master = Annotated[
    str | None, typer.Option(metavar="URL", help="Master of the Spark cluster. [default: Spark's own setting]")
]
Memory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Events beyond it are worked on in parts: 512M, 2G. [default: 512MiB]"),
]
WorkDir = Annotated[
    str | None, typer.Option(metavar="DIR", help="Where those parts are put. [default: the temporary directory]")
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Draw no progress bar.")]
Color = Annotated[str, typer.Option(metavar="auto|always|never", help="Colors; NO_COLOR is honoured.")]
