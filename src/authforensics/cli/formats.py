"""Owns `formats`: what can be read, or what given files are and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from authforensics.cli.messages import say
from authforensics.cli.options import Color, ConfigFile, FormatName, LogFormat, NginxConf, NoProgress, Zone
from authforensics.cli.progress import progress_bar
from authforensics.cli.signals import cleaned_by
from authforensics.cli.sources import COLORS, check_choice, check_log_format, load_config, reading
from authforensics.cli.terminal import print_rich
from authforensics.errors import BadValue
from authforensics.redact import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.collect import Options
    from authforensics.collect.format import Format
    from authforensics.collect.recognize import Match
    from authforensics.document import Source

_NOTHING = "-"


def formats(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Files to look at: as `analyze` takes them. Without any, every format is listed.",
            show_default=False,
        ),
    ] = None,
    *,
    format: FormatName = "auto",
    log_format: LogFormat = None,
    nginx_conf: NginxConf = None,
    config: ConfigFile = None,
    tz: Zone = None,
    no_progress: NoProgress = False,
    color: Color = "auto",
) -> None:
    """List the formats that are known; of files tell format, wrapper, how sure, time zone, span and rejects."""
    check_log_format(log_format, format)
    check_choice("color setting", "--color", color, COLORS)
    if not paths:
        if format != "auto" or any(given is not None for given in (log_format, nginx_conf, config, tz)):
            raise BadValue("formats: options tell how files are read, and no file is named")
        print_rich(_known(), color)
        return
    options = reading(format, log_format, tz, load_config(config, paths), nginx_conf)
    _look_at(paths, options, color, drawing=not no_progress)


def _look_at(paths: Sequence[str], options: Options, color: str, *, drawing: bool) -> None:
    """Tell what files are; that none can be read is an error, once all have been told."""
    from authforensics.cli.remarks import about
    from authforensics.collect import discover
    from authforensics.collect.account import refuse
    from authforensics.collect.rivals import looked_at
    from authforensics.partitions import WorkDirectory, remove_all

    with cleaned_by(remove_all), progress_bar(enabled=drawing, color=color) as bar:
        work = WorkDirectory()
        progress = None if bar is None else bar.step
        told = looked_at(discover(paths, lambda: work.path, progress), options, progress)
    print_rich(_drawn([(outcome.source, rival) for outcome, rival in told]), color)
    for remark in about([outcome.source for outcome, _ in told]):
        say("warning", remark)
    refuse([outcome for outcome, _ in told], options)


def _drawn(told: Sequence[tuple[Source, Match | None]]) -> RenderableType:
    """What files are, one row each; below those that are none."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from authforensics.report import wording

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("File", "Format", "Sure", "Runner-up", "Zone", "Span", "Rejects"):
        table.add_column(name, overflow="fold")
    left = Table.grid(padding=(0, 2, 0, 0))
    for source, rival in told:
        if source.format is None:
            left.add_row(Text(visible(source.source)), Text(visible(source.note or "no log")))
        else:
            table.add_row(*(Text(visible(cell)) for cell in _cells(source, rival)))
    parts: list[RenderableType] = [table] if table.row_count else []
    units = Table.grid(padding=(0, 2, 0, 0))
    for name, one in ((source.source, one) for source, _ in told for one in source.units):
        units.add_row(Text(visible(name)), Text(visible(wording.unit(one))))
    if units.row_count:
        parts += [Text(), Text("Units", "bold"), units]
    if left.row_count:
        parts += [*([Text()] if parts else []), Text("Left alone", "bold"), left]
    return Group(*parts)


def _cells(source: Source, rival: Match | None) -> Iterator[str]:
    from authforensics.report import wording

    yield source.source
    yield " > ".join(filter(None, (source.wrapper, source.format)))
    yield _sure(source.confidence)
    yield _NOTHING if rival is None else f"{_name(rival, source.wrapper)}, {_sure(rival.confidence)}"
    yield source.timezone or _NOTHING
    yield _NOTHING if source.first_seen is None else wording.span(source.first_seen, source.last_seen)
    yield wording.percent(source.rejects, source.lines)


def _name(match: Match, wrapper: str | None) -> str:
    """A format, and what it would have to be inside of if that is something else."""
    around = match.around
    return match.form.name if around == wrapper else " > ".join(filter(None, (around or "bare", match.form.name)))


def _sure(confidence: float) -> str:
    return f"{confidence:.0%}"


def _known() -> RenderableType:
    """Every format and every wrapper, each with a line of it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from authforensics import collect
    from authforensics.collect import columnar
    from authforensics.collect.wrapper import wrappers

    grids: list[RenderableType] = []
    known = {
        "Formats": [(name, form.title, _sample(form)) for name, form in collect.formats().items()],
        "Wrappers, around the lines of any format": [
            (name, one.title, next(iter(one.samples), "")) for name, one in wrappers().items()
        ],
        "Tables, whose rows are read as JSON lines": [
            (name, f"{name.capitalize()} with columns for a time and for a status or a message", "")
            for name in map(str.lower, columnar.KINDS)
        ],
    }
    for title, rows in known.items():
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, about, sample in rows:
            grid.add_row(Text(name, "bold"), Text(about))
            if sample:
                grid.add_row(Text(), Text(visible(sample), "dim"))
        grids += [*([Text()] if grids else []), Text(title, "bold underline"), grid]
    return Group(*grids)


def _sample(form: Format) -> str:
    """A line of the format, not one that describes the file."""
    import re

    lines = [sample for sample in form.samples if not (form.header and re.search(form.header, sample))]
    return next(iter([*lines, *form.samples]), "")
