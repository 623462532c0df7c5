"""What an incident is confined to: the values of a dimension that explain it, tested against the others meanwhile."""

from __future__ import annotations

import math

import polars as pl

from authforensics.diagnose.meanwhile import Meanwhile
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


def measure(hits: pl.DataFrame, meanwhile: Meanwhile) -> Scope:
    """The scope of an incident; a dimension with a single value in the whole system confines nothing.

    Args:
        hits: the refusals that carry the incident.
        meanwhile: what they are compared with.
    """
    devices = (
        meanwhile.devices.lazy()
        .filter("call")
        .join(hits.lazy().select("device_id").unique().with_columns(hit=pl.lit(value=True)), on="device_id", how="left")
        .with_columns(pl.col("hit").fill_null(value=False))
        .collect()
    )
    on_api = pl.col("auth_event").is_in([AuthEvent.API_OK.value, AuthEvent.API_DENIED.value])
    return Scope(
        upstream=_of_calls(hits, meanwhile.upstreams, "upstream"),
        app_version=_of_devices(devices, "app_version"),
        platform=_of_devices(devices, "platform"),
        endpoint=_of_calls(hits.filter(on_api), meanwhile.routes, "route"),
    )


def _of_devices(devices: pl.DataFrame, dimension: str) -> tuple[str, ...]:
    """For what a device has one of."""
    return _confined(devices.group_by(value=dimension).agg(pl.col("hit").sum(), total=pl.len()))


def _of_calls(hits: pl.DataFrame, calls: pl.DataFrame, dimension: str) -> tuple[str, ...]:
    """For what differs from call to call."""
    joined = calls.join(hits.group_by(dimension).agg(hit=pl.len()), on=dimension, how="left")
    return _confined(joined.select(pl.col("hit").fill_null(0), "total", value=dimension))


def _confined(table: pl.DataFrame) -> tuple[str, ...]:
    """Of the values of a dimension, with their hits and their total, those that explain the hits, or none."""
    known = table.filter(pl.col("value").is_not_null())
    if not 1 < known.height <= MAX_VALUES:
        return ()
    hits, everything = int(known["hit"].sum()), int(known["total"].sum())
    values: list[str] = []
    explained = 0
    for value, hit, total in known.select(pl.col("value").cast(pl.String), "hit", "total").sort("value").rows():
        rest_hit, rest = hits - hit, everything - total
        rate, rest_rate = hit / total, rest_hit / rest
        if rate >= RATIO * rest_rate and hit and fisher(hit, total - hit, rest_hit, rest - rest_hit) < P_VALUE:
            values.append(value)
            explained += hit
    return tuple(values) if values and len(values) < known.height and explained >= EXPLAINS * hits else ()


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
