"""What a table of events may look like: its columns checked, completed and made into COLLECTED events."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from authforensics.collect import requests, secrecy
from authforensics.collect.distinct import mapped
from authforensics.collect.format import Format
from authforensics.collect.normalize import normalize
from authforensics.correlate import RUNGS
from authforensics.errors import BadValue, UnknownName
from authforensics.schema import COLLECTED, REASON, TEXT, TIMESTAMP, Kind, Reason

#: What stands for a system or source that the table doesn't name.
UNNAMED = "table"
_NAIVE = "UTC"
_TEXTS = (
    *("system", "source", "kind", "client_ip", "user_agent", "method", "path", "route", "host", "upstream", "platform"),
    *("app_version", "identity_key", "reason", "reason_text", "message"),
)
_IDS = ("user_id", "device_id", "session_id", "request_id")
_WHOLE: dict[str, pl.DataType] = {"status": pl.Int64(), "bytes": pl.Int64(), "line_number": pl.UInt32()}
_REAL: dict[str, pl.DataType] = {"duration_ms": pl.Float64(), "clock": pl.Float32()}
_TIMES = ("timestamp", "started_at")
#: The columns that are looked at; of the exported EVENTS those that are found out are found out anew.
TABLE: dict[str, pl.DataType] = {
    **dict.fromkeys((*_TEXTS, *_IDS), pl.String()),
    **_WHOLE,
    **_REAL,
    **dict.fromkeys(_TIMES, TIMESTAMP),
}
_NEEDED = ("timestamp", "status")
_FORM = Format(
    name="table",
    title="a table of events",
    samples=(),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=1.0,
    prepare=lambda _sample, _settings: None,
)


def check(schema: Mapping[str, pl.DataType]) -> None:
    """Refuse a table whose columns are not those of EVENTS.

    Raises:
        BadValue: a column is of another type than expected.
        UnknownName: one that is needed is missing.
    """
    for name in _NEEDED:
        if name not in schema:
            has = ", ".join(sorted(schema))
            raise BadValue(f"the table has no column '{name}', of {_expected(name)}; it has: {has}")
    for name, dtype in schema.items():
        if name in TABLE and not _fits(name, dtype):
            raise BadValue(f"column '{name}': expected {_expected(name)}, found {dtype}")


def _fits(name: str, dtype: pl.DataType) -> bool:
    if dtype == pl.Null():
        return name not in _NEEDED
    if name in _TIMES:
        return isinstance(dtype, pl.Datetime)
    if name in _WHOLE:
        return dtype.is_integer()
    if name in _REAL:
        return dtype.is_numeric()
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum) or (name in _IDS and dtype.is_integer())


def _expected(name: str) -> str:
    if name in _TIMES:
        return "times (Datetime)"
    if name in _WHOLE:
        return "whole numbers"
    if name in _REAL:
        return "numbers"
    return "texts or whole numbers" if name in _IDS else "texts"


def looked_at(names: Collection[str], device_field: str | None) -> list[str]:
    """The columns, of those that the table has, that are needed."""
    return [name for name in names if name in TABLE or name == device_field]


def completed(frame: pl.DataFrame, tz: str | None, device_field: str | None) -> pl.DataFrame:
    """Some rows of a table with all columns of `TABLE`, each of its type.

    Args:
        frame: the rows.
        tz: the zone of times without one.
        device_field: the column that tells devices apart, in place of `device_id`.

    Raises:
        UnknownName: a kind or reason that doesn't exist.
    """
    told = frame
    if device_field is not None:
        own = pl.col(device_field).cast(pl.String) if device_field in frame.columns else pl.lit(None, pl.String)
        told = frame.with_columns(device_id=own).drop("identity_key", strict=False)
    present = set(told.columns)
    whole = told.select(
        (_typed(name, told.schema[name], tz) if name in present else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in TABLE.items()
    ).with_columns(pl.col("system", "source").fill_null(UNNAMED), kind=pl.coalesce("kind", _kind()))
    for name, known in (("kind", [one.value for one in Kind]), ("reason", [one.value for one in Reason])):
        unknown = whole[name].drop_nulls().unique().filter(~whole[name].drop_nulls().unique().is_in(known))
        if len(unknown):
            raise UnknownName(name, unknown[0], known, where=f"column '{name}'")
    return whole.with_columns(**_own_ids())


def _typed(name: str, dtype: pl.DataType, tz: str | None) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        column = column.dt.replace_time_zone(tz or _NAIVE, ambiguous="earliest", non_existent="null")
    return column


def _kind() -> pl.Expr:
    """What a row is that doesn't say so: a request has a method, a path or a status."""
    called = pl.any_horizontal(pl.col(name).is_not_null() for name in ("method", "path", "route", "status"))
    return pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value))


def _own_ids() -> dict[str, pl.Expr]:
    """Where the table says what each device was told by, its name goes back to where it came from."""
    rung = pl.col("identity_key").fill_null("device_id")
    made = rung.is_in(RUNGS[1:])
    return {
        "device_id": pl.when(~made).then("device_id"),
        "session_id": pl.coalesce("session_id", pl.when(rung == "session_id").then("device_id")),
        "user_id": pl.coalesce("user_id", pl.when(rung == "user_id").then("device_id")),
    }


def collected(whole: pl.DataFrame, system: str, source: str) -> pl.DataFrame:
    """COLLECTED events of some rows of one source, and `given`, their reasons.

    Args:
        whole: rows as `completed` gives them, numbered and with a `clock`.
        system: the system they are of.
        source: the source they are of.
    """
    parsed = whole.with_columns(
        pl.col("status", "bytes").cast(pl.String),
        line=pl.lit(""),
        matched=pl.lit(value=True),
        time="timestamp",
        target="path",
        own_route="route",
        own_start="started_at",
    ).drop("system", "source", "timestamp", "path", "route", "started_at", "identity_key", "reason")
    laid = normalize(parsed.lazy(), _FORM, system, source).select(COLLECTED.keys()).collect(engine="in-memory")
    own = parsed.select(mapped("own_route", _readable_route, pl.String()), "own_start")
    return (
        laid.hstack(own)
        .with_columns(
            route=pl.coalesce("own_route", pl.col("route").cast(pl.String)).cast(TEXT),
            started_at=pl.coalesce("own_start", "started_at"),
            given=whole["reason"].cast(REASON),
        )
        .drop("own_route", "own_start")
    )


def _readable_route(route: pl.Series) -> pl.Series:
    return secrecy.readable(route).str.slice(0, requests.LONGEST_ROUTE)
