"""What the caller can say about how logs are read, and checks it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from authforensics.collect.compiled import compile_layout
from authforensics.collect.filters import filtering
from authforensics.collect.format import Settings
from authforensics.collect.mapped import Columns
from authforensics.collect.nginx_conf import logs_of
from authforensics.config import zone_fault
from authforensics.errors import BadValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read logs.

    Attributes:
        format: the name of the format of all files; None: recognized file by file.
        log_format: an nginx log_format or Apache LogFormat string, tried before all formats.
        nginx_conf: an nginx configuration, that tells which file has which log_format.
        tz: IANA zone of naive times; None: UTC, and the sources say that it was assumed.
        zones: globs of files and the zone of the naive times in them; the first that fits counts, before `tz`.
        columns: what columns are called in the files that a glob fits; the first that fits counts.
        since: the first moment wanted: absolute, `2h` (before the last event) or `now-2h`.
        until: the last moment wanted, written likewise.
        path: a regular expression that the paths or routes of wanted requests match.
        status: the statuses of wanted requests: `401,4xx,200-299`.
        device: ids of wanted devices, as the log has them.
        strict: refuse inputs that can't be read whole.
        device_field: the key (JSON), label (LTSV) or variable (log_format) that holds the device id, and no other.
    """

    format: str | None = None
    log_format: str | None = None
    nginx_conf: str | None = None
    tz: str | None = None
    zones: tuple[tuple[str, str], ...] = ()
    columns: tuple[Columns, ...] = ()
    since: str | None = None
    until: str | None = None
    path: str | None = None
    status: str | None = None
    device: tuple[str, ...] = ()
    strict: bool = False
    device_field: str | None = None

    @property
    def selective(self) -> bool:
        """Whether anything that can be read is not wanted."""
        return any((self.since is not None, self.until is not None, self.path, self.status, self.device))

    def filtering(self) -> pl.Expr:
        """Whether an event is wanted, whatever its time.

        Raises:
            BadValue: a path, status or device that can't be understood.
        """
        return filtering(self.path, self.status, self.device)

    def settings(self) -> Settings:
        """What formats need to know of it.

        Raises:
            BadValue: the zone is not known, the log_format can't be compiled, the nginx configuration not used, or a
                filter not understood.
        """
        self.filtering()
        if self.tz is not None:
            check_zone(self.tz)
        for _, zone in self.zones:
            check_zone(zone)
        if self.log_format is not None:
            compile_layout(self.log_format)
        logs = () if self.nginx_conf is None else logs_of(Path(self.nginx_conf))
        return Settings(
            tz=self.tz,
            zones=self.zones,
            log_format=self.log_format,
            device_field=self.device_field,
            logs=logs,
            mapped=self.columns,
        )


def check_zone(name: str) -> None:
    """Refuse a zone that polars doesn't know.

    Raises:
        BadValue: it doesn't.
    """
    if (fault := zone_fault(name)) is not None:
        raise BadValue(f"--tz: {fault}")
