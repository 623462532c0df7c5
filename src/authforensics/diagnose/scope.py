"""What an incident is confined to: the values of a dimension that explain it, tested against the others meanwhile."""

from __future__ import annotations

import math

import polars as pl

from authforensics.diagnose.case import Case, name
from authforensics.findings import Scope
from authforensics.states import AuthEvent

#: Pathologies 1.5, "partial rollout": two-sided Fisher's exact test below this, and a rate at least so many times
#: higher.
P_VALUE = 0.01
RATIO = 5.0
#: The values found must explain this share of the incident's refusals, or it isn't confined to them.
EXPLAINS = 0.95
#: More values than this are no dimension to confine anything to (app versions of a fleet are tens, not hundreds).
MAX_VALUES = 200

_CALLS = [
    event.value for event in (AuthEvent.API_OK, AuthEvent.API_DENIED, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED)
]
_API = [AuthEvent.API_OK.value, AuthEvent.API_DENIED.value]


def measure(case: Case) -> Scope:
    """The scope of a case; a dimension with a single value in the whole system confines nothing."""
    calls = (
        case.window.filter(name().is_in(_CALLS))
        .join(_hits(case).select("row", hit=pl.lit(value=True)), on="row", how="left")
        .with_columns(pl.col("hit").fill_null(value=False))
    )
    by_device = calls.group_by("device_id").agg(
        pl.col("hit").any(), pl.col("app_version").drop_nulls().last(), pl.col("platform").drop_nulls().last()
    )
    return Scope(
        upstream=_confined(calls, "upstream"),
        app_version=_confined(by_device, "app_version"),
        platform=_confined(by_device, "platform"),
        endpoint=_confined(calls.filter(name().is_in(_API)), "route"),
    )


def _hits(case: Case) -> pl.DataFrame:
    """The refusals that carry the incident: of new tokens refused only those, not the expiries in between."""
    return case.denials.filter("rejection") if case.cluster.kind == "rejected" else case.denials


def _confined(units: pl.DataFrame, dimension: str) -> tuple[str, ...]:
    """The values that explain the hits, or nothing. `units` are calls, or devices for what a device has one of."""
    table = (
        units.filter(pl.col(dimension).is_not_null())
        .group_by(dimension)
        .agg(hit=pl.col("hit").sum(), total=pl.len())
        .sort(dimension)
    )
    if not 1 < table.height <= MAX_VALUES:
        return ()
    hits, everything = int(table["hit"].sum()), int(table["total"].sum())
    values: list[str] = []
    explained = 0
    for value, hit, total in table.rows():
        rest_hit, rest = hits - hit, everything - total
        rate, rest_rate = hit / total, rest_hit / rest
        if rate >= RATIO * rest_rate and hit and fisher(hit, total - hit, rest_hit, rest - rest_hit) < P_VALUE:
            values.append(str(value))
            explained += hit
    return tuple(values) if values and len(values) < table.height and explained >= EXPLAINS * hits else ()


def fisher(hit: int, miss: int, rest_hit: int, rest_miss: int) -> float:
    """The p-value of Fisher's exact test, two-sided, of [[hit, miss], [rest_hit, rest_miss]].

    As R and scipy define it: the probability of all tables with these margins that are no likelier than this one. Ours
    because loading scipy takes longer than reading a small log; a test holds it against scipy's.
    """
    row, column, total = hit + miss, hit + rest_hit, hit + miss + rest_hit + rest_miss
    low, high = max(0, row + column - total), min(row, column)
    whole = _log_choose(total, column)
    logs = [_log_choose(row, k) + _log_choose(total - row, column - k) - whole for k in range(low, high + 1)]
    observed = logs[hit - low]
    return min(1.0, sum(math.exp(each) for each in logs if each <= observed + 1e-7))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
