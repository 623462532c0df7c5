"""What the caller can say about how logs are read, and checks it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from authforensics.collect.compiled import compile_layout
from authforensics.collect.format import Settings
from authforensics.errors import BadValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read logs.

    Attributes:
        format: the name of the format of all files; None: recognized file by file.
        log_format: an nginx log_format or Apache LogFormat string, tried before all formats.
        tz: IANA zone of naive times; None: UTC, and the sources say that it was assumed.
        since: the first moment wanted: absolute, `2h` (before the last event) or `now-2h`.
        until: the last moment wanted, written likewise.
        strict: refuse inputs that can't be read whole.
        device_field: the key (JSON), label (LTSV) or variable (log_format) that holds the device id, and no other.
    """

    format: str | None = None
    log_format: str | None = None
    tz: str | None = None
    since: str | None = None
    until: str | None = None
    strict: bool = False
    device_field: str | None = None

    def settings(self) -> Settings:
        """What formats need to know of it.

        Raises:
            BadValue: the zone is not known, or the log_format can't be compiled.
        """
        if self.tz is not None:
            check_zone(self.tz)
        if self.log_format is not None:
            compile_layout(self.log_format)
        return Settings(tz=self.tz, log_format=self.log_format, device_field=self.device_field)


def check_zone(name: str) -> None:
    """Refuse a zone that polars doesn't know.

    Raises:
        BadValue: it doesn't.
    """
    try:
        pl.select(pl.datetime(2000, 1, 1).dt.replace_time_zone(name))
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise BadValue(f"--tz: unknown time zone '{name}'; expected an IANA name such as 'Asia/Tokyo'") from error
