"""Owns `explain`: what a name means, or why a log line is read as it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authforensics.cli.options import Color, LogFormat, ShowClaims
from authforensics.cli.sources import COLORS, check_choice, check_log_format, reading
from authforensics.errors import BadValue, UnknownName

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.collect import Options

#: What can be explained beside the names of a report.
TOPICS = {
    "thresholds": "every threshold of every detector, where it comes from, and how to change it",
    "document": "the JSON Schema of the document that --json writes",
}
STDIN = "-"


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A detector, cause, state or any other name of a report; thresholds; document. Without one, all are"
            " listed.",
            show_default=False,
        ),
    ] = None,
    *,
    line: Annotated[
        str | None,
        typer.Option(metavar="TEXT|-", help="A line of a log: why it is read as it is. -: from standard input."),
    ] = None,
    format: Annotated[str, typer.Option("--format", metavar="NAME|auto", help="Format of the line.")] = "auto",
    log_format: LogFormat = None,
    nginx_conf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An nginx configuration: the line may have any of its log_formats."),
    ] = None,
    tz: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Zone of a time that carries none. [default: UTC]")
    ] = None,
    show_claims: ShowClaims = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="Mark the place in the line for every format."
        ),
    ] = 0,
    color: Color = "auto",
) -> None:
    """Explain a name: what it is, what it is taken for, what to do. With --line: how a log line is read."""
    check_log_format(log_format, format)
    check_choice("color setting", "--color", color, COLORS)
    if line is not None:
        if name is not None:
            raise BadValue(f"--line and the name '{name}' exclude each other")
        options = reading(format, log_format, tz, nginx_conf=nginx_conf)
        _explain_line(line, options, color, verbose=bool(verbose), show_claims=show_claims)
        return
    if format != "auto" or show_claims or any(given is not None for given in (log_format, nginx_conf, tz)):
        asked = "--format, --log-format, --show-claims, --nginx-conf and --tz"
        raise BadValue(f"{asked} tell how a line is read: name one with --line")
    _explain_name(name, color)


def _explain_name(name: str | None, color: str) -> None:
    if name == "document":
        import json

        from authforensics.document import json_schema

        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    from authforensics.cli.terminal import print_rich

    print_rich(_all() if name is None else _thresholds() if name == "thresholds" else _meanings(name), color)


def _all() -> RenderableType:
    """The names of all that can be explained."""
    from authforensics.cli.entries import KINDS, entries
    from authforensics.cli.explained import listed

    known = entries()
    groups = {title: [(one.name, one.title) for one in known if one.kind == kind] for kind, title in KINDS.items()}
    return listed({**groups, "More": list(TOPICS.items())})


def _thresholds() -> RenderableType:
    from rich.console import Group

    from authforensics.cli.entries import thresholds
    from authforensics.cli.explained import sections
    from authforensics.detect import detectors

    return Group(*list(sections(thresholds(detectors())))[1:])


def _meanings(name: str) -> RenderableType:
    """All that the name means; reports show names with spaces as well."""
    from authforensics.cli.entries import entries
    from authforensics.cli.explained import drawn

    known, wanted = entries(), name.strip().lower().replace(" ", "_").replace("-", "_")
    found = [one for one in known if one.name == wanted]
    if not found:
        error = UnknownName("name", name, {one.name for one in known} | set(TOPICS))
        raise error if error.nearest else BadValue(f"unknown name '{name}'; 'authforensics explain' lists all")
    return drawn(found)


def _explain_line(line: str, options: Options, color: str, *, verbose: bool, show_claims: bool) -> None:
    from authforensics.cli.line import drawn
    from authforensics.cli.terminal import print_rich, width
    from authforensics.collect.trace import trace
    from authforensics.tokens.said import said

    text = _first_line() if line == STDIN else line
    cleaned = text.removeprefix("\ufeff").rstrip("\r\n")
    if not cleaned.strip():
        raise BadValue("--line: expected a line of a log, found nothing")
    if "\n" in cleaned:
        raise BadValue("--line: expected one line, found several; analyze reads files")
    print_rich(drawn(trace(cleaned, options), width(), said if show_claims else None, verbose=verbose), color)


def _first_line() -> str:
    if sys.stdin is None:
        raise BadValue("--line -: standard input is closed")
    return sys.stdin.buffer.readline().decode(errors="replace")
