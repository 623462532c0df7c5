"""What was refused and what became of it, counted: the facts of a verdict that finds no incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from authforensics.among import is_event
from authforensics.diagnose import scope
from authforensics.parallel import by_part
from authforensics.schema import EndpointClass, History
from authforensics.states import AuthEvent

#: Refreshes that fail in a row, and devices they are of, before a row is worth a word: fewer happen by chance.
ROW_LENGTH, ROW_DEVICES = 20, 5
#: Sessions that end together: so many devices within one of these stretches, such a share of those with a session, and
#: so many times what the whole log has in as long. Who is revoked finds out at the next refresh: 15 min is how long
#: access tokens often live. What is shorter than the least is taken for it.
_ENDED_DEVICES, _ENDED_SHARE, _ENDED_RATIO = 3, 0.1, 5
_LEAST = timedelta(minutes=1)
_STRETCHES = (_LEAST, timedelta(minutes=15))
_REFRESHES = [AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value]


@dataclass(frozen=True)
class Row:
    """Refreshes in a row that did not succeed."""

    count: int
    devices: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Failing:
    """Refreshes that got no verdict: their `statuses`, most first, and the `instances` to which they are confined.

    From the first to the last of them so many of all refreshes were `there`, and so many `elsewhere`: how many failed,
    and their total.
    """

    statuses: tuple[int | None, ...]
    instances: tuple[str, ...]
    there: tuple[int, int]
    elsewhere: tuple[int, int]
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Ended:
    """Sessions that ended together, each with a refused refresh, and whose devices logged in again.

    `reason`: what the server said of most of these; null: nothing.
    """

    devices: int
    first_seen: datetime
    last_seen: datetime
    reason: str | None


@dataclass(frozen=True)
class Tally:
    """Counts over all systems.

    `healed`: refused calls whose device was accepted again; `strangers`: those of devices that showed no session at
    all; the rest of `refused` is left open. `row`: the longest row of refreshes of one system, of several devices, none
    of which succeeded; `failing`: those without a verdict; `ended`: the most sessions that ended together. Not judged
    are `challenged`, answered 401 as a protocol begins, and `forbidden`, answered 403 on routes that never answer 401,
    but do answer otherwise: what scanners try is forbidden always.
    """

    requests: int
    devices: int
    accepted: int
    refused: int
    healed: int
    strangers: int
    refreshes_refused: int
    refreshes_failed: int
    logins_refused: int
    challenged: int
    forbidden: int
    row: Row | None = None
    failing: Failing | None = None
    ended: Ended | None = None


def tally(history: History, endpoints: pl.DataFrame, *, rows: bool = True) -> Tally:
    """Count.

    Args:
        history: of all systems.
        endpoints: `endpoint_class`, `requests`, `refused` and `forbidden` of every endpoint.
        rows: whether to look for `row` and `ended`, which takes longer than all the rest.
    """
    answered = endpoints.filter(pl.col("requests") > pl.col("forbidden"))
    # Stragglers are left out, as in the episodes: they say nothing about the token held.
    counted = history.counts.filter(~pl.col("straggler")).group_by(pl.col("auth_event").cast(pl.String))
    events = {event: int(count) for event, count in counted.agg(pl.col("count").sum()).rows()}
    return Tally(
        requests=int(history.devices["requests"].sum()),
        devices=history.devices.height,
        accepted=events.get(AuthEvent.API_OK.value, 0),
        refused=events.get(AuthEvent.API_DENIED.value, 0),
        healed=int(history.closed["healed"].sum()),
        strangers=int(history.closed["strangers"].sum()),
        refreshes_refused=events.get(AuthEvent.REFRESH_DENIED.value, 0),
        refreshes_failed=events.get(AuthEvent.REFRESH_FAILED.value, 0),
        logins_refused=events.get(AuthEvent.LOGIN_DENIED.value, 0),
        challenged=_of_class(endpoints, EndpointClass.CHALLENGE, "refused"),
        forbidden=_of_class(answered, EndpointClass.PUBLIC, "forbidden"),
        row=_row(history) if rows else None,
        failing=_failing(history) if rows and events.get(AuthEvent.REFRESH_FAILED.value) else None,
        ended=_ended(history) if rows else None,
    )


def _ended(history: History) -> Ended | None:
    """The most sessions of one system that ended together."""
    back = pl.col("refresh_denied_at").is_not_null() & (pl.col("next_granted_by") == AuthEvent.LOGIN_OK.value)
    at = pl.col("refresh_denied_at").alias("at")
    ends = history.grants.filter(back).select("system", "device_id", at, reason="refresh_denied_reason")
    told = ends.collect(engine="streaming").sort("system", "at", "device_id")
    if told["device_id"].n_unique() < _ENDED_DEVICES:
        return None
    alive = history.devices.filter("alive").group_by("system").agg(alive=pl.len())
    whole = (pl.col("end") - pl.col("begin")).dt.total_microseconds() / 1e6
    usual = told.group_by("system").agg(all=pl.len()).join(history.spans.with_columns(whole=whole), on="system")
    lasted = pl.max_horizontal(pl.col("last_seen") - pl.col("at"), pl.lit(_LEAST)).dt.total_microseconds() / 1e6
    # Forward from each: at the first of those that are together all are counted.
    windows = [
        told.rolling("at", period=stretch, offset=timedelta(0), closed="left", group_by="system").agg(
            devices=pl.col("device_id").n_unique(),
            last_seen=pl.col("at").max(),
            reason=pl.col("reason").cast(pl.String).drop_nulls().mode().sort().first(),
            said=pl.col("reason").count() / pl.len(),
        )
        for stretch in _STRETCHES
    ]
    found = (
        pl.concat(windows)
        .join(alive, on="system")
        .join(usual, on="system")
        .filter(
            pl.col("devices") >= _ENDED_DEVICES,
            pl.col("devices") >= _ENDED_SHARE * pl.col("alive"),
            pl.col("devices") * pl.col("whole") >= _ENDED_RATIO * pl.col("all") * lasted,
        )
        .sort("devices", "at", "last_seen", descending=[True, False, False])
        .select("devices", "last_seen", first_seen="at", reason=pl.when(pl.col("said") > 0.5).then("reason"))
    )
    return Ended(**found.row(0, named=True)) if found.height else None


def _of_class(endpoints: pl.DataFrame, name: EndpointClass, count: str) -> int:
    return int(endpoints.filter(pl.col("endpoint_class") == name.value)[count].sum())


def _failing(history: History) -> Failing:
    failed, moment = is_event(AuthEvent.REFRESH_FAILED), pl.col("timestamp")
    # As all that is counted here.
    current = ~pl.col("straggler")
    found = by_part(
        history.events,
        lambda part: (
            part.filter(failed, current)
            .group_by("system", "status")
            .agg(count=pl.len(), first=moment.min(), last=moment.max())
        ),
    )
    counts = found.group_by("status").agg(pl.col("count").sum()).sort("count", "status", descending=[True, False])
    first, last = found["first"].min(), found["last"].max()
    tried = by_part(
        history.events,
        lambda part: (
            part.filter(current, pl.col("auth_event").is_in(_REFRESHES), moment.is_between(first, last))
            .join(found.lazy().select("system").unique(), on="system", how="semi")
            .group_by(value="upstream")
            .agg(hit=failed.sum(), total=pl.len())
        ),
    )
    table = tried.group_by("value").agg(pl.col("hit", "total").sum())
    # What one system calls an instance is another one's.
    instances = scope.confined(table) if found["system"].n_unique() == 1 else ()
    mine = pl.col("value").cast(pl.String).is_in(instances).fill_null(value=False)
    return Failing(
        statuses=tuple(counts["status"]),
        instances=instances,
        there=_counts(table.filter(mine)),
        elsewhere=_counts(table.filter(~mine)),
        first_seen=first,  # type: ignore[arg-type]
        last_seen=last,  # type: ignore[arg-type]
    )


def _counts(table: pl.DataFrame) -> tuple[int, int]:
    return int(table["hit"].sum()), int(table["total"].sum())


def _row(history: History) -> Row | None:
    failed = pl.col("auth_event").is_in([AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value])
    many = history.counts.filter(failed).group_by("system").agg(pl.col("count").sum())
    systems = many.filter(pl.col("count") >= ROW_LENGTH)["system"].cast(pl.String).sort().to_list()
    found = [row for row in (_row_of(history.events, system) for system in systems) if row]
    return min(found, key=lambda row: (-row.count, row.first_seen), default=None)


def _row_of(events: Sequence[pl.LazyFrame], system: str) -> Row | None:
    """The longest row of one system."""
    succeeded = pl.col("auth_event") == AuthEvent.REFRESH_OK.value
    wanted = (pl.col("system") == system) & pl.col("auth_event").is_in(_REFRESHES)
    refreshes = by_part(
        events, lambda part: part.filter(wanted).select("timestamp", "row", "device_id", succeeded=succeeded)
    )
    rows = (
        refreshes.sort("timestamp", "row")
        .with_columns(row=pl.col("succeeded").cum_sum())
        .filter(~pl.col("succeeded"))
        .group_by("row", maintain_order=True)
        .agg(
            count=pl.len(),
            devices=pl.col("device_id").n_unique(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
        )
        .filter(pl.col("count") >= ROW_LENGTH, pl.col("devices") >= ROW_DEVICES)
        .sort("count", "first_seen", "row", descending=[True, False, False])
    )
    return Row(**rows.drop("row").row(0, named=True)) if rows.height else None
