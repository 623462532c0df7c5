"""Owns what commands have in common that read logs: how options and the configuration file say how to read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from authforensics.errors import BadValue, UnknownName

if TYPE_CHECKING:
    from authforensics.collect import Options
    from authforensics.config import Config

COLORS = ("auto", "always", "never")


def check_log_format(log_format: str | None, format: str) -> None:
    """Find out whether `--log-format` means anything.

    Raises:
        BadValue: it doesn't, or not beside that `--format`.
    """
    if log_format is None:
        return
    if not log_format.strip():
        raise BadValue("--log-format: expected an nginx log_format or Apache LogFormat string, found nothing")
    if format not in {"auto", "log_format"}:
        raise BadValue(f"--log-format and --format {format} exclude each other")


def check_choice(kind: str, option: str, value: str | None, known: tuple[str, ...]) -> None:
    """Refuse what isn't one of the values that an option has.

    Raises:
        UnknownName: it isn't.
    """
    if value is not None and value not in known:
        raise UnknownName(kind, value, known, option)


def load_config(named: Path | None, paths: list[str]) -> Config | None:
    """The configuration file that was named, or found beside the logs.

    Raises:
        UsageError: it can't be used.
    """
    from authforensics.config import find, load

    path = named or find(paths)
    return load(path) if path else None


def reading(
    format: str, log_format: str | None, tz: str | None, config: Config | None = None, nginx_conf: Path | None = None
) -> Options:
    """How lines are read; what the command line says wins over the configuration.

    Raises:
        UnknownName: a format in the configuration that doesn't exist.
    """
    from authforensics import collect
    from authforensics.collect.mapped import declared

    given = format != "auto" or log_format is not None
    chosen = None if format == "auto" else format
    conf = None if nginx_conf is None else str(nginx_conf)
    if config is None:
        return collect.Options(format=chosen, log_format=log_format, nginx_conf=conf, tz=tz)
    if config.format is not None and config.format not in collect.formats():
        raise UnknownName("format", config.format, collect.formats(), where=config.place("format"))
    return collect.Options(
        format=chosen if given else config.format,
        log_format=log_format if given else config.log_format,
        nginx_conf=conf,
        tz=tz or config.zone,
        zones=() if tz else config.zones,
        columns=declared(config),
    )
