"""Everything that is found out about the devices of one partition, in two rounds.

Before the endpoints are classed: `arrange`. After it: `classed` → `refused` (for the join with messages) →
`sessions_of`. All work on frames in order of device and time, by scans along them, never by groups of devices.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.among import among, is_event
from authforensics.correlate import endpoints, identity, order, outcomes, population, reasons, sessions, unseen
from authforensics.correlate.identity import FALLBACK, LADDER
from authforensics.correlate.narrow import one_value
from authforensics.correlate.order import DEVICE
from authforensics.schema import AUTH_EVENT, ENDPOINT_CLASS, REASON, TEXT, EndpointClass, Sessions
from authforensics.states import AuthEvent

#: How the reason of a refusal was found; `log`: the access log's own field says so; `claims`: the token itself does.
REASON_HOW = pl.Enum(["log", "request_id", "path_time", "class_time", "claims"])
#: The rungs of the identity ladder, the strongest first.
_RUNGS = (*LADDER, FALLBACK)
#: Statuses that refuse a grant (RFC 6749 section 5.2), and proxies' for it.
_DENIED = (400, 401, 403)
#: Seconds within which a token call after a refused one began beside it, or tries the same token at another replica.
_SIBLING_SECONDS = 1.0
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
#: Statuses that refuse a call, or may: what a message could explain.
_DOUBTFUL = (*outcomes.REFUSED, *outcomes.DOUBTFUL)
_DOUBTFUL_AT_REFRESH = (*outcomes.REFUSED, *outcomes.DOUBTFUL_AT_REFRESH)

arrange = order.by_device


def classed(arranged: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Add `endpoint_class`, `token` calls decided.

    Args:
        arranged: what `arrange` gave.
        table: what `endpoints.classify` gave.
    """
    return _decide_token_calls(arranged.with_columns(endpoints.classes(arranged, table)))


def _is_class(*names: EndpointClass) -> pl.Expr:
    return among("endpoint_class", (name.value for name in names))


def _decide_token_calls(requests: pl.DataFrame) -> pl.DataFrame:
    """A `token` call is a refresh or a login, by what its device did before.

    It is a refresh where the device had a session, unless it has been to the authorization endpoint since; else a
    login. What is granted after a refused refresh, with nothing accepted in between, is a login, too: the refresh token
    is at its end (RFC 6749 section 5.2). But what was on its way by then is a sibling of the refused one.
    """
    token = _is_class(EndpointClass.TOKEN)
    if not requests.select(token.any()).item():
        return requests
    accepted = _is_class(EndpointClass.TOKEN, EndpointClass.LOGIN) & (pl.col("status") < 300)
    session = _is_class(*outcomes.PROTECTED) | accepted
    step = session | _is_class(EndpointClass.AUTHORIZE, EndpointClass.LOGOUT)
    before = order.before(order.latest(step.fill_null(value=False), session))
    granted = pl.col("status").is_between(200, 299)
    denied = token & pl.col("status").is_in(_DENIED)
    verdict = (_is_class(*outcomes.PROTECTED) | accepted) & granted | denied
    ended = order.before(order.latest(verdict.fill_null(value=False), denied))
    begun = pl.coalesce("started_at", "timestamp")
    since = begun - order.before(order.latest(denied.fill_null(value=False), "timestamp"))
    again = granted & ended & (since > pl.duration(seconds=_SIBLING_SECONDS))
    decided = (
        pl.when((before & ~again.fill_null(value=False)).fill_null(value=False))
        .then(pl.lit(EndpointClass.REFRESH.value, ENDPOINT_CLASS))
        .otherwise(pl.lit(EndpointClass.LOGIN.value, ENDPOINT_CLASS))
    )
    return (
        requests.with_columns(first=order.first_of_device())
        .with_columns(endpoint_class=pl.when(token).then(decided).otherwise("endpoint_class"))
        .drop("first")
    )


def refused(classed: pl.DataFrame) -> pl.DataFrame:
    """The refused requests that need an explanation, or have one: those that a message may speak of.

    Args:
        classed: what `classed` gave.

    Returns:
        `row`, `system`, `source`, `timestamp`, `request_id`, `client_ip`, `user_id`, `device_id`, `route`,
        `endpoint_class`, `status`, `clock`, `reason` (what the access log itself says); `session_before` (its device
        had been accepted before, so that it has a token to be refused) and `counted` (it is a refusal whether or not
        anything says why; one that isn't counts with a reason).
    """
    challenge = _is_class(EndpointClass.CHALLENGE)
    protected = _is_class(EndpointClass.REFRESH, EndpointClass.CHALLENGE, *outcomes.PROTECTED)
    carries = protected | _is_class(EndpointClass.LOGIN)
    accepted = (carries & pl.col("status").is_between(200, 299)).fill_null(value=False)
    refresh = _is_class(EndpointClass.REFRESH)
    doubtful = (protected & pl.col("status").is_in(_DOUBTFUL)) | (
        refresh & pl.col("status").is_in(_DOUBTFUL_AT_REFRESH)
    )
    at = classed.select(pl.arg_where(doubtful)).to_series()
    session_before = order.times_before(classed, accepted, order.starts(classed), at) > 0
    certain = (pl.col("status").is_in(outcomes.REFUSED) & ~challenge) | (refresh & pl.col("status").is_in(_DOUBTFUL))
    return classed.select(
        *("row", "system", "source", "timestamp", "request_id", "client_ip", "user_id", "device_id", "identity_key"),
        *("route", "endpoint_class", "status", "clock", "reason"),
    )[at].select(
        pl.exclude("identity_key", "client_ip"),
        identity.address().alias("client_ip"),
        session_before=session_before,
        counted=certain,
    )


def sessions_of(
    classed: pl.DataFrame, explained: pl.DataFrame | None, spans: pl.DataFrame, steps: Mapping[str, int]
) -> Sessions:
    """The sessions of the devices of a partition.

    Args:
        classed: what `classed` gave.
        explained: `row`, `reason`, `how` of refusals that messages explain.
        spans: `system`, `begin`, `end`, of everything, not only of this partition.
        steps: the seconds of a step in time of each system's chart, see `population.step`.
    """
    events = _with_reasons(classed, explained)
    events = events.with_columns(outcomes.auth_events(events), write=pl.col("method").is_in(_WRITES))
    events = events.with_columns(unseen.refusals(events))
    first = order.starts(events)
    # Between two calls that were accepted lies one episode.
    episode = order.times_before(events, is_event(AuthEvent.API_OK, AuthEvent.LOGOUT), first).alias("episode")
    events = order.number_turns(events.with_columns(episode))
    turns = sessions.number_runs(sessions.add_states(order.mark_stragglers(order.turns(events))))
    names = events.select("system", "device_id")[first]
    episodes = sessions.episodes(turns, names)
    devices, rates = _devices(events, turns, first), population.rates(events, names)
    return Sessions(
        events=sessions.spread(events, turns).drop("turn"),
        sessions=sessions.sessions(turns, names),
        grants=sessions.grants(turns, names),
        episodes=episodes,
        rates=rates,
        spans=spans,
        devices=devices,
        changes=population.changes(turns, names, steps),
        counts=_counts(devices, rates, turns),
        closed=_closed(episodes),
    )


def _with_reasons(classed: pl.DataFrame, explained: pl.DataFrame | None) -> pl.DataFrame:
    """Decide `reason`, as read at its endpoint, and `reason_how` it was found.

    The log's own, else that of a message, else that of the token's own claims.
    """
    doubtful = pl.col("reason").is_not_null() | pl.col("claimed").is_not_null()
    if explained is not None and explained.height:
        doubtful |= pl.col("status").is_in(_DOUBTFUL_AT_REFRESH)
    at = classed.select(pl.arg_where(doubtful)).to_series()
    if at.is_empty():
        return classed.with_columns(reason_how=pl.lit(None, REASON_HOW))
    told = classed.select("row", "reason", "claimed", "endpoint_class")[at]
    if explained is None or explained.is_empty():
        told = told.with_columns(_joined=pl.lit(None, REASON), how=pl.lit(None, REASON_HOW))
    else:
        joined = explained.select(
            pl.col("row").cast(told.schema["row"]),
            pl.col("how").cast(REASON_HOW),
            _joined=pl.col("reason").cast(pl.String).cast(REASON),
        )
        told = told.join(joined, on="row", how="left", maintain_order="left")
    claims = pl.when(pl.col("claimed").is_not_null()).then(pl.lit("claims", REASON_HOW))
    told = told.select(
        reason=reasons.at_endpoint(pl.coalesce("reason", "_joined", "claimed"), pl.col("endpoint_class")),
        reason_how=pl.when(pl.col("reason").is_not_null())
        .then(pl.lit("log", REASON_HOW))
        .otherwise(pl.coalesce("how", claims)),
    )
    return classed.with_columns(
        _scattered(at, told["reason"], classed.height), _scattered(at, told["reason_how"], classed.height)
    )


def _scattered(at: pl.Series, values: pl.Series, height: int) -> pl.Series:
    """`values` in a column of nulls."""
    column = pl.repeat(None, height, dtype=pl.UInt8, eager=True)
    return column.scatter(at, values.to_physical().cast(pl.UInt8)).cat.to(values.dtype).alias(values.name)


def _devices(events: pl.DataFrame, turns: pl.DataFrame, first: pl.Series) -> pl.DataFrame:
    """What is known of each device in the end, one row each; `first` is where its events begin."""
    last = first.shift(-1, fill_value=events.height) - 1
    of_device = turns[DEVICE]
    denied = turns.select(is_event(AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED)).to_series()
    dead = turns.select(is_event(AuthEvent.IGNORED, AuthEvent.LOGIN_DENIED)).to_series()
    return events.select("system", "device_id")[first].with_columns(
        _weakest(events, first),
        _last_known(events["platform"], first, last),
        _last_known(events["app_version"], first, last),
        *(_last_known(events[name], first, last) for name in ("user_id", "client_ip", "user_agent")),
        (last - first + 1).cast(pl.UInt32).alias("requests"),
        _counted(of_device.filter(denied), len(first)).alias("denied"),
        turns["state"].filter(of_device != of_device.shift(-1, fill_value=len(first))),
        (_counted(of_device.filter(~dead), len(first)) > 0).alias("alive"),
    )


def _weakest(events: pl.DataFrame, first: pl.Series) -> pl.Series:
    """The weakest `identity_key` of each device; `first` is where its events begin."""
    if one_value(events["identity_key"]):
        return events["identity_key"].gather(first)
    own = pl.col(DEVICE) == pl.col(DEVICE).shift()
    keys = (
        events.select(DEVICE, "identity_key")
        .filter(((pl.col("identity_key") != pl.col("identity_key").shift()) | ~own).fill_null(value=True))
        .with_columns(rung=pl.col("identity_key").cast(pl.String).replace_strict(_RUNGS, range(len(_RUNGS))))
        .group_by(DEVICE, maintain_order=True)
        .agg(pl.col("rung").max())
    )
    return pl.Series("identity_key", _RUNGS, dtype=TEXT).gather(keys["rung"])


def _last_known(values: pl.Series, first: pl.Series, last: pl.Series) -> pl.Series:
    """The last of `values` of each device that is known; those of each are from `first` to `last`."""
    if not values.null_count():
        return values.gather(last)
    known = values.is_not_null().arg_true()
    places = pl.DataFrame({"at": known.search_sorted(last, side="right").cast(pl.Int64) - 1, "first": first})
    found = pl.select(
        pl.lit(known).gather(places.select(pl.when(pl.col("at") >= 0).then("at")).to_series())
    ).to_series()
    return values.gather(places.select(pl.when(found >= pl.col("first")).then(found)).to_series())


def _counted(keys: pl.Series, size: int) -> pl.Series:
    """How often each number below `size` is among `keys`, which are in order."""
    runs = keys.rle().struct.unnest()
    return pl.zeros(size, dtype=pl.UInt32, eager=True).scatter(runs["value"], runs["len"])


def _counts(devices: pl.DataFrame, rates: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """Requests per `system`, `auth_event` and `straggler`: all are known, or in `rates`, or were ignored."""
    keys = ["system", "auth_event"]
    late = turns.filter("straggler").select(DEVICE, "auth_event")
    late = late.with_columns(devices["system"].gather(late[DEVICE])).group_by(keys).agg(late=pl.len())
    told = rates.group_by(keys).agg(pl.col("count").sum()).join(late, on=keys, how="left")
    told = told.with_columns(pl.col("late").fill_null(0))
    all_told = told.group_by("system").agg(told=pl.col("count").sum())
    ignored = (
        devices.group_by("system")
        .agg(pl.col("requests").sum())
        .join(all_told, on="system", how="left")
        .select(
            "system",
            auth_event=pl.lit(AuthEvent.IGNORED.value, AUTH_EVENT),
            straggler=False,
            count=pl.col("requests") - pl.col("told").fill_null(0),
        )
    )
    in_time = told.select(*keys, straggler=False, count=pl.col("count") - pl.col("late"))
    stragglers = told.select(*keys, straggler=True, count="late")
    return pl.concat([in_time, stragglers, ignored]).filter(pl.col("count") > 0)


def _closed(episodes: pl.DataFrame) -> pl.DataFrame:
    """Refused calls per `system`: `healed`, whose device was accepted again, and of `strangers` without a session."""
    denied = pl.col("denied").cast(pl.Int64)
    return episodes.group_by("system").agg(
        healed=pl.when(pl.col("closed_at").is_not_null()).then(denied).sum(),
        strangers=pl.when(pl.col("closed_at").is_null() & ~pl.col("session_seen")).then(denied).sum(),
    )
