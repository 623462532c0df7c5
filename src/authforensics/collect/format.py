"""What a log format is: `Format`, and the columns that its parser yields for each line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import polars as pl

from authforensics.collect.found import Found
from authforensics.collect.mapped import Columns
from authforensics.collect.nginx_conf import Log, layout_for
from authforensics.document import Unit
from authforensics.schema import TIMESTAMP, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is known of lines before they are read.

    The caller said: the zone of naive times (`zones`: that of files by glob), how lines are laid out, which key names
    devices, what columns mean (`mapped`: by glob; `columns`: in this file). `logs` are those that nginx's configuration
    names. No line is later than `latest`, which tells the year of times that lack it.
    """

    tz: str | None = None
    zones: tuple[tuple[str, str], ...] = ()
    log_format: str | None = None
    device_field: str | None = None
    latest: datetime | None = None
    logs: tuple[Log, ...] = ()
    mapped: tuple[Columns, ...] = ()
    columns: Columns | None = None

    def of(self, found: Found) -> Settings:
        """Those of one file: zone and columns by glob, the layout as the caller or nginx's configuration says."""
        zone = next((zone for glob, zone in self.zones if found.fits(glob)), self.tz)
        columns = next((columns for columns in self.mapped if found.fits(columns.glob)), None)
        return replace(self, tz=zone, columns=columns, log_format=self.log_format or layout_for(self.logs, found))


#: Lines (`line_number`, `line`) in; the same rows with any of the columns of `PARSED` out.
Parser = Callable[[pl.LazyFrame], pl.LazyFrame]


@dataclass(frozen=True, slots=True)
class Cutting:
    """A parser that has a quicker way for whole blocks of a file, if most of their lines are plain.

    Attributes:
        parse: what takes any lines.
        cut: gets a block as it stands in the file; gives what `parse` would, less the columns of the lines themselves,
            for each line of it, and which lines are plain: what it says of others means nothing. None: this block can't
            be cut.
        log_format: what `--log-format` would say of such lines, if the parser was made without being told.
        units: those of the fields whose unit the format leaves open.
        columns: what columns hold by their values, since their names don't say: their names by what they hold.
    """

    parse: Parser
    cut: Callable[[bytes], tuple[pl.LazyFrame, pl.Series] | None]
    log_format: str | None = None
    units: tuple[Unit, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, lines: pl.LazyFrame) -> pl.LazyFrame:
        """What `parse` says."""
        return self.parse(lines)


#: What a parser may yield. `matched` is the only one that it must: the line has this format's layout. `time` is the
#: line's own time (null: unreadable), `at_start` whether that is the request's start, `zone` what it says of its offset
#: ("+0900", "naive", "epoch", a zone's name), `request` a request line that isn't split yet, `target` a path with
#: its query.
PARSED: dict[str, pl.DataType] = {
    "matched": pl.Boolean(),
    "problem": pl.String(),
    "time": TIMESTAMP,
    "at_start": pl.Boolean(),
    "zone": pl.String(),
    "clock": pl.Float32(),
    "kind": pl.String(),
    "client_ip": pl.String(),
    "user_agent": pl.String(),
    "request": pl.String(),
    "method": pl.String(),
    "target": pl.String(),
    "query": pl.String(),
    "status": pl.String(),
    "duration_ms": pl.Float64(),
    "bytes": pl.String(),
    "host": pl.String(),
    "user_id": pl.String(),
    "device_id": pl.String(),
    "session_id": pl.String(),
    "request_id": pl.String(),
    "upstream": pl.String(),
    "platform": pl.String(),
    "app_version": pl.String(),
    "reason_text": pl.String(),
    "message": pl.String(),
    "origin": pl.String(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One layout of lines.

    Attributes:
        name: as in `--format`; the module's name.
        title: what it is, for people.
        samples: lines of this format, each of which must parse.
        time: which end of the request its time is; "either" where the line itself tells.
        kinds: what its lines can be.
        specificity: how sure a match is, from 0 to 1; confidence is the share of lines that match times this.
        prepare: the parser for a file, from a sample of its lines; None if this format can't be meant.
        multiline: lines that don't match continue the record above them.
        record_start: a pattern of lines that begin a record even if they don't match.
        header: a pattern of lines that describe the file.
        declares: what lines begin with that declare what is in those below them, to the next of their kind.
        inside: what is in its lines, if they are wrapped.
        no_events: what lines are that stand beside its own and tell of no event, by the pattern of such lines.
    """

    name: str
    title: str
    samples: tuple[str, ...]
    time: Literal["end", "start", "either"]
    kinds: tuple[Kind, ...]
    specificity: float
    prepare: Callable[[Sequence[str], Settings], Parser | None]
    multiline: bool = False
    record_start: str | None = None
    header: str | None = None
    declares: str | None = None
    inside: Inside | None = None
    no_events: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inside:
    """What wrapped lines hold: `form`, the format of the lines inside, and how to get at these.

    A line that only goes on with the one above it is null there.
    """

    form: Format
    lines: Callable[[pl.Series], pl.Series]
