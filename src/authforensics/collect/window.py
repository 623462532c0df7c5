"""Reads `since` and `until`: absolute times, ages before the last event, ages by the clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import polars as pl

from authforensics.collect.times import localize
from authforensics.errors import BadValue

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"^(now-)?((?:\d+(?:\.\d+)?[smhdw])+)$")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def after_last(*values: str | None) -> bool:
    """Whether any of these is told from the last event on, which is known only when all has been read."""
    ages = [_AGE.match(value.strip()) for value in values if value is not None]
    return any(age is not None and not age[1] for age in ages)


def moment(option: str, value: str, last: datetime | None, tz: str | None) -> datetime:
    """The moment in UTC that `value` of the option named `option` means; `last` is the last event of all inputs.

    Raises:
        BadValue: it is none of the three forms.
    """
    value = value.strip()
    try:
        if value == "now":
            return datetime.now(UTC)
        if age := _AGE.match(value):
            reference = datetime.now(UTC) if age[1] else last or datetime.now(UTC)
            return reference - sum(
                (timedelta(**{_UNITS[unit]: float(n)}) for n, unit in _PART.findall(age[2])), timedelta()
            )
        absolute = datetime.fromisoformat(value)
        if absolute.tzinfo is None:
            absolute = pl.select(localize(pl.lit(absolute), tz)).item()
        return absolute.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValue(
            f"--{option}: can't read the time '{value}'; expected something like 2025-12-25T09:00+09:00, 2h or now-2h"
        ) from error
