"""Whether it is over: what became of the devices that were ill before a moment, by platform and kind of endpoint.

Well is only who was accepted since on an endpoint that used to refuse it; a refresh is proven by an accepted call after
it. Ill is whose calls end in a refusal. Who was not seen is never counted as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

import polars as pl

from authforensics.devices import IllDevice, Outcome, Recovery, RecoveryCell
from authforensics.diagnose.ill import DEVICE, KEY_FAULTS, OBEYS, barred
from authforensics.diagnose.wording import plural
from authforensics.findings import Incident
from authforensics.parallel import PARTS, in_order
from authforensics.redact import redact
from authforensics.schema import TEXT, EndpointClass, History
from authforensics.states import AuthEvent, AuthState

#: Devices that are listed; all are counted.
MAX_ILL = 1000
#: Endpoints named per cell, those that refuse most.
_ENDPOINTS = 5
#: Refusals by an endpoint, of a device that others accept, which show that it still refuses: one may be a call in
#: flight.
_STILL_REFUSED = 2
#: Seconds in which a client refreshes a token that has expired; until then the log may end, or the user leave.
#: Interceptors do so within one round trip, pollers within a minute.
_CUT_OFF = 60.0
_REFUSED = [
    AuthEvent.API_DENIED.value,
    AuthEvent.API_ANONYMOUS.value,
    AuthEvent.REFRESH_DENIED.value,
    AuthEvent.REFRESH_FAILED.value,
]
_REFRESHES = [AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value]
#: States in which a device can't do what its user wants.
_SICK = [
    AuthState.CHALLENGED.value,
    AuthState.REJECTED.value,
    AuthState.REFRESH_DENIED.value,
    AuthState.REFRESH_PENDING.value,
    AuthState.ZOMBIE.value,
]
_COLUMNS = ("timestamp", "method", "route", "auth_event", "reason", "state", "straggler", "episode", "granted_at")
_CALL = [*DEVICE, "method", "route", "refresh"]
_CELL = ["system", "platform", "endpoint_class"]
#: What a device may be, the worst first.
_STATUSES = ("ill", "unproven", "unseen", "well")
_NEW = "new"


def recovery(history: History, incidents: Sequence[Incident], endpoints: pl.DataFrame, after: datetime) -> Recovery:
    """Look for proof that the devices of incidents are well.

    Args:
        history: what `correlate` gave of all devices.
        incidents: all of them; those of their devices that were refused before `after` were ill.
        endpoints: the class of every `system`, `method` and `route`.
        after: the moment, in UTC, from which on proof counts.
    """
    devices, calls = _followed(history, incidents, after)
    calls = calls.join(
        endpoints.select("system", "method", "route", "endpoint_class"),
        on=["system", "method", "route"],
        how="left",
        nulls_equal=True,
    ).with_columns(_class())
    known = history.devices.select(*DEVICE, "platform", "app_version")
    judged = _judged(devices, calls).join(known, on=DEVICE)
    cells = tuple(_cells(judged, calls))
    counts = _counts(judged)
    outcome = _outcome(judged, cells)
    ill = judged.filter(pl.col("status").is_in(["ill", _NEW])).unique(DEVICE, keep="any")
    return Recovery(
        after=after,
        outcome=outcome,
        headline=_headline(outcome, counts, judged, cells, after),
        **counts,
        cells=cells,
        ill_devices=tuple(_ill_devices(ill)),
        ill_devices_omitted=max(0, ill.height - MAX_ILL),
    )


def _followed(history: History, incidents: Sequence[Incident], after: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The devices of incidents, and what each of the endpoints they called answered them."""
    named: dict[tuple[str, str], bool] = {}
    for one in incidents:
        for device in one.device_ids:
            key = one.system, device
            named[key] = named.get(key, False) or one.first_seen < after
    keys = pl.DataFrame(list(named), schema=dict.fromkeys(DEVICE, pl.String), orient="row").cast(TEXT)
    members = keys.with_columns(early=pl.Series(list(named.values()), dtype=pl.Boolean))
    mine = history.episodes.join(members.lazy(), on=DEVICE, how="semi").collect(engine="streaming")
    refreshing = _sum("refresh_denied", "refresh_failed") > 0
    episodes = mine.select(*DEVICE, "episode", mild=_mild(), refreshing=refreshing)
    look = partial(_follow, members=members, episodes=episodes, after=after)
    parts = list(in_order(history.events, look, PARTS))
    return pl.concat([part[0] for part in parts]), pl.concat([part[1] for part in parts])


def _sum(*names: str) -> pl.Expr:
    return pl.sum_horizontal(pl.col(name).cast(pl.Int64) for name in names)


def _mild() -> pl.Expr:
    """Whether an unfinished episode may be no illness: an expiry that the log cuts off, a session that ended."""
    faults = [fault.value for fault in KEY_FAULTS]
    key = pl.col("reason").is_in(faults) | pl.col("refresh_reason").is_in(faults)
    lasted = (pl.col("last_seen") - pl.col("first_seen")).dt.total_microseconds() / 1e6
    untried = _sum("refresh_ok", "refresh_denied", "refresh_failed", "login_ok") == 0
    rejected = _sum("rejected_refresh", "rejected_login") > 0
    obedient = pl.col("refresh_denied").is_between(1, OBEYS) & (pl.col("zombie_denied") <= OBEYS) & ~rejected
    return ((untried & (lasted < _CUT_OFF)) | (obedient & ~barred())) & ~key.fill_null(value=False)


def _follow(
    part: pl.LazyFrame, members: pl.DataFrame, episodes: pl.DataFrame, after: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of a part of the events: a row a device; and a row a device and endpoint, of those that refused or accepted."""
    events = (
        part.select(*DEVICE, *_COLUMNS)
        .join(members.lazy(), on=DEVICE, maintain_order="left")
        .join(episodes.lazy(), on=[*DEVICE, "episode"], how="left", maintain_order="left")
        .collect(engine="in-memory")
        .with_row_index("at")
        .with_columns(
            since=pl.col("timestamp") >= after,
            refused=pl.col("auth_event").is_in(_REFUSED) & ~pl.col("straggler"),
            ok=pl.col("auth_event") == AuthEvent.API_OK.value,
            refresh=pl.col("auth_event").is_in(_REFRESHES),
            granted=pl.col("auth_event") == AuthEvent.REFRESH_OK.value,
            # Ordinary expiries are no episodes here.
            in_episode=pl.col("mild").is_not_null(),
        )
    )
    devices = _devices(events, after)
    later = pl.col("at") > pl.col("first_ok")
    not_refreshing = ~pl.col("refreshing").fill_null(value=True)
    calls = (
        events.filter(pl.col("refused") | pl.col("ok") | pl.col("granted"))
        .join(devices.select(*DEVICE, "first_ok"), on=DEVICE)
        .group_by(_CALL)
        .agg(
            before=(pl.col("refused") & pl.col("in_episode") & ~pl.col("since")).sum(),
            accepted=(pl.col("since") & (pl.col("ok") | pl.col("granted"))).any(),
            still=(pl.col("since") & pl.col("refused") & not_refreshing & later.fill_null(value=False)).sum(),
            refused=(pl.col("since") & pl.col("refused")).sum(),
        )
    )
    return devices, calls


def _devices(events: pl.DataFrame, after: datetime) -> pl.DataFrame:
    """A row a device: what it was before, and where among the events the first or last of its kind is since."""
    at, since = pl.col("at"), pl.col("since")
    # The refusal of a refresh whose token was given since: what was given before may just be gone.
    dead = (pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value) & (pl.col("granted_at") >= after)
    devices = events.group_by(DEVICE).agg(
        # A session that ended before the incident began is none of its illness.
        was_ill=(pl.col("early") & pl.col("refused") & pl.col("in_episode") & ~since).any(),
        seen=since.any(),
        first_ok=at.filter(since & pl.col("ok")).min(),
        last_ok=at.filter(since & pl.col("ok")).max(),
        first_refresh=at.filter(since & pl.col("granted")).min(),
        refreshes=(since & pl.col("granted")).sum(),
        dead_refreshes=(since & dead.fill_null(value=False)).sum(),
        at=at.filter(since & pl.col("refused")).max(),
        refusals=(since & pl.col("refused")).sum(),
        state=pl.col("state").last(),
        mild=pl.col("mild").last(),
    )
    last = events.select("at", "method", "route", "refresh", "reason", last_refused="timestamp")
    return devices.join(last, on="at", how="left")


def _class() -> pl.Expr:
    """The `endpoint_class` of a call: a refresh may be one only by what was asked for."""
    known = pl.col("endpoint_class").cast(pl.String).fill_null(EndpointClass.API.value)
    return pl.when("refresh").then(pl.lit(EndpointClass.REFRESH.value)).otherwise(known).alias("endpoint_class")


def _judged(devices: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """A row a device and class of endpoints that refused it: `status`, and what is known of the device."""
    last_ok, refused = pl.col("last_ok"), pl.col("at")
    sick = (pl.col("state").is_in(_SICK) & (refused > last_ok.fill_null(-1))).fill_null(value=False)
    mild = pl.col("mild").fill_null(value=False)
    classes = (
        calls.filter(pl.col("before") > 0)
        .group_by(*DEVICE, "endpoint_class")
        .agg(
            accepted=pl.col("accepted").any(),
            stuck=(~pl.col("accepted") & (pl.col("still") >= _STILL_REFUSED)).any(),
        )
    )
    refresh = pl.col("endpoint_class") == EndpointClass.REFRESH.value
    # Refused once after it was granted, a session may just have ended.
    dead = pl.col("dead_refreshes") > pl.col("refreshes")
    before = (
        devices.filter("was_ill")
        .join(classes, on=DEVICE)
        .with_columns(
            proof=pl.when(refresh).then(last_ok > pl.col("first_refresh")).otherwise("accepted").fill_null(value=False),
            stuck=pl.when(refresh).then(dead).otherwise("stuck").fill_null(value=False),
        )
        .with_columns(ill=pl.col("stuck") | (sick & ~(mild & pl.col("proof").all().over(DEVICE))))
        .with_columns(
            status=pl.when(~pl.col("seen"))
            .then(pl.lit("unseen"))
            .when("ill")
            .then(pl.lit("ill"))
            .when("proof")
            .then(pl.lit("well"))
            .otherwise(pl.lit("unproven"))
        )
    )
    since = devices.filter(~pl.col("was_ill") & sick & ~(mild & last_ok.is_not_null()))
    of_call = calls.select(*_CALL, "endpoint_class")
    new = since.join(of_call, on=_CALL, nulls_equal=True).with_columns(status=pl.lit(_NEW))
    columns = (*DEVICE, "endpoint_class", "status", "method", "route", "reason", "last_refused", "refusals")
    return pl.concat([before.select(columns), new.select(columns)])


def _cells(judged: pl.DataFrame, calls: pl.DataFrame) -> Iterator[RecoveryCell]:
    ill = judged.filter(pl.col("status").is_in(["ill", _NEW])).select(*DEVICE, "platform", "endpoint_class")
    refusing = (
        calls.filter(pl.col("refused") > 0)
        .join(ill, on=[*DEVICE, "endpoint_class"])
        .group_by(*_CELL, "method", "route")
        .agg(pl.col("refused").sum())
        .with_columns(pl.col("system", "platform", "method", "route").cast(pl.String))
        .sort("refused", "route", "method", descending=[True, False, False], nulls_last=True)
    )
    named: dict[tuple[str, str | None, str], list[str]] = {}
    for system, platform, endpoint_class, method, route, _ in refusing.rows():
        known = named.setdefault((system, platform, endpoint_class), [])
        if len(known) < _ENDPOINTS:
            known.append(_endpoint(method, route))
    counted = judged.group_by(_CELL).agg(
        (pl.col("status") == status).sum().alias(status) for status in (*_STATUSES, _NEW)
    )
    told = counted.with_columns(pl.col(_CELL).cast(pl.String)).sort(_CELL, nulls_last=True)
    for row in told.to_dicts():
        key = row["system"], row["platform"], row["endpoint_class"]
        devices = sum(row[status] for status in _STATUSES)
        yield RecoveryCell(**row, devices=devices, endpoints=tuple(named.get(key, ())))


def _endpoint(method: str | None, route: str | None) -> str:
    return redact(" ".join(part for part in (method, route) if part) or "-")


def _counts(judged: pl.DataFrame) -> dict[str, int]:
    """Devices by the worst of their cells."""
    found = dict.fromkeys(("devices", *_STATUSES, _NEW), 0)
    ranked = pl.col("status").replace_strict((*_STATUSES, _NEW), range(len(_STATUSES) + 1), return_dtype=pl.UInt8)
    worst = judged.group_by(DEVICE).agg(ranked.min()).group_by("status").len()
    for rank, count in worst.rows():
        found[(*_STATUSES, _NEW)[rank]] = count
    found["devices"] = sum(found[status] for status in _STATUSES)
    return found


def _unseen(judged: pl.DataFrame) -> list[str]:
    """The platforms that were ill and of which no device was seen since."""
    gone = (
        judged.filter(pl.col("status") != _NEW)
        .group_by("system", "platform")
        .agg((pl.col("status") == "unseen").all())
        .filter("status")
    )
    return gone["platform"].cast(pl.String).fill_null("unknown platform").unique().sort().to_list()


def _outcome(judged: pl.DataFrame, cells: Sequence[RecoveryCell]) -> Outcome:
    if judged.is_empty():
        return "nothing"
    if any(cell.ill or cell.new for cell in cells):
        return "ill"
    if _unseen(judged):
        return "unseen"
    return "recovered" if all(cell.proven for cell in cells) else "unproven"


def _headline(
    outcome: Outcome, counts: dict[str, int], judged: pl.DataFrame, cells: Sequence[RecoveryCell], after: datetime
) -> str:
    when = f"{after:%Y-%m-%d %H:%M:%S} UTC"
    if outcome == "nothing":
        return f"No device was ill before {when}, and none is since: there is nothing to prove."
    parts = [f"of {plural(counts['devices'], 'device')} ill before {when}", f"{counts['well']:,} proven well"]
    parts += [f"{counts['unproven']:,} seen, but not proven everywhere"] if counts["unproven"] else []
    parts += [f"{counts['unseen']:,} not seen since"] if counts["unseen"] else []
    well = ", ".join(parts)
    if outcome == "recovered":
        return f"Recovered: {well}; none is ill."
    if outcome == "ill":
        since = f" and {plural(counts['new'], 'device')} ill only since" if counts["new"] else ""
        return f"Not recovered: {plural(counts['ill'], 'device')} still refused{since}; {well}."
    if outcome == "unseen":
        return f"Not proven: no device of {', '.join(_unseen(judged))} was seen since; {well}."
    lacking = [f"{cell.platform or 'unknown platform'} {cell.endpoint_class}" for cell in cells if not cell.well]
    return f"Not proven: nothing shows since that {', '.join(lacking)} is well; {well}."


def _ill_devices(ill: pl.DataFrame) -> Iterator[IllDevice]:
    """The ill, those with most refusals since first."""
    texts = [*DEVICE, "platform", "app_version", "method", "route", "reason"]
    told = ill.with_columns(pl.col(texts).cast(pl.String)).sort("refusals", *DEVICE, descending=[True, False, False])
    for row in told.head(MAX_ILL).to_dicts():
        yield IllDevice(
            system=row["system"],
            device_id=row["device_id"],
            platform=row["platform"],
            app_version=row["app_version"],
            refused=row["refusals"],
            last_refused=row["last_refused"],
            endpoint=_endpoint(row["method"], row["route"]),
            reason=row["reason"],
            new=row["status"] == _NEW,
        )
