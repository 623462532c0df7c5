"""What an incident is confined to: the values of a dimension that explain it, tested against the others meanwhile."""

from __future__ import annotations

import math

import polars as pl

from authforensics.diagnose.meanwhile import Meanwhile
from authforensics.findings import Scope
from authforensics.states import AuthEvent

#: Pathologies 1.5, "partial rollout": two-sided Fisher's exact test below this, and a rate at least so many times
#: higher. Each of a dimension's values is tried, so its p-value is held against this divided by their number
#: (Bonferroni): of 150 networks, one that holds the only device that is hit says nothing.
P_VALUE = 0.01
RATIO = 5.0
#: The values found must explain this share of the incident's refusals, or it isn't confined to them.
EXPLAINS = 0.95
#: More values than this are no dimension to confine anything to (app versions of a fleet are tens, not hundreds).
MAX_VALUES = 200
#: How a device is known that has no name but its address and user agent.
PAIR = "client_ip+user_agent"


def measure(hits: pl.DataFrame, meanwhile: Meanwhile, fleet: pl.DataFrame) -> Scope:
    """The scope of an incident; a dimension with a single value in the whole system confines nothing.

    Args:
        hits: the refusals that carry the incident.
        meanwhile: what they are compared with.
        fleet: DEVICES of the system.
    """
    devices = (
        meanwhile.devices.lazy()
        .filter("call")
        .join(hits.lazy().select("device_id").unique().with_columns(hit=pl.lit(value=True)), on="device_id", how="left")
        .join(whereabouts(fleet.lazy()), on="device_id", how="left")
        .with_columns(pl.col("hit").fill_null(value=False))
        .collect()
    )
    on_api = pl.col("auth_event").is_in([AuthEvent.API_OK.value, AuthEvent.API_DENIED.value])
    version, platform = _of_devices(devices, "app_version"), _of_devices(devices, "platform")
    return Scope(
        upstream=_of_calls(hits, meanwhile.upstreams, "upstream"),
        app_version=version,
        platform=platform,
        key_id=_of_calls(hits, meanwhile.keys, "key_id"),
        # What scanners try is accepted from nobody at any time.
        endpoint=_of_calls(hits.filter(on_api), meanwhile.routes, "route", pl.col("accepted") > 0),
        # What these say already: browsers name Mozilla, all versions of an app the app.
        client=() if version or platform else _of_devices(devices, "client"),
        network=_of_devices(devices, "network"),
    )


def whereabouts(fleet: pl.LazyFrame) -> pl.LazyFrame:
    """Of each device its `client` and its `network`; where these are its name, they are taken from it."""
    name = pl.col("device_id").cast(pl.String)
    pair = pl.col("identity_key").cast(pl.String) == PAIR
    address = pl.coalesce("client_ip", pl.when(pair).then(name.str.extract(r"^([^|]+)\|")).cast(pl.String))
    agent = pl.coalesce("user_agent", pl.when(pair).then(name.str.extract(r"^[^|]*\|(.+)$")).cast(pl.String))
    return fleet.with_columns(pl.col("client_ip", "user_agent").cast(pl.String)).select(
        "device_id",
        client=agent.str.extract(r"^([^/\s(;,]+)"),
        network=pl.coalesce(
            address.str.extract(r"^(\d+\.\d+\.\d+)\.\d+$") + ".0/24",
            address.str.extract(r"^([0-9a-fA-F]+:[0-9a-fA-F]+:[0-9a-fA-F]+):") + "::/48",
        ),
    )


def _of_devices(devices: pl.DataFrame, dimension: str) -> tuple[str, ...]:
    """For what a device has one of."""
    return confined(devices.group_by(value=dimension).agg(pl.col("hit").sum(), total=pl.len()))


def _of_calls(hits: pl.DataFrame, calls: pl.DataFrame, dimension: str, there: pl.Expr | None = None) -> tuple[str, ...]:
    """For what differs from call to call; besides what is hit only what is `there` counts, if that is said."""
    joined = calls.join(hits.group_by(dimension).agg(hit=pl.len()), on=dimension, how="left")
    known = joined.with_columns(pl.col("hit").fill_null(0))
    known = known if there is None else known.filter((pl.col("hit") > 0) | there)
    return confined(known.select("hit", "total", value=dimension))


def confined(table: pl.DataFrame) -> tuple[str, ...]:
    """Of the values of a dimension, with their hits and their total, those that explain the hits, or none."""
    known = table.filter(pl.col("value").is_not_null())
    if not 1 < known.height <= MAX_VALUES:
        return ()
    hits, everything = int(known["hit"].sum()), int(known["total"].sum())
    rate = pl.col("hit") / pl.col("total")
    ranked = known.filter(pl.col("hit") > 0).with_columns(pl.col("value").cast(pl.String)).sort(-rate, "value")
    # The fewest that explain enough, those with the highest rates; each is held against what is left.
    count = int((ranked["hit"].cum_sum() < EXPLAINS * hits).sum()) + 1
    chosen = ranked.head(count)
    rest_hit, rest = hits - int(chosen["hit"].sum()), everything - int(chosen["total"].sum())
    if not 0 < chosen.height < known.height or not rest:
        return ()
    alike = all(
        hit * rest >= RATIO * rest_hit * total
        and fisher(hit, total - hit, rest_hit, rest - rest_hit) < P_VALUE / known.height
        for hit, total in chosen.select("hit", "total").rows()
    )
    return tuple(chosen["value"].sort()) if alike else ()


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
